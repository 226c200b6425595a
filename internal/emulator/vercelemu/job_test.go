package vercelemu

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The main job, as a client does it: project, env, files, staged deployment, events, check behind the protection,
// promote, serve.
func TestShipsAnAppToProduction(t *testing.T) {
	play(t, &Server{BuildTime: 5 * time.Second, PromoteTime: time.Second}, func(w *world) {
		p := w.want(200, "POST", "/v11/projects", obj{
			"name":                 "storefront",
			"environmentVariables": []obj{{"key": "SLIPWAY", "value": "{}", "type": "plain", "target": []string{"development"}}},
		})
		if p.str("accountId") != acme || p.str("ssoProtection", "deploymentType") != "prod_deployment_urls_and_all_previews" {
			t.Errorf("a new project: %s", p.raw)
		}
		id := p.str("id")
		env := w.want(201, "POST", "/v10/projects/"+id+"/env?upsert=true", []obj{
			{"key": "A", "value": "1", "type": "plain", "target": []string{"production", "preview"}},
			{"key": "B", "value": "s3cret-value", "type": "sensitive", "target": []string{"production"}, "comment": "fp"},
		})
		if env.len("created") != 2 || env.len("failed") != 0 {
			t.Errorf("env: %s", env.raw)
		}

		deployment := obj{
			"name": "storefront", "project": id, "target": "production", "autoAssignCustomDomains": false,
			"projectSettings": obj{"framework": nil}, "meta": obj{"run": "r1"},
			"files": []obj{{"file": "index.html", "sha": digest("<h1>shop</h1>"), "size": 13}, {"file": "a/b.txt", "sha": digest("bee"), "size": 3}},
		}
		missing := w.want(400, "POST", "/v13/deployments", deployment)
		if missing.str("error", "code") != "missing_files" || missing.len("error", "missing") != 2 {
			t.Errorf("missing files: %s", missing.raw)
		}
		w.upload("<h1>shop</h1>")
		w.upload("bee")
		d := w.want(200, "POST", "/v13/deployments", deployment)
		dpl, host := d.str("id"), d.str("url")
		if d.str("readyState") != "QUEUED" || !strings.HasPrefix(host, "storefront-") || !strings.HasSuffix(host, "-acme.vercel.app") {
			t.Errorf("created: %s", d.raw)
		}

		start := time.Now()
		events := w.want(200, "GET", "/v3/deployments/"+dpl+"/events?follow=1&direction=forward&format=lines", nil)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the event stream ended after %v, the build takes 5s", took)
		}
		lines := strings.Split(strings.TrimSpace(string(events.raw)), "\n")
		var last struct{ Info struct{ ReadyState string } }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Info.ReadyState != "READY" {
			t.Errorf("last event %s", lines[len(lines)-1])
		}

		d = w.want(200, "GET", "/v13/deployments/"+dpl, nil)
		if d.str("readyState") != "READY" || d.get("aliasAssigned") != false || d.str("readySubstate") != "STAGED" {
			t.Errorf("READY comes before the aliases: %s", d.raw)
		}
		w.sleep(20 * time.Millisecond)
		if d = w.want(200, "GET", "/v13/deployments/"+dpl, nil); d.get("aliasAssigned") != true || d.len("alias") != 0 {
			t.Errorf("staged: %s", d.raw)
		}

		if a := w.visit(host, "/", nil); a.status != 401 || !strings.Contains(string(a.raw), "Authentication Required") {
			t.Errorf("staged URL without bypass: %d", a.status)
		}
		secret := strings.Repeat("a", 32)
		w.want(200, "PATCH", "/v1/projects/"+id+"/protection-bypass", obj{"generate": obj{"secret": secret, "note": "slipway"}})
		if a := w.visit(host, "/", http.Header{"X-Vercel-Protection-Bypass": {secret}}); a.status != 200 || string(a.raw) != "<h1>shop</h1>" {
			t.Errorf("staged URL with bypass: %d %s", a.status, a.raw)
		}
		if a := w.visit("storefront.vercel.app", "/", nil); a.status != 404 {
			t.Errorf("production before promote: %d", a.status)
		}

		w.want(201, "POST", "/v10/projects/"+id+"/promote/"+dpl, obj{})
		var states []string
		for range 3 {
			p = w.want(200, "GET", "/v9/projects/"+id, nil)
			served := 0
			for i := range p.len("alias") {
				if p.str("alias", i, "deployment", "id") == dpl {
					served++
				}
			}
			states = append(states, fmt.Sprint(p.str("lastAliasRequest", "jobStatus"), " ", p.str("targets", "production", "id"), " ", served))
			w.sleep(time.Second)
		}
		if diff := cmp.Diff([]string{"pending  0", "in-progress " + dpl + " 1", "succeeded " + dpl + " 2"}, states); diff != "" {
			t.Errorf("promotion, alias by alias (-want +got):\n%s", diff)
		}
		if a := w.visit("storefront.vercel.app", "/a/b.txt", nil); a.status != 200 || string(a.raw) != "bee" {
			t.Errorf("production: %d %s", a.status, a.raw)
		}
		if d = w.want(200, "GET", "/v13/deployments/"+dpl, nil); d.str("readySubstate") != "PROMOTED" || d.len("alias") != 2 {
			t.Errorf("promoted: %s", d.raw)
		}
	})
}
