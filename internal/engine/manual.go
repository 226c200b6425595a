package engine

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// parkManual parks a run that only a person's steps can bring on. parked is false when one was found done meanwhile.
func (w *worker) parkManual(ctx context.Context) (parked bool, err error) {
	open, err := w.openGates(ctx)
	if err != nil {
		return false, err
	}
	next := slipway.WhatNext(slipway.Progress{Plan: w.plan, Steps: w.snapshot(), Open: open})
	if found, err := w.lookFirst(ctx, next.Manual); err != nil || found {
		return false, err
	}
	err = w.commit(ctx, func(tx slipway.Tx) error {
		if moved, err := w.movedOn(tx); err != nil || moved {
			return err
		}
		parked = true
		if err := w.event(tx, w.id, slipway.EventManualWaiting, "", map[string]any{"steps": next.Manual}); err != nil {
			return err
		}
		_, err = w.setStatus(tx, w.run, slipway.RunWaitingManual)
		return err
	})
	return parked, err
}

// nextOf is what may be done of d at now by a person and by Slipway: its gate is open, and what it comes after is done.
func nextOf(d *slipway.RunDetail, now time.Time) slipway.Next {
	if d.Plan == nil || d.Run.Status.Final() {
		return slipway.Next{}
	}
	p := slipway.Progress{Plan: d.Plan, Steps: map[string]slipway.Step{}, Open: map[slipway.Gate]bool{}}
	for _, s := range d.Steps {
		p.Steps[s.Key] = s
	}
	for _, a := range d.Approvals {
		if a.Content["plan"] == d.Digest && a.Opens(a.Gate, a.Subject, now) {
			p.Open[a.Gate] = true
		}
	}
	return slipway.WhatNext(p)
}

// movedOn reports whether a person's step was found done since this worker has read the steps.
func (w *worker) movedOn(tx slipway.Tx) (bool, error) {
	steps, err := tx.Steps(w.id, w.run.Revision)
	return slices.ContainsFunc(steps, func(s slipway.Step) bool {
		return s.State == slipway.StepDone && w.step(s.Key).State != slipway.StepDone
	}), err
}

// Runbook returns the manual steps of a run's plan, and where each stands.
func (e *Engine) Runbook(ctx context.Context, run string) (slipway.Runbook, map[string]slipway.Step, error) {
	w, err := e.reader(ctx, run)
	if err != nil {
		return slipway.Runbook{}, nil, err
	}
	book, err := w.runbook(ctx)
	return book, w.steps, err
}

// RunbookOf returns the manual steps of a plan that is no run's.
func (e *Engine) RunbookOf(ctx context.Context, req slipway.ShipRequest, plan *slipway.Plan) (slipway.Runbook, error) {
	w := &worker{Engine: e, plan: plan, steps: map[string]slipway.Step{}}
	var err error
	if w.wanted, err = e.desire(req.Manifest, req.Environment, nil); err != nil {
		return slipway.Runbook{}, err
	}
	w.run = slipway.Run{App: w.wanted.manifest.App, Environment: w.wanted.environment}
	return w.runbook(ctx)
}

// reader is a worker that holds no lease: it looks, and writes only decisions.
func (e *Engine) reader(ctx context.Context, id string) (*worker, error) {
	w := &worker{Engine: e, id: id, steps: map[string]slipway.Step{}}
	run, err := e.run(ctx, id)
	if err != nil {
		return nil, err
	}
	if run.Revision == 0 {
		return nil, slipway.Errorf(slipway.CodeConflict, "run %s has no plan yet", id).WithHint("go on with: slipway resume %s", id)
	}
	if w.wanted, err = e.desire([]byte(run.Manifest), run.Environment, nil); err != nil {
		return nil, err
	}
	return w, w.loadPlan(ctx)
}

// runbook asks the providers how each manual effect is done.
func (w *worker) runbook(ctx context.Context) (slipway.Runbook, error) {
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return slipway.Runbook{}, err
	}
	guide := slipway.GuideBy(w.Providers, w.wanted.manifest, w.wanted.environment, func(e slipway.Effect) slipway.Spec {
		s := w.specFor(e.Address, receipts)
		s.Params = e.Params
		return w.sealToShow(ctx, e, s)
	})
	return slipway.MakeRunbook(w.plan, guide), ctx.Err()
}

// sealToShow gives the Spec of a deployment that a person is to make its input, by which it is found again: as soon as all that goes into it
// is there, and can be read.
func (w *worker) sealToShow(ctx context.Context, e slipway.Effect, s slipway.Spec) slipway.Spec {
	waits := slices.ContainsFunc(e.DependsOn, func(key string) bool { return w.step(key).State != slipway.StepDone })
	if !w.kinds[e.Address.Kind()].Versioned || e.Op == slipway.OpDelete || waits || w.step(e.Key).State == slipway.StepDone {
		return s
	}
	u := &unit{effect: e, spec: s}
	if err := w.sealUnit(ctx, w.wanted.pass(), u); err != nil {
		return s
	}
	return u.spec
}

// manualStep finds a manual step by key, address, or its number in the runbook, and refuses one that is not to be done now.
func (w *worker) manualStep(ctx context.Context, name string) (slipway.Effect, error) {
	book, err := w.runbook(ctx)
	if err != nil {
		return slipway.Effect{}, err
	}
	n, _ := strconv.Atoi(name)
	var keys []string
	for _, s := range book.Steps {
		e := *w.plan.Effect(s.Key)
		keys = append(keys, fmt.Sprintf("%d (%s)", s.Number, s.Key))
		if s.Number == n || s.Key == name || string(e.Address) == name {
			return e, w.inOrder(e)
		}
	}
	if len(keys) == 0 {
		return slipway.Effect{}, slipway.Errorf(slipway.CodeConflict, "run %s has no manual steps", w.id)
	}
	// What was given may be a secret, and is not repeated.
	return slipway.Effect{}, slipway.Errorf(slipway.CodeInvalid, "run %s has no such manual step", w.id).
		WithHint("name one of %s", strings.Join(keys, ", "))
}

// inOrder refuses a step whose gate is closed or whose predecessors are not done.
func (w *worker) inOrder(e slipway.Effect) error {
	if w.run.Status.Final() {
		return slipway.Errorf(slipway.CodeConflict, "run %s is already %s", w.id, w.run.Status)
	}
	key := w.before(e)
	if key == "" {
		return nil
	}
	if o := w.plan.Effect(key); o != nil && o.Mode == slipway.ModeManual {
		return slipway.Errorf(slipway.CodeConflict, "%s comes after %s, which is not done", e.Key, key).
			WithHint("do that first, then: slipway manual %s --check '%s'", w.id, key)
	}
	return slipway.Errorf(slipway.CodeConflict, "%s comes after %s, which Slipway has not done yet", e.Key, key).
		WithHint("let it go on with: slipway resume %s", w.id)
}

// before is the key of what has to be done before e and can be begun with now, "" for nothing.
func (w *worker) before(e slipway.Effect) string {
	for _, key := range slices.Concat(e.DependsOn, e.After) {
		if w.step(key).State == slipway.StepDone {
			continue
		}
		if o := w.plan.Effect(key); o != nil {
			return cmp.Or(w.before(*o), key)
		}
		return key
	}
	return ""
}

// gateOpen refuses a step that nobody has approved.
func (w *worker) gateOpen(ctx context.Context, e slipway.Effect) error {
	open, err := w.openGates(ctx)
	if err == nil && !open[e.Gate] {
		err = slipway.Errorf(slipway.CodeConflict, "nobody has approved %s", e.Key).WithHint("slipway approve %s --gate %s", w.id, e.Gate)
	}
	return err
}

// TakeManual gives a manual step to somebody, so that no two people do it at once, or gives it back.
func (e *Engine) TakeManual(ctx context.Context, run, step string, release bool, by slipway.Principal) (slipway.Step, error) {
	w, err := e.reader(ctx, run)
	if err != nil {
		return slipway.Step{}, err
	}
	effect, err := w.manualStep(ctx, step)
	if err == nil {
		err = w.gateOpen(ctx, effect)
	}
	if err != nil {
		return slipway.Step{}, err
	}
	return w.decideStep(ctx, effect, by, func(tx slipway.Tx, s slipway.Step) (slipway.Step, error) {
		if s.State == slipway.StepDone {
			return s, alreadyDone(effect.Key)
		}
		if s.Taken = &by; release {
			s.Taken = nil
		}
		data := map[string]any{"by": by.Name, "release": release}
		return s, e.event(tx, run, slipway.EventManualTaken, effect.Key, data)
	})
}

// decideStep changes a manual step in one transaction, unless the plan has changed or somebody else has the step.
func (w *worker) decideStep(ctx context.Context, effect slipway.Effect, by slipway.Principal, change func(slipway.Tx, slipway.Step) (slipway.Step, error)) (s slipway.Step, err error) {
	err = w.Store.Tx(ctx, func(tx slipway.Tx) error {
		run, err := tx.Run(w.id)
		if err != nil {
			return err
		}
		if run.Revision != w.run.Revision || run.Status.Final() {
			return slipway.Errorf(slipway.CodeConflict, "run %s has changed meanwhile", w.id).WithHint("look at it again with: slipway manual %s", w.id)
		}
		s = slipway.Step{Run: w.id, Revision: run.Revision, Key: effect.Key, State: slipway.StepPending}
		steps, err := tx.Steps(w.id, run.Revision)
		if err != nil {
			return err
		}
		for _, o := range steps {
			if o.Key == effect.Key {
				s = o
			}
		}
		if s.Taken != nil && *s.Taken != by {
			return slipway.Errorf(slipway.CodeConflict, "%s has taken %s", s.Taken.Name, effect.Key).
				WithHint("ask them to give it back: slipway manual %s --release '%s'", w.id, effect.Key)
		}
		if s, err = change(tx, s); err != nil {
			return err
		}
		return tx.SaveStep(s)
	})
	return s, err
}

// CheckManual looks at a manual step and records what it finds; where it is done, the run can go on. What nothing can look at may be
// asserted by a person, and only that.
func (e *Engine) CheckManual(ctx context.Context, c slipway.ManualCheck) (slipway.Step, error) {
	w, err := e.reader(ctx, c.Run)
	if err != nil {
		return slipway.Step{}, err
	}
	effect, err := w.manualStep(ctx, c.Step)
	if err == nil {
		err = e.wellFormed(&c)
	}
	if err == nil {
		err = w.urlFits(effect, c)
	}
	if err == nil {
		err = w.gateOpen(ctx, effect)
	}
	if err != nil {
		return slipway.Step{}, err
	}
	if s := w.step(effect.Key); s.State == slipway.StepDone {
		return w.nameLater(ctx, effect, s, c)
	}
	u, ev, err := w.find(ctx, effect, c)
	if err != nil {
		return slipway.Step{}, err
	}
	return w.decideStep(ctx, effect, c.By, func(tx slipway.Tx, s slipway.Step) (slipway.Step, error) {
		if s.State == slipway.StepDone {
			return s, alreadyDone(effect.Key)
		}
		return w.recordCheck(ctx, tx, u, s, ev)
	})
}

// find looks at a step, or takes a person's word for it, which is signed.
func (w *worker) find(ctx context.Context, effect slipway.Effect, c slipway.ManualCheck) (*unit, slipway.Evidence, error) {
	if err := w.recall(ctx, false); err != nil {
		return nil, slipway.Evidence{}, err
	}
	u, err := w.unit(ctx, effect.Key)
	if err != nil {
		return nil, slipway.Evidence{}, err
	}
	ev, err := w.inspect(ctx, u, c)
	if err != nil {
		return nil, ev, err
	}
	if ev, err = asserted(ev, effect, w.plan.Access.Readable(effect.Address.Kind()), c); err != nil {
		return nil, ev, err
	}
	if ev.Finding == slipway.FindingAsserted && w.Attest != nil {
		word := assertion{c.Run, effect.Key, c.ID, c.URL, c.Note, c.By, w.Now().UTC()}
		if ev.Statement, err = w.Attest(ctx, effect.Key, w.plan.Digest(), word); err != nil {
			return nil, ev, err
		}
	}
	ev.By = &c.By
	return u, ev, nil
}

func alreadyDone(key string) error {
	return slipway.Errorf(slipway.CodeConflict, "%s is already done", key).WithHint("see what is left: slipway manual")
}

// assertion is what a person states.
type assertion struct {
	Run  string            `json:"run"`
	Step string            `json:"step"`
	ID   string            `json:"id,omitempty"`
	URL  string            `json:"url,omitempty"`
	Note string            `json:"note"`
	By   slipway.Principal `json:"by"`
	At   time.Time         `json:"at"`
}

// asserted takes a person's word where nothing else is to be had.
// readable says that the credentials of the plan can look, whatever this process has.
func asserted(ev slipway.Evidence, effect slipway.Effect, readable bool, c slipway.ManualCheck) (slipway.Evidence, error) {
	switch {
	case !c.Assert:
		return ev, nil
	case c.By.Kind != slipway.PrincipalUser:
		return ev, slipway.Errorf(slipway.CodeForbidden, "only a person can assert that a step is done").
			WithHint("a check needs nobody's word: slipway manual %s --check '%s'; else let a person say: slipway manual %s --assert '%s' --note '…'", c.Run, effect.Key, c.Run, effect.Key)
	case ev.Finding == slipway.FindingDone:
		return ev, nil
	case ev.Finding == slipway.FindingUnseen && readable:
		return ev, slipway.Errorf(slipway.CodeConflict, "%s can be looked at with the credential that the run was planned with", effect.Key).
			WithHint("check it where that is set; if it is gone for good: slipway resume %s, and then assert it", c.Run)
	case ev.Finding != slipway.FindingUnseen:
		return ev, slipway.Errorf(slipway.CodeConflict, "%s can be looked at, and is not done: %s", effect.Key, ev.Finding).
			WithHint("finish the step; slipway manual %s --check '%s' tells what is missing", c.Run, effect.Key)
	case strings.TrimSpace(c.Note) == "":
		return ev, slipway.Errorf(slipway.CodeInvalid, "say with --note what was done and seen").
			WithHint("it is kept as evidence, so without a secret: slipway manual %s --assert '%s' --note '…'", c.Run, effect.Key)
	}
	return slipway.Evidence{Finding: slipway.FindingAsserted, How: "a person's word", Note: c.Note}, nil
}

// recordCheck keeps what was found, and the outcome of a step that is done.
func (w *worker) recordCheck(ctx context.Context, tx slipway.Tx, u *unit, s slipway.Step, ev slipway.Evidence) (slipway.Step, error) {
	s.Evidence = &ev
	if err := w.tellCheck(tx, u.effect.Key, ev); err != nil {
		return s, err
	}
	if ev.Finding != slipway.FindingDone && ev.Finding != slipway.FindingAsserted {
		return s, nil
	}
	if err := w.consume(ctx, tx, u.effect.Gate); err != nil { // it does not expire amid the work that it was for
		return s, err
	}
	if err := w.recordOutcome(tx, u, &s); err != nil {
		return s, err
	}
	run, err := tx.Run(w.id)
	if err != nil {
		return s, err
	}
	if err := w.event(tx, w.id, slipway.EventStepDone, u.effect.Key, map[string]any{"op": string(u.effect.Op), "address": string(u.effect.Address)}); err != nil {
		return s, err
	}
	if run.Status == slipway.RunWaitingManual || run.Status == slipway.RunWaitingApproval { // what comes after it may need no approval
		_, err = w.wake(tx, run)
	}
	return s, err
}

func (w *worker) tellCheck(tx slipway.Tx, key string, ev slipway.Evidence) error {
	data := map[string]any{"finding": string(ev.Finding), "how": ev.How, "by": ev.By.Name}
	if len(ev.Differs) > 0 {
		data["differs"] = ev.Differs
	}
	return w.event(tx, w.id, slipway.EventManualChecked, key, data)
}

func (w *worker) recordOutcome(tx slipway.Tx, u *unit, s *slipway.Step) (err error) {
	s.Basis, s.EndedAt = slipway.Basis(u.spec, u.obs), w.Now()
	if *s, err = s.Move(slipway.StepDone); err != nil {
		return err
	}
	if u.effect.Op == slipway.OpDelete {
		if err := tx.DeleteReceipt(w.run.App, u.effect.Address); err != nil {
			return err
		}
		return w.strikeContained(tx, u.effect.Address)
	}
	return w.saveByHand(tx, u, s)
}

// saveByHand keeps what a person has made.
func (w *worker) saveByHand(tx slipway.Tx, u *unit, s *slipway.Step) error {
	r := w.outcome(u)
	r.Address, r.Needs, r.ByHand = u.effect.Address, u.spec.Needs, true
	s.Receipt = &r
	return tx.SaveReceipt(w.run.App, r)
}

// wellFormed refuses what can be no id or URL. What looks like a secret is not repeated.
func (e *Engine) wellFormed(c *slipway.ManualCheck) error {
	for flag, v := range map[string]*string{"--id": &c.ID, "--url": &c.URL, "--note": &c.Note} {
		*v = strings.TrimSpace(*v)
		if e.Redact(*v) != *v {
			return slipway.Errorf(slipway.CodeInvalid, "%s holds what looks like a secret; it was not kept", flag).
				WithHint("give the resource's id, as the provider's page shows it; if it was a secret, treat it as exposed to your shell's history")
		}
	}
	if err := cmp.Or(slipway.CheckID("--id", c.ID), slipway.Remark("--note", c.Note), slipway.NoKey("--note", c.Note)); err != nil {
		return err
	}
	switch {
	case c.URL != "" && !isPlace(c.URL):
		return slipway.Errorf(slipway.CodeInvalid, "--url is not where an app answers; it was not kept").
			WithHint("give it with https:// in front, and without a user, a password, a query or a fragment")
	}
	return nil
}

// isPlace reports whether text is a URL of HTTPS, or of HTTP on this machine, that has no part for a credential: a probe may carry a secret.
func isPlace(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	host := u.Hostname()
	here := host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && here
}
