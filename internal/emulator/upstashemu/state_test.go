package upstashemu

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStateGoesOnInAnotherProcess(t *testing.T) {
	w := newWorld(t, &Server{})
	d, x := w.redis(), w.vector("COSINE")
	redis := func(w *world, command string) any {
		t.Helper()
		_, out := w.data(str(d, "endpoint"), str(d, "rest_token"), "POST", "/", command)
		return out
	}
	for _, command := range []string{
		`["SET","a","1","EX","60"]`, `["HSET","h","f","v"]`, `["RPUSH","l","1","2"]`, `["SADD","s","m"]`,
		`["ZADD","z","1.5","m"]`, `["XADD","x","1-1","k","v"]`,
	} {
		if out := redis(w, command); strings.Contains(str(out, "error"), "ERR") {
			t.Fatalf("%s: %v", command, out)
		}
	}
	w.data(str(x, "endpoint"), str(x, "token"), "POST", "/upsert", `{"id":"v","vector":[1,2],"metadata":{"k":1}}`)
	raw, err := w.server.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Accounts: w.server.Accounts}
	other := newWorld(t, s)
	other.now = w.now
	if err := s.LoadState(raw); err != nil {
		t.Fatal(err)
	}
	again, err := s.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(raw), string(again)); diff != "" {
		t.Errorf("saved, loaded, saved (-first +second):\n%s", diff)
	}
	for command, want := range map[string]any{
		`["GET","a"]`: "1", `["HGET","h","f"]`: "v", `["LRANGE","l","0","-1"]`: []any{"1", "2"},
		`["SMEMBERS","s"]`: []any{"m"}, `["ZSCORE","z","m"]`: "1.5", `["XLEN","x"]`: 1.0, `["TTL","a"]`: 60.0,
	} {
		if diff := cmp.Diff(any(object{"result": want}), redis(other, command)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
	_, out := other.data(str(x, "endpoint"), str(x, "token"), "POST", "/fetch", `{"ids":["v"],"includeMetadata":true}`)
	if diff := cmp.Diff(any(object{"result": []any{object{"id": "v", "metadata": object{"k": 1.0}}}}), out); diff != "" {
		t.Errorf("vector (-want +got):\n%s", diff)
	}
	other.pass(2 * time.Minute)
	if diff := cmp.Diff(any(object{"result": nil}), redis(other, `["GET","a"]`)); diff != "" {
		t.Errorf("a key that has expired (-want +got):\n%s", diff)
	}
	if err := s.ResetState(); err != nil {
		t.Fatal(err)
	}
	if list := other.must("GET", "/redis/databases", ""); !cmp.Equal(list, any([]any{})) {
		t.Errorf("after a reset: %v", list)
	}
	if out := redis(w, `["GET","a"]`); str(out, "result") != "1" {
		t.Errorf("the saved server: %v", out)
	}
}
