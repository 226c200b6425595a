package vercelemu

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAProjectsCreateTakesItsVariables(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		marker := obj{"key": "SLIPWAY", "value": "{}", "type": "plain", "target": []string{"development"}}
		p := w.want(200, "POST", "/v11/projects", obj{"name": "shop", "environmentVariables": []obj{marker}}).str("id")
		w.want(409, "POST", "/v11/projects", obj{"name": "shop", "environmentVariables": []obj{{"key": "OTHER", "value": "x", "type": "plain", "target": []string{"development"}}}})
		envs := w.want(200, "GET", "/v10/projects/"+p+"/env", nil)
		if envs.len("envs") != 1 || envs.str("envs", 0, "key") != "SLIPWAY" || envs.str("envs", 0, "value") != "{}" {
			t.Errorf("%s", envs.raw)
		}
	})
}

func TestCreatedIsAnObjectForOneVariableAndAnArrayForSeveral(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		one := func(key string) obj {
			return obj{"key": key, "value": "v", "type": "plain", "target": []string{"preview"}}
		}
		single := w.want(201, "POST", "/v10/projects/"+p+"/env", one("A"))
		several := w.want(201, "POST", "/v10/projects/"+p+"/env", []obj{one("B")})
		if single.str("created", "key") != "A" || several.str("created", 0, "key") != "B" {
			t.Errorf("%s\n%s", single.raw, several.raw)
		}
	})
}

func TestAVariableHasOneOfFiveTypes(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		for kind, want := range map[string]int{"system": 201, "secret": 201, "encrypted": 201, "plain": 201, "sensitive": 201, "hidden": 400} {
			if a := w.do("POST", "/v10/projects/"+p+"/env", obj{"key": "K_" + kind, "value": "v", "type": kind, "target": []string{"production"}}); a.status != want {
				t.Errorf("%s: %d %s", kind, a.status, a.raw)
			}
		}
	})
}

func TestTheFirstDeploymentNeedsSettingsUnlessDetectionIsSkipped(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		w.project("shop")
		body := obj{"name": "shop", "files": []obj{{"file": "a", "data": "b"}}}
		w.want(400, "POST", "/v13/deployments", body)
		w.want(200, "POST", "/v13/deployments?skipAutoDetectionConfirmation=1", body)
		w.want(200, "POST", "/v13/deployments", body) // the second needs neither
	})
}

func TestABodyCanStageOneDeploymentWhichIsPromotedLater(t *testing.T) {
	srv := atOnce()
	srv.PromoteTime = time.Second
	play(t, srv, func(w *world) {
		p := w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false}, map[string]string{"index.html": "x"})
		var got []string
		look := func() {
			d, job := w.want(200, "GET", "/v13/deployments/"+id, nil), w.want(200, "GET", "/v9/projects/"+p, nil)
			got = append(got, fmt.Sprintf("%s %s %d", d.str("readySubstate"), job.str("lastAliasRequest", "jobStatus"), w.visit("shop.vercel.app", "/", nil).status))
		}
		look()
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+id, obj{})
		for range 3 {
			look()
			w.sleep(time.Second)
		}
		want := []string{"STAGED  404", "STAGED pending 404", "PROMOTED in-progress 200", "PROMOTED succeeded 200"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestTheCLIRollsBackAtAnotherVersion(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		for _, version := range []string{"v1", "v9"} {
			old, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": true}, map[string]string{"index.html": "old"})
			w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": true}, map[string]string{"index.html": "new"})
			w.want(201, "POST", "/"+version+"/projects/"+p+"/rollback/"+old, nil)
			if got := w.visit("shop.vercel.app", "/", nil); string(got.raw) != "old" {
				t.Errorf("%s: production serves %s", version, got.raw)
			}
		}
	})
}

func TestADomainOfAnotherAccountIsAConflict(t *testing.T) {
	srv := atOnce()
	srv.Tokens = map[string]Account{DefaultToken: DefaultAccount(), "b": {User: User{ID: "b", Username: "bob"}}}
	play(t, srv, func(w *world) {
		w.want(200, "POST", "/v10/projects/"+w.project("shop")+"/domains", obj{"name": "shop.example.com"})
		w.token, w.team = "b", ""
		a := w.want(409, "POST", "/v10/projects/"+w.project("own")+"/domains", obj{"name": "shop.example.com"})
		want := obj{
			"code": "domain_already_in_use", "domain": obj{"name": "shop.example.com"},
			"message": "Cannot add shop.example.com since it's already in use by another Vercel account.",
		}
		if diff := cmp.Diff(any(obj{"error": want}), a.body); diff != "" {
			t.Errorf("it does not tell whose project has it (-want +got):\n%s", diff)
		}
	})
}

func TestDeploymentsComeInPagesByUntil(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		w.project("shop")
		var made, got []string
		for range 5 {
			id, _ := w.deploy("shop", nil, map[string]string{"a": "1"})
			made = append([]string{id}, made...)
		}
		for until := ""; ; {
			a := w.want(200, "GET", "/v6/deployments?limit=2"+until, nil)
			if n, _ := a.get("pagination", "count").(float64); int(n) != a.len("deployments") || n > 2 {
				t.Errorf("a page of 2, and its count: %s", a.raw)
			}
			for i := range a.len("deployments") {
				got = append(got, a.str("deployments", i, "uid"))
			}
			next, more := a.get("pagination", "next").(float64)
			if !more {
				break
			}
			until = fmt.Sprintf("&until=%.0f", next)
		}
		if diff := cmp.Diff(made, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestASandboxLives45MinutesAtMost(t *testing.T) {
	w := newSandboxes(t, &SandboxServer{})
	most := (45 * time.Minute).Milliseconds()
	w.want(400, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "timeout": most + 1})
	a := w.want(200, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "timeout": most})
	w.want(400, "POST", "/v2/sandboxes/sessions/"+a.str("session", "id")+"/extend-timeout", obj{"duration": 1000})
}

func TestASandboxWithARuntimeIsMadeByV2(t *testing.T) {
	w := newSandboxes(t, &SandboxServer{})
	for _, runtime := range []string{"node22", "python3.13"} {
		if a := w.want(200, "POST", "/v2/sandboxes", obj{"projectId": "prj_1", "runtime": runtime}); a.str("session", "runtime") != runtime {
			t.Errorf("%s", a.raw)
		}
	}
}
