package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/store"
)

var person = slipway.Principal{Kind: slipway.PrincipalUser, Name: "ada"}

var ada, bob = approver("ada"), approver("bob")

// approver is a person of that name, who runs as their own user.
func approver(name string) slipway.Approver {
	by, err := slipway.PersonApprover(slipway.Principal{Kind: slipway.PrincipalUser, Name: name}, slipway.ProofOSUser, "os-user")
	if err != nil {
		panic(err)
	}
	return by
}

// bench is one app's home on disk and the engine that works on it.
type bench struct {
	t     *testing.T
	cloud *cloud
	dir   string
	store *mortal
	given map[string]string // SLIPWAY_OUTPUT_… that a person hands over
	bare  bool              // no credential is set
	box   *box              // where commands run; nil: nowhere
	edit  func(*engine.Config)
	rules slipway.Policy            // nil: every person may
	known map[string]slipway.Policy // that were in force, by their text
	// untrusted is the person whose key is trusted no longer.
	untrusted string
	ahead     atomic.Int64 // how far the clock is ahead, in nanoseconds
	*engine.Engine
}

// mortal is a store that can die: from then on nothing is written, as after kill -9.
type mortal struct {
	slipway.Store
	dead  atomic.Bool
	point func(where string) error
}

var errDead = errors.New("killed")

func (m *mortal) Tx(ctx context.Context, f func(slipway.Tx) error) error {
	at := func(where string) error {
		if m.point != nil {
			_ = m.point(where)
		}
		if m.dead.Load() {
			return errDead
		}
		return nil
	}
	if err := at("before commit"); err != nil {
		return err
	}
	if err := m.Store.Tx(ctx, f); err != nil {
		return err
	}
	return at("after commit")
}

func newBench(t *testing.T, c *cloud) *bench {
	b := &bench{t: t, cloud: c, dir: newHome(t)}
	b.open()
	t.Cleanup(func() { b.close() })
	return b
}

func (b *bench) open() {
	b.t.Helper()
	s, err := store.Open(b.t.Context(), store.Config{Path: filepath.Join(b.dir, "slipway.db"), Create: true})
	if err != nil {
		b.t.Fatal(err)
	}
	var boxes []slipway.Sandbox
	if b.box != nil {
		boxes = append(boxes, b.box.place())
	}
	b.store = &mortal{Store: s}
	config := engine.Config{
		Store: b.store, Providers: []slipway.Provider{b.cloud}, Fingerprints: fingerprintKey(b.t), Settle: &slipway.Settle{Reads: 6, Over: 5 * time.Millisecond},
		Settings: b.setting, Secrets: b.secret, Sandboxes: boxes, Parse: parse, Policy: b.policy(), Witness: b.witness,
		ReadPolicy: func(text []byte) slipway.Policy { return b.known[string(text)] },
		Now:        func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) },
		Attest: func(_ context.Context, step, digest string, _ any) (json.RawMessage, error) {
			return json.Marshal(map[string]string{"step": step, "plan": digest})
		},
		Connect: map[slipway.Connection]slipway.Connector{slipway.ConnectPostgres: b.connect},
		Redact:  func(s string) string { return strings.ReplaceAll(s, "npg_", "redacted") },
	}
	if b.edit != nil {
		b.edit(&config)
	}
	b.Engine = engine.New(config)
}

func fingerprintKey(t *testing.T) slipway.FingerprintKey {
	key, err := slipway.NewFingerprintKey(slipway.NewSecret("a key of thirty-two bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (b *bench) setting(n string) (slipway.Secret, bool) {
	return slipway.NewSecret("a token"), n == "CLOUD_TOKEN" && !b.bare
}

func (b *bench) secret(n string) (slipway.Secret, bool) {
	if strings.HasPrefix(n, "SLIPWAY_OUTPUT_") {
		v, ok := b.given[n]
		return slipway.NewSecret(v), ok
	}
	return slipway.NewSecret("the value of " + n), n != "UNSET"
}

func parse(raw []byte) (*slipway.Manifest, error) {
	m := &slipway.Manifest{}
	err := json.Unmarshal(raw, m)
	for k, v := range m.Env {
		v.HasValue = v.From == "" && v.Secret == ""
		m.Env[k] = v
	}
	return m, err
}

func (b *bench) close() {
	b.Stop()
	_ = b.store.Store.Close()
}

// restart is what a new process sees: the same file, nothing in memory.
func (b *bench) restart() {
	b.t.Helper()
	b.close()
	b.open()
}

func manifest() *slipway.Manifest {
	return &slipway.Manifest{
		App: "shop", Resources: map[string]slipway.ManifestResource{
			"db":    {Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "1"}},
			"cache": {Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "1"}},
		},
		Env: map[string]slipway.EnvVar{
			"DATABASE_URL": {From: "db.url"}, "CACHE_URL": {From: "cache.url"}, "STRIPE_KEY": {Secret: "STRIPE_KEY"}, "LEVEL": {Value: "info"},
		},
	}
}

func request(t *testing.T, m *slipway.Manifest, source string) slipway.ShipRequest {
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return slipway.ShipRequest{Manifest: raw, Files: folder(source), Requester: person}
}

// ship ships and approves whatever the run waits for, until it is over.
func (b *bench) ship(req slipway.ShipRequest) slipway.Run {
	b.t.Helper()
	run, err := b.Ship(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.finish(run.ID)
}

func (b *bench) finish(id string) slipway.Run {
	b.t.Helper()
	if err := b.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	defer b.Stop()
	for {
		run, err := b.Wait(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if run.Status != slipway.RunWaitingApproval {
			return run
		}
		if _, err := b.Decide(b.t.Context(), slipway.Decision{Run: id, Gate: b.gate(id), Approve: true, By: ada, Confirm: b.targets(id)}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// gate is the newest of the gates that a run waits at; "" for none, and where the process is killed.
func (b *bench) gate(id string) (newest slipway.Gate) {
	d, err := b.Get(context.WithoutCancel(b.t.Context()), id)
	if err != nil {
		return ""
	}
	for _, a := range d.Approvals {
		if a.State == slipway.ApprovalRequested {
			newest = a.Gate
		}
	}
	return newest
}

// targets are the names of what dies behind the gates that a run waits at.
func (b *bench) targets(id string) (names []string) {
	b.t.Helper()
	d, err := b.Get(context.WithoutCancel(b.t.Context()), id)
	if err != nil { // the process is killed
		return nil
	}
	for _, a := range d.Approvals {
		names = append(names, a.Targets()...)
	}
	return names
}

func (b *bench) mustSucceed(run slipway.Run) {
	b.t.Helper()
	if run.Status != slipway.RunSucceeded {
		b.t.Fatalf("run is %s: %+v", run.Status, run.Error)
	}
}

func TestShipOnceThenNothingToDo(t *testing.T) {
	b := newBench(t, newCloud())
	run := b.ship(request(t, manifest(), "one"))
	b.mustSucceed(run)
	if run.URL != "http://live" {
		t.Errorf("url %q", run.URL)
	}
	events, err := b.Events(t.Context(), run.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range events {
		if e.Type == slipway.EventGateRequested {
			asked++
		}
	}
	if asked != 2 || run.Revision != 1 {
		t.Errorf("%d approvals were asked for in %d revisions; a first ship needs apply and promote, once each", asked, run.Revision)
	}
	want := map[string]int{"cloud.project": 1, "cloud.db": 2, "cloud.var": 4, "cloud.deploy": 1}
	if d := cmp.Diff(want, b.cloud.made); d != "" {
		t.Errorf("made (-want +got):\n%s", d)
	}
	calls := len(b.cloud.calls)
	run = b.ship(request(t, manifest(), "one"))
	b.mustSucceed(run)
	if !run.NoChanges || len(b.cloud.calls) != calls {
		t.Errorf("the second ship of an unchanged app: no_changes %t, calls %v", run.NoChanges, b.cloud.calls[calls:])
	}
}

func TestFreshHomeConvergesByTheLedger(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	calls := len(c.calls)
	fresh := newBench(t, c)
	run := fresh.ship(request(t, manifest(), "one"))
	fresh.mustSucceed(run)
	if !run.NoChanges || len(c.calls) != calls {
		t.Errorf("a fresh home: no_changes %t, calls %v", run.NoChanges, c.calls[calls:])
	}
}

func TestOneChangeIsOneCall(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*slipway.Manifest)
		source string
		calls  []string
		reason string
	}{
		"value": {
			func(m *slipway.Manifest) { m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"} }, "one",
			[]string{"cloud.var batch", "cloud.deploy create", "cloud.live update"},
			"an env value goes out with the deployment that must carry it",
		},
		"source": {func(*slipway.Manifest) {}, "two", []string{"cloud.deploy create", "cloud.live update"}, "new files touch no resource"},
		"size": {func(m *slipway.Manifest) {
			m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "2"}}
		}, "one", []string{"cloud.db update"}, "one field is one call, and the env vars do not change"},
		"undeclared var": {
			func(m *slipway.Manifest) { delete(m.Env, "LEVEL") }, "one",
			[]string{"cloud.var delete", "cloud.deploy create", "cloud.live update"},
			"what was ours and is no longer declared is deleted",
		},
		"new db": {
			func(m *slipway.Manifest) { m.Resources["x"] = m.Resources["db"] }, "one",
			[]string{"cloud.var batch", "cloud.db create", "cloud.var batch"},
			"the intent is in the ledger before the create, the id after it",
		},
		"dropped db": {
			func(m *slipway.Manifest) { delete(m.Resources, "cache"); delete(m.Env, "CACHE_URL") }, "one",
			[]string{"cloud.var delete", "cloud.deploy create", "cloud.live update"},
			"a stateful resource stays until destroy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, newCloud())
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			before := len(b.cloud.calls)
			m := manifest()
			tc.change(m)
			b.mustSucceed(b.ship(request(t, m, tc.source)))
			if d := cmp.Diff(tc.calls, b.cloud.calls[before:]); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
			before = len(b.cloud.calls)
			if run := b.ship(request(t, m, tc.source)); !run.NoChanges {
				t.Errorf("not settled: %v", b.cloud.calls[before:])
			}
		})
	}
}

func TestAnOldValueComesBackInANewDeployment(t *testing.T) {
	b := newBench(t, newCloud())
	changed := manifest()
	changed.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
	for _, m := range []*slipway.Manifest{manifest(), changed, manifest()} {
		b.mustSucceed(b.ship(request(t, m, "one")))
	}
	last := b.cloud.deploys[len(b.cloud.deploys)-1]["id"]
	if len(b.cloud.deploys) != 3 || b.cloud.serving != last {
		t.Errorf("%d deployments, production serves %s: an older build was made before the value was written again", len(b.cloud.deploys), b.cloud.serving)
	}
}

func TestAmbiguousStopsBeforeAnyChange(t *testing.T) {
	c := newCloud()
	c.dbs["db-a"] = map[string]string{"name": "shop-db", "region": "east", "size": "1"}
	c.dbs["db-b"] = map[string]string{"name": "shop-db", "region": "east", "size": "1"}
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	if run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeAmbiguous || len(c.calls) != 0 {
		t.Errorf("status %s, error %+v, calls %v", run.Status, run.Error, c.calls)
	}
	if !strings.Contains(run.Error.Message, "db-a") || !strings.Contains(run.Error.Message, "db-b") {
		t.Errorf("the message does not list both: %s", run.Error.Message)
	}
}

func TestNamesakeIsAdoptedOnlyByApproval(t *testing.T) {
	c := newCloud()
	c.dbs["db-a"] = map[string]string{"name": "shop-db", "region": "east", "size": "1"}
	b := newBench(t, c)
	plan, err := b.Plan(t.Context(), request(t, manifest(), "one"))
	if err != nil {
		t.Fatal(err)
	}
	if e := plan.Effect("cloud.db/db#adopt"); e == nil || e.Gate != slipway.GateApply {
		t.Fatalf("no adopt effect behind a gate in %+v", plan.Effects)
	}
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	if c.made["cloud.db"] != 1 {
		t.Errorf("%d databases were made beside the adopted one", c.made["cloud.db"])
	}
	run, err := b.Destroy(t.Context(), slipway.DestroyRequest{
		Manifest: request(t, manifest(), "one").Manifest, Requester: person, Options: slipway.RunOptions{All: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	if c.project != nil || len(c.dbs) != 1 || c.dbs["db-a"] == nil {
		t.Errorf("destroy left project %v and databases %v; only the adopted one may stay", c.project, c.dbs)
	}
}

func TestChangeBehindOurBackVoidsTheApproval(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "2"}}
	run, err := b.Ship(t.Context(), request(t, m, "one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval {
		t.Fatalf("%s %v", run.Status, err)
	}
	c.mu.Lock()
	for _, d := range c.dbs {
		d["size"] = "7"
	}
	c.mu.Unlock()
	calls := len(c.calls)
	if _, err := b.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: true, By: ada}); err != nil {
		t.Fatal(err)
	}
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval || run.Revision != 2 {
		t.Fatalf("status %s, revision %d, %v: the approval was for another database size", run.Status, run.Revision, err)
	}
	if len(c.calls) != calls {
		t.Errorf("changed outside without an approval: %v", c.calls[calls:])
	}
	events, err := b.Events(t.Context(), run.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	voided := false
	for _, e := range events {
		voided = voided || e.Type == slipway.EventGateVoided
	}
	if !voided {
		t.Error("no event says what differs")
	}
}

func TestAPinnedPlanIsNotReplaced(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "2"}}
	req := request(t, m, "one")
	plan, err := b.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	req.Options.Plan = plan.Digest()
	run, err := b.Ship(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval {
		t.Fatalf("%s %v: the plan is the pinned one", run.Status, err)
	}
	c.mu.Lock()
	for _, d := range c.dbs {
		d["size"] = "7"
	}
	c.mu.Unlock()
	calls := len(c.calls)
	if _, err := b.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: true, By: ada}); err != nil {
		t.Fatal(err)
	}
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunFailed || run.Error.Code != slipway.CodePlanMismatch {
		t.Errorf("status %s, error %+v, %v: another plan than the pinned one was taken", run.Status, run.Error, err)
	}
	if len(c.calls) != calls {
		t.Errorf("changed outside: %v", c.calls[calls:])
	}
}

func TestPromoteIsCompareAndSwap(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	run, err := b.Ship(t.Context(), request(t, manifest(), "two"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	gates := 0
	for gates < 2 {
		if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval {
			t.Fatalf("%s %v", run.Status, err)
		}
		if gates++; gates == 2 { // at the promote gate somebody else moves production
			c.mu.Lock()
			c.serving = "dpl-foreign"
			c.mu.Unlock()
		}
		if _, err := b.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: true, By: ada}); err != nil {
			t.Fatal(err)
		}
	}
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval {
		t.Fatalf("%s %v", run.Status, err)
	}
	if c.serving != "dpl-foreign" {
		t.Errorf("production was moved from %s to %s without an approval for it", "dpl-foreign", c.serving)
	}
	d, err := b.Get(t.Context(), run.ID)
	if err != nil || !d.Plan.Drift || d.Plan.Serving != "dpl-foreign" {
		t.Errorf("the new plan does not tell the drift: %+v %v", d.Plan, err)
	}
}

func TestAgentCannotApprove(t *testing.T) {
	b := newBench(t, newCloud())
	run, err := b.Ship(t.Context(), request(t, manifest(), "one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval {
		t.Fatalf("%s %v", run.Status, err)
	}
	bot, errBot := slipway.PersonApprover(slipway.Principal{Kind: slipway.PrincipalAgent, Name: "bot"}, slipway.ProofOSUser, "os-user")
	_, err = b.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: true, By: bot})
	if slipway.ErrorCode(errBot) != slipway.CodeForbidden || slipway.ErrorCode(err) != slipway.CodeForbidden || len(b.cloud.calls) != 0 {
		t.Errorf("%v, calls %v", err, b.cloud.calls)
	}
}

func TestMissingSecretStopsBeforeTheFirstCall(t *testing.T) {
	b := newBench(t, newCloud())
	b.cloud.beforeObs = func(slipway.Kind) error { t.Error("a call was made"); return nil }
	m := manifest()
	m.Env["X"] = slipway.EnvVar{Secret: "UNSET"}
	_, err := b.Ship(t.Context(), request(t, m, "one"))
	if slipway.ErrorCode(err) != slipway.CodeSecretMissing || !strings.Contains(err.Error(), "UNSET") {
		t.Errorf("%v", err)
	}
}
