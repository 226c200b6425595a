package vercelemu

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// atOnce is a server in which nothing takes time.
func atOnce() *Server { return &Server{BuildTime: -1, AliasTime: -1, PromoteTime: -1} }

func TestSensitiveValuesAreNeverReadable(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		var seen []answer
		env := obj{"key": "S", "value": "canary-value", "type": "sensitive", "target": []string{"production"}}
		seen = append(seen, w.want(201, "POST", "/v10/projects/"+p+"/env", env))
		id := seen[0].str("created", "id")
		seen = append(seen, w.want(200, "GET", "/v1/projects/"+p+"/env/"+id, nil), w.want(200, "GET", "/v10/projects/"+p+"/env?decrypt=true", nil),
			w.want(200, "GET", "/v9/projects/"+p, nil), w.want(200, "PATCH", "/v9/projects/"+p+"/env/"+id, obj{"comment": "c"}),
			w.do("PATCH", "/v9/projects/"+p+"/env/"+id, obj{"type": "plain"}), w.want(200, "DELETE", "/v9/projects/"+p+"/env/"+id, nil))
		for _, a := range seen {
			if strings.Contains(string(a.raw), "canary-value") {
				t.Errorf("a reply shows the value: %s", a.raw)
			}
		}
		if code := seen[5].status; code != 400 {
			t.Errorf("a sensitive variable became plain: %d", code)
		}
	})
}

func TestEncryptedValuesAreDecryptedOnlySingly(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		a := w.want(201, "POST", "/v10/projects/"+p+"/env", obj{"key": "E", "value": "clear", "type": "encrypted", "target": []string{"preview"}})
		list := w.want(200, "GET", "/v10/projects/"+p+"/env", nil)
		if list.str("envs", 0, "value") == "clear" || list.get("envs", 0, "decrypted") != false {
			t.Errorf("list: %s", list.raw)
		}
		if one := w.want(200, "GET", "/v1/projects/"+p+"/env/"+a.str("created", "id"), nil); one.str("value") != "clear" || one.get("decrypted") != true {
			t.Errorf("single: %s", one.raw)
		}
	})
}

func TestUpsertOverwritesEqualTargetsAndRefusesOverlappingOnes(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		put := func(value string, targets ...string) answer {
			return w.do("POST", "/v10/projects/"+p+"/env?upsert=true", obj{"key": "K", "value": value, "type": "plain", "target": targets})
		}
		first := put("1", "production", "preview")
		again := put("2", "preview", "production")
		if again.status != 201 || again.str("created", "id") != first.str("created", "id") || again.str("created", "value") != "2" {
			t.Errorf("equal targets: %d %s", again.status, again.raw)
		}
		if first.get("created", "updatedAt").(float64) >= again.get("created", "updatedAt").(float64) {
			t.Error("updatedAt stands still")
		}
		if a := put("3", "production"); a.status != 400 || a.str("error", "code") != "ENV_CONFLICT" {
			t.Errorf("overlapping targets: %d %s", a.status, a.raw)
		}
		if a := put("4", "development"); a.status != 201 {
			t.Errorf("other targets: %d %s", a.status, a.raw)
		}
	})
}

func TestPartialFailureIs201(t *testing.T) {
	srv := atOnce()
	srv.EnvFails = func(key string) string {
		if key == "BAD" {
			return "existing_key_and_target"
		}
		return ""
	}
	play(t, srv, func(w *world) {
		p := w.project("shop")
		one := func(key string) obj {
			return obj{"key": key, "value": "v", "type": "plain", "target": []string{"production"}}
		}
		a := w.want(201, "POST", "/v10/projects/"+p+"/env?upsert=true", []obj{one("A"), one("BAD"), one("C"), one("1D")})
		if a.len("created") != 2 || a.len("failed") != 2 || a.str("failed", 0, "error", "envVarKey") != "BAD" || a.str("failed", 1, "error", "envVarKey") != "1D" {
			t.Errorf("%s", a.raw)
		}
		if n := w.want(200, "GET", "/v10/projects/"+p+"/env", nil).len("envs"); n != 2 {
			t.Errorf("%d variables exist", n)
		}
	})
}

func TestEnvConflictComesInThreeShapes(t *testing.T) {
	for status, code := range map[int]string{0: "ENV_CONFLICT", 403: "ENV_ALREADY_EXISTS", 409: "existing_key_and_target"} {
		srv := atOnce()
		srv.EnvConflictStatus = status
		play(t, srv, func(w *world) {
			p := w.project("shop")
			env := obj{"key": "K", "value": "v", "type": "plain", "target": []string{"production"}}
			w.want(201, "POST", "/v10/projects/"+p+"/env", env)
			want := status
			if want == 0 {
				want = 400
			}
			if a := w.do("POST", "/v10/projects/"+p+"/env", env); a.status != want || a.str("error", "code") != code {
				t.Errorf("%d %s", a.status, a.raw)
			}
		})
	}
}

func TestADeploymentKeepsTheEnvItWasBuiltWith(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		env := func(value string) {
			w.want(201, "POST", "/v10/projects/"+p+"/env?upsert=true", []obj{
				{"key": "K", "value": value, "type": "plain", "target": []string{"production"}},
				{"key": "P", "value": value, "type": "plain", "target": []string{"preview"}},
			})
		}
		values := func(id string) []string {
			d := w.srv.deployments[id]
			return []string{d.env["K"], d.env["P"], d.env["VERCEL_ENV"]}
		}
		env("old")
		before, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"a": "1"})
		env("new")
		after, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"a": "1"})
		preview, _ := w.deploy("shop", nil, map[string]string{"a": "1"})
		got := [][]string{values(before), values(after), values(preview)}
		want := [][]string{{"old", "", "production"}, {"new", "", "production"}, {"", "new", "preview"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestStatesPassByTheClockAndReadyIsNotLive(t *testing.T) {
	play(t, &Server{BuildTime: 10 * time.Second, AliasTime: 3 * time.Second}, func(w *world) {
		w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		var got []string
		for range 7 {
			d := w.want(200, "GET", "/v13/deployments/"+id, nil)
			got = append(got, fmt.Sprintf("%s %v %d", d.str("readyState"), d.get("aliasAssigned"), w.visit("shop.vercel.app", "/", nil).status))
			w.sleep(500 * time.Millisecond)
			if len(got) > 2 {
				w.sleep(2500 * time.Millisecond)
			}
		}
		want := []string{
			"QUEUED false 404", "INITIALIZING false 404", "BUILDING false 404", "BUILDING false 404", "BUILDING false 404",
			"READY false 404", "READY true 200",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAFailedBuildEndsInErrorAndSaysWhy(t *testing.T) {
	play(t, &Server{BuildFails: func(b Build) string {
		if b.Meta["run"] == "r1" && b.File("index.html") != nil {
			return "out of luck"
		}
		return ""
	}}, func(w *world) {
		w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production", "meta": obj{"run": "r1"}}, map[string]string{"index.html": "x"})
		events := string(w.want(200, "GET", "/v3/deployments/"+id+"/events?follow=1", nil).raw)
		w.sleep(time.Second)
		d := w.want(200, "GET", "/v13/deployments/"+id, nil)
		if d.str("readyState") != "ERROR" || d.str("errorMessage") != "out of luck" || d.get("aliasAssigned") != false || !strings.Contains(events, "out of luck") {
			t.Errorf("%s\n%s", d.raw, events)
		}
	})
}

func TestACancelEndsTheBuildAndItsEventStream(t *testing.T) {
	play(t, &Server{BuildTime: time.Hour}, func(w *world) {
		w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		start, stream := time.Now(), make(chan string)
		go func() { stream <- string(w.do("GET", "/v3/deployments/"+id+"/events?follow=1", nil).raw) }()
		w.sleep(10 * time.Minute)
		if d := w.want(200, "PATCH", "/v12/deployments/"+id+"/cancel", nil); d.str("readyState") != "CANCELED" {
			t.Errorf("%s", d.raw)
		}
		if events := <-stream; !strings.Contains(events, `"readyState":"CANCELED"`) || time.Since(start) != 10*time.Minute {
			t.Errorf("after %v: %s", time.Since(start), events)
		}
		w.sleep(time.Hour)
		if d := w.want(200, "GET", "/v13/deployments/"+id, nil); d.str("readyState") != "CANCELED" || d.get("aliasAssigned") != false {
			t.Errorf("later: %s", d.raw)
		}
	})
}

func TestEventsResumeWithSince(t *testing.T) {
	play(t, &Server{BuildTime: 4 * time.Second}, func(w *world) {
		w.project("shop")
		id, _ := w.deploy("shop", nil, map[string]string{"index.html": "x"})
		w.sleep(5 * time.Second)
		at := "/v3/deployments/" + id + "/events"
		all := w.want(200, "GET", at, nil)
		n := all.len()
		from := int64(all.get(n-1, "created").(float64))
		rest := w.want(200, "GET", fmt.Sprintf("%s?follow=1&since=%d", at, from), nil)
		if lines := strings.Count(string(rest.raw), "\n"); lines != 2 {
			t.Errorf("%d lines since the last one's time: %s", lines, rest.raw)
		}
		if back := w.want(200, "GET", at+"?direction=backward&limit=1", nil); back.len() != 1 || back.str(0, "id") != all.str(n-1, "id") {
			t.Errorf("backward: %s", back.raw)
		}
	})
}

func TestPromotionCanMoveSomeAliasesAndFail(t *testing.T) {
	srv := atOnce()
	srv.AliasFails = func(host string) bool { return host == "shop-acme.vercel.app" }
	play(t, srv, func(w *world) {
		p := w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false}, map[string]string{"index.html": "x"})
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+id, obj{})
		got := w.want(200, "GET", "/v9/projects/"+p, nil)
		failed := w.want(200, "GET", "/v1/projects/"+p+"/promote/aliases?failedOnly=true", nil)
		if got.str("lastAliasRequest", "jobStatus") != "failed" || failed.len("aliases") != 1 || failed.str("aliases", 0, "alias") != "shop-acme.vercel.app" {
			t.Errorf("%s\n%s", got.raw, failed.raw)
		}
		if w.visit("shop.vercel.app", "/", nil).status != 200 || w.visit("shop-acme.vercel.app", "/", nil).status != 404 {
			t.Error("the other alias did not move, or the failing one did")
		}
	})
}

func TestABuildThatEndsLateTakesNothingBack(t *testing.T) {
	srv := &Server{}
	play(t, srv, func(w *world) {
		w.project("shop")
		srv.BuildTime = 10 * time.Second
		slow, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "slow"})
		srv.BuildTime = time.Second
		w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "fast"})
		w.sleep(20 * time.Second)
		if a := w.visit("shop.vercel.app", "/", nil); string(a.raw) != "fast" {
			t.Errorf("production serves %s", a.raw)
		}
		if d := w.want(200, "GET", "/v13/deployments/"+slow, nil); d.str("readyState") != "READY" || d.len("alias") != 0 {
			t.Errorf("%s", d.raw)
		}
	})
}

func TestRollbackServesTheOldBuildWithItsOwnEnv(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		old, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "old"})
		w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "new"})
		w.want(201, "POST", "/v1/projects/"+p+"/rollback/"+old+"?description=bad", nil)
		a := w.want(200, "GET", "/v9/projects/"+p, nil)
		if a.str("lastAliasRequest", "type") != "rollback" || a.str("targets", "production", "id") != old || a.str("rollbackDescription", "description") != "bad" {
			t.Errorf("%s", a.raw)
		}
		if got := w.visit("shop.vercel.app", "/", nil); string(got.raw) != "old" {
			t.Errorf("production serves %s", got.raw)
		}
	})
}

func TestTheProjectSettingStagesEveryDeployment(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		w.want(200, "PATCH", "/v9/projects/"+p, obj{"autoAssignCustomDomains": false})
		id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		if d := w.want(200, "GET", "/v13/deployments/"+id, nil); d.str("readySubstate") != "STAGED" || d.len("alias") != 0 {
			t.Errorf("%s", d.raw)
		}
	})
}

func TestListsComeInPagesAndFiltered(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		for i := range 45 {
			w.project(fmt.Sprintf("p-%02d", i))
		}
		var names []string
		for from := ""; ; {
			a := w.want(200, "GET", "/v10/projects?limit=20"+from, nil)
			for i := range a.len("projects") {
				names = append(names, a.str("projects", i, "name"))
			}
			next, more := a.get("pagination", "next").(float64)
			if !more {
				break
			}
			from = fmt.Sprintf("&from=%.0f", next)
		}
		if len(names) != 45 || names[0] != "p-44" || names[44] != "p-00" {
			t.Errorf("%d projects: %v", len(names), names)
		}
		for i := range 25 {
			target := obj{"meta": obj{"run": fmt.Sprint(i % 5)}}
			if i%2 == 0 {
				target["target"] = "production"
			}
			w.deploy("p-00", target, map[string]string{"a": "x"})
		}
		for query, want := range map[string]int{
			"projectId=p-00&limit=100": 25, "projectId=p-00&meta-run=3&limit=100": 5, "projectId=p-00&target=production&limit=100": 13,
			"projectId=p-00&target=preview&limit=100": 12, "projectId=p-01": 0, "state=ERROR": 0, "state=READY,ERROR&limit=100": 25, "": 20,
		} {
			if got := w.want(200, "GET", "/v7/deployments?"+query, nil).len("deployments"); got != want {
				t.Errorf("%q: %d deployments, want %d", query, got, want)
			}
		}
	})
}

func TestACreatedProjectCanShowLateInLists(t *testing.T) {
	srv := atOnce()
	srv.Settle = emukit.Settle{Reads: 2}
	play(t, srv, func(w *world) {
		w.project("shop")
		var got []int
		for range 3 {
			got = append(got, w.want(200, "GET", "/v10/projects?search=shop", nil).len("projects"))
		}
		if diff := cmp.Diff([]int{0, 0, 1}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		w.want(200, "GET", "/v9/projects/shop", nil)
	})
}

func TestALostReplyLeavesOneProject(t *testing.T) {
	srv := atOnce()
	hook, err := emukit.ParseFaults("POST /v11/projects#1=reset-after")
	if err != nil {
		t.Fatal(err)
	}
	srv.Hook = hook
	web := httptest.NewServer(srv)
	defer web.Close()
	post := func() int {
		req, _ := http.NewRequest("POST", web.URL+"/v11/projects", strings.NewReader(`{"name":"shop"}`))
		req.Header.Set("Authorization", "Bearer "+DefaultToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if got := []int{post(), post()}; !cmp.Equal(got, []int{0, 409}) {
		t.Errorf("statuses %v, want a lost reply and then a conflict", got)
	}
	if calls := srv.Calls(); len(calls) != 2 || !calls[0].Dropped || srv.Mutations() != 2 {
		t.Errorf("request log %+v", calls)
	}
}

func TestADomainIsVerifiedByItsRecordAndConfiguredByItsDNS(t *testing.T) {
	srv := atOnce()
	play(t, srv, func(w *world) {
		p := w.project("shop")
		w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		d := w.want(200, "POST", "/v10/projects/"+p+"/domains", obj{"name": "Shop.Example.com"})
		record, value := d.str("verification", 0, "domain"), d.str("verification", 0, "value")
		if d.get("verified") != false || record != "_vercel.example.com" {
			t.Errorf("added: %s", d.raw)
		}
		verify := "/v9/projects/" + p + "/domains/shop.example.com/verify"
		if a := w.want(400, "POST", verify, nil); a.str("error", "code") != "missing_txt_record" {
			t.Errorf("no record: %s", a.raw)
		}
		srv.SetTXT(record, "vc-domain-verify=other")
		w.want(400, "POST", verify, nil)
		if w.visit("shop.example.com", "/", nil).status != 404 {
			t.Error("an unverified domain serves")
		}
		srv.SetTXT(record, value)
		if a := w.want(200, "POST", verify, nil); a.get("verified") != true {
			t.Errorf("verified: %s", a.raw)
		}
		if w.visit("shop.example.com", "/", nil).status != 200 || w.want(200, "GET", "/v6/domains/shop.example.com/config", nil).get("misconfigured") != true {
			t.Error("verified is not the same as configured")
		}
	})
}

func TestTwoAccountsMayUseOneNameButNotOneHost(t *testing.T) {
	srv := atOnce()
	srv.Tokens = map[string]Account{DefaultToken: DefaultAccount(), "b": {User: User{ID: "b", Username: "bob"}}}
	play(t, srv, func(w *world) {
		w.project("shop")
		w.token, w.team = "b", ""
		p := w.project("shop")
		if d := w.want(200, "GET", "/v9/projects/"+p+"/domains", nil); d.str("domains", 0, "name") != "shop-bob.vercel.app" {
			t.Errorf("%s", d.raw)
		}
	})
}

func TestDeletingAProjectTakesItsDeploymentsAndHosts(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		w.want(204, "DELETE", "/v9/projects/"+p, nil)
		w.want(404, "DELETE", "/v9/projects/"+p, nil)
		w.want(404, "GET", "/v13/deployments/"+id, nil)
		if w.visit("shop.vercel.app", "/", nil).status != 404 || w.want(200, "GET", "/v4/aliases", nil).len("aliases") != 0 {
			t.Error("it still serves")
		}
		w.project("shop")
	})
}
