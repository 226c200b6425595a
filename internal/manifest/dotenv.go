package manifest

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	slipway "github.com/slipway-dev/slipway"
)

// known are variables whose values come from a resource, under the names that Detect gives those.
var known = map[string]slipway.EnvVar{
	"DATABASE_URL":              {From: "db.pooled_url"},
	"POSTGRES_URL":              {From: "db.pooled_url"},
	"DATABASE_URL_UNPOOLED":     {From: "db.url"},
	"POSTGRES_URL_NON_POOLING":  {From: "db.url"},
	"DIRECT_URL":                {From: "db.url"},
	"DIRECT_DATABASE_URL":       {From: "db.url"},
	"REDIS_URL":                 {From: "cache.url"},
	"UPSTASH_REDIS_REST_URL":    {From: "cache.rest_url"},
	"UPSTASH_REDIS_REST_TOKEN":  {From: "cache.rest_token"},
	"KV_REST_API_URL":           {From: "cache.rest_url"},
	"KV_REST_API_TOKEN":         {From: "cache.rest_token"},
	"UPSTASH_VECTOR_REST_URL":   {From: "search.rest_url"},
	"UPSTASH_VECTOR_REST_TOKEN": {From: "search.rest_token"},
}

// publicPrefixes mark variables that a framework puts into the pages it sends: never secrets.
var publicPrefixes = []string{"NEXT_PUBLIC_", "VITE_", "PUBLIC_", "NUXT_PUBLIC_", "REACT_APP_", "EXPO_PUBLIC_", "GATSBY_", "VUE_APP_"}

// platform variables are set by Vercel and the build itself.
var platform = map[string]bool{"NODE_ENV": true, "PORT": true, "CI": true, "PATH": true, "HOME": true, "PWD": true}

var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(^|_)(secret|token|key|keys|apikey|password|passwd|pass|pwd|private|credential|credentials|dsn|auth|salt|cert|jwt|webhook|cookie|session|signing|encryption)(_|$|[0-9])|(SECRET|TOKEN|KEY|PASSWORD)$|(DATABASE|MONGODB|MONGO|MYSQL|POSTGRES|REDIS|AMQP|RABBITMQ|SMTP)_UR[IL]$`)
})

// setting is one line of an example file.
type setting struct{ name, value string }

var settingLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$`)
})

// settings reads the lines of an example file in order. A comment ends an unquoted value.
func settings(text string) []setting {
	var out []setting
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		m := settingLine().FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		value := m[2]
		if quote := value[:min(1, len(value))]; quote == `"` || quote == "'" {
			value, _, _ = strings.Cut(value[1:], quote)
		} else if at := strings.Index(" "+value, " #"); at >= 0 {
			value = strings.TrimSpace(value[:at])
		}
		out = append(out, setting{m[1], value})
	}
	return out
}

// What is taken from an example file at most: settings, and bytes of one sample value.
const maxSettings, maxSample = 200, 200

// guessEnv reads the example file. What it names that a resource gives brings the resource with it.
func (d *detector) guessEnv() {
	file := d.first(".env.example", ".env.local.example", ".env.sample", ".env.template")
	text, _ := d.read(file)
	for _, s := range settings(text) {
		if platform[s.name] || !variableRule.holds(s.name) || len(d.Manifest.Env) >= maxSettings {
			continue
		}
		if v, ok := known[s.name]; ok && d.provided(v, s, file) {
			d.addEnv(s.name, v, file+" names it")
			continue
		}
		d.addSetting(s, file)
	}
}

// provided makes sure that the resource behind a known variable is declared; false when the sample shows that it is another product's.
func (d *detector) provided(v slipway.EnvVar, s setting, file string) bool {
	name, _, _ := strings.Cut(v.From, ".")
	if _, ok := d.Manifest.Resources[name]; ok {
		return true
	}
	why := file + " names " + s.name
	switch name {
	case "db":
		if !strings.HasPrefix(s.value, "postgres") {
			return false
		}
		d.addPostgres(why)
	case "cache":
		d.addRedis(why)
	case "search":
		d.addVector(why)
	}
	return true
}

func (d *detector) addSetting(s setting, file string) {
	public := false
	for _, prefix := range publicPrefixes {
		public = public || strings.HasPrefix(s.name, prefix)
	}
	usable := len(s.value) <= maxSample && utf8.ValidString(s.value) && valueRule.holds(s.value) && !strings.ContainsFunc(s.value, unicode.IsControl)
	switch {
	case usable && public && s.value == "":
		d.addEnv(s.name, slipway.EnvVar{HasValue: true}, "guess: "+file+" has no sample; fill it in (it is public: it gets into the pages)")
	case usable && (public || s.value != "" && !secretName().MatchString(s.name)):
		why := "the sample in " + file
		if strings.Contains(s.value, "localhost") || strings.Contains(s.value, "127.0.0.1") {
			why = "guess: the sample in " + file + " points at a laptop; change it"
		}
		d.addEnv(s.name, slipway.EnvVar{Value: s.value, HasValue: true}, why)
	case s.value == "":
		d.addEnv(s.name, slipway.EnvVar{Secret: s.name}, file+" has no sample: the value comes from your environment")
	default:
		d.addEnv(s.name, slipway.EnvVar{Secret: s.name}, "it looks like a secret: the value comes from your environment, never from a file in the app")
	}
}
