package audit

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// load reads all but events and what is large.
func (e *export) load(run string) (err error) {
	if e.run, err = e.tx.Run(run); err != nil {
		return err
	}
	e.run.CreatedAt, e.run.UpdatedAt = e.run.CreatedAt.UTC(), e.run.UpdatedAt.UTC()
	if e.approvals, err = e.tx.Approvals(run); err != nil {
		return err
	}
	for i := range e.approvals {
		a := &e.approvals[i]
		a.CreatedAt, a.DecidedAt, a.ExpiresAt = a.CreatedAt.UTC(), a.DecidedAt.UTC(), a.ExpiresAt.UTC()
		for j := range a.Votes {
			a.Votes[j].At, a.Votes[j].ExpiresAt = a.Votes[j].At.UTC(), a.Votes[j].ExpiresAt.UTC()
		}
	}
	slices.SortFunc(e.approvals, func(a, b slipway.Approval) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	e.receipts = map[slipway.Address]slipway.Receipt{}
	for revision := 1; revision <= e.run.Revision; revision++ {
		plan, err := e.tx.Plan(run, revision)
		if err != nil {
			return err
		}
		e.plans = append(e.plans, plan)
		steps, err := e.tx.Steps(run, revision)
		if err != nil {
			return err
		}
		e.addSteps(steps)
	}
	return nil
}

func (e *export) addSteps(steps []slipway.Step) {
	slices.SortFunc(steps, func(a, b slipway.Step) int { return strings.Compare(a.Key, b.Key) })
	for _, s := range steps {
		s.IntentAt, s.EndedAt = s.IntentAt.UTC(), s.EndedAt.UTC()
		if s.Receipt != nil {
			r := *s.Receipt
			r.CreatedAt = r.CreatedAt.UTC()
			s.Receipt = &r
			e.receipts[r.Address] = r
		}
		e.steps = append(e.steps, s)
	}
}

// collect makes the list of the core's entries, in order.
func (e *export) collect() error {
	for _, add := range []func() error{e.addRecords, e.addPlans, e.addPolicies, e.addSource, e.addTranscripts} {
		if err := add(); err != nil {
			return err
		}
	}
	e.parts = append(e.parts, part{nameEvents, e.writeEvents})
	slices.SortFunc(e.parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (e *export) addRecords() error {
	version := 0
	if len(e.plans) > 0 {
		version = e.plans[len(e.plans)-1].Format
	}
	spec := specOf(Version, version)
	if err := e.guarded(nameManifest, []byte(e.run.Manifest)); err != nil {
		return err
	}
	if e.approvals == nil {
		e.approvals = []slipway.Approval{}
	}
	if e.steps == nil {
		e.steps = []slipway.Step{}
	}
	e.parts = append(e.parts, part{nameManifest, func(w io.Writer) error { _, err := io.WriteString(w, e.run.Manifest); return err }})
	for name, v := range map[string]any{nameRun: e.run, nameApprovals: e.approvals, nameSteps: e.steps, nameReceipts: e.receipts, nameSpec: spec} {
		if err := e.add(name, v); err != nil {
			return err
		}
	}
	if why := e.commitUnknown(); why != "" {
		e.left = append(e.left, Remark{"commit", why + "; the source is named by its digest"})
	}
	if e.run.Tool == "" {
		e.left = append(e.left, Remark{"tool of the run", "which version of slipway worked on it is not recorded; the signature names the one that exported"})
	}
	return nil
}

// commitUnknown says why the commit of the run's source is not told; "" where it is, or where the run has no source.
func (e *export) commitUnknown() string {
	why := "the version control of the source is not recorded"
	for _, p := range e.plans {
		switch {
		case p.Commit != nil || p.Shipped != nil && p.Shipped.Git != nil:
			return ""
		case p.Shipped != nil && p.Shipped.GitUnread != "":
			why = p.Shipped.GitUnread
		case p.Shipped != nil:
			why = "the source folder is in no git work tree"
		}
	}
	built := slices.ContainsFunc(e.steps, func(s slipway.Step) bool { return s.Receipt != nil && s.Receipt.Details[slipway.DetailCommit] != "" })
	if e.run.Source == "" || built {
		return ""
	}
	return why
}

func (e *export) addPlans() error {
	for i, plan := range e.plans {
		if err := e.add(fmt.Sprintf(namePlan, i+1), plan); err != nil {
			return err
		}
		byHand := slices.ContainsFunc(plan.Effects, func(x slipway.Effect) bool { return x.Mode == slipway.ModeManual })
		if !byHand {
			continue
		}
		book, err := e.runbook(plan)
		if err != nil {
			e.left = append(e.left, Remark{fmt.Sprintf(leftRunbook, i+1), "it cannot be made again from the run's manifest"})
			continue
		}
		if err := e.add(fmt.Sprintf(nameRunbook, i+1), book); err != nil {
			return err
		}
	}
	return nil
}

// runbook makes the runbook of a plan again.
func (e *export) runbook(plan *slipway.Plan) (slipway.Runbook, error) {
	if e.Runbook == nil {
		return slipway.Runbook{}, errors.New("nobody makes it")
	}
	return e.Runbook(e.run, plan, e.receipts)
}

// addPolicies adds the texts of the policies that approvals were asked under.
func (e *export) addPolicies() error {
	seen := map[string]bool{}
	for _, a := range e.approvals {
		hash, isDigest := strings.CutPrefix(a.Policy, "sha256:")
		if !isDigest || seen[hash] {
			continue
		}
		seen[hash] = true
		name := fmt.Sprintf(namePolicy, hash)
		text, err := e.tx.Artifact(slipway.PolicyArtifact(a.Policy))
		if slipway.ErrorCode(err) == slipway.CodeNotFound {
			return slipway.Errorf(slipway.CodeStore, "the database does not have the policy %s, under which the %s gate was asked", a.Policy, a.Gate).
				WithHint("export from a copy of the database that has it: a bundle without it would not be valid")
		}
		if err != nil {
			return err
		}
		if err := e.guarded(name, text); err != nil {
			return err
		}
		e.parts = append(e.parts, part{name, func(w io.Writer) error { _, err := w.Write(text); return err }})
	}
	return nil
}

// addSource adds the list of the source's files.
func (e *export) addSource() error {
	if e.run.Source == "" {
		return nil
	}
	if slices.ContainsFunc(e.plans, func(p *slipway.Plan) bool { return p.Commit != nil }) {
		e.left = append(e.left, Remark{"source files", "the source is a commit, which the plan names; its files are not listed"})
		return nil
	}
	raw, err := e.tx.Artifact(slipway.SourceArtifact(e.run.Source))
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		e.left = append(e.left, Remark{"source files", "the list was not kept when the run began; the source is named by its digest"})
		return nil
	}
	if err != nil {
		return err
	}
	return e.add(nameSource, json.RawMessage(raw))
}

// addTranscripts adds what verifications have printed. Each is read when it is written: together they may be large.
func (e *export) addTranscripts() error {
	seen := map[string]bool{}
	for _, s := range e.steps {
		name, ok := s.Basis["transcript"].(string)
		hash, isDigest := strings.CutPrefix(name, "sha256:")
		if !ok || !isDigest || seen[hash] {
			continue
		}
		seen[hash] = true
		e.parts = append(e.parts, part{fmt.Sprintf(nameTranscript, hash), func(w io.Writer) error {
			data, err := e.tx.Artifact(name)
			if err != nil {
				return err
			}
			if err := e.guardLong(fmt.Sprintf(nameTranscript, hash), data); err != nil {
				return err
			}
			_, err = w.Write(data)
			return err
		}})
	}
	return nil
}

// approvalsOf returns the ids of the approvals that opened a gate for a plan.
func (r *record) approvalsOf(gate slipway.Gate, plan string) []string {
	ids := []string{}
	for _, a := range r.approvals {
		if a.Gate == gate && a.Content["plan"] == plan && (a.State == slipway.ApprovalConsumed || a.State == slipway.ApprovalApproved) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}
