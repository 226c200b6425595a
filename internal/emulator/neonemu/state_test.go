package neonemu

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStateGoesOnInAnotherProcess(t *testing.T) {
	w := newWorld(t, &Server{OpTime: 10 * time.Second, ProjectTime: time.Second})
	project, branch := w.project("shop")
	w.must("POST", branch+"/roles", `{"role":{"name":"app"}}`)
	w.settle()
	gone, _ := w.project("gone")
	w.must("DELETE", gone, "")
	before := w.must("GET", branch+"/roles/app/reveal_password", "")
	w.must("POST", branch+"/databases", `{"database":{"name":"other","owner_name":"app"}}`) // under way

	raw, err := w.server.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{OpTime: 10 * time.Second, ProjectTime: time.Second, APIKeys: w.server.APIKeys}
	other := newWorld(t, s)
	other.now = w.now
	if err := s.LoadState(raw); err != nil {
		t.Fatal(err)
	}
	again, err := s.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(raw), string(again)); diff != "" {
		t.Errorf("saved, loaded, saved (-first +second):\n%s", diff)
	}
	if code, out := other.do("POST", branch+"/roles", `{"role":{"name":"late"}}`); code != 423 {
		t.Errorf("while the saved operation runs: %d %v", code, out)
	}
	other.settle()
	if diff := cmp.Diff([]string{"neondb", "other"}, names(other.must("GET", branch+"/databases", ""), "databases", "name")); diff != "" {
		t.Errorf("databases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, other.must("GET", branch+"/roles/app/reveal_password", "")); diff != "" {
		t.Errorf("password (-want +got):\n%s", diff)
	}
	other.must("POST", branch+"/roles", `{"role":{"name":"late"}}`)
	if diff := cmp.Diff([]string{"shop"}, names(other.must("GET", "/projects", ""), "projects", "name")); diff != "" {
		t.Errorf("projects (-want +got):\n%s", diff)
	}
	if err := s.ResetState(); err != nil {
		t.Fatal(err)
	}
	if code, _ := other.do("GET", project, ""); code != 404 {
		t.Errorf("after a reset: %d", code)
	}
	if code, _ := w.do("GET", project, ""); code != 200 {
		t.Errorf("the saved server: %d", code)
	}
}
