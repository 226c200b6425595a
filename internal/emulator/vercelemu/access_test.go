package vercelemu

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// What a token may do as with:access makes it.
func TestAccess(t *testing.T) {
	tests := map[string]struct {
		reason string
		want   []int // user, token, team, projects, create, project, variable, promote
		role   string
		github int // namespaces
	}{
		"none":        {"a whole account", []int{200, 200, 200, 200, 200, 404, 404, 404}, "OWNER", 1},
		"expired":     {"it is not accepted", []int{403, 403, 403, 403, 403, 403, 403, 403}, "", 0},
		"viewer":      {"it reads", []int{200, 200, 200, 200, 403, 404, 403, 403}, "VIEWER", 1},
		"contributor": {"it makes no project", []int{200, 200, 200, 200, 403, 404, 404, 404}, "CONTRIBUTOR", 1},
		"developer":   {"nor writes variables, nor moves production", []int{200, 200, 200, 200, 403, 404, 403, 403}, "DEVELOPER", 1},
		"project":     {"what is the user's or the team's is refused", []int{403, 403, 403, 403, 403, 404, 404, 404}, "", 0},
		"other-team":  {"the team is another's", []int{403, 403, 403, 403, 403, 403, 403, 403}, "", 0},
		"team":        {"the team's alone", []int{200, 200, 200, 200, 200, 404, 404, 404}, "OWNER", 1},
		"no-github":   {"the app is installed nowhere", []int{200, 200, 200, 200, 200, 404, 404, 404}, "OWNER", 0},
	}
	for access, test := range tests {
		t.Run(access, func(t *testing.T) {
			srv := &Server{}
			if access != "none" {
				hook, err := emukit.ParseFaults("* *#*=with:access:" + access)
				if err != nil {
					t.Fatal(err)
				}
				srv.Hook = hook
			}
			play(t, srv, func(w *world) {
				var got []int
				team := w.do("GET", "/v2/teams/"+acme, nil)
				git := w.do("GET", "/v1/integrations/git-namespaces?provider=github", nil)
				for _, a := range []answer{
					w.do("GET", "/v2/user", nil), w.do("GET", "/v5/user/tokens/current", nil), team, w.do("GET", "/v10/projects", nil),
					w.do("POST", "/v11/projects", obj{"name": "shop"}), w.do("GET", "/v9/projects/none", nil),
					w.do("POST", "/v10/projects/none/env", obj{"key": "K", "value": "v", "type": "plain", "target": []string{"preview"}}),
					w.do("POST", "/v10/projects/none/promote/none", obj{}),
				} {
					got = append(got, a.status)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s:\n%s", test.reason, diff)
				}
				installed, _ := git.body.([]any)
				if role := team.str("membership", "role"); role != test.role || len(installed) != test.github {
					t.Errorf("%s: role %q, %d installations", test.reason, role, len(installed))
				}
			})
		})
	}
}

func TestPermissionsAndExpiry(t *testing.T) {
	a := DefaultAccount()
	a.Role, a.Permissions = "DEVELOPER", []string{"CreateProject"}
	play(t, &Server{Tokens: map[string]Account{DefaultToken: a}}, func(w *world) {
		w.want(200, "POST", "/v11/projects", obj{"name": "shop"})
		ends := time.Now().Add(time.Hour)
		a.Expires = ends
		w.srv.Tokens[DefaultToken] = a
		got := w.want(200, "GET", "/v5/user/tokens/current", nil).get("token", "expiresAt")
		if got != float64(ends.UnixMilli()) {
			t.Errorf("expires %v, not %v", got, ends)
		}
		w.sleep(2 * time.Hour)
		w.want(403, "GET", "/v2/user", nil)
		w.want(403, "GET", "/v5/user/tokens/current", nil)
		a.Expires = time.Time{}
		w.srv.Tokens[DefaultToken] = a
		w.want(404, "GET", "/v5/user/tokens/other", nil)
	})
}
