package upstashemu

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// TestEveryRouteFitsTheSpec makes each modelled operation answer 2xx, which the world checks, and sees that none was left out.
func TestEveryRouteFitsTheSpec(t *testing.T) {
	w := newWorld(t, &Server{})
	d, x := str(w.redis(), "database_id"), str(w.vector("COSINE"), "id")
	for _, c := range [][3]string{
		{"GET", "/redis/databases", ""},
		{"GET", "/redis/database/" + d, ""},
		{"POST", "/redis/rename/" + d, `{"name":"cache2"}`},
		{"POST", "/redis/reset-password/" + d, ""},
		{"POST", "/redis/enable-eviction/" + d, ""},
		{"POST", "/redis/disable-eviction/" + d, ""},
		{"POST", "/redis/enable-autoupgrade/" + d, ""},
		{"POST", "/redis/disable-autoupgrade/" + d, ""},
		{"PATCH", "/redis/update-budget/" + d, `{"budget":20}`},
		{"POST", "/redis/update-regions/" + d, `{"read_regions":["us-west-1"]}`},
		{"GET", "/vector/index", ""},
		{"GET", "/vector/index/", ""},
		{"GET", "/vector/index/" + x, ""},
		{"POST", "/vector/index/" + x + "/rename", `{"name":"search2"}`},
		{"POST", "/vector/index/" + x + "/reset-password", ""},
		{"POST", "/redis/change-plan/" + d, `{"plan":"payg"}`},
		{"POST", "/redis/" + d + "/change-plan", `{"plan_name":"fixed_1gb","auto_upgrade":true}`},
		{"POST", "/redis/enable-tls/" + d, ""},
		{"POST", "/vector/index/" + x + "/setplan", `{"target_plan":"payg"}`},
		{"GET", "/teams", ""},
		{"POST", "/teams/member", `{"team_id":"t1","member_email":"c@example.com","member_role":"dev"}`},
		{"GET", "/teams/t1", ""},
		{"DELETE", "/teams/member", `{"team_id":"t1","member_email":"c@example.com"}`},
		{"POST", "/team", `{"team_name":"new","copy_cc":false}`},
		{"DELETE", "/team/t1", ""},
	} {
		w.must(c[0], c[1], c[2])
	}
	changed := w.must("GET", "/redis/database/"+d, "").(object)
	want := object{"database_name": "cache2", "auto_upgrade": true, "type": "paid", "budget": 20.0, "read_regions": []any{"us-west-1"}, "eviction": false}
	for field, v := range want {
		if diff := cmp.Diff(v, changed[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	w.must("DELETE", "/redis/database/"+d, "")
	w.must("DELETE", "/vector/index/"+x, "")

	if diff := cmp.Diff(modelled(w.server), anonymous(w.spec.Covered())); diff != "" {
		t.Errorf("operations that answered 2xx (-modelled +checked):\n%s", diff)
	}
}

func modelled(s *Server) []string {
	out := []string{"POST /redis/{id}/change-plan"}
	for _, r := range s.routes() {
		if r.path != "/redis/{verb}/{id}" && !strings.HasSuffix(r.path, "{$}") {
			out = append(out, r.method+" "+r.path)
		}
	}
	for verb := range databaseVerbs {
		if verb == "change-plan" {
			continue // the document does not have it here
		}
		out = append(out, "POST /redis/"+verb+"/{id}")
	}
	return anonymous(out)
}

// anonymous takes the names out of path parameters.
func anonymous(routes []string) []string {
	var out []string
	for _, r := range routes {
		parts := strings.Split(r, "/")
		for i, p := range parts {
			if strings.HasPrefix(p, "{") {
				parts[i] = "{}"
			}
		}
		out = append(out, strings.Join(parts, "/"))
	}
	slices.Sort(out)
	return out
}

// The tests below are named after the behaviours that a client has to live with.

func TestNativeAccountsOnly(t *testing.T) {
	w := newWorld(t, &Server{RefuseDeveloperAPI: true, RefuseStatus: 451})
	for _, path := range []string{"/redis/databases", "/vector/index", "/teams"} {
		if code, _ := w.do("GET", path, ""); code != 451 {
			t.Errorf("%s: %d", path, code)
		}
	}
	w.server.RefuseStatus = 0
	if code, _ := w.do("GET", "/teams", ""); code != 403 {
		t.Errorf("by default %d", code)
	}
}

func TestNamesAreNotUnique(t *testing.T) {
	w := newWorld(t, &Server{})
	if a, b := w.redis(), w.redis(); a["database_id"] == b["database_id"] || a["endpoint"] == b["endpoint"] {
		t.Error("two creates made one database")
	}
	if n := len(w.must("GET", "/redis/databases", "").([]any)); n != 2 {
		t.Errorf("%d databases of one name, want 2", n)
	}
}

func TestListsHaveNoPagination(t *testing.T) {
	w := newWorld(t, &Server{})
	for range 120 {
		w.redis()
		w.vector("COSINE")
	}
	for _, path := range []string{"/redis/databases?limit=1", "/vector/index?limit=1"} {
		if n := len(w.must("GET", path, "").([]any)); n != 120 {
			t.Errorf("%s: %d of 120", path, n)
		}
	}
}

func TestRequiredFieldsOfACreate(t *testing.T) {
	w := newWorld(t, &Server{})
	for reason, c := range map[string][2]string{
		"database_name":       {"/redis/database", `{"platform":"aws","primary_region":"us-east-1"}`},
		"platform":            {"/redis/database", `{"database_name":"x","primary_region":"us-east-1"}`},
		"primary_region":      {"/redis/database", `{"database_name":"x","platform":"aws"}`},
		"name":                {"/vector/index", `{"region":"us-east-1","similarity_function":"COSINE","dimension_count":2}`},
		"region":              {"/vector/index", `{"name":"x","similarity_function":"COSINE","dimension_count":2}`},
		"similarity_function": {"/vector/index", `{"name":"x","region":"us-east-1","dimension_count":2}`},
		"dimension_count":     {"/vector/index", `{"name":"x","region":"us-east-1","similarity_function":"COSINE"}`},
	} {
		if code, out := w.do("POST", c[0], c[1]); code != 400 {
			t.Errorf("without %s: %d %v", reason, code, out)
		}
	}
}

func TestUniqueNamesAnswers409(t *testing.T) {
	w := newWorld(t, &Server{UniqueNames: true})
	w.redis()
	w.vector("COSINE")
	for path, body := range map[string]string{"/redis/database": redisBody, "/vector/index": vectorJSON} {
		if code, out := w.do("POST", path, body); code != 409 {
			t.Errorf("%s: %d %v", path, code, out)
		}
		if code, _ := w.as(bob, bobKey, "POST", path, body); code != 200 {
			t.Errorf("%s of another account: %d", path, code)
		}
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, &Server{MaxDatabases: 1, MaxIndexes: 1})
	w.redis()
	w.vector("COSINE")
	for path, body := range map[string]string{"/redis/database": redisBody, "/vector/index": vectorJSON} {
		if code, out := w.do("POST", path, body); code != 400 {
			t.Errorf("%s: %d %v", path, code, out)
		}
	}
}

func TestRepliesCarryWhatTheDocumentLacks(t *testing.T) {
	w := newWorld(t, &Server{})
	d := w.redis()
	for _, field := range []string{"rest_token", "read_only_rest_token", "password"} {
		if str(d, field) == "" {
			t.Errorf("no %s", field)
		}
	}
	if d["rest_token"] == d["read_only_rest_token"] {
		t.Error("the read-only token is the other one")
	}
	x := w.vector("COSINE")
	if str(x, "token") == "" || str(x, "read_only_token") == "" || x["token"] == x["read_only_token"] {
		t.Error("no two tokens of an index")
	}
}

func TestCredentialsHide(t *testing.T) {
	w := newWorld(t, &Server{})
	path := "/redis/database/" + str(w.redis(), "database_id")
	shown, hidden := w.must("GET", path, ""), w.must("GET", path+"?credentials=hide", "")
	for _, field := range []string{"rest_token", "read_only_rest_token", "password"} {
		if str(shown, field) == "" || str(hidden, field) != "" {
			t.Errorf("%s is shown when hidden, or the other way round", field)
		}
	}
}

func TestEndpointIsASlugOrAHostOrAURL(t *testing.T) {
	for name, tc := range map[string]struct {
		reason         string
		server         *Server
		prefix, suffix string
		vector         string // suffix of an index's endpoint
	}{
		"host": {"live replies carry a host", &Server{}, "", ".upstash.io", "-us1-vector.upstash.io"},
		"slug": {"the document shows a slug, for Redis", &Server{SlugEndpoints: true}, "", "", "-us1-vector.upstash.io"},
		"own":  {"a suffix of one's own", &Server{DataSuffix: ".localhost:4003"}, "", ".localhost:4003", "-us1-vector.localhost:4003"},
		"url":  {"where Data listens", &Server{DataURL: "http://127.0.0.1:4003/"}, "http://127.0.0.1:4003/", "", "-us1-vector"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.server)
			check := func(endpoint, suffix string) {
				t.Helper()
				slug := strings.TrimSuffix(strings.TrimPrefix(endpoint, tc.prefix), suffix)
				if endpoint != tc.prefix+slug+suffix || strings.Count(slug, "-") != 2 || strings.ContainsAny(slug, "./:") {
					t.Errorf("%s: %s", tc.reason, endpoint)
				}
			}
			check(str(w.redis(), "endpoint"), tc.suffix)
			check(str(w.vector("COSINE"), "endpoint"), tc.vector)
		})
	}
}

func TestResetPasswordAnswersDifferently(t *testing.T) {
	w := newWorld(t, &Server{})
	d, x := w.redis(), w.vector("COSINE")
	after := w.must("POST", "/redis/reset-password/"+str(d, "database_id"), "")
	if str(after, "rest_token") == "" || str(after, "rest_token") == str(d, "rest_token") {
		t.Error("redis reset-password does not return the database with a new token")
	}
	if out := w.must("POST", "/vector/index/"+str(x, "id")+"/reset-password", ""); out != "OK" {
		t.Errorf("vector reset-password: %v", out)
	}
	if again := w.must("GET", "/vector/index/"+str(x, "id"), ""); str(again, "token") == str(x, "token") {
		t.Error("the index kept its token")
	}
	if code, _ := w.data(str(d, "endpoint"), str(d, "rest_token"), "POST", "/", `["PING"]`); code != 401 {
		t.Errorf("the old token: %d", code)
	}
	if out := w.must("DELETE", "/vector/index/"+str(x, "id"), ""); out != "OK" {
		t.Errorf("DELETE: %v", out)
	}
}

func TestADatabaseIsActiveAfterCreateTime(t *testing.T) {
	w := newWorld(t, &Server{CreateTime: time.Second})
	d := w.must("POST", "/redis/database", redisBody)
	path, endpoint, token := "/redis/database/"+str(d, "database_id"), str(d, "endpoint"), str(d, "rest_token")
	if code, _ := w.data(endpoint, token, "POST", "/", `["PING"]`); code != 503 || str(d, "state") == "active" {
		t.Errorf("at once: %d, %s", code, str(d, "state"))
	}
	w.pass(time.Second)
	if code, _ := w.data(endpoint, token, "POST", "/", `["PING"]`); code != 200 || str(w.must("GET", path, ""), "state") != "active" {
		t.Errorf("after CreateTime: %d", code)
	}
}

func TestAccountsSeeOnlyTheirOwn(t *testing.T) {
	w := newWorld(t, &Server{})
	d, x := w.redis(), w.vector("COSINE")
	for _, path := range []string{"/redis/databases", "/vector/index"} {
		if code, out := w.as(bob, bobKey, "GET", path, ""); code != 200 || len(out.([]any)) != 0 {
			t.Errorf("%s: %d %v", path, code, out)
		}
	}
	for _, path := range []string{"/redis/database/" + str(d, "database_id"), "/vector/index/" + str(x, "id")} {
		for _, method := range []string{"GET", "DELETE"} {
			if code, _ := w.as(bob, bobKey, method, path, ""); code != 404 {
				t.Errorf("%s %s: %d", method, path, code)
			}
		}
	}
	if diff := cmp.Diff([]any{object{"team_id": "t1", "team_name": "Acme", "copy_cc": true}}, w.must("GET", "/teams", "")); diff != "" {
		t.Errorf("teams (-want +got):\n%s", diff)
	}
}

func TestATeamIsItsMembers(t *testing.T) {
	w := newWorld(t, &Server{})
	team := str(w.must("POST", "/team", `{"team_name":"Ops","copy_cc":true}`), "team_id")
	add := `{"team_id":"` + team + `","member_email":"` + bob + `","member_role":"dev"}`
	if code, _ := w.as(bob, bobKey, "GET", "/teams/"+team, ""); code != 404 {
		t.Errorf("a stranger sees it: %d", code)
	}
	w.must("POST", "/teams/member", add)
	if _, out := w.as(bob, bobKey, "GET", "/teams", ""); len(out.([]any)) != 1 {
		t.Errorf("a member's teams: %v", out)
	}
	if code, _ := w.as(bob, bobKey, "DELETE", "/team/"+team, ""); code != 403 {
		t.Errorf("a dev deletes it: %d", code)
	}
	w.must("DELETE", "/teams/member", `{"team_id":"`+team+`","member_email":"`+bob+`"}`)
	if code, _ := w.as(bob, bobKey, "GET", "/teams/"+team, ""); code != 404 {
		t.Errorf("a former member sees it: %d", code)
	}
	w.must("DELETE", "/team/"+team, "")
	if n := len(w.must("GET", "/teams", "").([]any)); n != 1 {
		t.Errorf("%d teams, want the one from the start", n)
	}
}

func TestTheVendorsCLISendsNoPlatform(t *testing.T) {
	w := newWorld(t, &Server{})
	for _, region := range []string{"eu-west-1", "us-central1"} {
		d := w.must("POST", "/redis/database", `{"database_name":"cache","region":"global","primary_region":"`+region+`"}`)
		if str(d, "primary_region") != region {
			t.Errorf("%v", d)
		}
	}
}

func TestACreatedThingIsInvisibleForNReads(t *testing.T) {
	w := newWorld(t, &Server{Kit: emukit.Kit{Settle: emukit.Settle{Reads: 1}}})
	w.redis()
	w.vector("COSINE")
	for _, path := range []string{"/redis/databases", "/vector/index"} {
		if first, second := w.must("GET", path, ""), w.must("GET", path, ""); len(first.([]any)) != 0 || len(second.([]any)) != 1 {
			t.Errorf("%s: %v, then %v", path, first, second)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, &Server{})
	shared := w.redis()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, d := w.do("POST", "/redis/database", strings.Replace(redisBody, "cache", fmt.Sprint("c", i), 1))
			w.do("POST", "/vector/index", vectorJSON)
			w.do("GET", "/redis/databases", "")
			w.data(str(shared, "endpoint"), str(shared, "rest_token"), "POST", "/", `["INCR","n"]`)
			if i%2 == 0 {
				w.do("DELETE", "/redis/database/"+str(d, "database_id"), "")
			}
		})
	}
	wg.Wait()
	if n := len(w.must("GET", "/redis/databases", "").([]any)); n != 11 {
		t.Errorf("%d databases, want 11", n)
	}
	if _, out := w.data(str(shared, "endpoint"), str(shared, "rest_token"), "POST", "/", `["GET","n"]`); !cmp.Equal(object{"result": "20"}, out) {
		t.Errorf("counted %v", out)
	}
}

func TestZeroValueIsReady(t *testing.T) {
	s := &Server{}
	t.Cleanup(s.Close)
	r := httptest.NewRequest("POST", "/v2/redis/database", strings.NewReader(redisBody))
	r.SetBasicAuth(DefaultEmail, DefaultAPIKey)
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	if rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// BenchmarkGet is one read beside 100 databases.
func BenchmarkGet(b *testing.B) {
	s := &Server{CreateTime: -1}
	b.Cleanup(s.Close)
	call := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/v2"+path, strings.NewReader(body))
		r.SetBasicAuth(DefaultEmail, DefaultAPIKey)
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		return rec
	}
	for range 100 {
		if rec := call("POST", "/redis/database", redisBody); rec.Code != 200 {
			b.Fatal(rec.Body)
		}
	}
	d := s.order.databases[50]
	for name, path := range map[string]string{"database": "/redis/database/" + d.id, "list100": "/redis/databases"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rec := call("GET", path, ""); rec.Code != 200 {
					b.Fatal(rec.Body)
				}
			}
		})
	}
	b.Run("command", func(b *testing.B) {
		h := s.Data()
		for b.Loop() {
			r := httptest.NewRequest("POST", "http://"+d.slug+".upstash.io/", strings.NewReader(`["PING"]`))
			r.Header.Set("Authorization", "Bearer "+d.token)
			rec := httptest.NewRecorder()
			if h.ServeHTTP(rec, r); rec.Code != 200 {
				b.Fatal(rec.Body)
			}
		}
	})
}

func TestAnIndexIsDenseSparseOrHybrid(t *testing.T) {
	w := newWorld(t, &Server{})
	for _, kind := range []string{"DENSE", "SPARSE", "HYBRID"} {
		x := w.must("POST", "/vector/index", strings.Replace(vectorJSON, "}", `,"index_type":"`+kind+`"}`, 1))
		if str(x, "index_type") != kind {
			t.Errorf("%s: %v", kind, x)
		}
	}
	if x := w.vector("COSINE"); str(x, "index_type") != "DENSE" {
		t.Errorf("without: %v", x)
	}
	x := w.must("POST", "/vector/index", strings.Replace(strings.Replace(vectorJSON, ":2", ":1024", 1), "}", `,"embedding_model":"BGE_M3"}`, 1))
	if str(x, "embedding_model") != "BGE_M3" {
		t.Errorf("a model: %v", x)
	}
}

func TestWhatACreateOfADatabaseMayAskFor(t *testing.T) {
	w := newWorld(t, &Server{})
	d := w.must("POST", "/redis/database", strings.Replace(redisBody, "}", `,"plan":"payg","read_regions":["us-west-1"],"tls":true,"eviction":true}`, 1)).(object)
	for field, want := range map[string]any{"type": "payg", "read_regions": []any{"us-west-1"}, "tls": true, "eviction": true} {
		if diff := cmp.Diff(want, d[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	for reason, body := range map[string]string{
		"gcp":     `{"database_name":"x","platform":"gcp","primary_region":"us-central1"}`,
		"without": redisBody,
	} {
		if code, out := w.do("POST", "/redis/database", body); code != 200 {
			t.Errorf("%s: %d %v", reason, code, out)
		}
	}
}
