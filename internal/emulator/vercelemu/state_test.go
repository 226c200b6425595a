package vercelemu

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transfer saves w's state and returns a world of another server that has loaded it.
func (w *world) transfer(srv *Server) *world {
	w.t.Helper()
	raw, err := w.srv.SaveState()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := srv.LoadState(raw); err != nil {
		w.t.Fatal(err)
	}
	return &world{t: w.t, srv: srv, api: w.check.Wrap(w.t, srv), check: w.check, token: w.token, team: w.team}
}

func TestStateGoesOnInAnotherProcess(t *testing.T) {
	play(t, &Server{BuildTime: 10 * time.Second, PromoteTime: 10 * time.Second, DomainSuffix: "localhost:1001"}, func(w *world) {
		p := w.project("shop")
		w.want(201, "POST", "/v10/projects/"+p+"/env", obj{"key": "K", "value": "v", "type": "plain", "target": []string{"production"}})
		w.want(200, "POST", "/v9/projects/"+p+"/link", obj{"type": "github", "repo": "acme/shop"})
		w.upload("kept")
		first, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "one"})
		w.sleep(20 * time.Second)
		second, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false}, map[string]string{"index.html": "two"})
		w.sleep(20 * time.Second)
		third, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false}, map[string]string{"index.html": "three"})
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+second, obj{})

		other := w.transfer(&Server{BuildTime: 10 * time.Second, PromoteTime: 10 * time.Second, DomainSuffix: "localhost:2002"})
		defer other.srv.Close()
		if got := other.want(200, "GET", "/v13/deployments/"+third, nil).str("readyState"); got != "BUILDING" && got != "INITIALIZING" && got != "QUEUED" {
			t.Errorf("the build under way is %s", got)
		}
		a := other.want(200, "GET", "/v9/projects/"+p, nil)
		if a.str("link", "repo") != "shop" || a.str("lastAliasRequest", "jobStatus") != "pending" {
			t.Errorf("project: %s", a.raw)
		}
		if strings.Contains(string(a.raw), "localhost:1001") {
			t.Errorf("host names of the process before: %s", a.raw)
		}
		other.sleep(time.Minute)
		if got := other.want(200, "GET", "/v13/deployments/"+third, nil).str("readyState"); got != "READY" {
			t.Errorf("the build has ended in %s", got)
		}
		if got := other.visit("shop.localhost:2002", "/", nil); string(got.raw) != "two" {
			t.Errorf("after the promotion production serves %q", got.raw)
		}
		// What was uploaded and not yet deployed is there too.
		other.want(200, "POST", "/v13/deployments", obj{"name": "shop", "files": []obj{{"file": "x", "sha": digest("kept"), "size": 4}}})
		if got := w.want(200, "GET", "/v13/deployments/"+first, nil).str("readyState"); got != "READY" {
			t.Errorf("the saved server was changed: %s", got)
		}
	})
}

func TestStateIsTheSameBytesAfterALoad(t *testing.T) {
	play(t, &Server{}, func(w *world) {
		w.project("shop")
		w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "one"})
		w.sleep(time.Second)
		raw, err := w.srv.SaveState()
		if err != nil {
			t.Fatal(err)
		}
		other := w.transfer(&Server{})
		again, err := other.srv.SaveState()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(raw), string(again)); diff != "" {
			t.Errorf("saved, loaded, saved (-first +second):\n%s", diff)
		}
		if err := other.srv.ResetState(); err != nil {
			t.Fatal(err)
		}
		if got := other.want(200, "GET", "/v10/projects", nil).len("projects"); got != 0 {
			t.Errorf("after a reset there are %d projects", got)
		}
		other.project("shop")
	})
}

func TestUploadsHaveATotal(t *testing.T) {
	srv := &Server{}
	srv.MaxUploads = 10
	play(t, srv, func(w *world) {
		w.upload("12345")
		w.upload("12345") // is there already
		w.upload("67890")
		r := w.request("POST", "/v2/files", "x")
		r.Header.Set("x-vercel-digest", digest("x"))
		if a := w.send(r); a.status != 413 || a.str("error", "code") != "request_entity_too_large" {
			t.Errorf("one byte more: %d %s", a.status, a.raw)
		}
	})
}

func TestUploadsHaveASize(t *testing.T) {
	srv := &Server{MaxFile: 5}
	play(t, srv, func(w *world) {
		w.upload("12345")
		r := w.request("POST", "/v2/files", "123456")
		r.Header.Set("x-vercel-digest", digest("123456"))
		if a := w.send(r); a.status != 413 || a.str("error", "code") != "payload_too_large" {
			t.Errorf("one byte more: %d %s", a.status, a.raw)
		}
	})
	if most := (&Server{}).bodyLimit("POST /v2/files"); most < 500<<20 {
		t.Errorf("a file may have %d bytes, less than Pro's", most)
	}
}
