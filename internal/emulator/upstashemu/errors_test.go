package upstashemu

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

// The document has no errors: this table is their judge. Every route is in it.
// TestErrorShapes: an error is a JSON string, {error} or {message}.
func TestErrorShapes(t *testing.T) {
	w := newWorld(t, &Server{})
	d, x := str(w.redis(), "database_id"), str(w.vector("COSINE"), "id")
	redisWith := func(old, new string) string { return strings.Replace(redisBody, old, new, 1) }
	vectorWith := func(old, new string) string { return strings.Replace(vectorJSON, old, new, 1) }
	mux, judged := http.NewServeMux(), map[string]bool{}
	for _, rt := range w.server.routes() {
		op := rt.method + " " + rt.path
		mux.HandleFunc(op, func(http.ResponseWriter, *http.Request) { judged[op] = true })
	}
	for name, tc := range map[string]struct {
		reason, source, key, method, path, body string
		status                                  int
		reply                                   any
	}{
		"redis wrong key":   {"401 as a string", "[? upstash-wrong-key]", "no", "GET", "/redis/databases", "", 401, "Unauthorized"},
		"vector wrong key":  {"401 as {error}", "[? upstash-wrong-key]", "no", "GET", "/vector/index", "", 401, object{"error": "Unauthorized"}},
		"teams wrong key":   {"401 as {message}", "[? upstash-wrong-key]", "no", "GET", "/teams", "", 401, object{"message": "Unauthorized"}},
		"redis absent":      {"404 as a string", "[? upstash-error-shapes]", aliceKey, "GET", "/redis/database/none", "", 404, "Database not found"},
		"redis delete":      {"deleting nothing is 404", "[? upstash-error-shapes]", aliceKey, "DELETE", "/redis/database/none", "", 404, "Database not found"},
		"redis change":      {"changing nothing is 404", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/enable-eviction/none", "", 404, "Database not found"},
		"vector absent":     {"404 as {error}", "[? upstash-error-shapes]", aliceKey, "GET", "/vector/index/none", "", 404, object{"error": "Index not found"}},
		"no body":           {"the body is required", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/database", "", 400, "request body is required"},
		"bad json":          {"malformed JSON", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index", "{", 400, object{"error": "invalid request body: unexpected EOF"}},
		"unknown field":     {"a misspelt field is no wish", "[? upstash-unknown-field]", aliceKey, "POST", "/redis/database", redisWith("platform", "plattform"), 400, `invalid request body: unknown field "plattform"`},
		"no name":           {"a name is required", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/database", redisWith("cache", ""), 400, "invalid name: from 1 to 128 bytes"},
		"platform":          {"aws or gcp", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/database", redisWith(`"aws"`, `"azure"`), 400, "invalid platform: aws or gcp"},
		"region":            {"a region of its platform", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/database", redisWith("us-east-1", "us-central1"), 400, `invalid primary_region: "us-central1" is no region of aws`},
		"read region":       {"the primary is no read region", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/database", redisWith("}", `,"read_regions":["us-east-1"]}`), 400, `invalid read region: "us-east-1"`},
		"regional":          {"regional databases are no more", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/database", redisWith("}", `,"region":"us-east-1"}`), 400, "regional databases are deprecated: use platform and primary_region"},
		"plan":              {"plans are a list", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/" + d + "/change-plan", `{"plan_name":"gold"}`, 400, `invalid plan: "gold"`},
		"dimension":         {"at least one dimension", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index", vectorWith(":2", ":0"), 400, object{"error": "invalid dimension_count: from 1 to 5000"}},
		"similarity":        {"three functions", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index", vectorWith("COSINE", "cosine"), 400, object{"error": `invalid similarity_function: "cosine"`}},
		"vector region":     {"three regions", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index", vectorWith("us-east-1", "us-west-1"), 400, object{"error": `invalid region: "us-west-1"`}},
		"model dimension":   {"a model has one dimension", "[? upstash-model-dimension]", aliceKey, "POST", "/vector/index", vectorWith("}", `,"embedding_model":"BGE_M3"}`), 400, object{"error": "invalid dimension_count: BGE_M3 has 1024"}},
		"index type":        {"three kinds", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index", vectorWith("}", `,"index_type":"FLAT"}`), 400, object{"error": `invalid index_type: "FLAT"`}},
		"rename index":      {"to a name", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index/" + x + "/rename", `{"name":""}`, 400, object{"error": "invalid name: from 1 to 128 bytes"}},
		"team absent":       {"404 as {message}", "[? upstash-team-errors]", aliceKey, "GET", "/teams/none", "", 404, object{"message": "Team not found"}},
		"team role":         {"a role is one of three", "[? upstash-team-errors]", aliceKey, "POST", "/teams/member", `{"team_id":"t1","member_email":"c@example.com","member_role":"king"}`, 400, object{"message": `invalid member_role: "king"`}},
		"team twice":        {"a member is in it once", "[? upstash-team-errors]", aliceKey, "POST", "/teams/member", `{"team_id":"t1","member_email":"alice@example.com","member_role":"dev"}`, 409, object{"message": "Member already exists"}},
		"team owner":        {"its owner stays", "[? upstash-team-errors]", aliceKey, "DELETE", "/teams/member", `{"team_id":"t1","member_email":"alice@example.com"}`, 400, object{"message": "The owner cannot be removed"}},
		"team stranger":     {"nobody else can be removed", "[? upstash-team-errors]", aliceKey, "DELETE", "/teams/member", `{"team_id":"t1","member_email":"x@example.com"}`, 404, object{"message": "Member not found"}},
		"team card":         {"copy_cc is required", "[? upstash-team-errors]", aliceKey, "POST", "/team", `{"team_name":"x"}`, 400, object{"message": "copy_cc is required"}},
		"index plan":        {"three plans", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index/" + x + "/setplan", `{"target_plan":"gold"}`, 400, object{"error": `invalid target_plan: "gold"`}},
		"not modelled":      {"501 with the route's name", speccheck.Ours, aliceKey, "GET", "/qstash/users", "", 501, object{"error": "the emulator does not model GET /v2/qstash/users"}},
		"verb not modelled": {"also beside modelled ones", speccheck.Ours, aliceKey, "POST", "/redis/restore-backup/" + d, "", 501, "the emulator does not model POST /v2/redis/restore-backup/" + d},
		"stats":             {"stats is no id", speccheck.Ours, aliceKey, "GET", "/vector/index/stats", "", 501, object{"error": "the emulator does not model GET /v2/vector/index/stats"}},
		"too large":         {"a body over 1 MiB is refused", "[? upstash-error-shapes]", aliceKey, "POST", "/redis/database", strings.Repeat(" ", 2<<20), 413, object{"error": "The body is over 1048576 bytes."}},
		"list, wrong key":   {"with a slash too", "[? upstash-wrong-key]", "no", "GET", "/vector/index/", "", 401, object{"error": "Unauthorized"}},
		"budget absent":     {"changing nothing is 404", "[? upstash-error-shapes]", aliceKey, "PATCH", "/redis/update-budget/none", `{"budget":20}`, 404, "Database not found"},
		"vector delete":     {"deleting nothing is 404", "[? upstash-error-shapes]", aliceKey, "DELETE", "/vector/index/none", "", 404, object{"error": "Index not found"}},
		"vector reset":      {"nor its passwords", "[? upstash-error-shapes]", aliceKey, "POST", "/vector/index/none/reset-password", "", 404, object{"error": "Index not found"}},
		"team delete":       {"deleting nothing is 404", "[? upstash-team-errors]", aliceKey, "DELETE", "/team/none", "", 404, object{"message": "Team not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := w.as(alice, tc.key, tc.method, tc.path, tc.body)
			if diff := cmp.Diff([]any{tc.status, tc.reply}, []any{code, out}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if !w.spec.Cited(t, tc.source, tc.method, "/v2"+tc.path, tc.status) {
				t.Errorf("%s is no source of a %d of %s %s", tc.source, tc.status, tc.method, tc.path)
			}
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tc.method, tc.path, nil))
		})
	}
	for _, rt := range w.server.routes() {
		if !judged[rt.method+" "+rt.path] {
			t.Errorf("no error of %s %s is judged", rt.method, rt.path)
		}
	}
	if n := len(w.must("GET", "/redis/databases", "").([]any)) + len(w.must("GET", "/vector/index", "").([]any)); n != 2 {
		t.Errorf("refused calls left %d things, want 2", n)
	}
}

func TestEveryChangeOfADatabaseThatIsNotThereIs404(t *testing.T) {
	w := newWorld(t, &Server{})
	for _, verb := range slices.Sorted(maps.Keys(databaseVerbs)) {
		code, out := w.do("POST", "/redis/"+verb+"/none", "{}")
		if diff := cmp.Diff([]any{404, any("Database not found")}, []any{code, out}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", verb, diff)
		}
	}
}

// 401 of https://upstash.com/docs/redis/features/restapi#authentication, and of
// https://upstash.com/docs/vector/api/get-started with its status in the body.
func TestEveryDataOperationRefusesAnotherStoresToken(t *testing.T) {
	w := newWorld(t, &Server{})
	d, x := w.redis(), w.vector("COSINE")
	for _, op := range DataOperations() {
		endpoint, token, want := str(d, "endpoint"), str(x, "token"), object{"error": "Unauthorized"}
		if strings.Contains(op.Source, "/vector/") {
			endpoint, token, want = str(x, "endpoint"), str(d, "rest_token"), object{"error": "Unauthorized: Invalid auth token", "status": 401.0}
		}
		for _, path := range op.Paths {
			path = strings.NewReplacer("/{store}", "/", "{command...}", "PING", "{namespace}", "other").Replace(path)
			code, out := w.data(endpoint, token, op.Method, strings.ReplaceAll(path, "//", "/"), "")
			if diff := cmp.Diff([]any{401, any(want)}, []any{code, out}); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", op.Method, path, diff)
			}
		}
	}
}
