package audit

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
	"github.com/slipway-dev/slipway/internal/store"
)

// The run of these tests: two revisions, a deployment, a promote, one manual step that was observed and one that stands on a person's word.
const (
	runID      = "run_0199aa00-0000-7000-8000-000000000001"
	project    = "vercel.project/shop"
	deployment = "vercel.deployment/shop@production"
	production = "vercel.production/shop@production"
	database   = "neon.project/db"
	cache      = "upstash.redis/cache"

	verification = deployment + "#verify"
	transcript   = "$ npm test\nok ✓\n"
)

// testKey is RFC 8032's first test key: https://www.rfc-editor.org/rfc/rfc8032#section-7.1
const testKey = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"

// graceKey is RFC 8032's second test key.
const graceKey = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"

const policyText = "@id(\"two-people\") @approvers(\"2\") permit (principal, action, resource);\n"

var (
	ada   = slipway.Principal{Kind: slipway.PrincipalUser, Name: "ada"}
	grace = slipway.Principal{Kind: slipway.PrincipalUser, Name: "grace"}
	began = time.Date(2026, 11, 22, 20, 30, 0, 123456789, time.UTC)
	tool  = Tool{Name: "slipway", Version: "v0.0.0-test"}
)

func key(t testing.TB, seed string) attest.Key {
	t.Helper()
	k, err := attest.NewKey(slipway.NewSecret(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// story writes a run into a store, moment by moment.
type story struct {
	t   testing.TB
	key attest.Key
	tx  slipway.Tx
	now time.Time
	run slipway.Run
	// plan is the one in force, and intents those of its steps.
	plan    *slipway.Plan
	intents map[string]time.Time
	log     int  // lines that the build prints
	people  bool // two people approve each gate under a policy, one with a key
	git     bool // the source folder is in a git work tree, with changes
	failing bool // one of two probes on the staged deployment fails
}

func (s *story) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) tick() time.Time { s.now = s.now.Add(1500 * time.Millisecond); return s.now }

func (s *story) event(t slipway.EventType, step string, data map[string]any) {
	s.t.Helper()
	s.check(s.tx.AddEvent(slipway.Event{Run: s.run.ID, At: s.tick(), Type: t, Step: step, Data: data}))
}

func (s *story) status(to slipway.RunStatus) {
	s.t.Helper()
	s.run.Status, s.run.UpdatedAt = to, s.tick()
	s.check(s.tx.SaveRun(s.run))
	s.event(slipway.EventRunStatus, "", map[string]any{"status": string(to)})
}

func (s *story) planned(p *slipway.Plan) {
	s.t.Helper()
	s.plan, s.intents = p, map[string]time.Time{}
	s.run.Revision++
	s.check(s.tx.AddPlan(s.run.ID, s.run.Revision, p))
	s.check(s.tx.SaveRun(s.run))
	s.event(slipway.EventPlanMade, "", map[string]any{"revision": s.run.Revision, "digest": p.Digest(), "effects": p.Counts()})
}

// gate asks for an approval, and gives it unless it is voided.
func (s *story) gate(gate slipway.Gate, more map[string]any, void bool) {
	s.t.Helper()
	content := map[string]any{"plan": s.plan.Digest(), "gate": string(gate)}
	for name, v := range more {
		content[name] = v
	}
	if s.people {
		content["policy"] = digest([]byte(policyText))
	}
	a := slipway.Approval{
		ID: fmt.Sprintf("apr_%d%s", s.run.Revision, gate), Run: s.run.ID, Gate: gate, Subject: slipway.CanonicalDigest(content), Content: content,
		State: slipway.ApprovalRequested, CreatedAt: s.tick(),
	}
	if s.people {
		a.Policy, a.Nonce = digest([]byte(policyText)), "nonce of "+a.ID
		s.check(s.tx.PutArtifact(slipway.PolicyArtifact(a.Policy), []byte(policyText)))
	}
	s.event(slipway.EventGateRequested, "", map[string]any{"gate": string(gate), "subject": a.Subject})
	s.status(slipway.RunWaitingApproval)
	if void {
		a.State, a.DecidedAt, a.Void = slipway.ApprovalVoided, s.tick(), []string{"plan"}
		s.event(slipway.EventGateVoided, "", map[string]any{"gate": string(gate), "subject": a.Subject, "differs": a.Void})
	} else if s.people {
		a = s.votes(a)
	} else {
		a.State, a.By, a.How, a.Reason, a.DecidedAt = slipway.ApprovalConsumed, &ada, "os-user", "looks good", s.tick()
		a.ExpiresAt = a.DecidedAt.Add(slipway.ApprovalLife)
		s.event(slipway.EventGateDecided, "", map[string]any{"gate": string(gate), "state": "approved", "subject": a.Subject, "by": ada.Name, "how": a.How})
	}
	s.check(s.tx.SaveApproval(a))
	s.status(slipway.RunActive)
}

// votes lets ada and grace approve, grace with a key.
func (s *story) votes(a slipway.Approval) slipway.Approval {
	s.t.Helper()
	first := s.tick()
	a.Need = 2
	a.Votes = []slipway.Vote{{By: ada, Proof: slipway.ProofOSUser, How: "os-user", Rules: []string{"two-people"}, At: first, ExpiresAt: first.Add(slipway.ApprovalLife)}}
	s.event(slipway.EventGateDecided, "", map[string]any{"gate": string(a.Gate), "state": "requested", "subject": a.Subject, "by": ada.Name, "how": "os-user", "approvals": "1 of 2"})
	second, k := s.tick(), key(s.t, graceKey)
	ballot := a.Ballot(slipway.Decision{Reason: "seen"}, second)
	signed, err := k.Sign(context.Background(), attest.Ballot, ballot, attest.About("gate "+string(a.Gate), a.Subject))
	s.check(err)
	a.Votes = append(a.Votes, slipway.Vote{
		By: grace, Proof: slipway.ProofKey, How: "key " + k.ID(), Key: k.ID(), Reason: "seen", Rules: []string{"two-people"}, At: second, ExpiresAt: ballot.ExpiresAt, Statement: signed,
	})
	a.State, a.By, a.How, a.Reason, a.DecidedAt, a.ExpiresAt = slipway.ApprovalConsumed, &grace, "key "+k.ID(), "seen", second, a.Votes[0].ExpiresAt
	s.event(slipway.EventGateDecided, "", map[string]any{"gate": string(a.Gate), "state": "approved", "subject": a.Subject, "by": grace.Name, "how": a.How, "approvals": "2 of 2"})
	return a
}

func (s *story) step(key string) slipway.Step {
	return slipway.Step{Run: s.run.ID, Revision: s.run.Revision, Key: key, State: slipway.StepDone, Basis: map[string]any{"exists": true}}
}

func (s *story) intend(key string) {
	s.t.Helper()
	e := s.plan.Effect(key)
	s.event(slipway.EventStepIntended, key, map[string]any{"op": string(e.Op), "address": string(e.Address), "attempt": 1})
	s.intents[key] = s.now
}

func (s *story) done(key string, r slipway.Receipt, basis map[string]any) {
	s.t.Helper()
	st := s.step(key)
	r.Address, r.Account, r.Origin, r.CreatedAt = s.plan.Effect(key).Address, "team_shop", slipway.OriginCreated, began
	st.Receipt, st.IntentAt, st.Attempt, st.EndedAt = &r, s.intents[key], 1, s.tick()
	if basis != nil {
		st.Basis = basis
	}
	s.check(s.tx.SaveStep(st))
	s.event(slipway.EventStepDone, key, map[string]any{"address": string(r.Address), "id": r.ID})
}

// verified runs the plan's job.
func (s *story) verified() {
	s.t.Helper()
	s.event(slipway.EventStepIntended, verification, map[string]any{"sandbox": "local", "attempt": 1})
	st := s.step(verification)
	st.IntentAt, st.Attempt = s.now, 1
	s.event(slipway.EventLog, verification, map[string]any{"stream": "stdout", "text": "ok ✓"})
	name := digest([]byte(transcript))
	s.check(s.tx.PutArtifact(name, []byte(transcript)))
	st.Basis = map[string]any{"isolation": map[string]any{"backend": "bubblewrap"}, "commands": []any{}, "transcript": name}
	st.EndedAt = s.tick()
	s.check(s.tx.SaveStep(st))
	s.event(slipway.EventStepDone, verification, map[string]any{"commands": 1, "transcript": name})
}

func (s *story) byHand(key string, finding slipway.Finding, how, note string) {
	s.t.Helper()
	st := s.step(key)
	ev := slipway.Evidence{Finding: finding, How: how, Note: note, By: &grace}
	if finding == slipway.FindingAsserted {
		word := map[string]any{"run": s.run.ID, "step": key, "note": note, "by": grace, "at": timestamp(s.now)}
		signed, err := s.key.Sign(context.Background(), attest.ManualStep, word, attest.About(key, s.plan.Digest()))
		s.check(err)
		ev.Statement = signed
	}
	st.Evidence = &ev
	st.Receipt = &slipway.Receipt{Address: s.plan.Effect(key).Address, ID: "by-hand", ByHand: true}
	s.event(slipway.EventManualChecked, key, map[string]any{"finding": string(finding), "how": how, "by": grace.Name})
	st.EndedAt = s.tick()
	s.check(s.tx.SaveStep(st))
	s.event(slipway.EventStepDone, key, map[string]any{"address": string(st.Receipt.Address)})
}

var sourceFiles = []slipway.File{
	{Path: "index.html", Mode: 0o100644, Size: 17, SHA1: strings.Repeat("0f", 20)},
	{Path: "package.json", Mode: 0o100644, Size: 120, SHA1: strings.Repeat("1e", 20)},
}

// treeDigest is what sha256sum prints for the lines of mode, size, SHA-1 and path.
func treeDigest(files []slipway.File) string {
	lines := ""
	for _, f := range files {
		lines += fmt.Sprintf("%o %d %s %s\n", f.Mode, f.Size, f.SHA1, f.Path)
	}
	return digest([]byte(lines))
}

func effects(name string) []slipway.Effect {
	effect := func(a string, op slipway.Op, gate slipway.Gate, mode slipway.Mode) slipway.Effect {
		return slipway.Effect{
			Key: a + "#" + string(op), Op: op, Address: slipway.Address(a), Name: name, Params: map[string]any{"name": name, "size": 3, "ratio": 0.1, "list": []string{"é", "<a>"}},
			Basis: map[string]any{"exists": false}, Gate: gate, Mode: mode, Reason: "it does not exist", Why: map[bool]string{true: "no credential"}[mode != ""], Reversible: true,
		}
	}
	deploy := effect(deployment, slipway.OpDeploy, slipway.GateApply, "")
	deploy.DependsOn = []string{project + "#create"}
	return []slipway.Effect{
		effect(project, slipway.OpCreate, slipway.GateApply, ""), effect(database, slipway.OpCreate, slipway.GateApply, slipway.ModeManual),
		effect(cache, slipway.OpCreate, slipway.GateApply, slipway.ModeManual), deploy, effect(production, slipway.OpPromote, slipway.GatePromote, ""),
	}
}

// planOf is newPlan, beside git where the story has it.
func (s *story) planOf(name string) *slipway.Plan {
	p := newPlan(name, s.run.Source)
	if s.git {
		p.Shipped = &slipway.Shipped{Files: 2, Bytes: 137, Git: &slipway.WorkTree{Commit: strings.Repeat("c1", 20), Branch: "main", Folder: "site", Changed: 1, Added: 2}}
	}
	return p
}

// checked looks at the staged deployment, and reports whether it may go on.
func (s *story) checked() bool {
	check := s.step(deployment + "#check")
	check.Basis, check.EndedAt = nil, s.tick()
	told, data := slipway.EventStepDone, map[string]any{"probes": 2, "url": "https://shop-1.vercel.app", "id": "dpl_1"}
	if s.failing {
		check.State, told, data["code"] = slipway.StepFailed, slipway.EventStepFailed, "check_failed"
		check.Error = &slipway.RunError{Code: slipway.CodeCheckFailed, Message: "GET /api/health answered 500", Step: check.Key}
		check.Basis = map[string]any{"probes": []slipway.ProbeResult{
			{URL: "https://shop-1.vercel.app", Path: "/", Outcome: slipway.ProbePassed, Status: 200, Millis: 12, Attempts: 1},
			{URL: "https://shop-1.vercel.app", Path: "/api/health", Outcome: slipway.ProbeFailed, Status: 500, Millis: 7, Attempts: 5},
		}}
	}
	s.check(s.tx.SaveStep(check))
	s.event(told, check.Key, data)
	return !s.failing
}

func newPlan(name, source string) *slipway.Plan {
	return &slipway.Plan{
		Format: slipway.PlanFormat, Operation: slipway.OperationShip, App: "shop", Environment: slipway.Production, Source: source, Effects: effects(name),
		Checks: []slipway.Check{
			{Key: verification, Address: deployment, Gate: slipway.GateApply, Job: &slipway.Job{Commands: [][]string{{"npm", "test"}}, Timeout: 600, Memory: 4096, Runtime: "node24", Sandbox: "local"}},
			{Key: deployment + "#check", Address: deployment, Probes: []slipway.HealthProbe{{Path: "/"}, {Path: "/api/health", Status: 200}}},
		},
		Serving: "dpl_before",
		Access:  slipway.Access{{Provider: "neon", Name: "credential", State: slipway.CapabilityMissing, Cause: slipway.CauseMissing}},
	}
}

// tell writes the whole run; with an end before it, only so much of it.
func (s *story) tell(end slipway.RunStatus) {
	source := treeDigest(sourceFiles)
	s.now = began
	s.run = slipway.Run{
		ID: runID, App: "shop", Environment: slipway.Production, Operation: slipway.OperationShip, Status: slipway.RunActive,
		Manifest: "app: shop # the shop\nsource: {dir: site}\n", Source: source, Requester: ada, CreatedAt: began, UpdatedAt: began,
	}
	if s.people {
		s.run.Tool = "slipway v0.0.0-test"
	}
	s.check(s.tx.AddRun(s.run))
	list, err := canonical(sourceFiles)
	s.check(err)
	s.check(s.tx.PutArtifact(slipway.SourceArtifact(source), list))
	s.event(slipway.EventRunCreated, "", map[string]any{"operation": "ship", "environment": "production", "by": "ada"})
	s.planned(s.planOf("shop"))
	s.gate(slipway.GateApply, nil, true)
	s.planned(s.planOf("the-shop"))
	if end == slipway.RunWaitingApproval {
		s.status(end)
		return
	}
	s.gate(slipway.GateApply, nil, false)
	s.intend(project + "#create")
	s.done(project+"#create", slipway.Receipt{ID: "prj_1", Name: "the-shop"}, nil)
	s.byHand(database+"#create", slipway.FindingAsserted, "a person's word", "made on the page, \"db\" <eu>")
	s.byHand(cache+"#create", slipway.FindingDone, "connected with rest_token, rest_url", "")
	s.verified()
	s.intend(deployment + "#deploy")
	for i := range s.log {
		s.event(slipway.EventLog, deployment+"#deploy", map[string]any{"stream": "stdout", "text": fmt.Sprintf("line %d ✓ <b>&amp;", i)})
	}
	var details map[string]string
	if s.people {
		details = map[string]string{slipway.DetailRepository: "acme/shop", slipway.DetailRef: "main", slipway.DetailCommit: strings.Repeat("c0", 20)}
	}
	s.done(deployment+"#deploy", slipway.Receipt{ID: "dpl_1", URLs: []string{"https://shop-1.vercel.app"}, Details: details}, map[string]any{"exists": true, "id": "dpl_1", "fields": map[string]any{"input": "sha256:in"}})
	if !s.checked() {
		s.status(end)
		return
	}
	s.gate(slipway.GatePromote, map[string]any{"deployment": "dpl_1", "serving": "dpl_before", "verified": []any{deployment + "#check"}}, false)
	s.intend(production + "#promote")
	s.done(production+"#promote", slipway.Receipt{ID: "prj_1", URLs: []string{"https://shop.example.com"}}, map[string]any{"exists": true, "id": "prj_1", "fields": map[string]any{"deployment": "dpl_1"}})
	if end == slipway.RunSucceeded {
		s.run.URL = "https://shop.example.com"
	}
	s.status(end)
}

// newStore returns a store with the run, told until it has a status.
func newStore(t testing.TB, folder string, end slipway.RunStatus, log int) slipway.Store {
	return newStoreOf(t, folder, end, &story{log: log})
}

func newStoreOf(t testing.TB, folder string, end slipway.RunStatus, s *story) slipway.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(folder, "slipway.db"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	s.t, s.key = t, key(t, testKey)
	if err := st.Tx(t.Context(), func(tx slipway.Tx) error { s.tx = tx; s.tell(end); return nil }); err != nil {
		t.Fatal(err)
	}
	return st
}

// runbook is what the command line makes from providers.
func runbook(run slipway.Run, plan *slipway.Plan, receipts map[slipway.Address]slipway.Receipt) (slipway.Runbook, error) {
	return slipway.MakeRunbook(plan, func(e slipway.Effect) slipway.ManualStep {
		return slipway.ManualStep{Title: "Create " + e.Name, See: "it is listed", Check: fmt.Sprint(len(receipts), " receipts of ", run.ID)}
	}), nil
}

func exporter(t testing.TB) Exporter {
	return Exporter{Key: key(t, testKey), Tool: tool, Runbook: runbook}
}

// bundle exports the run into memory, by a file.
func bundle(t testing.TB, x Exporter, st slipway.Store) ([]byte, Summary) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "bundle.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := x.Export(t.Context(), st, runID, f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != s.Bytes {
		t.Errorf("the summary says %d bytes, and it is %d", s.Bytes, len(data))
	}
	return data, s
}

func verify(t testing.TB, data []byte, trusted ...attest.Key) (*Report, error) {
	t.Helper()
	return Verifier{Trusted: trusted}.Verify(t.Context(), bytes.NewReader(data), int64(len(data)))
}
