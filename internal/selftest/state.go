package selftest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// State is all that the providers hold, and what was asked of them since the world's last Restore. What differs from one run to the next
// by chance (ids, times, passwords) is named by what it belongs to, so that states of two worlds compare with cmp.Diff: the password in an
// env var's value tells which database it is of.
type State struct {
	// Things are in the order of kind, name and age.
	Things []Thing
	// Effects counts the requests that changed something, by "api METHOD path".
	Effects map[string]int
	// Approved counts the approvals that were given, by gate. A Harness fills it in.
	Approved map[string]int
}

// Thing is one resource at a provider.
type Thing struct {
	Kind, Name string            // "neon.role", "shop/main/shop"
	Fields     map[string]string // JSON by field
}

// kind says how a type of an emulator's state is shown.
type kind struct {
	name   string
	key    []string // fields that make its name; a reference stands for the name of what it refers to
	chance []string // fields that are drawn by chance; they stand for the thing wherever they occur
	hidden []string // fields that mean nothing
}

// kinds are the types of each emulator's state; one without a name is no thing of its own.
var kinds = map[string]map[string]kind{
	"vercel": {
		"project":      {name: "vercel.project", key: []string{"name"}, chance: []string{"id"}, hidden: []string{"deployments", "job", "birth"}},
		"envVar":       {name: "vercel.env", key: []string{"key", "targets", "gitBranch"}, chance: []string{"id"}, hidden: []string{"by"}},
		"deployment":   {name: "vercel.deployment", key: []string{"name", "target", "tree"}, chance: []string{"id", "host"}, hidden: []string{"birth", "buildID", "ended"}},
		"alias":        {name: "vercel.alias", key: []string{"host"}, hidden: []string{"uid"}},
		"domain":       {name: "vercel.domain", key: []string{"name"}, chance: []string{"challenge"}},
		"marketStore":  {name: "vercel.store", key: []string{"name"}, chance: []string{"id", "partnerID"}},
		"webhook":      {name: "vercel.webhook", key: []string{"url"}, chance: []string{"id"}},
		"release":      {name: "vercel.release"},
		"rollingStage": {},
		"scope":        {}, "aliasJob": {}, "aliasMove": {}, "storeLink": {}, "gitSource": {},
	},
	"neon": {
		"project":  {name: "neon.project", key: []string{"name", "deleted"}, chance: []string{"id"}, hidden: []string{"birth", "seq", "ops", "running"}},
		"branch":   {name: "neon.branch", key: []string{"project", "name", "gone"}, chance: []string{"id"}, hidden: []string{"seq", "made"}},
		"endpoint": {name: "neon.endpoint", key: []string{"branch", "kind"}, chance: []string{"id"}, hidden: []string{"made"}},
		"role":     {name: "neon.role", key: []string{"branch", "name"}, chance: []string{"password"}, hidden: []string{"made"}},
		"database": {name: "neon.database", key: []string{"branch", "name"}, hidden: []string{"made"}},
		"batch":    {}, "operation": {},
	},
	"upstash": {
		"database":  {name: "upstash.redis", key: []string{"name"}, chance: []string{"id", "slug", "password", "token", "readToken"}, hidden: []string{"birth", "redis"}},
		"index":     {name: "upstash.vector", key: []string{"name"}, chance: []string{"id", "slug", "token", "readToken"}, hidden: []string{"birth"}},
		"Miniredis": {},
	},
	"sandbox": { // none is left where all went as it should
		"sandbox": {name: "vercel.sandbox", key: []string{"project"}}, "session": {name: "vercel.session", key: []string{"box"}}, "command": {},
	},
	"github": {
		"deployment":       {name: "github.deployment", key: []string{"environment"}, hidden: []string{"id", "sha", "ref"}},
		"deploymentStatus": {name: "github.state", key: []string{"environment", "state"}, hidden: []string{"id", "description"}},
		"status":           {name: "github.status", key: []string{"context", "state"}, hidden: []string{"id", "sha", "description"}},
		"repo":             {}, "commit": {}, "suite": {}, "checkRun": {}, "hook": {}, "delivery": {}, "issue": {}, "comment": {},
	},
}

// object is one node of an emulator's state.
type object struct {
	kind
	api, id string // id within the state, as "project:1"
	name    string // "" until it is known
	fields  map[string]any
}

type savedState struct {
	Emulators map[string]struct {
		Objects map[string]map[string]any `json:"objects"`
	} `json:"emulators"`
}

// Observe returns what the providers hold.
func (w *World) Observe() (State, error) {
	raw, err := w.running.Save()
	if err != nil {
		return State{}, err
	}
	var saved savedState
	if err := json.Unmarshal(raw, &saved); err != nil {
		return State{}, fmt.Errorf("selftest: %w", err)
	}
	s := State{Effects: map[string]int{}}
	for _, api := range slices.Sorted(maps.Keys(saved.Emulators)) {
		things, err := w.things(api, saved.Emulators[api].Objects)
		if err != nil {
			return State{}, err
		}
		s.Things = append(s.Things, things...)
	}
	// Only now is it known what every id and password belongs to.
	names := w.replacer()
	for _, t := range s.Things {
		for field, text := range t.Fields {
			t.Fields[field] = withoutPorts(names.Replace(text))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.effects {
		s.Effects[e.text(w.known)]++
	}
	return s, nil
}

// things shows the objects of one emulator, and takes note of what stands for them.
func (w *World) things(api string, objects map[string]map[string]any) ([]Thing, error) {
	if kinds[api] == nil {
		return nil, nil
	}
	all := map[string]*object{}
	for id, fields := range objects {
		t, _, _ := strings.Cut(id, ":")
		k, ok := kinds[api][t]
		if !ok {
			return nil, fmt.Errorf("selftest: the %s emulator's state has a %s, which is not known here", api, t)
		}
		all[id] = &object{kind: k, api: api, id: id, fields: fields}
	}
	shown := slices.DeleteFunc(slices.Collect(maps.Values(all)), func(o *object) bool { return o.kind.name == "" })
	slices.SortFunc(shown, func(a, b *object) int {
		return cmp.Or(cmp.Compare(a.kind.name, b.kind.name), cmp.Compare(nameOf(all, a), nameOf(all, b)), cmp.Compare(age(a.id), age(b.id)))
	})
	var things []Thing
	of := map[string]int{}
	for _, o := range shown {
		t := Thing{o.kind.name, nameOf(all, o), map[string]string{}}
		of[t.Kind+" "+t.Name]++
		for _, field := range o.chance {
			if v, _ := o.fields[field].(string); v != "" {
				w.note(v, fmt.Sprintf("(%s of %s %s #%d)", field, t.Kind, t.Name, of[t.Kind+" "+t.Name]))
			}
		}
		for field, v := range o.fields {
			if !slices.Contains(o.hidden, field) {
				t.Fields[field] = show(all, field, v)
			}
		}
		things = append(things, t)
	}
	return things, nil
}

// age orders the objects of one type: the state numbers them as it comes to them, list by list.
func age(id string) int {
	_, n, _ := strings.Cut(id, ":")
	i, _ := strconv.Atoi(n)
	return i
}

func nameOf(all map[string]*object, o *object) string {
	if o.name == "" {
		var parts []string
		for _, field := range o.key {
			if part := keyPart(all, o.fields[field]); part != "" {
				parts = append(parts, part)
			}
		}
		o.name = strings.Join(parts, "/")
	}
	return o.name
}

// keyPart is a field as a part of a name: nothing for what is not there and for a time that has not come.
func keyPart(all map[string]*object, v any) string {
	switch v := v.(type) {
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return map[bool]string{false: "deleted"}[at.IsZero()]
		}
		return withoutPorts(v)
	case bool:
		return map[bool]string{true: "gone"}[v]
	case []any:
		var parts []string
		for _, part := range v {
			parts = append(parts, keyPart(all, part))
		}
		return strings.Join(parts, "+")
	case map[string]any:
		if to := referred(all, v); to != nil {
			return nameOf(all, to)
		}
		return digest(v)
	}
	return ""
}

// digest stands for a deployment's files in its name.
func digest(v map[string]any) string {
	text, _ := json.Marshal(v) // it came from JSON, and its keys are sorted
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

func referred(all map[string]*object, v map[string]any) *object {
	id, _ := v["$ref"].(string)
	return all[id]
}

// port is where the emulators of one world listen.
var port = regexp.MustCompile(`(localhost|127\.0\.0\.1):\d+`)

func withoutPorts(s string) string { return port.ReplaceAllString(s, "$1:PORT") }

// hash is what differs because the values under it do.
var hash = regexp.MustCompile(`[0-9a-f]{64}`)

// byValue are fields that hold a digest over values drawn by chance.
var byValue = []string{"comment", "slipwayInput"}

// show is a field's value as JSON.
func show(all map[string]*object, field string, v any) string {
	text, _ := json.Marshal(plain(all, field, v)) // it came from JSON
	return string(text)
}

// plain is a value with references named, and without times.
func plain(all map[string]*object, field string, v any) any {
	switch v := v.(type) {
	case string:
		switch at, err := time.Parse(time.RFC3339, v); {
		case err == nil && !at.IsZero():
			return "(a time)"
		case err == nil:
			return "(never)"
		case field == "slipwayRun", field == "slipway_run":
			return "(a run)"
		case field == "secret", field == "gitCredentialId":
			return "(a secret)"
		case slices.Contains(byValue, field):
			return hash.ReplaceAllString(v, "(a hash)")
		}
		return v
	case float64:
		if v > 1e12 {
			return "(a time)"
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(all, field, e)
		}
		if slices.ContainsFunc(v, func(e any) bool { m, ok := e.(map[string]any); return ok && referred(all, m) != nil }) {
			slices.SortFunc(out, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return out
	case map[string]any:
		if to := referred(all, v); to != nil {
			return to.kind.name + " " + nameOf(all, to)
		}
		out := map[string]any{}
		for name, e := range v {
			out[name] = plain(all, name, e)
		}
		return out
	}
	return v
}

// note remembers what a value drawn by chance stands for.
func (w *World) note(value, meaning string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[value] = meaning
}

// replacer names what is known, the longest first.
func (w *World) replacer() *strings.Replacer {
	w.mu.Lock()
	defer w.mu.Unlock()
	values := slices.SortedFunc(maps.Keys(w.known), func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, v, w.known[v])
	}
	return strings.NewReplacer(pairs...)
}

// effect is a change that a request made.
type effect struct {
	api, method, path, route string
	of                       string // which of several that one request can make
}

// effectsOf are the changes that an answered call made. How variables are put together in requests hangs on which are ready at the same
// time, so that each is an effect of its own.
func effectsOf(c *emukit.Call) []effect {
	if strings.HasSuffix(c.Route, "/fs/write") { // the same files again into what is gone in the end
		return nil
	}
	if c.Status >= 300 || c.Method == http.MethodGet || c.Method == http.MethodHead {
		return nil
	}
	e := effect{api: c.API, method: c.Method, path: c.Path, route: c.Route}
	if c.Method != http.MethodPost || !strings.HasSuffix(c.Route, "/env") {
		return []effect{e}
	}
	body := c.Body
	if one := bytes.TrimSpace(body); len(one) > 0 && one[0] == '{' {
		body = append(append([]byte("["), one...), ']')
	}
	var variables []struct{ Key string }
	if json.Unmarshal(body, &variables) != nil {
		return []effect{e}
	}
	var out []effect
	for _, v := range variables {
		e.of = " " + v.Key
		out = append(out, e)
	}
	return out
}

// text is the request with what its route leaves open named: by what it stands for, or by the route where that is not known.
func (e effect) text(known map[string]string) string {
	open := strings.Split(e.route, "/")
	parts := strings.Split(e.path, "/")
	for i, part := range parts {
		if i < len(open) && strings.HasPrefix(open[i], "{") {
			parts[i] = cmp.Or(known[part], open[i])
		}
	}
	return e.api + " " + e.method + " " + strings.Join(parts, "/") + e.of
}
