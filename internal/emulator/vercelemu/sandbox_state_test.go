package vercelemu

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func TestSandboxesAreStoppedAfterALoad(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(obj{"name": "kept", "tags": obj{"run": "1"}, "networkPolicy": obj{"allow": []string{"a.example.com"}}})
	if code, _, stderr := w.sh(session, "umask 022; mkdir -p sub/deep; echo inside > sub/deep/f; chmod 750 sub/deep/f; echo home > ~/h; echo scratch > /tmp/t; ln -s sub link; mkfifo pipe"); code != 0 {
		t.Fatal(stderr)
	}
	done := w.want(200, "GET", session+"/cmd", nil).str("commands", 0, "id")
	running := w.want(200, "POST", session+"/cmd", obj{"command": "sleep", "args": []string{"1000"}}).str("command", "id")
	_, passing := w.create(obj{"name": "passing", "persistent": false})
	w.sh(passing, "echo gone > f")
	_, large := w.create(obj{"name": "large"})
	w.sh(large, "head -c 40000000 /dev/zero > f; echo small > g")

	raw, err := w.srv.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if a := w.want(200, "GET", session, nil); a.str("session", "status") != "running" {
		t.Errorf("a save stops: %s", a.raw)
	}
	again := newSandboxes(t, &SandboxServer{})
	again.create(obj{"name": "other"})
	if err := again.srv.LoadState(raw); err != nil {
		t.Fatal(err)
	}
	if a := again.want(200, "GET", "/v2/sandboxes", nil); a.len("sandboxes") != 3 || strings.Contains(string(a.raw), `"running"`) {
		t.Errorf("they are not the three that were, stopped: %s", a.raw)
	}
	again.want(410, "POST", session+"/cmd", obj{"command": "true"})
	for id, code := range map[string]float64{done: 0, running: 137} {
		if a := again.want(200, "GET", session+"/cmd/"+id, nil); a.get("command", "exitCode") != code {
			t.Errorf("want exit code %v: %s", code, a.raw)
		}
	}
	if a := again.want(200, "GET", session+"/cmd/"+done+"/logs", nil); len(a.raw) != 0 {
		t.Errorf("output was saved: %s", a.raw)
	}
	resume := func(name string) string {
		return "/v2/sandboxes/sessions/" + again.want(200, "GET", "/v2/sandboxes/"+name+"?resume=true&projectId=prj_1", nil).str("session", "id")
	}
	if _, out, _ := again.sh(resume("kept"), "cat sub/deep/f ~/h; stat -c %a sub/deep/f; ls /tmp; echo more >> sub/deep/f && tail -1 sub/deep/f; ls"); out != "inside\nhome\n750\nmore\nsub\n" {
		t.Errorf("the files: %q", out)
	}
	for _, name := range []string{"passing", "large"} {
		if _, out, _ := again.sh(resume(name), "ls"); out != "" {
			t.Errorf("%s has files: %q", name, out)
		}
	}
	again.want(200, "DELETE", "/v2/sandboxes/kept?projectId=prj_1", nil)
}

func TestALoadLeavesTokensValid(t *testing.T) {
	w := newSandboxes(t, &SandboxServer{})
	token := w.srv.OIDCToken(acme, "prj_1", time.Hour)
	raw, err := (&SandboxServer{}).SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.srv.LoadState(raw); err != nil {
		t.Fatal(err)
	}
	w.token = token
	w.want(200, "GET", "/v2/sandboxes", nil)
	key := []byte(base64.StdEncoding.EncodeToString(w.srv.key))
	if raw, err := w.srv.SaveState(); err != nil || bytes.Contains(raw, key) || bytes.Contains(raw, w.srv.key) {
		t.Errorf("the key is in the state: %v", err)
	}
}
