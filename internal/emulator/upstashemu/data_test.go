package upstashemu

import (
	"context"
	"encoding/base64"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

func TestRedisREST(t *testing.T) {
	w := newWorld(t, &Server{})
	d := w.redis()
	endpoint, token, reader := str(d, "endpoint"), str(d, "rest_token"), str(d, "read_only_rest_token")
	w.data(endpoint, token, "POST", "/pipeline", `[["SET","greeting","hello"],["RPUSH","list","a","b"],["SET","n",1]]`)
	for name, tc := range map[string]struct {
		reason, token, method, path, body string
		status                            int
		reply                             any
	}{
		"command":           {"one command is {result}", token, "POST", "/", `["GET","greeting"]`, 200, object{"result": "hello"}},
		"absent":            {"nil is null", token, "POST", "/", `["GET","none"]`, 200, object{"result": nil}},
		"number":            {"an integer is a number", token, "POST", "/", `["EXISTS","greeting","none"]`, 200, object{"result": 1.0}},
		"array":             {"a list, with nil in it", token, "POST", "/", `["MGET","greeting","none"]`, 200, object{"result": []any{"hello", nil}}},
		"arguments":         {"any JSON is an argument", token, "POST", "/", `["SET","obj",{"a":1}]`, 200, object{"result": "OK"}},
		"path":              {"a command in the path", token, "GET", "/get/greeting", "", 200, object{"result": "hello"}},
		"path with body":    {"a body is the last argument, the query its options", token, "POST", "/set/k%2F1?EX=100", "v", 200, object{"result": "OK"}},
		"ping":              {"GET /PING", token, "GET", "/PING", "", 200, object{"result": "PONG"}},
		"redis error":       {"400 with {error}", token, "POST", "/", `["INCR","greeting"]`, 400, object{"error": "ERR value is not an integer or out of range"}},
		"bad body":          {"no JSON array", token, "POST", "/", `{"a":1}`, 400, object{"error": "ERR failed to parse command: expected a JSON array"}},
		"empty":             {"no command", token, "POST", "/", `[]`, 400, object{"error": "ERR empty command"}},
		"pipeline":          {"an error is one command's", token, "POST", "/pipeline", `[["GET","greeting"],["INCR","greeting"],["NOPE"]]`, 200, []any{object{"result": "hello"}, object{"error": "ERR value is not an integer or out of range"}, object{"error": "ERR unknown command `NOPE`, with args beginning with: "}}},
		"multi-exec":        {"all in one transaction", token, "POST", "/multi-exec", `[["SET","m",1],["INCR","m"]]`, 200, []any{object{"result": "OK"}, object{"result": 2.0}}},
		"multi-exec abort":  {"a command that is refused discards all", token, "POST", "/multi-exec", `[["SET","x","1"],["BLPOP","q","0"]]`, 400, object{"error": "EXECABORT Transaction discarded because of: ERR Command is not available: 'BLPOP'. See https://upstash.com/docs/redis/overall/rediscompatibility for details"}},
		"after abort":       {"nothing of it was done", token, "POST", "/", `["EXISTS","x"]`, 200, object{"result": 0.0}},
		"no token":          {"401", "", "POST", "/", `["PING"]`, 401, object{"error": "Unauthorized"}},
		"wrong token":       {"401", "x", "POST", "/", `["PING"]`, 401, object{"error": "Unauthorized"}},
		"read-only reads":   {"the read-only token reads", reader, "POST", "/", `["GET","greeting"]`, 200, object{"result": "hello"}},
		"read-only pings":   {"and pings", reader, "POST", "/", `["PING"]`, 200, object{"result": "PONG"}},
		"read-only writes":  {"and does not write", reader, "POST", "/", `["SET","greeting","x"]`, 400, object{"error": "NOPERM this user has no permissions to run the 'set' command or its subcommand"}},
		"read-only flushes": {"nor flush", reader, "GET", "/flushall", "", 400, object{"error": "NOPERM this user has no permissions to run the 'flushall' command or its subcommand"}},
		"read-only in pipe": {"also in a pipeline", reader, "POST", "/pipeline", `[["DEL","greeting"]]`, 200, []any{object{"error": "NOPERM this user has no permissions to run the 'del' command or its subcommand"}}},
		"blocking":          {"nothing may wait", token, "POST", "/", `["XREAD","BLOCK","0","STREAMS","s","0"]`, 400, object{"error": "ERR Command is not available: 'XREAD'. See https://upstash.com/docs/redis/overall/rediscompatibility for details"}},
		"token in query":    {"_token is the token too", "", "GET", "/get/greeting?_token=" + token, "", 200, object{"result": "hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "after abort" {
				w.data(endpoint, token, "POST", "/multi-exec", `[["SET","x","1"],["BLPOP","q","0"]]`)
			}
			code, out := w.data(endpoint, tc.token, tc.method, tc.path, tc.body)
			if diff := cmp.Diff([]any{tc.status, tc.reply}, []any{code, out}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	if _, out := w.data(endpoint, token, "POST", "/", `["GET","k/1"]`); !cmp.Equal(object{"result": "v"}, out) {
		t.Errorf("set by path: %v", out)
	}
}

func TestBase64LeavesOKAlone(t *testing.T) {
	w := newWorld(t, &Server{})
	d := w.redis()
	r := httptest.NewRequest("POST", "http://"+str(d, "endpoint")+"/pipeline", strings.NewReader(`[["SET","a","ü"],["MGET","a","b"],["STRLEN","a"]]`))
	r.Header.Set("Authorization", "Bearer "+str(d, "rest_token"))
	r.Header.Set("Upstash-Encoding", "base64")
	_, out := w.send(w.server.Data(), r)
	want := []any{object{"result": "OK"}, object{"result": []any{base64.StdEncoding.EncodeToString([]byte("ü")), nil}}, object{"result": 2.0}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKeysExpireByTheClock(t *testing.T) {
	w := newWorld(t, &Server{})
	d := w.redis()
	get := func() any {
		_, out := w.data(str(d, "endpoint"), str(d, "rest_token"), "POST", "/", `["GET","a"]`)
		return out
	}
	w.data(str(d, "endpoint"), str(d, "rest_token"), "POST", "/", `["SET","a","1","EX","10"]`)
	w.pass(9 * time.Second)
	if out := get(); !cmp.Equal(object{"result": "1"}, out) {
		t.Errorf("after 9 s: %v", out)
	}
	w.pass(2 * time.Second)
	if out := get(); !cmp.Equal(object{"result": nil}, out) {
		t.Errorf("after 11 s: %v", out)
	}
}

// TestEndpointsReallyAnswer goes over a real connection to the URL given out.
func TestEndpointsReallyAnswer(t *testing.T) {
	s := &Server{}
	w := newWorld(t, s)
	data, err := emukit.Start(t.Context(), 0, s.Data())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(data.Close)
	s.DataURL = data.URL
	d, x := w.redis(), w.vector("COSINE")
	call := func(url, token, body string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if code := call(str(d, "endpoint"), str(d, "rest_token"), `["PING"]`); code != 200 {
		t.Errorf("redis: %d", code)
	}
	if code := call(str(x, "endpoint")+"/info", str(x, "token"), ``); code != 200 {
		t.Errorf("vector: %d", code)
	}
	w.must("DELETE", "/redis/database/"+str(d, "database_id"), "")
	if code := call(str(d, "endpoint"), str(d, "rest_token"), `["PING"]`); code != 404 {
		t.Errorf("a deleted database: %d", code)
	}
}

func TestACallerThatGoesAwayCutsItsConnection(t *testing.T) {
	s := &Server{CreateTime: -1}
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(t.Context())
	d := &database{redis: s.newRedis()}
	t.Cleanup(d.redis.Close)
	c, err := d.connect(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if out := c.raw("BLPOP", "nothing", "0"); out != any(errGone) {
		t.Errorf("%v", out)
	}
}

func TestVectorREST(t *testing.T) {
	w := newWorld(t, &Server{})
	x := w.vector("COSINE")
	endpoint, token, reader := str(x, "endpoint"), str(x, "token"), str(x, "read_only_token")
	if code, out := w.data(endpoint, token, "POST", "/upsert", `[{"id":"east","vector":[1,0],"metadata":{"k":1},"data":"e"},
		{"id":2,"vector":[0,1]},{"id":"west","vector":[-1,0]}]`); code != 200 || !cmp.Equal(object{"result": "Success"}, out) {
		t.Fatalf("upsert: %d %v", code, out)
	}
	w.data(endpoint, token, "POST", "/upsert/other", `{"id":"alone","vector":[1,1]}`)
	hit := func(id string, score float64) object { return object{"id": id, "score": score} }
	ns := func(n float64) object { return object{"vectorCount": n, "pendingVectorCount": 0.0} }
	for name, tc := range map[string]struct {
		reason, token, path, body string
		status                    int
		reply                     any
	}{
		"query":         {"nearest first, cosine from 0 to 1", token, "/query", `{"vector":[2,0],"topK":3}`, 200, object{"result": []any{hit("east", 1), hit("2", 0.5), hit("west", 0)}}},
		"topK":          {"no more than asked for", token, "/query", `{"vector":[2,0],"topK":1,"includeMetadata":true,"includeVectors":true,"includeData":true}`, 200, object{"result": []any{object{"id": "east", "score": 1.0, "metadata": object{"k": 1.0}, "vector": []any{1.0, 0.0}, "data": "e"}}}},
		"many":          {"a list of queries, a list of lists", token, "/query", `[{"vector":[1,0],"topK":1},{"vector":[0,1],"topK":1}]`, 200, object{"result": []any{[]any{hit("east", 1)}, []any{hit("2", 1)}}}},
		"namespace":     {"a namespace is apart", token, "/query/other", `{"vector":[1,1]}`, 200, object{"result": []any{hit("alone", 1)}}},
		"fetch":         {"null for what is not there", token, "/fetch", `{"ids":["east","none",2]}`, 200, object{"result": []any{object{"id": "east"}, nil, object{"id": "2"}}}},
		"fetch prefix":  {"by prefix", reader, "/fetch", `{"prefix":"w","includeVectors":true}`, 200, object{"result": []any{object{"id": "west", "vector": []any{-1.0, 0.0}}}}},
		"info":          {"counts by namespace", reader, "/info", ``, 200, object{"result": object{"vectorCount": 4.0, "pendingVectorCount": 0.0, "indexSize": 32.0, "dimension": 2.0, "similarityFunction": "COSINE", "indexType": "DENSE", "namespaces": object{"": ns(3), "other": ns(1)}}}},
		"range":         {"by age, with where to go on", reader, "/range", `{"cursor":"0","limit":2}`, 200, object{"result": object{"nextCursor": "2", "vectors": []any{object{"id": "east"}, object{"id": "2"}}}}},
		"range end":     {"no cursor after the last page", reader, "/range", `{"cursor":2,"limit":2,"includeVectors":true}`, 200, object{"result": object{"nextCursor": "", "vectors": []any{object{"id": "west", "vector": []any{-1.0, 0.0}}}}}},
		"range prefix":  {"of a prefix", reader, "/range", `{"limit":2,"prefix":"w"}`, 200, object{"result": object{"nextCursor": "", "vectors": []any{object{"id": "west"}}}}},
		"range limit":   {"a limit", reader, "/range", `{"cursor":"0"}`, 422, object{"error": "limit must be from 1 to 1000", "status": 422.0}},
		"range cursor":  {"a cursor of ours", reader, "/range", `{"cursor":"-1","limit":1}`, 422, object{"error": "Invalid cursor", "status": 422.0}},
		"namespaces":    {"with the default one", reader, "/list-namespaces", ``, 200, object{"result": []any{"", "other"}}},
		"update none":   {"what is not there is not made", token, "/update", `{"id":"none","data":"x"}`, 200, object{"result": object{"updated": 0.0}}},
		"update mode":   {"two modes", token, "/update", `{"id":"east","metadata":{},"metadataUpdateMode":"ADD"}`, 422, object{"error": `Invalid metadataUpdateMode: "ADD"`, "status": 422.0}},
		"update reader": {"the read-only token does not write", reader, "/update", `{"id":"east"}`, 403, object{"error": "Forbidden: the token is read-only", "status": 403.0}},
		"drop default":  {"the default namespace stays", token, "/delete-namespace", ``, 422, object{"error": "The default namespace cannot be deleted", "status": 422.0}},
		"drop none":     {"no such namespace", token, "/delete-namespace/none", ``, 404, object{"error": "Namespace none not found", "status": 404.0}},
		"dimension":     {"all vectors have the index's dimension", token, "/upsert", `[{"id":"ok","vector":[1,0]},{"id":"bad","vector":[1,2,3]}]`, 422, object{"error": "Invalid vector dimension: 3, expected: 2", "status": 422.0}},
		"read-only":     {"the read-only token does not write", reader, "/upsert", `{"id":"a","vector":[1,1]}`, 403, object{"error": "Forbidden: the token is read-only", "status": 403.0}},
		"wrong token":   {"401", "x", "/info", ``, 401, object{"error": "Unauthorized: Invalid auth token", "status": 401.0}},
		"bad body":      {"400", token, "/query", `{`, 400, object{"error": "Invalid JSON body", "status": 400.0}},
		"filter":        {"501 says what", token, "/query", `{"vector":[1,0],"filter":"k = 1"}`, 501, object{"error": "the emulator does not model filters", "status": 501.0}},
		"embedding":     {"501 says what", token, "/upsert-data", `{"id":"a","data":"b"}`, 501, object{"error": "the emulator does not model /upsert-data of a DENSE index", "status": 501.0}},
		"topK too high": {"a limit", token, "/query", `{"vector":[1,0],"topK":1001}`, 422, object{"error": "topK must be from 1 to 1000", "status": 422.0}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := w.data(endpoint, tc.token, "POST", tc.path, tc.body)
			if diff := cmp.Diff([]any{tc.status, tc.reply}, []any{code, out}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	w.data(endpoint, token, "POST", "/update", `{"id":"east","metadata":{"k":null,"m":{"n":2}},"metadataUpdateMode":"PATCH"}`)
	if _, out := w.data(endpoint, token, "POST", "/fetch", `{"ids":["east"],"includeMetadata":true,"includeData":true}`); !cmp.Equal(object{"result": []any{object{"id": "east", "metadata": object{"m": object{"n": 2.0}}, "data": "e"}}}, out) {
		t.Errorf("merged: %v", out)
	}
	w.data(endpoint, token, "POST", "/upsert/a%20b", `{"id":"x","vector":[1,1]}`)
	w.data(endpoint, token, "DELETE", "/delete-namespace/other", "")
	if _, out := w.data(endpoint, token, "POST", "/list-namespaces", ""); !cmp.Equal(object{"result": []any{"", "a b"}}, out) {
		t.Errorf("namespaces: %v", out)
	}
	if _, out := w.data(endpoint, token, "DELETE", "/delete", `{"ids":["east","none"]}`); !cmp.Equal(object{"result": object{"deleted": 1.0}}, out) {
		t.Errorf("delete: %v", out)
	}
	w.data(endpoint, token, "POST", "/reset", "")
	if _, out := w.data(endpoint, token, "POST", "/query", `{"vector":[1,0]}`); !cmp.Equal(object{"result": []any{}}, out) {
		t.Errorf("after reset: %v", out)
	}
	w.data(endpoint, token, "POST", "/reset?all", "")
	if _, out := w.data(endpoint, token, "POST", "/list-namespaces", ""); !cmp.Equal(object{"result": []any{""}}, out) {
		t.Errorf("after reset of all: %v", out)
	}
}

// TestSimilarity has its numbers from https://upstash.com/docs/vector/features/similarityfunctions: (1+cos)/2,
// 1/(1+distance²) and (1+dot)/2.
func TestSimilarity(t *testing.T) {
	for function, want := range map[string]float64{"COSINE": (1 + 1/math.Sqrt2) / 2, "EUCLIDEAN": 1.0 / 3, "DOT_PRODUCT": 1.5} {
		if got := similarity(function, []float64{2, 0}, []float64{1, 1}); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", function, got, want)
		}
	}
}
