package engine

import (
	"iter"
	"slices"

	"github.com/slipway-dev/slipway"
)

// Runs are read a page at a time: a short one first, since most questions are answered by the newest.
const firstPage, longestPage = 8, 128

// past yields the runs that f lets through, the newest first. What is not asked for is not read: how many runs a home has costs a question that the
// newest answer nothing. Of one that fails the error comes last.
func past(tx slipway.Tx, f slipway.RunFilter) iter.Seq2[slipway.Run, error] {
	return func(yield func(slipway.Run, error) bool) {
		for f.Limit = firstPage; ; f.Limit = min(2*f.Limit, longestPage) {
			runs, err := tx.Runs(f)
			if err != nil {
				yield(slipway.Run{}, err)
				return
			}
			for _, r := range runs {
				if !yield(r, nil) {
					return
				}
			}
			if len(runs) < f.Limit {
				return
			}
			f.Before = runs[len(runs)-1].ID
		}
	}
}

// outcome is an effect that a run has done, and its step.
type outcome struct {
	address slipway.Address
	op      slipway.Op
	step    slipway.Step
}

// done are a run's effects that are done, in the order of its revisions.
func done(tx slipway.Tx, run slipway.Run) (out []outcome, err error) {
	if run.NoChanges {
		return nil, nil
	}
	steps, err := tx.Steps(run.ID, 0)
	for _, s := range steps {
		if a, op, ok := slipway.CutKey(s.Key); ok && s.State == slipway.StepDone {
			out = append(out, outcome{a, op, s})
		}
	}
	return out, err
}

// declarations tells what runs declare, one after the other: those that follow each other mostly have the same manifest, which is read once.
type declarations struct {
	*Engine
	of    slipway.Run
	specs []slipway.Spec
}

// by are the Specs of r's manifest; none for one that is no longer understood.
func (d *declarations) by(r slipway.Run) []slipway.Spec {
	if d.of.Manifest != r.Manifest || d.of.Environment != r.Environment {
		d.of, d.specs = r, d.declared(r)
	}
	return d.specs
}

// among are those of the Specs of r's manifest that are at one of the addresses.
func (d *declarations) among(r slipway.Run, at map[slipway.Address]bool) []slipway.Spec {
	if len(at) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.by(r)), func(s slipway.Spec) bool { return !at[s.Address] })
}

// declared are the Specs of r's manifest; none for one that is no longer understood.
func (e *Engine) declared(r slipway.Run) []slipway.Spec {
	m, err := e.Parse([]byte(r.Manifest))
	if err != nil {
		return nil
	}
	specs, err := e.expand(&wanted{manifest: m, environment: r.Environment, values: newValueCache()})
	if err != nil {
		return nil
	}
	return specs
}
