package vercelemu

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRateLimitsAreTheDocumentedOnes(t *testing.T) {
	env := func(w *world, i int) answer {
		return w.do("POST", "/v10/projects/shop/env?upsert=true", obj{"key": "K", "value": "v", "type": "plain", "target": []string{"production"}})
	}
	deploy := func(w *world, i int) answer {
		return w.do("POST", "/v13/deployments?skipAutoDetectionConfirmation=1", obj{"name": "shop", "files": []obj{{"file": "a", "data": "b"}}})
	}
	for name, tc := range map[string]struct {
		reason string
		plan   Plan
		calls  int
		per    time.Duration
		do     func(*world, int) answer
	}{
		"hobby deployments": {"60 in 5 minutes", Hobby, 60, 5 * time.Minute, deploy},
		"pro deployments":   {"120 in 5 minutes", Pro, 120, 5 * time.Minute, deploy},
		"env":               {"120 creates a minute", Pro, 120, time.Minute, env},
		"env reads":         {"500 a minute", Hobby, 500, time.Minute, func(w *world, i int) answer { return w.do("GET", "/v10/projects/shop/env", nil) }},
		"env deletes":       {"60 a minute", Hobby, 60, time.Minute, func(w *world, i int) answer { return w.do("DELETE", "/v1/projects/shop/env", obj{"ids": []string{}}) }},
		"domain changes":    {"100 a minute", Hobby, 100, time.Minute, func(w *world, i int) answer { return w.do("PATCH", "/v9/projects/shop/domains/shop.vercel.app", obj{}) }},
		"deployment lists":  {"1000 a minute", Hobby, 1000, time.Minute, func(w *world, i int) answer { return w.do("GET", "/v7/deployments", nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			srv := atOnce()
			srv.RateLimits = tc.plan
			play(t, srv, func(w *world) {
				w.project("shop")
				for i := range tc.calls {
					if a := tc.do(w, i); a.status/100 != 2 {
						t.Fatalf("call %d of %d: %d %s", i+1, tc.calls, a.status, a.raw)
					}
				}
				w.sleep(10 * time.Second)
				a := tc.do(w, tc.calls)
				reset := time.Now().Add(tc.per - 10*time.Second)
				want := any(obj{"error": obj{
					"code": "rate_limited", "message": "The request has been rate limited. Please wait before sending more requests.",
					"limit": obj{"remaining": 0.0, "reset": float64(reset.Unix()), "resetMs": float64(reset.UnixMilli()), "total": float64(tc.calls)},
				}})
				if diff := cmp.Diff(want, a.body); a.status != http.StatusTooManyRequests || diff != "" {
					t.Errorf("%s: %d (-want +got):\n%s", tc.reason, a.status, diff)
				}
				wait, err := time.ParseDuration(a.header.Get("Retry-After") + "s")
				if err != nil || wait != tc.per-10*time.Second {
					t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
				}
				w.sleep(wait)
				if a := tc.do(w, 0); a.status/100 != 2 {
					t.Errorf("after Retry-After: %d %s", a.status, a.raw)
				}
			})
		})
	}
}

func TestRetryAfterCanBeADate(t *testing.T) {
	srv := atOnce()
	srv.RateLimits, srv.RetryAfterDate = Hobby, true
	play(t, srv, func(w *world) {
		w.project("shop")
		call := func() answer { return w.do("DELETE", "/v1/projects/shop/env", obj{"ids": []string{}}) }
		for range 60 {
			call()
		}
		at, err := http.ParseTime(call().header.Get("Retry-After"))
		if err != nil {
			t.Fatal(err)
		}
		if wait := time.Until(at); wait < time.Minute || wait > time.Minute+time.Second {
			t.Errorf("a wait of %v, want the minute that is left", wait)
		}
		w.sleep(time.Until(at))
		if a := call(); a.status != 200 {
			t.Errorf("after it: %d", a.status)
		}
	})
}

func TestNothingIsLimitedUnlessAsked(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		w.project("shop")
		for range 200 {
			w.want(200, "DELETE", "/v1/projects/shop/env", obj{"ids": []string{}})
		}
	})
}

func TestThePlansDeploymentsADayAre402(t *testing.T) {
	srv := atOnce()
	srv.DeploymentsPerDay = 1
	play(t, srv, func(w *world) {
		w.project("shop")
		w.deploy("shop", nil, map[string]string{"a": "1"})
		body := obj{"name": "shop", "files": []obj{{"file": "a", "data": "b"}}}
		if a := w.want(402, "POST", "/v13/deployments", body); a.str("error", "code") != "api-deployments-free-per-day" {
			t.Errorf("%s", a.raw)
		}
		w.sleep(25 * time.Hour)
		w.want(200, "POST", "/v13/deployments", body)
	})
}

func TestAnOngoingUpdateOfTheEnvIsA400ThatPasses(t *testing.T) {
	srv, busy := atOnce(), true
	srv.EnvBusy = func() bool { return busy }
	play(t, srv, func(w *world) {
		p := w.project("shop")
		env := obj{"key": "K", "value": "v", "type": "plain", "target": []string{"production"}}
		a := w.want(400, "POST", "/v10/projects/"+p+"/env", env)
		if got := a.str("error", "message"); got != "The Environment Variable couldn't be changed because an ongoing update is already happening." {
			t.Errorf("%s", a.raw)
		}
		busy = false
		id := w.want(201, "POST", "/v10/projects/"+p+"/env", env).str("created", "id")
		busy = true
		w.want(400, "PATCH", "/v9/projects/"+p+"/env/"+id, obj{"value": "w"})
		w.want(400, "DELETE", "/v9/projects/"+p+"/env/"+id, nil)
		w.want(400, "DELETE", "/v1/projects/"+p+"/env", obj{"ids": []string{id}})
		if got := w.want(200, "GET", "/v1/projects/"+p+"/env/"+id, nil).str("value"); got != "v" {
			t.Errorf("a refused update has changed it to %q", got)
		}
	})
}

func TestAPromotionHasADeadline(t *testing.T) {
	srv := &Server{BuildTime: -1, AliasTime: -1, PromoteTime: time.Minute, PromoteDeadline: 90 * time.Second, VerifiedDomains: true}
	play(t, srv, func(w *world) {
		p := w.project("shop")
		w.want(200, "POST", "/v10/projects/"+p+"/domains", obj{"name": "shop.example.com"})
		id, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false}, map[string]string{"index.html": "x"})
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+id, obj{})
		var got []string
		for range 3 {
			got = append(got, w.want(200, "GET", "/v9/projects/"+p, nil).str("lastAliasRequest", "jobStatus"))
			w.sleep(time.Minute)
		}
		if diff := cmp.Diff([]string{"pending", "in-progress", "failed"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := w.want(200, "GET", "/v1/projects/"+p+"/promote/aliases?failedOnly=true", nil).len("aliases"); n != 2 {
			t.Errorf("%d aliases failed, want the 2 that were not moved in time", n)
		}
		w.sleep(time.Hour)
		if w.visit("shop.example.com", "/", nil).status != 404 || w.visit("shop.vercel.app", "/", nil).status != 200 {
			t.Error("an alias moved after the deadline, or none before")
		}
		w.want(409, "POST", "/v10/projects/"+p+"/promote/"+id, obj{}) // it serves the first alias already
	})
}

func TestACustomEnvironmentHasItsOwnVariablesAndDomains(t *testing.T) {
	srv := atOnce()
	srv.MaxCustomEnvironments, srv.VerifiedDomains, srv.Unprotected = 2, true, true
	play(t, srv, func(w *world) {
		p := w.project("shop")
		at := "/v9/projects/" + p + "/custom-environments"
		w.want(201, "POST", "/v10/projects/"+p+"/env", []obj{
			{"key": "K", "value": "preview", "type": "plain", "target": []string{"preview"}},
			{"key": "L", "value": "preview", "type": "plain", "target": []string{"preview"}},
		})
		qa := w.want(201, "POST", at, obj{"slug": "qa"}).str("id")
		w.want(201, "POST", at, obj{"slug": "copy", "copyEnvVarsFrom": "preview"})
		own := obj{"key": "K", "value": "qa", "type": "sensitive", "customEnvironmentIds": []string{qa}}
		w.want(201, "POST", "/v10/projects/"+p+"/env", own)
		if a := w.want(400, "POST", "/v10/projects/"+p+"/env", own); a.str("error", "code") != "ENV_CONFLICT" {
			t.Errorf("the same variable again: %s", a.raw)
		}
		w.want(200, "POST", "/v10/projects/"+p+"/domains", obj{"name": "qa.example.com", "customEnvironmentId": qa})
		live, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "live"})
		inQA, _ := w.deploy("shop", obj{"customEnvironmentSlugOrId": "qa"}, map[string]string{"index.html": "qa"})
		inCopy, _ := w.deploy("shop", obj{"customEnvironmentSlugOrId": "copy"}, map[string]string{"index.html": "copy"})
		values := func(id string) []string {
			e := w.srv.deployments[id].env
			return []string{e["K"], e["L"], e["VERCEL_ENV"], e["VERCEL_TARGET_ENV"]}
		}
		want := [][]string{{"", "", "production", "production"}, {"qa", "", "preview", "qa"}, {"preview", "preview", "preview", "copy"}}
		if diff := cmp.Diff(want, [][]string{values(live), values(inQA), values(inCopy)}); diff != "" {
			t.Errorf("env (-want +got):\n%s", diff)
		}
		if got := string(w.visit("qa.example.com", "/", nil).raw); got != "qa" {
			t.Errorf("its domain serves %s", got)
		}
		if a := w.want(200, "GET", "/v13/deployments/"+inQA, nil); a.str("customEnvironment", "id") != qa || a.get("target") != nil {
			t.Errorf("%s", a.raw)
		}
		for reason, tc := range map[string]struct {
			status int
			body   obj
		}{
			"no reserved word":   {400, obj{"slug": "production"}},
			"no capital letters": {400, obj{"slug": "QA"}},
			"a slug is unique":   {400, obj{"slug": "qa"}},
			"the plan's limit":   {402, obj{"slug": "third"}},
		} {
			if a := w.do("POST", at, tc.body); a.status != tc.status {
				t.Errorf("%s: %d %s", reason, a.status, a.raw)
			}
		}
		w.want(404, "POST", "/v13/deployments", obj{"name": "shop", "customEnvironmentSlugOrId": "none", "files": []obj{{"file": "a", "data": "b"}}})
		w.want(200, "DELETE", at+"/qa", obj{"deleteUnassignedEnvironmentVariables": true})
		if n := w.want(200, "GET", "/v10/projects/"+p+"/env", nil).len("envs"); n != 2 {
			t.Errorf("%d variables are left, want the two of preview", n)
		}
	})
}

func TestADomainMovesWithinItsAccountOnly(t *testing.T) {
	srv := atOnce()
	srv.VerifiedDomains, srv.Unprotected = true, true
	srv.Tokens = map[string]Account{DefaultToken: DefaultAccount(), "b": {User: User{ID: "b", Username: "bob"}}}
	play(t, srv, func(w *world) {
		shop, other := w.project("shop"), w.project("other")
		w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "shop"})
		w.deploy("other", obj{"target": "production"}, map[string]string{"index.html": "other"})
		w.want(200, "POST", "/v10/projects/"+shop+"/domains", obj{"name": "shop.example.com"})
		if got := string(w.visit("shop.example.com", "/", nil).raw); got != "shop" {
			t.Errorf("before: %s", got)
		}
		move := "/v1/projects/" + shop + "/domains/shop.example.com/move"
		w.want(404, "POST", move, obj{"projectId": "prj_none"})
		w.want(409, "POST", move, obj{"projectId": shop})
		w.want(409, "POST", "/v1/projects/"+shop+"/domains/shop.vercel.app/move", obj{"projectId": other})
		if a := w.want(200, "POST", move, obj{"projectId": other}); a.str("projectId") != other {
			t.Errorf("%s", a.raw)
		}
		if got := string(w.visit("shop.example.com", "/", nil).raw); got != "other" {
			t.Errorf("after: %s", got)
		}
		w.want(404, "GET", "/v9/projects/"+shop+"/domains/shop.example.com", nil)
		w.token, w.team = "b", ""
		theirs := w.project("theirs")
		a := w.want(409, "POST", "/v10/projects/"+theirs+"/domains", obj{"name": "shop.example.com"})
		if a.str("error", "code") != "domain_already_in_use" || a.get("error", "projectId") != nil {
			t.Errorf("another account's domain: %s", a.raw)
		}
		for reason, body := range map[string]obj{
			"a branch and a redirect":   {"name": "x.example.com", "gitBranch": "b", "redirect": "y.example.com"},
			"a redirect to itself":      {"name": "x.example.com", "redirect": "x.example.com"},
			"a name that is no host's":  {"name": "x"},
			"a name with a space in it": {"name": "x y.com"},
		} {
			if a := w.do("POST", "/v10/projects/"+theirs+"/domains", body); a.status != 400 {
				t.Errorf("%s: %d", reason, a.status)
			}
		}
	})
}
