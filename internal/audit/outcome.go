package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

func (b *reading) checkSteps(context.Context) error {
	receipts := map[slipway.Address]slipway.Receipt{}
	for i, s := range b.steps {
		place := fmt.Sprintf("%s %d", nameSteps, i+1)
		if i > 0 {
			before := b.steps[i-1]
			if before.Revision > s.Revision || before.Revision == s.Revision && before.Key >= s.Key {
				return fault(place, "it is not in its place")
			}
		}
		if s.Run != b.run.ID || s.Revision < 1 || s.Revision > len(b.plans) || !isStep(b.plans[s.Revision-1], s.Key) {
			return fault(place, "no plan of this run has a step %s", s.Key)
		}
		if s.Receipt != nil {
			receipts[s.Receipt.Address] = *s.Receipt
		}
		if err := b.checkOutcome(place, s); err != nil {
			return err
		}
	}
	data, err := b.read(nameReceipts)
	if err != nil {
		return err
	}
	if want, err := canonical(receipts); err != nil || !bytes.Equal(want, data) {
		return fault(nameReceipts, "the receipts are not those of the steps")
	}
	if err := b.checkTranscripts(); err != nil {
		return err
	}
	if err := b.checkAllDone(); err != nil {
		return err
	}
	return b.checkEnd()
}

func isStep(p *slipway.Plan, key string) bool { return p.Effect(key) != nil || p.Check(key) != nil }

// carried reports whether a step is a verification's of the revision before, which was not repeated.
func (b *reading) carried(s slipway.Step) bool {
	if s.Revision == 1 || b.plans[s.Revision-1].Check(s.Key) == nil {
		return false
	}
	before := s
	before.Revision--
	want, err := canonical(before)
	return err == nil && slices.ContainsFunc(b.steps, func(o slipway.Step) bool {
		have, err := canonical(o)
		return err == nil && o.Key == s.Key && bytes.Equal(have, want)
	})
}

// checkTranscripts says that what a step names as its output is there, and nothing else.
func (b *reading) checkTranscripts() error {
	want := map[string]bool{}
	for i, s := range b.steps {
		name, ok := s.Basis["transcript"].(string)
		hash, isDigest := strings.CutPrefix(name, "sha256:")
		if !ok || !isDigest {
			continue
		}
		path := fmt.Sprintf(nameTranscript, hash)
		want[path] = true
		if !slices.ContainsFunc(b.index.Files, func(f File) bool { return f.Path == path && f.SHA256 == hash }) {
			return fault(fmt.Sprintf("%s %d basis transcript", nameSteps, i+1), "%s is not in the bundle", path)
		}
	}
	for _, name := range b.below("core/transcripts") {
		if !want[name] {
			return fault(name, "no step names it")
		}
	}
	return nil
}

// checkOutcome compares a step with what the events of its revision tell.
func (b *reading) checkOutcome(place string, s slipway.Step) error {
	if b.carried(s) {
		return nil
	}
	intents, done, failed, settled := 0, 0, 0, false
	revision := 0
	for _, e := range b.log.all {
		switch {
		case e.Type == slipway.EventPlanMade:
			revision++
		case e.Step != s.Key:
		case e.Type == slipway.EventNote:
			settled = settled || e.Data["settled"] == s.Run
		case revision != s.Revision:
		case e.Type == slipway.EventStepIntended:
			intents++
		case e.Type == slipway.EventStepDone:
			done++
		case e.Type == slipway.EventStepFailed:
			failed++
		}
	}
	told := map[slipway.StepState]bool{
		slipway.StepPending: done == 0, slipway.StepIntended: done == 0, slipway.StepDone: done == 1, slipway.StepFailed: failed > 0 && done == 0,
	}[s.State]
	switch {
	case intents != s.Attempt:
		return fault(place+" attempt", "%s has %d attempts, and %d intents are told", s.Key, s.Attempt, intents)
	case told || settled && done == 0:
		return nil
	case done == 0 && s.Attempt > 0 && b.run.Status.Final() && b.run.Status != slipway.RunSucceeded:
		b.late = append(b.late, s) // by the app's next run, after this one had ended
		return nil
	}
	return fault(place+" state", "%s is %s, and the events tell otherwise", s.Key, s.State)
}

// checkAllDone says that a run that succeeded has done all of its last plan.
func (b *reading) checkAllDone() error {
	if b.run.Status != slipway.RunSucceeded {
		return nil
	}
	if len(b.plans) == 0 {
		return fault(nameRun+" status", "it succeeded without a plan")
	}
	done := map[string]bool{}
	for _, s := range b.steps {
		if s.Revision == len(b.plans) && s.State == slipway.StepDone {
			done[s.Key] = true
		}
	}
	last := b.plans[len(b.plans)-1]
	var keys []string
	for _, e := range last.Effects {
		if e.OnFailure == "" { // the check has passed
			keys = append(keys, e.Key)
		}
	}
	for _, c := range last.Checks {
		keys = append(keys, c.Key)
	}
	for _, key := range keys {
		if !done[key] {
			return fault(nameSteps, "the run succeeded, and %s is not done", key)
		}
	}
	return nil
}

// checkEnd says that the run's record tells of its beginning and its end what its events and receipts tell. Version 1 did not promise it.
func (b *reading) checkEnd() error {
	r := b.run
	if b.version < sinceExact {
		return nil
	}
	switch {
	case len(b.log.all) > 0 && r.CreatedAt.After(b.log.all[0].At):
		return fault(nameRun+" created_at", "it is after the first event")
	case r.NoChanges && (len(b.plans) != 1 || !b.plans[0].NoChanges()):
		return fault(nameRun+" no_changes", "the plans have changes")
	case r.Status == slipway.RunSucceeded && r.Error != nil:
		return fault(nameRun+" error", "it succeeded")
	case r.Status == slipway.RunFailed && !b.tellsError(r.Error):
		return fault(nameRun+" error", "it is not what the last run.status event says")
	case r.URL != "" && (r.Status != slipway.RunSucceeded || r.Operation == slipway.OperationDestroy):
		return fault(nameRun+" url", "it is %s, and nothing was found to answer there", r.URL)
	case r.Status == slipway.RunSucceeded && r.Operation != slipway.OperationDestroy:
		return b.checkURL()
	}
	return nil
}

// tellsError reports whether the last event that says how the run stands gives this error.
func (b *reading) tellsError(e *slipway.RunError) bool {
	var told map[string]any
	for _, v := range b.log.all {
		if v.Type == slipway.EventRunStatus {
			told = v.Data
		}
	}
	if e == nil {
		return told["error"] == nil && told["code"] == nil
	}
	return told["error"] == e.Message && told["code"] == string(e.Code)
}

// checkURL says that the run's URL is the first of the receipt by which the app went there: that of what moved production, elsewhere of the
// deployment; where several did, of the last in the plan. Where none did, Slipway has looked it up, and nothing else in the bundle tells it.
func (b *reading) checkURL() error {
	where, by := "", ""
	if n := len(b.plans); n > 0 {
		for _, e := range b.plans[n-1].Effects {
			moves := e.Op == slipway.OpPromote || e.Op == slipway.OpRollback || e.Op == slipway.OpDeploy && b.run.Environment != slipway.Production
			for _, s := range b.steps {
				if moves && s.Revision == n && s.Key == e.Key && s.Receipt != nil && len(s.Receipt.URLs) > 0 {
					where, by = s.Receipt.URLs[0], e.Key
				}
			}
		}
	}
	switch {
	case by != "" && b.run.URL == "":
		return fault(nameRun+" url", "it is missing, and %s answered at %s", by, where)
	case by != "" && b.run.URL != where:
		return fault(nameRun+" url", "it is %s, and %s answered at %s", b.run.URL, by, where)
	case by == "" && b.run.URL != "":
		b.untold = append(b.untold, fmt.Sprintf("url %s: no change of this run led there; it was looked up when the run ended", b.run.URL))
	}
	return nil
}

// checkByHand looks at the evidence of each manual step that counts as done: a person's word must be signed by a trusted key.
func (b *reading) checkByHand(ctx context.Context) error {
	for i, s := range b.steps {
		e := b.plans[s.Revision-1].Effect(s.Key)
		if e == nil || e.Mode != slipway.ModeManual || s.State != slipway.StepDone {
			continue
		}
		place := fmt.Sprintf("%s %d evidence", nameSteps, i+1)
		switch {
		case s.Evidence == nil || s.Evidence.By == nil:
			return fault(place, "%s counts as done, and nothing says why", s.Key)
		case s.Evidence.Finding == slipway.FindingDone:
		case s.Evidence.Finding == slipway.FindingAsserted:
			if err := b.checkWord(ctx, place, s); err != nil {
				return err
			}
		default:
			return fault(place, "%s counts as done, and was found %s", s.Key, s.Evidence.Finding)
		}
		if !slices.ContainsFunc(b.log.all, func(e slipway.Event) bool {
			return e.Type == slipway.EventManualChecked && e.Step == s.Key && e.Data["finding"] == string(s.Evidence.Finding) && e.Data["by"] == s.Evidence.By.Name
		}) {
			return fault(place, "no event tells of it")
		}
	}
	return nil
}

// checkWord verifies what a person has signed.
func (b *reading) checkWord(ctx context.Context, place string, s slipway.Step) error {
	word, by, err := attest.Open(ctx, s.Evidence.Statement, b.trusted...)
	if err != nil {
		return fault(place+" statement", "the word for %s is not signed by a key that is trusted here", s.Key)
	}
	var said struct {
		Run, Step, Note string
		By              slipway.Principal
	}
	if err := json.Unmarshal(word.Predicate, &said); err != nil || word.PredicateType != attest.ManualStep {
		return fault(place+" statement", "it is no word about a manual step")
	}
	if err := subjectIs(place+" statement", word, s.Key, strings.TrimPrefix(b.digests[s.Revision-1], "sha256:")); err != nil {
		return err
	}
	if said.Run != s.Run || said.Step != s.Key || said.Note != s.Evidence.Note || said.By != *s.Evidence.By {
		return fault(place+" statement", "it says something else than the record")
	}
	b.words = append(b.words, fmt.Sprintf("manual step %s: %s says %q (signed by %s)", s.Key, said.By.Name, said.Note, by[0]))
	return nil
}
