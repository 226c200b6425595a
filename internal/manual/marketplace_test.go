package manual_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
)

// What the project gets from the stores, behind the prefix of each.
const (
	redisURL    = "SLIPWAY_CACHE_KV_REST_API_URL"
	redisToken  = "SLIPWAY_CACHE_KV_REST_API_TOKEN"
	vectorURL   = "SLIPWAY_SEARCH_UPSTASH_VECTOR_REST_URL"
	vectorToken = "SLIPWAY_SEARCH_UPSTASH_VECTOR_REST_TOKEN"
)

// An account that the Developer API refuses has no automated way to compare with: what must be there afterwards is looked at by itself. Each
// way that the runbook prints comes to the same.
func TestRefusedByUpstashThroughTheMarketplace(t *testing.T) {
	for name, means := range map[string]func(*world, *byhand.Person){
		"by requests": func(_ *world, p *byhand.Person) { p.Means = []byhand.Means{byhand.HTTP} },
		"by the vendor's command line": func(w *world, p *byhand.Person) {
			longOnly(w.t)
			w.vercelCLI(p)
			p.Means = []byhand.Means{byhand.Command, byhand.HTTP}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			throughTheMarketplace(t, means)
		})
	}
}

func throughTheMarketplace(t *testing.T, means func(*world, *byhand.Person)) {
	w := newWorld(t)
	w.manifest.Env["KV_REST_API_URL"] = slipway.EnvVar{From: "cache.rest_url"} // as the store itself calls it
	shippedWithout := of("vercel.project", "neon.project")
	w.automate(only(w.plan(w.look(), nil), shippedWithout))
	person := w.person()
	means(w, person)
	project := w.receipts["vercel.project/shop"].ID

	stores := of("upstash.redis", "upstash.vector")
	s := w.look()
	refused := slipway.Access{{Provider: "upstash", Cause: slipway.CauseAccountRefused, Reason: "the Developer API serves native accounts only"}}
	plan := only(w.plan(s, refused), stores)
	w.do(person, plan, s)

	env := w.variables(project)
	want := []string{
		"SLIPWAY_CACHE_KV_REST_API_READ_ONLY_TOKEN", redisToken, redisURL, "SLIPWAY_CACHE_KV_URL", "SLIPWAY_CACHE_REDIS_URL",
		"SLIPWAY_SEARCH_UPSTASH_VECTOR_REST_READONLY_TOKEN", vectorToken, vectorURL,
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(env))); diff != "" {
		t.Errorf("the project's variables (-want +got):\n%s", diff)
	}
	w.answers("POST", env[redisURL], env[redisToken], `["PING"]`, `"PONG"`)
	w.answers("POST", env[vectorURL]+"/info", env[vectorToken], `{}`, `"dimension":3`)
	for _, api := range []string{"/v2/redis/databases", "/v2/vector/index"} {
		if out := w.native(api); strings.TrimSpace(out) != "[]" {
			t.Errorf("the Developer API shows what the Marketplace made: %s", out)
		}
	}
	if slices.Contains(person.Means, byhand.Pages) {
		id, err := person.Copy(t.Context(), w.manifest.App, storePage("shop-cache"))
		if err != nil || !strings.HasPrefix(id, "store_") {
			t.Errorf("the store's page shows the id %q, %v", id, err)
		}
	}
	w.carry(person, plan, env)

	// Made anew, deleted, and its making undone.
	again := only(plan, func(e slipway.Effect) bool { return e.Address == "upstash.redis/cache" })
	again.Effects[0].Op, again.Effects[0].Basis = slipway.OpReplace, map[string]any{"exists": true, "id": "cache"}
	before := env[redisURL]
	if w.noted != nil { // a change is on a page of Upstash's, after a login by Vercel, that nobody can click here
		changing := only(again, all)
		changing.Effects[0].Op = slipway.OpUpdate
		w.noted(w.runbook(changing, s))
	}
	w.do(person, again, s)
	if env = w.variables(project); env[redisURL] == before {
		t.Error("replaced, and still the same database")
	}
	gone := func(how string) {
		t.Helper()
		if diff := cmp.Diff([]string{"CACHE_TOKEN", "CACHE_URL", "KV_REST_API_URL"}, slices.Sorted(maps.Keys(w.variables(project)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
	}
	making := w.book(plan, s)
	for i := range plan.Effects {
		plan.Effects[i].Op = slipway.OpDelete
	}
	w.do(person, plan, s)
	gone("deleted")
	if err := person.Do(t.Context(), making); err != nil {
		t.Fatal(err)
	}
	if err := person.Undo(t.Context(), making); err != nil {
		t.Fatal(err)
	}
	gone("undone")
}

// storePage is the place that shows a store's id.
func storePage(name string) string {
	for _, row := range rows() {
		if row.Path != nil && row.Path[len(row.Path)-1] == "ID, store_…" {
			return row.With("store", name).String()
		}
	}
	return ""
}

// carry takes the app's own variables from the stores' pages.
func (w *world) carry(person *byhand.Person, plan *slipway.Plan, env map[string]string) {
	w.t.Helper()
	if !slices.Contains(person.Means, byhand.Pages) { // else the pages show them
		person.Values["CACHE_REST_TOKEN"], person.Values["CACHE_REST_URL"] = env[redisToken], env[redisURL]
	}
	s := w.look()
	own := []slipway.Address{"vercel.env/CACHE_TOKEN@production", "vercel.env/CACHE_URL@production", "vercel.env/KV_REST_API_URL@production"}
	carried := only(w.plan(s, append(mayOnlyRead(slipway.CauseReadOnly)[:1], plan.Access...)), func(e slipway.Effect) bool { return slices.Contains(own, e.Address) })
	w.do(person, carried, s)
	for _, a := range own {
		if _, there := w.variables(w.receipts["vercel.project/shop"].ID)[a.Key()]; !there {
			w.t.Errorf("the project has no variable %s", a.Key())
		}
	}
}

// do does a plan's manual steps by the JSON of its runbook.
func (w *world) do(p *byhand.Person, plan *slipway.Plan, s sight) {
	w.t.Helper()
	raw := w.book(plan, s)
	if err := p.Do(w.t.Context(), raw); err != nil {
		w.t.Fatal(err)
	}
	if w.noted != nil {
		w.noted(bookOf(w.t, raw))
	}
}

// book is the runbook's JSON.
func (w *world) book(plan *slipway.Plan, s sight) []byte {
	w.t.Helper()
	raw, err := json.Marshal(w.runbook(plan, s))
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

func (w *world) get(method, url, user, body string) string {
	w.t.Helper()
	_, out := w.ask(method, url, user, body)
	return out
}

// ask is a request with the credentials of whoever has them all.
func (w *world) ask(method, url, user, body string) (status int, out string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if name, password, basic := strings.Cut(user, ":"); basic {
		r.SetBasicAuth(name, password)
	} else {
		r.Header.Set("Authorization", "Bearer "+user)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// variables are the project's, with their values where those can be read.
func (w *world) variables(project string) map[string]string {
	w.t.Helper()
	base, team := w.Env["SLIPWAY_VERCEL_URL"], "?teamId="+w.Env["VERCEL_TEAM_ID"]
	var list struct {
		Envs []struct {
			ID, Key string
			Target  []string
		}
	}
	if err := json.Unmarshal([]byte(w.get("GET", base+"/v10/projects/"+project+"/env"+team, w.Env["VERCEL_TOKEN"], "")), &list); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range list.Envs {
		var one struct{ Value string }
		if err := json.Unmarshal([]byte(w.get("GET", base+"/v1/projects/"+project+"/env/"+e.ID+team, w.Env["VERCEL_TOKEN"], "")), &one); err != nil {
			w.t.Fatal(err)
		}
		if strings.HasPrefix(e.Key, "SLIPWAY_CACHE_") && !slices.Equal(e.Target, []string{slipway.Production, slipway.Preview}) {
			w.t.Errorf("%s of a shared store is for %v", e.Key, e.Target)
		}
		out[e.Key] = one.Value
	}
	return out
}

func (w *world) native(path string) string {
	return w.get("GET", w.Env["SLIPWAY_UPSTASH_URL"]+path, w.Env["UPSTASH_EMAIL"]+":"+w.Env["UPSTASH_API_KEY"], "")
}

// answers asks a data plane, as soon as it is there, for a reply with want in it.
func (w *world) answers(method, url, token, body, want string) {
	w.t.Helper()
	for {
		switch status, out := w.ask(method, url, token, body); {
		case status == http.StatusServiceUnavailable: // it is still being made
			w.pause()
		case !strings.Contains(out, want):
			w.t.Errorf("%s answers %d %s, want %s", url, status, out, want)
			return
		default:
			return
		}
	}
}
