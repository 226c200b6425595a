package vercelemu

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// Each modelled route, in each of its versions, refuses in the same words and the same envelope (world checks it).
func TestEveryRouteRefusesWhoMayNotAndWhatIsNotThere(t *testing.T) {
	blocked, viewer := DefaultAccount(), DefaultAccount()
	blocked.SoftBlocked, viewer.ReadOnly = true, true
	srv := atOnce()
	srv.Tokens = map[string]Account{DefaultToken: DefaultAccount(), "blocked": blocked, "viewer": viewer}
	type refusal struct {
		Status int
		Code   string
	}
	play(t, srv, func(w *world) {
		for _, rt := range routes() {
			for v := range strings.FieldsSeq(rt.versions) {
				path := parameter.ReplaceAllString(rt.path, "none")
				if v != "-" {
					path = "/" + v + path
				}
				check := func(reason, token, team string, body any, want refusal) {
					t.Helper()
					w.token, w.team = token, team
					a := w.do(rt.method, path, body)
					if diff := cmp.Diff(want, refusal{a.status, a.str("error", "code")}); diff != "" {
						t.Errorf("%s %s: %s (-want +got):\n%s", rt.method, path, reason, diff)
					}
				}
				check("without a token", "", acme, nil, refusal{401, "forbidden"})
				check("with a wrong token", "wrong", acme, nil, refusal{403, "forbidden"})
				check("for a team of others", DefaultToken, other, nil, refusal{403, "forbidden"})
				if rt.method != "GET" {
					check("by who may only read", "viewer", acme, nil, refusal{403, "forbidden"})
					check("by who has not paid", "blocked", acme, nil, refusal{402, "payment_required"})
				}
				if rt.body != nil {
					check("with half a body", DefaultToken, acme, `{"name":`, refusal{400, "invalid_json"})
					check("with a body of the wrong kind", DefaultToken, acme, `"text"`, refusal{400, "bad_request"})
				} else if strings.Contains(path, "none") && !strings.HasPrefix(rt.path, "/domains/") {
					check("for what is not there", DefaultToken, acme, nil, refusal{404, "not_found"})
				}
			}
		}
	})
}

func TestAProjectNameIsUpTo100LowerCaseCharacters(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		for name, tc := range map[string]struct {
			reason string
			status int
		}{
			strings.Repeat("a", 100): {"100 are allowed", 200},
			strings.Repeat("a", 101): {"101 are not", 400},
			"Shop":                   {"no capital letters", 400},
			"a---b":                  {"no three dashes in a row", 400},
			"a b":                    {"no space", 400},
			"a.b_c-d":                {"dots, underscores and dashes are fine", 200},
			"":                       {"a name has a character", 400},
		} {
			if a := w.do("POST", "/v11/projects", obj{"name": name}); a.status != tc.status {
				t.Errorf("%q: %s: %d", name, tc.reason, a.status)
			}
		}
	})
}

func TestACreateOfADeploymentHasNoIdempotencyKey(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		first, _ := w.deploy("shop", obj{"meta": obj{"run": "r1"}}, map[string]string{"a": "1"})
		second, _ := w.deploy("shop", obj{"meta": obj{"run": "r1"}}, map[string]string{"a": "1"})
		w.deploy("shop", obj{"meta": obj{"run": "r2"}}, map[string]string{"a": "1"})
		list := w.want(200, "GET", "/v7/deployments?projectId="+p+"&meta-run=r1", nil)
		if diff := cmp.Diff([]string{second, first}, []string{list.str("deployments", 0, "uid"), list.str("deployments", 1, "uid")}); diff != "" || list.len("deployments") != 2 {
			t.Errorf("two posts, found by their meta (-want +got):\n%s", diff)
		}
	})
}

func TestTheStateIsCalledStateInListsAndStatusInASingleRead(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		w.project("shop")
		id, _ := w.deploy("shop", nil, map[string]string{"a": "1"})
		one, list := w.want(200, "GET", "/v13/deployments/"+id, nil), w.want(200, "GET", "/v7/deployments", nil)
		got := []any{
			one.get("status"), one.get("state"), one.get("readyState"),
			list.get("deployments", 0, "status"), list.get("deployments", 0, "state"), list.get("deployments", 0, "readyState"),
		}
		if diff := cmp.Diff([]any{"READY", nil, "READY", nil, "READY", "READY"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAGitBranchGoesWithPreviewOnly(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		put := func(branch string, targets ...string) int {
			return w.do("POST", "/v10/projects/"+p+"/env", obj{"key": "K", "value": "v", "type": "plain", "target": targets, "gitBranch": branch}).status
		}
		got := []int{put("fix", "preview"), put("fix", "production"), put("fix", "preview", "production"), put("other", "preview"), put("fix", "preview"), put("", "preview")}
		if diff := cmp.Diff([]int{201, 400, 400, 201, 400, 201}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestARollbackEndsAutomaticAssignmentUntilAPromote(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		deploy := func(page string) string {
			id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": page})
			return id
		}
		var got []string
		look := func() { got = append(got, string(w.visit("shop.vercel.app", "/", nil).raw)) }
		first := deploy("one")
		deploy("two")
		look()
		w.want(201, "POST", "/v1/projects/"+p+"/rollback/"+first, nil)
		look()
		third := deploy("three")
		look()
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+third, obj{})
		look()
		deploy("four")
		look()
		if diff := cmp.Diff([]string{"two", "one", "one", "three", "four"}, got); diff != "" {
			t.Errorf("production serves (-want +got):\n%s", diff)
		}
	})
}

func TestStagingAndPreviewTakeNoProductionDomain(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		w.project("shop")
		for _, target := range []any{"staging", nil} {
			id, _ := w.deploy("shop", obj{"target": target}, map[string]string{"index.html": "x"})
			d := w.want(200, "GET", "/v13/deployments/"+id, nil)
			if d.get("target") != target || d.get("aliasAssigned") != true || d.len("alias") != 0 || d.get("readySubstate") != nil {
				t.Errorf("%v: %s", target, d.raw)
			}
		}
	})
}
