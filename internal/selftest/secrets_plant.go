package selftest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// secretsManifest has a variable of each sort, and secrets of every sort that apps have.
const secretsManifest = `app: shop
source: {dir: site}
environments: [production, preview]
resources:
  db:     {type: neon.postgres, region: aws-us-east-1, version: 17}
  cache:  {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 3, metric: cosine}
env:
  DATABASE_URL: {from: db.pooled_url}
  CACHE_URL:    {from: cache.rest_url}
  CACHE_TOKEN:  {from: cache.rest_token}
  SEARCH_URL:   {from: search.rest_url}
  SEARCH_TOKEN: {from: search.rest_token}
  AWKWARD:      {secret: SELFTEST_AWKWARD}
  MAIL_URL:     {secret: SELFTEST_URL}
  SIGNING_KEY:  {secret: SELFTEST_KEY}
  ACCOUNT:      {secret: SELFTEST_JSON}
  LONG:         {secret: SELFTEST_LONG}
  LOG_LEVEL:    {value: info}
verify:
  health: [{path: /, contains: the shop}]
`

// Names of canaries that others ask for.
const (
	madeKey    = "the key that slipway made"
	awkwardOne = "secret SELFTEST_AWKWARD"
)

// credentials are the variables that open the providers.
var credentials = []string{"VERCEL_TOKEN", "NEON_API_KEY", "UPSTASH_API_KEY", "GITHUB_TOKEN"}

// plant makes the world, with a canary wherever a secret can be.
func (s *secrets) plant(ctx context.Context) (err error) {
	given := map[string]string{
		"SELFTEST_AWKWARD": s.word() + `"<>&%+/=\'é漢 #` + s.word() + `-_~?` + s.word(),
		"SELFTEST_URL":     "smtps://mailer:" + s.word() + "%2F" + s.word() + "@mail.example.com:465/?k=" + s.word(),
		"SELFTEST_JSON":    fmt.Sprintf(`{"type":"service_account","key":"%s\n%s","path":"a\/b & <c>"}`, s.word(), s.word()),
		"SELFTEST_LONG":    strings.Repeat(s.word()+"/", 60) + s.word(),
	}
	env := maps.Clone(given)
	maps.Copy(env, s.options.Env)
	env["SLIPWAY_FINGERPRINT_KEY"] = s.word() + s.word() + s.word()
	for name, canary := range webhookCanaries {
		env[name] = s.word() + s.word()
		s.canaries[canary] = env[name]
	}
	if s.World, err = New(ctx, Options{Program: s.options.Program, Env: env}); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	s.Watch(s.watchCalls)
	delete(s.Env, appSecret)
	s.Env["TMPDIR"] = filepath.Join(s.dir, "tmp")
	s.Env["SELFTEST_KEY_FILE"] = filepath.Join(s.dir, "given", "key.pem")
	key := "-----BEGIN PRIVATE KEY-----\n" + s.lines(8) + "-----END PRIVATE KEY-----\n"
	for _, folder := range []string{"tmp", "given", "fresh", "bundles"} {
		if err := os.Mkdir(filepath.Join(s.dir, folder), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.Env["SELFTEST_KEY_FILE"], []byte(key), 0o600); err != nil {
		return err
	}
	for name, value := range given {
		s.canaries["secret "+name] = value
	}
	s.canaries["secret SELFTEST_KEY"] = strings.TrimSpace(key)
	for i, line := range strings.Split(strings.TrimSpace(key), "\n") {
		if !strings.HasPrefix(line, "-----") {
			s.canaries[fmt.Sprintf("secret SELFTEST_KEY, line %d", i+1)] = line
		}
	}
	s.canaries["password in SELFTEST_URL"] = strings.TrimPrefix(strings.SplitN(given["SELFTEST_URL"], "@", 2)[0], "smtps://mailer:")
	s.canaries["fingerprint key"] = env["SLIPWAY_FINGERPRINT_KEY"]
	for _, name := range credentials {
		s.canaries["credential "+name] = s.Env[name]
	}
	return s.WriteManifest(secretsManifest)
}

// word is a canary's text: 16 characters that nothing else holds.
func (s *secrets) word() string {
	out := make([]byte, 16)
	for i := range out {
		out[i] = emukit.Alnum[s.random.IntN(len(emukit.Alnum))]
	}
	return string(out)
}

func (s *secrets) lines(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(base64.StdEncoding.EncodeToString([]byte(s.word()+s.word()+s.word())) + "\n")
	}
	return b.String()
}

// secretFields are the fields of the emulators' states that hold what providers generate and keep secret, and valueFields those that hold
// what a user stores there as a secret, or what the app's own files say.
var (
	secretFields = []string{"password", "token", "readToken", "secret", "gitCredentialId"}
	valueFields  = []string{"value", "env", "redis", "broken", "tree", "files"}
)

// generated takes what the emulators have generated as canaries, and looks at everything else that they were told.
func (s *secrets) generated() error {
	raw, err := s.running.Save()
	if err != nil {
		return err
	}
	var saved any
	if err := json.Unmarshal(raw, &saved); err != nil {
		return err
	}
	told := s.without(saved, "")
	text, err := json.Marshal(told)
	s.look(sinkProvider, "the emulators' state", text)
	return err
}

// number is which of the generated values v is.
func (s *secrets) number(v string) int {
	if s.numbers[v] == 0 {
		s.numbers[v] = len(s.numbers) + 1
	}
	return s.numbers[v]
}

// without returns a part of a state without secrets, which become canaries.
func (s *secrets) without(v any, field string) any {
	switch v := v.(type) {
	case string:
		if slices.Contains(secretFields, field) {
			if len(v) >= minCanary {
				s.canaries[fmt.Sprintf("generated %s #%d", field, s.number(v))] = v
			}
			return ""
		}
		if slices.Contains(valueFields, field) && !strings.HasPrefix(v, `{"slipway":`) { // the ledger
			return ""
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.without(e, field)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			below := name
			if strings.HasPrefix(name, "bytes:") { // a file of the app
				below = "files"
			}
			if slices.Contains(valueFields, field) || slices.Contains(secretFields, field) {
				below = field
			}
			out[name] = s.without(e, below)
		}
		return out
	}
	return v
}
