package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// facts are a bundle's records, decoded.
type facts struct {
	run       slipway.Run
	plans     []*slipway.Plan // by revision, from 1
	digests   []string        // of the plans, computed from their entries
	books     map[int]slipway.Runbook
	approvals []slipway.Approval
	steps     []slipway.Step
	late      []slipway.Step // settled after the run's own events had ended
	words     []string       // of people: the steps that stand on one
	proved    []string       // approvals that a known key has signed
	unproved  []string       // approvals that another key has signed
	known     []string       // votes that a known key has signed: the approval's id and the key's
	untold    []string       // what an earlier version of the format does not have
}

// eventLog is what the events tell. Lines of output are counted alone.
type eventLog struct {
	all   []slipway.Event
	lines int64
}

// takeEvent decodes an event.
func (b *reading) takeEvent(place string, seq int64, data []byte) error {
	var e slipway.Event
	if err := b.exactly(place, data, &e); err != nil {
		return err
	}
	switch {
	case e.Seq != seq || e.Run != b.index.Run:
		return fault(place, "it is event %d of run %s", e.Seq, e.Run)
	case seq == 1 && e.Type != slipway.EventRunCreated:
		return fault(place, "the first event is %s", e.Type)
	case e.Type == slipway.EventLog:
		b.log.lines++
		return nil
	}
	b.log.all = append(b.log.all, e)
	return nil
}

// document decodes an entry that is one document.
func (b *reading) document(name string, v any) ([]byte, error) {
	data, err := b.read(name)
	if err != nil {
		return nil, err
	}
	return data, b.exactly(name, data, v)
}

func (b *reading) checkPlans(context.Context) error {
	var spec Spec
	for name, v := range map[string]any{nameRun: &b.run, nameSpec: &spec, nameApprovals: &b.approvals, nameSteps: &b.steps} {
		if _, err := b.document(name, v); err != nil {
			return err
		}
	}
	r, i := b.run, b.index
	switch {
	case r.ID != i.Run || r.App != i.App || r.Environment != i.Environment || string(r.Status) != i.Status || r.Status.Final() != i.Complete:
		return fault(nameRun, "it is not the run that the index names")
	case spec.Bundle != b.version:
		return fault(nameSpec, "bundle version %d", spec.Bundle)
	case b.version >= sinceExact && !reflect.DeepEqual(spec, specOf(b.version, spec.Plan)):
		return fault(nameSpec, "it does not name what version %d is made of", b.version)
	case b.version >= sinceExact && len(b.log.all) > 0 && b.log.all[0].Data["by"] != r.Requester.Name:
		return fault(nameRun+" requester", "it is %s, and the first event says %v", r.Requester.Name, b.log.all[0].Data["by"])
	case b.lastStatus() != r.Status:
		return fault(nameRun+" status", "it is %s, and the events end with %s", r.Status, b.lastStatus())
	}
	names := b.numbered(namePlan)
	if len(names) != r.Revision || len(b.below("core/plans")) != r.Revision {
		return fault("core/plans", "%d plans, and the run has %d revisions", len(b.below("core/plans")), r.Revision)
	}
	for n, name := range names {
		if err := b.checkPlan(n+1, name); err != nil {
			return err
		}
	}
	if n := len(b.plans); n > 0 && b.plans[n-1].Format != spec.Plan {
		return fault(nameSpec+" plan", "it is %d, and the last plan's form is %d", spec.Plan, b.plans[n-1].Format)
	}
	return b.checkBooks()
}

// lastStatus is the run's status by its events.
func (b *reading) lastStatus() slipway.RunStatus {
	status := slipway.RunActive
	for _, e := range b.log.all {
		if s, ok := e.Data["status"].(string); ok && e.Type == slipway.EventRunStatus {
			status = slipway.RunStatus(s)
		}
	}
	return status
}

func (b *reading) checkPlan(revision int, name string) error {
	p := &slipway.Plan{}
	data, err := b.document(name, p)
	if err != nil {
		return err
	}
	sum, err := planDigest(data)
	switch {
	case err != nil:
		return fault(name, "its digest cannot be computed")
	case p.App != b.run.App || p.Environment != b.run.Environment || p.Operation != b.run.Operation:
		return fault(name, "it is of another app, environment or operation than the run")
	case p.Source != "" && p.Source != b.run.Source:
		return fault(name+" source", "it is not the run's")
	}
	made := 0
	for _, e := range b.log.all {
		if e.Type == slipway.EventPlanMade && e.Data["revision"] == float64(revision) {
			if made++; e.Data["digest"] != sum {
				return fault(name, "its digest is %s, and event %d says %v", sum, e.Seq, e.Data["digest"])
			}
		}
	}
	if made != 1 {
		return fault(name, "%d events tell of it", made)
	}
	b.plans, b.digests = append(b.plans, p), append(b.digests, sum)
	return nil
}

// prose are the members of an effect that an approval does not bind; reason and reversible stay, empty.
var prose = []string{"changes", "cause", "why", "consequence"}

// planDigest computes what an approval binds from the plan's JSON: without prose, the effects in the order of their keys.
func planDigest(data []byte) (string, error) {
	var p map[string]any
	if err := json.Unmarshal(data, &p); err != nil {
		return "", err
	}
	for _, name := range []string{"access", "built", "rotated", "shipped", "unverified"} {
		delete(p, name)
	}
	if r, ok := p["report"].(map[string]any); ok && r["skipped"] != nil {
		delete(p, "report")
	}
	existing, _ := p["existing"].([]any)
	for _, v := range existing {
		if used, ok := v.(map[string]any); ok {
			delete(used, "note")
		}
	}
	effects, _ := p["effects"].([]any)
	key := func(v any) string { m, _ := v.(map[string]any); k, _ := m["key"].(string); return k }
	slices.SortStableFunc(effects, func(a, b any) int { return strings.Compare(key(a), key(b)) })
	for _, v := range effects {
		e, ok := v.(map[string]any)
		if !ok {
			return "", fault("effects", "an effect is no object")
		}
		for _, name := range prose {
			delete(e, name)
		}
		e["reason"], e["reversible"] = "", false
	}
	return valueDigest(p)
}

// valueDigest is sha256:… over the canonical JSON of v.
func valueDigest(v any) (string, error) {
	raw, err := canonical(v)
	return digest(raw), err
}

// checkBooks says that each plan that leaves something to a person has a runbook of just that, or that it is told to be missing; and no other has one.
func (b *reading) checkBooks() error {
	b.books = map[int]slipway.Runbook{}
	for i, p := range b.plans {
		byHand := []string{}
		for _, e := range p.Effects {
			if e.Mode == slipway.ModeManual {
				byHand = append(byHand, e.Key)
			}
		}
		name, revision := fmt.Sprintf(nameRunbook, i+1), i+1
		if _, there := b.byName[name]; !there {
			told := slices.ContainsFunc(b.index.Left, func(r Remark) bool { return r.What == fmt.Sprintf(leftRunbook, revision) })
			if len(byHand) > 0 && !told && b.version >= sinceExact {
				return fault(name, "it is missing: revision %d has manual steps", revision)
			}
			continue
		}
		var book slipway.Runbook
		if _, err := b.document(name, &book); err != nil {
			return err
		}
		if book.Plan != b.digests[i] || book.App != p.App || book.Environment != p.Environment {
			return fault(name+" plan", "it is not of revision %d", revision)
		}
		if err := checkBook(name, book, byHand); err != nil {
			return err
		}
		b.books[revision] = book
	}
	for _, name := range b.below(path.Dir(nameRunbook)) {
		var revision int
		if _, err := fmt.Sscanf(name, nameRunbook, &revision); err != nil || b.books[revision].Plan == "" || name != fmt.Sprintf(nameRunbook, revision) {
			return fault(name, "there is no plan for it")
		}
	}
	return nil
}

// checkBook says that a runbook has the plan's manual steps, each once, numbered in its order.
func checkBook(name string, book slipway.Runbook, byHand []string) error {
	var keys []string
	for i, s := range book.Steps {
		if s.Number != i+1 {
			return fault(name+" steps", "the step %s is not in its place", s.Key)
		}
		keys = append(keys, s.Key)
	}
	slices.Sort(keys)
	slices.Sort(byHand)
	if !slices.Equal(keys, byHand) {
		return fault(name+" steps", "they are not the manual steps of the plan")
	}
	return nil
}

// checkSource computes the source tree's digest from the list of its files.
func (b *reading) checkSource(context.Context) error {
	if _, ok := b.byName[nameSource]; !ok {
		if b.run.Source != "" && !slices.ContainsFunc(b.index.Left, func(r Remark) bool { return r.What == "source files" }) {
			return fault(nameSource, "it is missing")
		}
		return nil
	}
	var files []slipway.File
	if _, err := b.document(nameSource, &files); err != nil {
		return err
	}
	h := sha256.New()
	for i, f := range files {
		if i > 0 && files[i-1].Path >= f.Path {
			return fault(nameSource, "%q is not in its place", f.Path)
		}
		_, _ = io.WriteString(h, fmt.Sprintf("%06o %d %s %s\n", f.Mode, f.Size, f.SHA1, f.Path))
	}
	if sum := "sha256:" + hex.EncodeToString(h.Sum(nil)); sum != b.run.Source {
		return fault(nameSource, "its digest is %s, and the run shipped %s", sum, b.run.Source)
	}
	b.report.Files = len(files)
	return nil
}

func (b *reading) checkApprovals(ctx context.Context) error {
	for i, a := range b.approvals {
		place := fmt.Sprintf("%s %d", nameApprovals, i+1)
		sum, err := valueDigest(a.Content)
		switch {
		case err != nil || sum != a.Subject:
			return fault(place+" subject", "it is not the digest of what was shown")
		case a.Run != b.run.ID:
			return fault(place+" run", "it is %s", a.Run)
		}
		if err := b.checkDecision(place, a); err != nil {
			return err
		}
		if err := b.checkVotes(ctx, place, a); err != nil {
			return err
		}
	}
	for _, e := range b.log.all {
		if e.Type != slipway.EventGateDecided {
			continue
		}
		if !slices.ContainsFunc(b.approvals, func(a slipway.Approval) bool {
			return string(a.Gate) == e.Data["gate"] && a.Subject == e.Data["subject"]
		}) {
			return fault(eventPlace(e), "there is no approval for this decision")
		}
	}
	return b.checkGates()
}

func eventPlace(e slipway.Event) string { return fmt.Sprintf("%s line %d", nameEvents, e.Seq) }

// checkDecision says that a person has decided as the approval says, before it ended.
func (b *reading) checkDecision(place string, a slipway.Approval) error {
	want := map[slipway.ApprovalState]slipway.ApprovalState{
		slipway.ApprovalApproved: slipway.ApprovalApproved, slipway.ApprovalConsumed: slipway.ApprovalApproved, slipway.ApprovalRejected: slipway.ApprovalRejected,
	}[a.State]
	switch {
	case want == "" && a.By == nil:
		return nil // requested, voided or expired: nobody has decided
	case a.By == nil || a.By.Kind != slipway.PrincipalUser && !byPolicy(a):
		return fault(place+" by", "no person has decided")
	case want == slipway.ApprovalApproved && !a.DecidedAt.Before(a.ExpiresAt):
		return fault(place+" expires_at", "it had ended when it was decided")
	}
	decided := slices.ContainsFunc(b.log.all, func(e slipway.Event) bool {
		return e.Type == slipway.EventGateDecided && e.Data["gate"] == string(a.Gate) && e.Data["subject"] == a.Subject && e.Data["by"] == a.By.Name &&
			(want == "" || e.Data["state"] == string(want))
	})
	if !decided {
		return fault(place, "no event tells of the decision")
	}
	return nil
}

// checkGates says that each intent came after an approval of its gate for the plan that was in force.
func (b *reading) checkGates() error {
	revision := 0
	approved := map[string]bool{} // gate and subject
	for _, e := range b.log.all {
		switch e.Type {
		case slipway.EventPlanMade:
			n, _ := e.Data["revision"].(float64)
			if revision++; int(n) != revision || revision > len(b.plans) {
				return fault(eventPlace(e), "it tells of plan %v, and %d comes next", e.Data["revision"], revision)
			}
		case slipway.EventGateDecided:
			gate, _ := e.Data["gate"].(string)
			subject, _ := e.Data["subject"].(string)
			approved[gate+" "+subject] = e.Data["state"] == string(slipway.ApprovalApproved)
		case slipway.EventStepIntended:
			if err := b.checkIntent(e, revision, approved); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *reading) checkIntent(e slipway.Event, revision int, approved map[string]bool) error {
	if revision == 0 {
		return fault(eventPlace(e), "there was no plan yet")
	}
	gate, ok := gateOf(b.plans[revision-1], e.Step)
	if !ok {
		return fault(eventPlace(e), "the plan has no effect %s", e.Step)
	}
	for _, a := range b.approvals {
		if a.Gate == gate && a.Content["plan"] == b.digests[revision-1] && approved[string(gate)+" "+a.Subject] {
			return nil
		}
	}
	return fault(eventPlace(e), "nobody had approved %s at the %s gate", e.Step, gate)
}

// gateOf returns the gate of an effect or a job of a plan.
func gateOf(p *slipway.Plan, key string) (slipway.Gate, bool) {
	if e := p.Effect(key); e != nil {
		return e.Gate, true
	}
	if c := p.Check(key); c != nil {
		return c.Gate, c.Job != nil
	}
	return "", false
}
