package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	err = w.commit(ctx, func(tx slipway.Tx) error {
		steps, err := tx.Steps(w.id, w.run.Revision)
		if err != nil {
			return err
		}
		for _, s := range steps {
			if s.State == slipway.StepDone && w.step(s.Key).State != slipway.StepDone {
				return nil
			}
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
	guide := slipway.GuideBy(w.Providers, w.wanted.manifest, func(e slipway.Effect) slipway.Spec {
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
	return slipway.Effect{}, slipway.Errorf(slipway.CodeInvalid, "run %s has no manual step of that name", w.id).
		WithHint("name one of %s", strings.Join(keys, ", "))
}

// inOrder refuses a step whose gate is closed or whose predecessors are not done.
func (w *worker) inOrder(e slipway.Effect) error {
	if w.run.Status.Final() {
		return slipway.Errorf(slipway.CodeConflict, "run %s is already %s", w.id, w.run.Status)
	}
	for _, key := range slices.Concat(e.DependsOn, e.After) {
		if w.step(key).State == slipway.StepDone {
			continue
		}
		if o := w.plan.Effect(key); o != nil && o.Mode == slipway.ModeManual {
			return slipway.Errorf(slipway.CodeConflict, "%s comes after %s, which is not done", e.Key, key).
				WithHint("do that first, then: slipway manual %s --check '%s'", w.id, key)
		}
		return slipway.Errorf(slipway.CodeConflict, "%s comes after %s, which Slipway has not done yet", e.Key, key).
			WithHint("let it go on with: slipway resume %s", w.id)
	}
	return nil
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
		if s.Taken = &by; release {
			s.Taken = nil
		}
		data := map[string]any{"by": by.Name, "release": release}
		return s, e.event(tx, run, slipway.EventManualTaken, effect.Key, data)
	})
}

// decideStep changes a manual step in one transaction, unless the plan has changed, the step is done, or somebody else has it.
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
		switch {
		case s.State == slipway.StepDone:
			return slipway.Errorf(slipway.CodeConflict, "%s is already done", effect.Key)
		case s.Taken != nil && *s.Taken != by:
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
	if err := w.recall(ctx, false); err != nil {
		return slipway.Step{}, err
	}
	u, err := w.unit(ctx, effect.Key)
	if err != nil {
		return slipway.Step{}, err
	}
	ev, err := w.examine(ctx, u, c)
	if err != nil {
		return slipway.Step{}, err
	}
	if ev, err = asserted(ev, effect, c); err != nil {
		return slipway.Step{}, err
	}
	if ev.Finding == slipway.FindingAsserted && e.Attest != nil {
		word := assertion{c.Run, effect.Key, c.ID, c.URL, c.Note, c.By, e.Now().UTC()}
		if ev.Statement, err = e.Attest(ctx, effect.Key, w.plan.Digest(), word); err != nil {
			return slipway.Step{}, err
		}
	}
	ev.By = &c.By
	return w.decideStep(ctx, effect, c.By, func(tx slipway.Tx, s slipway.Step) (slipway.Step, error) { return w.recordCheck(tx, u, s, ev) })
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
func asserted(ev slipway.Evidence, effect slipway.Effect, c slipway.ManualCheck) (slipway.Evidence, error) {
	switch {
	case !c.Assert:
		return ev, nil
	case c.By.Kind != slipway.PrincipalUser:
		return ev, slipway.Errorf(slipway.CodeForbidden, "only a person can assert that a step is done")
	case ev.Finding == slipway.FindingDone:
		return ev, nil
	case ev.Finding != slipway.FindingUnseen:
		return ev, slipway.Errorf(slipway.CodeConflict, "%s can be looked at, and is not done: %s", effect.Key, ev.Finding).
			WithHint("finish the step; slipway manual %s --check '%s' tells what is missing", c.Run, effect.Key)
	case strings.TrimSpace(c.Note) == "":
		return ev, slipway.Errorf(slipway.CodeInvalid, "say with --note what was done and seen").WithHint("it is kept as evidence; write no secret into it")
	}
	return slipway.Evidence{Finding: slipway.FindingAsserted, How: "a person's word", Note: c.Note}, nil
}

// recordCheck keeps what was found, and the outcome of a step that is done.
func (w *worker) recordCheck(tx slipway.Tx, u *unit, s slipway.Step, ev slipway.Evidence) (slipway.Step, error) {
	s.Evidence = &ev
	data := map[string]any{"finding": string(ev.Finding), "how": ev.How, "by": ev.By.Name}
	if len(ev.Differs) > 0 {
		data["differs"] = ev.Differs
	}
	if err := w.event(tx, w.id, slipway.EventManualChecked, u.effect.Key, data); err != nil {
		return s, err
	}
	if ev.Finding != slipway.FindingDone && ev.Finding != slipway.FindingAsserted {
		return s, nil
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
	if run.Status == slipway.RunWaitingManual {
		_, err = w.wake(tx, run)
	}
	return s, err
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
	switch {
	case strings.Contains(c.ID, "://"):
		return slipway.Errorf(slipway.CodeInvalid, "--id is a URL, not an id").WithHint("give the last part of that URL that names the resource")
	case strings.ContainsAny(c.ID, " \t\r\n/\\\"'<>") || len(c.ID) > 128:
		return slipway.Errorf(slipway.CodeInvalid, "--id can be no id: %q", c.ID).WithHint("copy it again, without spaces and placeholders")
	case c.URL != "" && !strings.HasPrefix(c.URL, "https://") && !strings.HasPrefix(c.URL, "http://"):
		return slipway.Errorf(slipway.CodeInvalid, "--url is no URL: %q", c.URL).WithHint("give it with https:// in front")
	}
	return nil
}

// urlFits refuses a URL for what answers at none: that something answers there would tell nothing. It asks for the URL of a deployment
// that health probes are to look at and no API of a provider tells.
func (w *worker) urlFits(effect slipway.Effect, c slipway.ManualCheck) error {
	kind := effect.Address.Kind()
	probed := slices.ContainsFunc(w.plan.Checks, func(o slipway.Check) bool { return o.Address == effect.Address && len(o.Probes) > 0 })
	switch {
	case c.URL != "" && !w.kinds[kind].Versioned:
		return slipway.Errorf(slipway.CodeInvalid, "--url is for a deployment, and %s is none", effect.Address).
			WithHint("look at it with: slipway manual %s --check '%s'", c.Run, effect.Key)
	case c.Assert && c.URL == "" && probed && effect.Op != slipway.OpDelete && !w.wanted.visible(kind):
		return slipway.Errorf(slipway.CodeInvalid, "the health probes need the URL at which %s answers", effect.Address).
			WithHint("slipway manual %s --check '%s' --url https://…, as the deployment's page shows it", c.Run, effect.Key)
	}
	return nil
}

// examine looks at a step with whatever is there: the provider's API, the values that the environment hands over, HTTP.
func (w *worker) examine(ctx context.Context, u *unit, c slipway.ManualCheck) (slipway.Evidence, error) {
	if c.ID != "" {
		u.spec.Known = &slipway.Receipt{Address: u.effect.Address, ID: c.ID}
		if u.effect.Op == slipway.OpUpdate && len(u.effect.Basis) > 0 && u.effect.Basis["id"] != nil && u.effect.Basis["id"] != c.ID {
			return slipway.Evidence{}, slipway.Errorf(slipway.CodeConflict, "%s is about %v, not %s", u.effect.Key, u.effect.Basis["id"], c.ID)
		}
	}
	if err := w.declare(ctx, u); err != nil {
		return slipway.Evidence{}, err
	}
	if w.wanted.visible(u.effect.Address.Kind()) {
		return w.examineByAPI(ctx, u)
	}
	u.obs = slipway.Observation{Exists: u.effect.Op != slipway.OpDelete, Receipt: slipway.Receipt{ID: c.ID, Name: u.spec.Name}, Fields: u.spec.Params}
	if c.URL != "" {
		u.obs.Receipt.URLs = []string{c.URL}
		return w.examineByHTTP(ctx, c.URL)
	}
	return w.examineByValues(ctx, u)
}

// declare gives u what its plan declares, completed by what is known now.
func (w *worker) declare(ctx context.Context, u *unit) error {
	if u.effect.Op == slipway.OpDelete {
		return nil
	}
	for name, v := range u.effect.Params {
		if v != nil {
			u.spec.Params[name] = v
		}
	}
	in, sessions := u.spec.Inputs["value"], w.wanted.pass()
	_, printed := u.spec.Params["fingerprint"]
	switch {
	case w.unresolved(w.wanted, in) != "":
		u.spec = carried(u.spec)
	case printed: // what the plan could not know yet: the next one compares with it
		v, err := w.value(ctx, sessions, in)
		if err != nil {
			return err
		}
		u.spec.Params["fingerprint"] = w.print(u.spec, v)
	}
	if w.kinds[u.effect.Address.Kind()].Versioned {
		return w.sealUnit(ctx, sessions, u)
	}
	return nil
}

func (w *worker) examineByAPI(ctx context.Context, u *unit) (slipway.Evidence, error) {
	before := u.spec.Known
	ev := slipway.Evidence{How: "observed at the provider"}
	if err := w.observeUnit(ctx, w.wanted.pass(), u); err != nil {
		return ev, err
	}
	gone := u.effect.Op == slipway.OpDelete
	differs := differing(u.spec, u.obs)
	if before != nil && before.Version != "" && u.obs.Receipt.Version != before.Version { // written anew: by whom its fingerprint cannot tell
		differs = slices.DeleteFunc(differs, func(f string) bool { return f == "fingerprint" || f == "written" })
	}
	if fp, _ := u.obs.Fields["fingerprint"].(string); fp == "" && u.effect.Op != slipway.OpUpdate {
		differs = slices.DeleteFunc(differs, func(f string) bool { return f == "fingerprint" })
	}
	switch {
	case len(u.obs.Namesakes) > 1:
		ev.Finding = slipway.FindingDuplicate
		for _, n := range u.obs.Namesakes {
			ev.Differs = append(ev.Differs, n.ID)
		}
	case gone && u.obs.Exists:
		ev.Finding, ev.Differs = slipway.FindingAbsent, []string{"it is still there"}
	case gone:
		ev.Finding = slipway.FindingDone
	case !u.obs.Exists || u.effect.Op == slipway.OpReplace && u.obs.Receipt.ID == u.effect.Basis["id"]:
		ev.Finding = slipway.FindingAbsent
	case u.obs.Failed != nil:
		ev.Finding, ev.Differs = slipway.FindingWrong, []string{w.Redact(u.obs.Failed.Message)}
	case u.obs.Pending:
		ev.Finding = slipway.FindingPartial
	case len(differs) > 0:
		ev.Finding, ev.Differs = slipway.FindingWrong, differs
		if !slices.ContainsFunc(differs, func(f string) bool { return !empty(u.obs.Fields[f]) }) {
			ev.Finding = slipway.FindingPartial
		}
	default:
		ev.Finding = slipway.FindingDone
	}
	return ev, nil
}

func empty(v any) bool { return v == nil || v == "" || v == false }

// examineByHTTP asks a deployment that nothing else here can look at.
func (w *worker) examineByHTTP(ctx context.Context, url string) (slipway.Evidence, error) {
	ev := slipway.Evidence{Finding: slipway.FindingDone, How: "it answers over HTTP"}
	probes := w.wanted.manifest.Verify.Health
	if len(probes) == 0 {
		probes = []slipway.HealthProbe{{Path: "/"}}
	}
	for _, p := range probes {
		if err := w.probe(ctx, url, p, nil); err != nil {
			if ctx.Err() != nil {
				return ev, ctx.Err()
			}
			ev.Finding, ev.Differs = slipway.FindingWrong, []string{w.Redact(err.Error())}
			if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Hint != "" {
				ev.Differs = append(ev.Differs, e.Hint)
			}
			return ev, nil
		}
	}
	return ev, nil
}

// examineByValues tries out what the environment hands over.
func (w *worker) examineByValues(ctx context.Context, u *unit) (slipway.Evidence, error) {
	names, connect := w.connector(u.spec.Serves)
	if connect == nil || u.effect.Op == slipway.OpDelete {
		return slipway.Evidence{Finding: slipway.FindingUnseen, How: "nothing here can look at it"}, nil
	}
	values := w.handed(u.spec.Serves, names)
	if len(values) < len(names) {
		ev := slipway.Evidence{Finding: slipway.FindingUnseen, How: "its values are not in the environment"}
		for _, n := range names {
			if _, ok := values[n]; !ok {
				ev.Differs = append(ev.Differs, slipway.OutputVariable(slipway.OutputRef{Resource: u.spec.Serves, Output: n}))
			}
		}
		return ev, nil
	}
	ev := slipway.Evidence{Finding: slipway.FindingDone, How: "connected with " + strings.Join(slices.Sorted(maps.Keys(values)), ", ")}
	facts, err := connect(ctx, values)
	if err != nil {
		if ctx.Err() != nil {
			return ev, ctx.Err()
		}
		ev.Finding, ev.Differs = slipway.FindingWrong, []string{w.Redact(err.Error())}
		return ev, nil
	}
	fields := maps.Clone(u.spec.Params) // as declared, but for what it told
	maps.Copy(fields, facts)
	if ev.Differs = differing(u.spec, slipway.Observation{Fields: fields}); len(ev.Differs) > 0 {
		ev.Finding = slipway.FindingWrong
	}
	return ev, nil
}

// connector returns how a manifest resource's values are tried out, and which it takes.
func (w *worker) connector(resource string) (outputs []string, c slipway.Connector) {
	for _, p := range w.Providers {
		for _, t := range p.Info().Types {
			if t.Name == w.wanted.manifest.Resources[resource].Type && t.Connects != "" {
				return t.Connects.Outputs(), w.Connect[t.Connects]
			}
		}
	}
	return nil, nil
}
