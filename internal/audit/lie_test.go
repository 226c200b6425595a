package audit

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// rewrite decodes a document of a bundle, lets change lie in it, and writes it again.
func rewrite[T any](t *testing.T, c *contents, name string, change func(v T) T) {
	t.Helper()
	var v T
	if err := json.Unmarshal(c.of[name], &v); err != nil {
		t.Fatal(err)
	}
	data, err := canonical(change(v))
	if err != nil {
		t.Fatal(err)
	}
	c.of[name] = data
}

// TestLies is done by somebody who has the key, and who mends all hashes after each lie: what stops it is that the records disagree.
func TestLies(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	k := key(t, testKey)
	approvals := func(change func(all []slipway.Approval) []slipway.Approval) func(*contents) {
		return func(c *contents) { rewrite(t, c, nameApprovals, change) }
	}
	steps := func(change func(all []slipway.Step) []slipway.Step) func(*contents) {
		return func(c *contents) { rewrite(t, c, nameSteps, change) }
	}
	word := func(kind, run string) func(*contents) {
		return steps(func(all []slipway.Step) []slipway.Step {
			s := all[0]
			said := map[string]any{"run": run, "step": s.Key, "note": s.Evidence.Note, "by": grace, "at": timestamp(began)}
			opened, _, err := attest.Open(t.Context(), s.Evidence.Statement, k)
			if err != nil {
				t.Fatal(err)
			}
			all[0].Evidence.Statement = sign(t, k, kind, said, opened.Subject...)
			return all
		})
	}
	edit := func(name, from, to string) func(*contents) { return func(c *contents) { c.edit(t, name, from, to) } }
	none := func(*contents) {}
	for name, tc := range map[string]struct {
		place string
		forge func(c *contents)
		index func(*Index, *Envelope)
	}{
		"nothing":                  {"", none, nil},
		"no beginning":             {"core/events.jsonl line 1: the first event is", edit(nameEvents, `"type":"run.created"`, `"type":"run.creates"`), nil},
		"another run's event":      {"core/events.jsonl line 1: it is event 1 of run run_x", edit(nameEvents, `"run":"`+runID+`"`, `"run":"run_x"`), nil},
		"another run's record":     {"core/run.json: it is not the run", edit(nameRun, `"id":"`+runID+`"`, `"id":"run_x"`), nil},
		"told as unfinished":       {"core/run.json: it is not the run", none, func(i *Index, e *Envelope) { i.Complete, e.Complete = false, false }},
		"another url":              {"core/run.json url: it is https://evil.example, and " + production + "#promote answered at https://shop.example.com", edit(nameRun, `"url":"https://shop.example.com"`, `"url":"https://evil.example"`), nil},
		"no url":                   {"core/run.json url: it is missing", edit(nameRun, `,"url":"https://shop.example.com"`, ``), nil},
		"begun after its events":   {"core/run.json created_at: it is after the first event", edit(nameRun, `"created_at":"2026-11-22T20:30:00.`, `"created_at":"2026-11-22T20:30:02.`), nil},
		"nothing to do":            {"core/run.json no_changes: the plans have changes", edit(nameRun, `"operation":"ship"`, `"no_changes":true,"operation":"ship"`), nil},
		"an error in the end":      {"core/run.json error: it succeeded", edit(nameRun, `"environment":"production"`, `"environment":"production","error":{"code":"internal","message":"x"}`), nil},
		"another operation":        {"core/plans/0001.json: it is of another app, environment or operation", edit(nameRun, `"operation":"ship"`, `"operation":"destroy"`), nil},
		"a plan out of nowhere":    {"core/plans/0001.json: 0 events tell of it", edit(nameEvents, `"type":"plan.made"`, `"type":"plan.mads"`), nil},
		"a runbook of no plan":     {"core/runbooks/0009.json: there is no plan for it", func(c *contents) { c.add("core/runbooks/0009.json", string(c.of["core/runbooks/0002.json"])) }, nil},
		"source not sorted":        {"is not in its place", edit(nameSource, `"path":"index.html"`, `"path":"z.html"`), nil},
		"another run's approval":   {"core/approvals.json 1 run", edit(nameApprovals, `"run":"`+runID+`"`, `"run":"run_x"`), nil},
		"a decision of nothing":    {"there is no approval for this decision", approvals(func(all []slipway.Approval) []slipway.Approval { return slices.Delete(all, 1, 2) }), nil},
		"decided by nobody":        {"core/approvals.json 2 by: no person", approvals(func(all []slipway.Approval) []slipway.Approval { all[1].By = nil; return all }), nil},
		"steps not sorted":         {"core/steps.json 2: it is not in its place", steps(func(all []slipway.Step) []slipway.Step { all[0], all[1] = all[1], all[0]; return all }), nil},
		"a step of no plan":        {"core/steps.json 6: no plan of this run", steps(func(all []slipway.Step) []slipway.Step { all[5].Revision = 9; return all }), nil},
		"a step before all plans":  {"core/steps.json 1: no plan of this run", steps(func(all []slipway.Step) []slipway.Step { all[0].Revision = 0; return all }), nil},
		"a check left out":         {"core/steps.json: the run succeeded, and", steps(func(all []slipway.Step) []slipway.Step { return without(all, deployment+"#check") }), nil},
		"a word about another run": {"core/steps.json 1 evidence statement: it says something else", word(attest.ManualStep, "run_x"), nil},
		"no word":                  {"core/steps.json 1 evidence statement: it is no word", word(attest.Approval, runID), nil},
		"found pending": {"core/steps.json 1 evidence: ", steps(func(all []slipway.Step) []slipway.Step {
			all[0].Evidence.Finding = "pending"
			return all
		}), nil},
		"nobody's evidence": {"counts as done, and nothing says why", steps(func(all []slipway.Step) []slipway.Step { all[0].Evidence.By = nil; return all }), nil},
		"an effect left out": {"core/steps.json: the run succeeded, and", func(c *contents) {
			steps(func(all []slipway.Step) []slipway.Step { return without(all, cache+"#create") })(c)
			rewrite(t, c, nameReceipts, func(all map[slipway.Address]slipway.Receipt) map[slipway.Address]slipway.Receipt {
				delete(all, cache)
				return all
			})
		}, nil},
		"another type listed":    {"statements/0001.json: it states", none, func(i *Index, _ *Envelope) { i.Statements[0].Type = attest.Provision }},
		"another size listed":    {"it is not what was signed", none, func(i *Index, _ *Envelope) { i.Files[0].Size++ }},
		"files listed unsorted":  {"index.json files: ", none, func(i *Index, _ *Envelope) { i.Files[0], i.Files[1] = i.Files[1], i.Files[0] }},
		"a file outside of core": {"index.json files: ", none, func(i *Index, _ *Envelope) { i.Files = slices.Insert(i.Files, 0, File{Path: nameMagic}) }},
		"another statement": {"statements/0001.json: it states", func(c *contents) {
			s, _ := c.statement(t, "statements/0001.json")
			c.of["statements/0001.json"] = sign(t, k, attest.Provision, s.Predicate, s.Subject...)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := takeApart(t, whole)
			tc.forge(&c)
			head, seq := c.rechain(t)
			c.reindex(t, k, func(i *Index, e *Envelope) {
				if i.Events = (Checkpoint{runID, seq, head}); tc.index != nil {
					tc.index(i, e)
				}
			})
			_, err := verify(t, c.assemble(), k)
			if tc.place == "" && err != nil || tc.place != "" && (err == nil || !strings.Contains(err.Error(), tc.place)) {
				t.Errorf("%v, want %q", err, tc.place)
			}
		})
	}
}

func without(all []slipway.Step, key string) []slipway.Step {
	return slices.DeleteFunc(all, func(s slipway.Step) bool { return s.Key == key })
}

// TestSignedForAnother puts a signature over the index that says something else of it than the index does.
func TestSignedForAnother(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunWaitingApproval, 0))
	k := key(t, testKey)
	for what, change := range map[string]func(e *Envelope, about *[]attest.Subject){
		"predicate: it is about another bundle: its run":        func(e *Envelope, _ *[]attest.Subject) { e.Run = "run_x" },
		"predicate: it is about another bundle: its core":       func(e *Envelope, _ *[]attest.Subject) { e.Core = digest(nil) },
		"predicate: it is about another bundle: its checkpoint": func(e *Envelope, _ *[]attest.Subject) { e.Checkpoint.Seq++ },
		"predicate: it is about another bundle: its end":        func(e *Envelope, _ *[]attest.Subject) { e.Complete = !e.Complete },
		"key: it is not the signer's: none":                     func(e *Envelope, _ *[]attest.Subject) { e.Key = "x" },
		"subject: two": func(_ *Envelope, about *[]attest.Subject) {
			*about = append(*about, attest.About("x", digest(nil)))
		},
	} {
		c := takeApart(t, whole)
		s, _ := c.statement(t, nameSignature)
		var e Envelope
		if err := json.Unmarshal(s.Predicate, &e); err != nil {
			t.Fatal(err)
		}
		change(&e, &s.Subject)
		c.of[nameSignature] = sign(t, k, attest.Bundle, e, s.Subject...)
		_, err := verify(t, c.assemble(), k)
		want := nameSignature + " " + what[:strings.LastIndex(what, ": ")]
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, what)
		}
	}
}

// A verification that is broken off is no fault of the bundle's.
func TestVerifyBrokenOff(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunWaitingApproval, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, err := openArchive(strings.NewReader(string(whole)), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	b := &reading{archive: a, report: &Report{}}
	for name, check := range map[string]func(context.Context) error{"files": b.checkFiles, "events": b.checkEvents} {
		if err := check(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a gate lets through, told by single events.
func TestGates(t *testing.T) {
	made := func(n int) slipway.Event {
		return slipway.Event{Type: slipway.EventPlanMade, Data: map[string]any{"revision": float64(n)}}
	}
	decided := func(gate, state string) slipway.Event {
		return slipway.Event{Type: slipway.EventGateDecided, Data: map[string]any{"gate": gate, "subject": "sha256:s", "state": state}}
	}
	intended := func(step string) slipway.Event { return slipway.Event{Type: slipway.EventStepIntended, Step: step} }
	plan := &slipway.Plan{
		Effects: []slipway.Effect{{Key: "a#create", Gate: slipway.GateApply}, {Key: "p#promote", Gate: slipway.GatePromote}},
		Checks:  []slipway.Check{{Key: "c#check", Gate: slipway.GateApply}, {Key: "v#verify", Gate: slipway.GateApply, Job: &slipway.Job{}}},
	}
	for name, tc := range map[string]struct {
		events []slipway.Event
		want   string
	}{
		"approved":                {[]slipway.Event{made(1), decided("apply", "approved"), intended("a#create"), intended("v#verify")}, ""},
		"the second is not":       {[]slipway.Event{made(1), decided("apply", "approved"), intended("a#create"), intended("p#promote")}, "nobody had approved p#promote at the promote gate"},
		"at another gate":         {[]slipway.Event{made(1), decided("promote", "approved"), intended("p#promote")}, "nobody had approved"},
		"rejected since":          {[]slipway.Event{made(1), decided("apply", "approved"), decided("apply", "rejected"), intended("a#create")}, "nobody had approved"},
		"for the plan before":     {[]slipway.Event{made(1), decided("apply", "approved"), made(2), intended("a#create")}, "nobody had approved"},
		"before all plans":        {[]slipway.Event{intended("a#create")}, "there was no plan yet"},
		"plans out of order":      {[]slipway.Event{made(2)}, "it tells of plan 2, and 1 comes next"},
		"more plans than are":     {[]slipway.Event{made(1), made(2), made(3)}, "it tells of plan 3"},
		"a check without a job":   {[]slipway.Event{made(1), decided("apply", "approved"), intended("c#check")}, "the plan has no effect c#check"},
		"what is in no plan":      {[]slipway.Event{made(1), decided("apply", "approved"), intended("x#create")}, "the plan has no effect x#create"},
		"a plan without a number": {[]slipway.Event{{Type: slipway.EventPlanMade}}, "it tells of plan"},
	} {
		b := &reading{}
		b.plans, b.digests, b.log.all = []*slipway.Plan{plan, plan}, []string{"sha256:1", "sha256:2"}, tc.events
		b.approvals = []slipway.Approval{{Gate: slipway.GateApply, Subject: "sha256:s", Content: map[string]any{"plan": "sha256:1"}}}
		err := b.checkGates()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// A decision that only other events tell of was not made; a no has no end.
func TestDecisionsAreTold(t *testing.T) {
	told := slipway.Event{Type: slipway.EventGateDecided, Data: map[string]any{"gate": "apply", "subject": "sha256:s", "by": "ada", "state": "rejected"}}
	other := told
	other.Type = slipway.EventGateRequested
	no := slipway.Approval{Gate: slipway.GateApply, Subject: "sha256:s", By: &ada, State: slipway.ApprovalRejected, DecidedAt: began}
	late := no
	late.State, late.ExpiresAt = slipway.ApprovalApproved, began
	for name, tc := range map[string]struct {
		a     slipway.Approval
		event slipway.Event
		want  string
	}{
		"a no":            {no, told, ""},
		"another event":   {no, other, "no event tells"},
		"another state":   {late, told, "it had ended"},
		"asked for alone": {slipway.Approval{Gate: slipway.GateApply, State: slipway.ApprovalRequested}, other, ""},
	} {
		b := &reading{}
		b.log.all = []slipway.Event{tc.event}
		err := b.checkDecision("x", tc.a)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	b := &reading{}
	b.log.all = []slipway.Event{{Type: slipway.EventRunStatus, Data: map[string]any{"status": "failed"}}, {Type: slipway.EventNote, Data: map[string]any{"status": "succeeded"}}}
	if got := b.lastStatus(); got != slipway.RunFailed {
		t.Errorf("the run ends as %s by an event that is not about it", got)
	}
	b.approvals = []slipway.Approval{{Gate: slipway.GateApply, Policy: "sha256:0", Content: map[string]any{"policy": "sha256:1"}}}
	if err := b.checkPolicies(t.Context()); err == nil || !strings.HasPrefix(err.Error(), nameApprovals+" 1 policy: ") {
		t.Errorf("another policy than was shown: %v", err)
	}
	b.approvals = []slipway.Approval{{State: slipway.ApprovalRequested}}
	if all := b.claims(); len(all) != 1 || all[0].predicateType != attest.Checkpoint {
		t.Errorf("a request calls for a statement: %+v", all)
	}
}

// TestEnd: what a run's record says of its end is what its events and receipts say.
func TestEnd(t *testing.T) {
	promote := slipway.Effect{Key: "p#promote", Op: slipway.OpPromote, Address: "p"}
	deploy := slipway.Effect{Key: "d#deploy", Op: slipway.OpDeploy, Address: "d"}
	undo := slipway.Effect{Key: "p#rollback", Op: slipway.OpRollback, Address: "p", OnFailure: "p#promote"}
	steps := []slipway.Step{
		{Revision: 1, Key: "d#deploy", State: slipway.StepDone, Receipt: &slipway.Receipt{URLs: []string{"https://d"}}},
		{Revision: 1, Key: "p#promote", State: slipway.StepDone, Receipt: &slipway.Receipt{URLs: []string{"https://p", "https://q"}}},
		{Revision: 1, Key: "p#rollback", State: slipway.StepPending},
	}
	failed := &slipway.RunError{Code: slipway.CodeCheckFailed, Message: "it did not answer"}
	for name, tc := range map[string]struct {
		reason  string
		run     slipway.Run
		effects []slipway.Effect
		steps   []slipway.Step
		want    string
		seen    bool // the URL stands on no record beside the run's
	}{
		"promoted":        {"production answers there", slipway.Run{URL: "https://p"}, []slipway.Effect{deploy, promote, undo}, steps, "", false},
		"not there":       {"production answers elsewhere", slipway.Run{URL: "https://d"}, []slipway.Effect{deploy, promote, undo}, steps, nameRun + " url: it is https://d, and p#promote", false},
		"second":          {"the first is the app's", slipway.Run{URL: "https://q"}, []slipway.Effect{deploy, promote, undo}, steps, nameRun + " url", false},
		"preview":         {"the deployment answers", slipway.Run{URL: "https://d", Environment: "preview"}, []slipway.Effect{deploy}, steps, "", false},
		"another preview": {"the deployment answers elsewhere", slipway.Run{URL: "https://e", Environment: "preview"}, []slipway.Effect{deploy}, steps, nameRun + " url", false},
		"nothing moved":   {"it was looked up", slipway.Run{URL: "https://e"}, []slipway.Effect{deploy}, steps, "", true},
		"nothing to do":   {"it was looked up", slipway.Run{URL: "https://e", NoChanges: true}, nil, nil, "", true},
		"no URL":          {"there may be none", slipway.Run{}, []slipway.Effect{deploy}, steps, "", false},
		"destroyed":       {"nothing answers any more", slipway.Run{URL: "https://e", Operation: slipway.OperationDestroy}, nil, nil, nameRun + " url: ", false},
		"not ended":       {"nothing was found to answer yet", slipway.Run{URL: "https://p", Status: slipway.RunFailed, Error: failed}, []slipway.Effect{deploy, promote, undo}, steps, nameRun + " url: ", false},
		"failed":          {"the events say why", slipway.Run{Status: slipway.RunFailed, Error: failed}, []slipway.Effect{promote}, nil, "", false},
		"failed, silent":  {"the events say why", slipway.Run{Status: slipway.RunFailed}, []slipway.Effect{promote}, nil, nameRun + " error: ", false},
		"failed, code":    {"the events say another", slipway.Run{Status: slipway.RunFailed, Error: &slipway.RunError{Code: slipway.CodeInternal, Message: failed.Message}}, []slipway.Effect{promote}, nil, nameRun + " error: ", false},
		"canceled":        {"its error is whoever's who cancelled it", slipway.Run{Status: slipway.RunCanceled, Error: &slipway.RunError{Code: slipway.CodeCanceled, Message: "cancelled by ada"}}, []slipway.Effect{promote}, nil, "", false},
	} {
		run := tc.run
		run.Environment, run.Status, run.Revision = cmp.Or(run.Environment, slipway.Production), cmp.Or(run.Status, slipway.RunSucceeded), 1
		b := &reading{archive: &archive{version: Version}, report: &Report{}, facts: facts{run: run, plans: []*slipway.Plan{{Effects: tc.effects}}, steps: tc.steps}}
		b.log.all = []slipway.Event{{Type: slipway.EventRunCreated}, {Type: slipway.EventRunStatus, Data: map[string]any{"status": "failed", "error": failed.Message, "code": string(failed.Code)}}}
		err := b.checkEnd()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q: %s", name, err, tc.want, tc.reason)
		}
		if err == nil && (len(b.untold) == 1) != tc.seen {
			t.Errorf("%s: asserted: %q: %s", name, b.untold, tc.reason)
		}
	}
}

// A step's state is that of the events of its own revision.
func TestOutcomes(t *testing.T) {
	made, about := slipway.Event{Type: slipway.EventPlanMade}, func(kind slipway.EventType) slipway.Event { return slipway.Event{Type: kind, Step: "a"} }
	settled := slipway.Event{Type: slipway.EventNote, Step: "a", Data: map[string]any{"settled": runID}}
	intended, done, failed := about(slipway.EventStepIntended), about(slipway.EventStepDone), about(slipway.EventStepFailed)
	for name, tc := range map[string]struct {
		state   slipway.StepState
		attempt int
		status  slipway.RunStatus
		events  []slipway.Event
		late    int
		want    string
	}{
		"done":                    {slipway.StepDone, 1, slipway.RunActive, []slipway.Event{made, intended, done}, 0, ""},
		"done twice":              {slipway.StepDone, 1, slipway.RunActive, []slipway.Event{made, intended, done, done}, 0, "x state"},
		"done, told as failed":    {slipway.StepFailed, 1, slipway.RunActive, []slipway.Event{made, intended, done}, 0, "x state"},
		"failed":                  {slipway.StepFailed, 1, slipway.RunActive, []slipway.Event{made, intended, failed}, 0, ""},
		"failed, and done then":   {slipway.StepFailed, 1, slipway.RunActive, []slipway.Event{made, intended, failed, done}, 0, "x state"},
		"failed, of which nobody": {slipway.StepFailed, 1, slipway.RunActive, []slipway.Event{made, intended}, 0, "x state"},
		"not yet":                 {slipway.StepIntended, 1, slipway.RunActive, []slipway.Event{made, intended}, 0, ""},
		"not begun":               {slipway.StepPending, 0, slipway.RunActive, []slipway.Event{made}, 0, ""},
		"in the plan before":      {slipway.StepDone, 1, slipway.RunActive, []slipway.Event{made, made, intended, done}, 0, "x attempt"},
		"settled by the next run": {slipway.StepDone, 1, slipway.RunActive, []slipway.Event{made, intended, settled}, 0, ""},
		"settled, and done twice": {slipway.StepDone, 1, slipway.RunActive, []slipway.Event{made, intended, settled, done, done}, 0, "x state"},
		"late":                    {slipway.StepDone, 1, slipway.RunCanceled, []slipway.Event{made, intended}, 1, ""},
		"late, but it succeeded":  {slipway.StepDone, 1, slipway.RunSucceeded, []slipway.Event{made, intended}, 0, "x state"},
		"late, but it goes on":    {slipway.StepDone, 1, slipway.RunActive, []slipway.Event{made, intended}, 0, "x state"},
		"late, never begun":       {slipway.StepDone, 0, slipway.RunCanceled, []slipway.Event{made}, 0, "x state"},
		"late, done twice":        {slipway.StepDone, 1, slipway.RunCanceled, []slipway.Event{made, intended, done, done}, 0, "x state"},
	} {
		b := &reading{}
		b.run, b.plans, b.log.all = slipway.Run{ID: runID, Status: tc.status}, []*slipway.Plan{{}}, tc.events
		err := b.checkOutcome("x", slipway.Step{Run: runID, Revision: 1, Key: "a", State: tc.state, Attempt: tc.attempt})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) || len(b.late) != tc.late {
			t.Errorf("%s: %v, want %q; late: %d", name, err, tc.want, len(b.late))
		}
	}
}

// A verification that a later revision takes over is told once; anything else in a later revision is its own.
func TestCarried(t *testing.T) {
	first := slipway.Step{Run: runID, Revision: 1, Key: "v", State: slipway.StepDone, Attempt: 1, EndedAt: began}
	again, changed := first, first
	again.Revision, changed.Revision, changed.EndedAt = 2, 2, began.Add(time.Second)
	effect := again
	effect.Key = "a"
	plan := &slipway.Plan{Effects: []slipway.Effect{{Key: "a"}}, Checks: []slipway.Check{{Key: "v"}}}
	b := &reading{}
	b.plans, b.steps = []*slipway.Plan{plan, plan}, []slipway.Step{first, {Run: runID, Revision: 1, Key: "a", State: slipway.StepDone, Attempt: 1, EndedAt: began}}
	for _, tc := range []struct {
		reason string
		step   slipway.Step
		want   bool
	}{{"the same once more", again, true}, {"another end", changed, false}, {"the first", first, false}, {"an effect is no verification", effect, false}} {
		if b.carried(tc.step) != tc.want {
			t.Errorf("%s: not %t", tc.reason, tc.want)
		}
	}
	if err := b.checkOutcome("x", again); err != nil {
		t.Errorf("no event of its own revision has to tell of it: %v", err)
	}
}

// A run that succeeded has done all of its last plan, but the way back.
func TestAllDone(t *testing.T) {
	plan := &slipway.Plan{Effects: []slipway.Effect{{Key: "a"}, {Key: "back", OnFailure: "c"}}, Checks: []slipway.Check{{Key: "c"}}}
	step := func(revision int, key string, state slipway.StepState) slipway.Step {
		return slipway.Step{Revision: revision, Key: key, State: state}
	}
	done := slipway.StepDone
	for name, tc := range map[string]struct {
		plans  []*slipway.Plan
		status slipway.RunStatus
		steps  []slipway.Step
		want   string
	}{
		"all":                {[]*slipway.Plan{plan}, slipway.RunSucceeded, []slipway.Step{step(1, "a", done), step(1, "c", done)}, ""},
		"a check is not":     {[]*slipway.Plan{plan}, slipway.RunSucceeded, []slipway.Step{step(1, "a", done)}, "c is not done"},
		"one has failed":     {[]*slipway.Plan{plan}, slipway.RunSucceeded, []slipway.Step{step(1, "a", slipway.StepFailed), step(1, "c", done)}, "a is not done"},
		"of the plan before": {[]*slipway.Plan{plan, plan}, slipway.RunSucceeded, []slipway.Step{step(1, "a", done), step(2, "c", done)}, "a is not done"},
		"it has not ended":   {[]*slipway.Plan{plan}, slipway.RunActive, nil, ""},
		"without any plan":   {nil, slipway.RunSucceeded, nil, "it succeeded without a plan"},
	} {
		b := &reading{}
		b.plans, b.run.Status, b.steps = tc.plans, tc.status, tc.steps
		err := b.checkAllDone()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// Lines of the events are read to their ends, however long they are, and taken apart only where they have all parts.
func TestLines(t *testing.T) {
	long := strings.Repeat("x", 1000)
	r := bufio.NewReaderSize(strings.NewReader("a\n"+long+"\n\n"+long), 16)
	for _, want := range []string{"a", long, ""} {
		if line, err := readLine(r); err != nil || string(line) != want {
			t.Errorf("%q, %v; want %q", line, err, want)
		}
	}
	if line, err := readLine(r); !errors.Is(err, io.EOF) || string(line) != long {
		t.Errorf("a line without an end: %q, %v", line, err)
	}
	hash := strings.Repeat("0", 64)
	event, got, ok := splitLine([]byte(`{"event":{},"hash":"` + hash + `"}`))
	if !ok || string(event) != "{}" || string(got) != hash {
		t.Errorf("%q %q %t", event, got, ok)
	}
	for _, line := range []string{"", "{}", `{"event":` + hash[5:] + `"}`, `{"event":"` + hash + `"}`, `{"event":{},"hash":"` + hash[1:] + `"}`, `{"event":{},"hash":"` + hash + `"]`, `{"evenT":{},"hash":"` + hash + `"}`} {
		if _, _, ok := splitLine([]byte(line)); ok {
			t.Errorf("%s is taken for an event", line)
		}
	}
}

// Of a check that failed, a test passed only if each record of it says so.
func TestPassed(t *testing.T) {
	ok, no := map[string]any{"path": "/", "outcome": "passed"}, map[string]any{"path": "/", "outcome": "failed"}
	command := func(exit int) map[string]any {
		return map[string]any{"argv": []string{"npm", "test"}, "end": string(slipway.JobExited), "exit": exit}
	}
	check := func(state string) map[string]any { return map[string]any{"name": "ci", "state": state} }
	for reason, tc := range map[string]struct {
		name  string
		basis map[string]any
		want  bool
	}{
		"a probe":                       {"GET /", map[string]any{"probes": []any{ok}}, true},
		"one of two":                    {"GET /", map[string]any{"probes": []any{no, ok}}, false},
		"another path":                  {"GET /a", map[string]any{"probes": []any{ok}}, false},
		"nothing is recorded":           {"GET /", nil, false},
		"something else is recorded":    {"GET /", map[string]any{"probes": "x"}, false},
		"a command":                     {"npm test", map[string]any{"commands": []any{command(0)}}, true},
		"a command that failed":         {"npm test", map[string]any{"commands": []any{command(1)}}, false},
		"a command, and then not":       {"npm test", map[string]any{"commands": []any{command(0), command(1)}}, false},
		"a command at last":             {"npm test", map[string]any{"commands": []any{command(1), command(0)}}, false},
		"a check":                       {"check ci", map[string]any{"checks": []any{check("passed")}}, true},
		"a check that failed, and then": {"check ci", map[string]any{"checks": []any{check("failed"), check("passed")}}, false},
	} {
		if got := passed(tc.name, tc.basis); got != tc.want {
			t.Errorf("%s: %t", reason, got)
		}
	}
}

// What a plan's digest leaves out of it depends on what else it has.
func TestPlanDigestOfParts(t *testing.T) {
	for name, p := range map[string]*slipway.Plan{
		"nothing": {}, "a report": {Report: &slipway.Reporting{}}, "a report that is skipped": {Report: &slipway.Reporting{Skipped: "why"}},
	} {
		raw, err := canonical(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := planDigest(raw); err != nil || got != p.Digest() {
			t.Errorf("%s: %s, %v; the plan says %s", name, got, err, p.Digest())
		}
	}
	if _, err := planDigest([]byte(`{"effects":[1]}`)); err == nil {
		t.Error("an effect that is none has a digest")
	}
}
