package emukit

import "testing"

func TestTruncate(t *testing.T) {
	for name, tc := range map[string]struct {
		reason     string
		n, status  int
		body, want string
	}{
		"array":      {"a list alone", 1, 200, `[{"id":1},{"id":2}]`, `[{"id":1}]`},
		"next":       {"a list with a next page loses it", 1, 200, `{"envs":[1,2],"pagination":{"count":2,"next":17}}`, `{"envs":[1],"pagination":{"count":2,"next":null}}`},
		"cursor":     {"a list with a cursor loses it", 0, 200, `{"projects":[1,2],"pagination":{"cursor":"c"}}`, `{"pagination":{},"projects":[]}`},
		"long stays": {"numbers keep their digits, short lists their items", 9, 200, `{"a":[12345678901234567890]}`, `{"a":[12345678901234567890]}`},
		"refusal":    {"an error is no list", 0, 404, `{"missing":["a"]}`, `{"missing":["a"]}`},
		"text":       {"what is no JSON stays", 0, 200, `OK`, `OK`},
		"string":     {"what is no list stays", 0, 200, `"OK"`, `"OK"`},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := Truncate(tc.n)(tc.status, []byte(tc.body))
			if status != tc.status || string(body) != tc.want {
				t.Errorf("%s: %d %s, want %s", tc.reason, status, body, tc.want)
			}
		})
	}
}
