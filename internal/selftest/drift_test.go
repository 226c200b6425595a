package selftest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// driftManifest has something of every kind.
const driftManifest = `app: shop
source: {github: acme/shop, ref: main}
vercel: {regions: [iad1], domains: [shop.example.com]}
environments: [production, preview]
resources:
  db:     {type: neon.postgres, region: aws-us-east-1, version: 17}
  cache:  {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 3, metric: cosine}
env:
  DATABASE_URL: {from: db.pooled_url}
  PAYMENT_KEY:  {secret: SELFTEST_SECRET}
verify:
  health: [{path: /, contains: the shop}]
`

const driftZone = "shop.example.com CNAME cname.vercel-dns.com.\n"

// outsider is somebody with the app's credentials who does not use Slipway.
type outsider struct {
	*testing.T
	w *selftest.World
}

// send makes a request and returns its reply; a value in it is found by at.
func (o outsider) send(api, method, path, body string) any {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), method, o.w.Env["SLIPWAY_"+api+"_URL"]+path, strings.NewReader(body))
	if err != nil {
		o.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "somebody")
	switch api {
	case "UPSTASH":
		r.SetBasicAuth(o.w.Env["UPSTASH_EMAIL"], o.w.Env["UPSTASH_API_KEY"])
	default:
		token := map[string]string{"VERCEL": "VERCEL_TOKEN", "NEON": "NEON_API_KEY", "GITHUB": "GITHUB_TOKEN"}[api]
		r.Header.Set("Authorization", "Bearer "+o.w.Env[token])
	}
	if team := o.w.Env["VERCEL_TEAM_ID"]; api == "VERCEL" && team != "" {
		q := r.URL.Query()
		q.Set("teamId", team)
		r.URL.RawQuery = q.Encode()
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		o.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		o.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, raw, err)
	}
	var out any
	_ = json.Unmarshal(raw, &out) // not every reply has a body
	return out
}

// at is the text at a path into a reply, an index standing for a key.
func at(v any, path ...any) string {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			if list, _ := v.([]any); len(list) > step {
				v = list[step]
			}
		}
	}
	s, _ := v.(string)
	return s
}

// find returns a text of what is at a path, as soon as it is there: lists show a thing late, and work takes time.
func (o outsider) find(api, from, is string, path ...any) string {
	o.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if found := at(o.send(api, "GET", from, ""), path...); found != "" && (is == "" || found == is) {
			return found
		}
		select {
		case <-o.Context().Done():
			o.Fatalf("%s: nothing", from)
		case <-tick.C:
		}
	}
}

func (o outsider) neon() string {
	return "/projects/" + o.find("NEON", "/projects?org_id="+o.w.Env["NEON_ORG_ID"], "", "projects", 0, "id")
}

// preview is the path of the preview's branch of the database.
func (o outsider) preview() string {
	all := o.neon() + "/branches"
	for i := range 2 {
		if o.find("NEON", all, "", "branches", i, "name") == "preview" {
			return all + "/" + o.find("NEON", all, "", "branches", i, "id")
		}
	}
	o.Fatal("the preview has no branch")
	return ""
}

// dropOwn deletes the preview's own role or database; its branch has those of production too.
func (o outsider) dropOwn(what string) {
	all := o.preview() + "/" + what
	for i := range 2 {
		if name := o.find("NEON", all, "", what, i, "name"); strings.Contains(name, "preview") {
			o.drop(all + "/" + name)
			return
		}
	}
	o.Fatalf("the preview has no %s", what)
}

// drop deletes something at Neon, and waits until it is gone.
func (o outsider) drop(path string) {
	doing := at(o.send("NEON", "DELETE", path, ""), "operations", 0, "id")
	o.find("NEON", o.neon()+"/operations/"+doing, "finished", "operation", "status")
}

// deployment is the path of the newest.
func (o outsider) deployment() string {
	return "/v13/deployments/" + o.find("VERCEL", "/v6/deployments", "", "deployments", 0, "uid")
}

// promote lets production serve what Slipway did not ship.
func (o outsider) promote() {
	made := o.send("VERCEL", "POST", "/v13/deployments?skipAutoDetectionConfirmation=1", `{"name":"shop","project":"shop","target":"production","files":[{"file":"index.html","data":"x"}]}`)
	id := at(made, "id")
	o.find("VERCEL", "/v13/deployments/"+id, "READY", "readyState")
	o.send("VERCEL", "POST", "/v10/projects/shop/promote/"+id, "{}")
	o.find("VERCEL", "/v9/projects/shop", id, "targets", "production", "id")
}

func (o outsider) env(key string) string {
	list, _ := o.send("VERCEL", "GET", "/v10/projects/shop/env", "").(map[string]any)["envs"].([]any)
	for _, e := range list {
		if at(e, "key") == key {
			return "/v9/projects/shop/env/" + at(e, "id")
		}
	}
	o.Fatalf("no variable %s", key)
	return ""
}

// TestDriftOfEveryKind changes one thing of each kind behind Slipway's back: drift tells of it with exit status 7, and only looks.
func TestDriftOfEveryKind(t *testing.T) {
	changes := map[slipway.Kind]func(o outsider){
		"vercel.project": func(o outsider) {
			o.send("VERCEL", "PATCH", "/v9/projects/shop", `{"serverlessFunctionRegion":"fra1"}`)
		},
		"vercel.link": func(o outsider) { o.send("VERCEL", "DELETE", "/v9/projects/shop/link", "") },
		"vercel.bypass": func(o outsider) {
			all, _ := o.send("VERCEL", "GET", "/v9/projects/shop", "").(map[string]any)["protectionBypass"].(map[string]any)
			for secret := range all {
				o.send("VERCEL", "PATCH", "/v1/projects/shop/protection-bypass", `{"revoke":{"secret":"`+secret+`","regenerate":false}}`)
			}
		},
		"vercel.env":        func(o outsider) { o.send("VERCEL", "PATCH", o.env("PAYMENT_KEY"), `{"value":"another"}`) },
		"vercel.deployment": func(o outsider) { o.send("VERCEL", "DELETE", o.deployment(), "") },
		"vercel.production": outsider.promote,
		"vercel.domain": func(o outsider) {
			o.send("VERCEL", "PATCH", "/v9/projects/shop/domains/shop.example.com", `{"redirect":"elsewhere.example.org"}`)
		},
		"vercel.dns":   func(o outsider) { o.send("VERCEL", "PUT", "/_emulator/dns", "shop.example.com A 192.0.2.1\n") },
		"neon.project": func(o outsider) { o.send("NEON", "DELETE", o.neon(), "") },
		"neon.branch":  func(o outsider) { o.send("NEON", "DELETE", o.preview(), "") },
		"neon.endpoint": func(o outsider) {
			o.send("NEON", "DELETE", o.neon()+"/endpoints/"+o.find("NEON", o.preview()+"/endpoints", "", "endpoints", 0, "id"), "")
		},
		"neon.role":     func(o outsider) { o.dropOwn("databases"); o.dropOwn("roles") },
		"neon.database": func(o outsider) { o.dropOwn("databases") },
		"upstash.redis": func(o outsider) {
			o.send("UPSTASH", "DELETE", "/v2/redis/database/"+o.find("UPSTASH", "/v2/redis/databases", "", 0, "database_id"), "")
		},
		"upstash.vector": func(o outsider) {
			o.send("UPSTASH", "DELETE", "/v2/vector/index/"+o.find("UPSTASH", "/v2/vector/index", "", 0, "id"), "")
		},
	}
	w := newWorld(t)
	o := outsider{t, w}
	o.send("GITHUB", "PUT", "/repos/acme/shop/contents/index.html", `{"message":"shop","content":"PGgxPnRoZSBzaG9wPC9oMT4="}`)
	o.send("VERCEL", "PUT", "/_emulator/dns", driftZone)
	if err := w.WriteManifest(driftManifest); err != nil {
		t.Fatal(err)
	}
	run(t, w, "ship", "--yes")
	run(t, w, "ship", "-e", "preview", "--yes")
	shipped, err := w.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if told, exit, _ := drift(t, w, slipway.Production); len(told) > 0 || exit != 0 {
		t.Fatalf("before anything was changed: exit status %d, %v", exit, told)
	}
	for _, p := range provider.All(rest.Config{}) {
		for _, kind := range p.Info().Kinds {
			t.Run(string(kind.Kind), func(t *testing.T) {
				change, ok := changes[kind.Kind]
				if !ok {
					t.Fatal("nothing here changes a thing of this kind")
				}
				if err := w.Restore(shipped); err != nil {
					t.Fatal(err)
				}
				outsider{t, w}.send("VERCEL", "PUT", "/_emulator/dns", driftZone)
				change(outsider{t, w})
				environment := slipway.Production
				if kind.Kind.Provider() == "neon" && kind.Kind != "neon.project" || kind.Kind == "vercel.deployment" {
					environment = slipway.Preview // production's are a part of its project; the newest deployment is the preview's
				}
				told, exit, sent := drift(t, w, environment)
				if exit != slipway.ExitDiffers || !slices.Contains(told, kind.Kind) {
					t.Errorf("exit status %d, differences of %v", exit, told)
				}
				for _, call := range sent {
					if !strings.HasPrefix(call, "GET ") {
						t.Errorf("it sent %s", call)
					}
				}
			})
		}
	}
}

// drift runs the command, and returns the kinds that it tells of, its exit status, and the requests that it sent.
func drift(t *testing.T, w *selftest.World, environment string) (told []slipway.Kind, exit int, sent []string) {
	t.Helper()
	var mu sync.Mutex
	w.Watch(func(c *emukit.Call) emukit.Action {
		mu.Lock()
		defer mu.Unlock()
		if c.Phase == emukit.Before {
			sent = append(sent, c.Method+" "+c.Path)
		}
		return emukit.Action{}
	})
	defer w.Watch(nil)
	cmd := w.Command(t.Context(), "drift", "-e", environment, "--json")
	out, err := cmd.Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		var d struct {
			Type    string
			Address slipway.Address
		}
		if json.Unmarshal(line, &d) == nil && d.Type == "difference" {
			told = append(told, d.Address.Kind())
		}
	}
	if len(sent) == 0 {
		t.Errorf("it did not look: %s", out)
	}
	return told, cmd.ProcessState.ExitCode(), sent
}
