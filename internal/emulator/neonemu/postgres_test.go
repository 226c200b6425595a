package neonemu

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWithoutPostgresABranchIsNotConnectable(t *testing.T) {
	w := newWorld(t, &Server{})
	p, b := w.project("shop")
	ok, reason := w.server.Connectable(strings.TrimPrefix(p, "/projects/"), strings.TrimPrefix(b, p+"/branches/"))
	if ok || !strings.HasPrefix(reason, "no PostgreSQL is attached") {
		t.Errorf("%v %s", ok, reason)
	}
}

// clusters stands for a PostgreSQL. It answers when the test lets it.
type clusters struct {
	specs chan BranchSpec
	reply chan error
}

func (c clusters) Address(string) (string, error) { return "127.0.0.1:5432", nil }

func (c clusters) Apply(_ context.Context, spec BranchSpec) error {
	c.specs <- spec
	return <-c.reply
}

func (c clusters) Drop(context.Context, string) error { return nil }

func TestPostgresHoldsOperationsBackUntilItIsDone(t *testing.T) {
	pg := clusters{make(chan BranchSpec), make(chan error)}
	w := newWorld(t, &Server{Postgres: pg})
	out := w.must("POST", "/projects", `{"project":{}}`)
	project, branch := str(out, "project.id"), str(out, "branch.id")
	spec := <-pg.specs
	if spec.ID != branch || len(spec.Roles) != 1 || spec.Roles[0].Password != str(out, "roles.0.password") ||
		!cmp.Equal([]DatabaseSpec{{1, "neondb", "neondb_owner"}}, spec.Databases) {
		t.Error("Postgres was asked for something else")
	}
	w.settle()
	if diff := cmp.Diff([]string{"running", "finished"}, names(w.must("GET", "/projects/"+project+"/operations", ""), "operations", "status")); diff != "" {
		t.Errorf("while PostgreSQL works (-want +got):\n%s", diff)
	}
	pg.reply <- nil
	uri := "/projects/" + project + "/connection_uri?database_name=neondb&role_name=neondb_owner&pooled=true"
	waitFor(t, func() bool { code, _ := w.do("GET", uri, ""); return code == 200 })
	u, _ := url.Parse(str(w.must("GET", uri, ""), "uri"))
	if u.Host != "127.0.0.1:5432" || u.RawQuery != "sslmode=require&channel_binding=require" {
		t.Errorf("host %s, query %s", u.Host, u.RawQuery)
	}
	if ok, reason := w.server.Connectable(project, branch); !ok {
		t.Error(reason)
	}

	w.must("POST", "/projects/"+project+"/branches", `{"branch":{"name":"dev"},"endpoints":[{"type":"read_write"}]}`)
	if spec := <-pg.specs; spec.Parent != branch {
		t.Errorf("a child of %q", spec.Parent)
	}
	pg.reply <- errors.New("disk full")
	w.settle()
	waitFor(t, func() bool {
		return str(w.must("GET", "/projects/"+project+"/operations", ""), "operations.0.status") == "failed"
	})
}

// waitFor polls until done reports true.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("never")
		}
	}
}

// journal stands for a PostgreSQL that does at once what it is told, and remembers it.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// since returns what was added when the emulator has rested.
func (j *journal) since(s *Server) []string {
	s.mu.Lock()
	for s.jobs > 0 {
		s.rested.Wait()
	}
	s.mu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

func (j *journal) Address(string) (string, error) { return "127.0.0.1:5432", nil }

func (j *journal) Apply(_ context.Context, spec BranchSpec) error {
	j.add(fmt.Sprintf("apply closed=%v suspend=%v databases=%d", spec.Closed, spec.Suspend, len(spec.Databases)))
	return nil
}

func (j *journal) Drop(context.Context, string) error {
	j.add("drop")
	return nil
}

func TestPostgresIsToldWhoMayConnect(t *testing.T) {
	pg := &journal{}
	w := newWorld(t, &Server{Postgres: pg})
	p, _ := w.project("shop")
	told := func(method, path, body string) []string {
		t.Helper()
		w.must(method, path, body)
		lines := pg.since(w.server)
		w.settle()
		return lines
	}
	pg.since(w.server)
	bare := w.must("POST", p+"/branches", "")
	b := p + "/branches/" + str(bare, "branch.id")
	e := p + "/endpoints/"
	step := func(reason string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
	step("a branch without compute takes nobody", pg.since(w.server), "apply closed=true suspend=false databases=1")
	w.settle()
	step("a compute opens it", told("POST", p+"/endpoints", `{"endpoint":{"branch_id":"`+str(bare, "branch.id")+`","type":"read_write"}}`), "apply closed=false suspend=false databases=1")
	e += str(w.must("GET", b+"/endpoints", ""), "endpoints.0.id")
	step("suspending ends sessions", told("POST", e+"/suspend", ""), "apply closed=false suspend=true databases=1")
	step("so does a restart", told("POST", e+"/restart", ""), "apply closed=false suspend=true databases=1")
	step("a disabled compute takes nobody", told("PATCH", e, `{"endpoint":{"disabled":true}}`), "apply closed=true suspend=false databases=1")
	step("an enabled one does", told("PATCH", e, `{"endpoint":{"disabled":false}}`), "apply closed=false suspend=false databases=1")
	step("a deleted branch keeps its data", told("DELETE", b, ""), "apply closed=true suspend=false databases=1")
	step("and has them when recovered", told("POST", b+"/recover", ""), "apply closed=false suspend=false databases=1")
	step("unless it is deleted for good", told("DELETE", b+"?hard_delete=true", ""), "drop")
	step("a deleted project keeps its data", told("DELETE", p, ""), "apply closed=true suspend=false databases=1")
	step("and has them when recovered, too", told("POST", p+"/recover", ""), "apply closed=false suspend=false databases=1")
	raw, err := w.server.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.server.LoadState(raw); err != nil {
		t.Fatal(err)
	}
	step("a loaded state makes its databases anew", pg.since(w.server), "drop", "drop", "apply closed=false suspend=false databases=1")
}
