package cli

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// approver decides at the gates of a run that this process works on. It returns nil for a gate that it leaves to somebody else, with
// the reason where there is more to say than that.
type approver interface {
	decide(ctx context.Context, d *slipway.RunDetail, a slipway.Approval) (decision *slipway.Decision, why error)
}

// approver returns the one that the flags and the terminal make; nil when nobody can be asked.
func (w *workspace) approver(yes bool, promoteOver string, confirm []string) approver {
	if a := w.actor(); a.Kind != slipway.PrincipalUser {
		if yes {
			return refusedApprover{a}
		}
		return nil
	}
	switch {
	case yes:
		return yesApprover{app: w.app, promoteOver: promoteOver, confirm: confirm}
	case w.asks && !w.json:
		return &askApprover{workspace: w, promoteOver: promoteOver}
	}
	return nil
}

// decide asks by about every gate that run waits at. decided: at least one was decided, here or by somebody else meanwhile.
func (w *workspace) decide(ctx context.Context, run slipway.Run, by approver) (decided bool, why, err error) {
	d, err := w.engine.Get(ctx, run.ID)
	if err != nil || by == nil {
		return false, nil, err
	}
	if d.Run.Status != slipway.RunWaitingApproval {
		return true, nil, nil
	}
	for _, a := range requested(d) {
		decision, reason := by.decide(ctx, d, a)
		if decision == nil {
			why = reason
			continue
		}
		decision.Run, decision.Gate, decision.Subject = run.ID, a.Gate, a.Subject
		after, err := w.engine.Decide(ctx, *decision)
		switch slipway.ErrorCode(err) {
		case "":
			decided = decided || after.State != slipway.ApprovalRequested // else it needs somebody else too
		case slipway.CodeConflict, slipway.CodeVoided: // somebody else was faster, or what is asked for has changed: look again
			decided = true
		case slipway.CodeForbidden: // by the policy, which may let somebody else
			why = err
		default:
			return decided, nil, err
		}
	}
	if !decided { // perhaps by another process, while the question stood
		if d, err = w.engine.Get(ctx, run.ID); err != nil {
			return false, nil, err
		}
		decided = d.Run.Status != slipway.RunWaitingApproval
	}
	return decided, why, nil
}

// yesApprover is --yes: the local user approves what the plan shows. It does not move production away from a deployment that is not
// ours unless that deployment was named, and deletes nothing that holds data unless its name was given.
type yesApprover struct {
	*app
	promoteOver string
	confirm     []string
}

// refusedApprover is --yes in the hands of an agent.
type refusedApprover struct{ by slipway.Principal }

func (r refusedApprover) decide(context.Context, *slipway.RunDetail, slipway.Approval) (*slipway.Decision, error) {
	_, err := slipway.PersonApprover(r.by, slipway.ProofOSUser, "")
	return nil, err
}

func (y yesApprover) decide(_ context.Context, d *slipway.RunDetail, a slipway.Approval) (*slipway.Decision, error) {
	if movesProduction(a) {
		if err := drifted(d, a, y.promoteOver); err != nil {
			return nil, err
		}
	}
	if a.Gate == slipway.GatePolicy {
		return nil, slipway.Errorf(slipway.CodeForbidden, "the policy here is not the one that approvals of %s are given under, and --yes does not change it", d.Run.App).
			WithHint("look at the change with: slipway status %s; then: %s, or bring the other back", d.Run.ID, a.Command(true))
	}
	if missing := a.Unconfirmed(y.confirm); len(missing) > 0 {
		return nil, slipway.Errorf(slipway.CodeInvalid, "the destroy gate deletes what cannot be brought back (%s), and --yes alone does not open it",
			strings.Join(missing, ", ")).WithHint("add%s, or: %s", a.ConfirmFlags(), a.Command(len(requested(d)) > 1))
	}
	return y.yes("os-user --yes", y.confirm, y.promoteOver)
}

// yes is the decision of whoever runs this process; how is what they did.
func (a *app) yes(how string, confirm []string, over string) (*slipway.Decision, error) {
	by, err := a.approverHere(how)
	if err != nil {
		return nil, err
	}
	return &slipway.Decision{Approve: true, By: by, Confirm: confirm, Over: over}, nil
}

func movesProduction(a slipway.Approval) bool {
	return a.Gate == slipway.GatePromote || a.Gate == slipway.GateRollback
}

// drifted returns CodeDrift when production serves a deployment that is not our last, or would go backwards, unless over names what it serves.
func drifted(d *slipway.RunDetail, a slipway.Approval, over string) error {
	if err := a.Held(over); err != nil {
		return err
	}
	serving, _ := a.Content["serving"].(string)
	if serving == "" || serving == over || !d.Plan.Drift && serving == d.Plan.Serving {
		return nil
	}
	what := slipway.Errorf(slipway.CodeDrift, "production serves %s, which Slipway did not put there", serving)
	if !d.Plan.Drift { // who has moved it since is looked into when the plan is made again
		what = slipway.Errorf(slipway.CodeDrift, "production serves %s by now, which is not what was planned on", serving)
	}
	return what.
		WithHint("to move it all the same: slipway ship --promote-over %s, or: slipway approve %s", serving, d.Run.ID)
}

// askApprover asks the person at the terminal.
type askApprover struct {
	*workspace
	promoteOver string
	shown       string // digest of the plan that was shown last
}

func (p *askApprover) decide(ctx context.Context, d *slipway.RunDetail, a slipway.Approval) (*slipway.Decision, error) {
	if p.shown != d.Digest {
		p.tell("\n%s\n", planText(d.Plan))
		p.shown = d.Digest
	}
	if movesProduction(a) {
		p.tell("%s%s", contentText(a), meaningText(a, d.Plan))
		if err := drifted(d, a, p.promoteOver); err != nil {
			p.tell("note: %v\n", err)
			if _, held := a.Content["over"]; held {
				return nil, err
			}
		}
	}
	if !movesProduction(a) && (len(a.Differs) > 0 || a.Gate == slipway.GatePolicy) {
		p.tell("%s", meaningText(a, d.Plan))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go p.untilDecided(ctx, cancel, d.Run.ID)
	if targets := a.Targets(); len(targets) > 0 {
		for i, target := range targets {
			word := "name"
			if slices.ContainsFunc(d.Plan.Effects, func(e slipway.Effect) bool { return string(e.Address) == target }) {
				word = "address, since another has its name"
			}
			typed, ok := p.ask(ctx, fmt.Sprintf("This deletes what cannot be brought back (%d of %d). Type its %s (%s) to go on: ", i+1, len(targets), word, flat(target)))
			if !ok || !a.Names(typed, target) {
				return nil, nil
			}
		}
		return p.yes("os-user at the terminal", targets, p.promoteOver)
	}
	answer, ok := p.ask(ctx, fmt.Sprintf("Approve %s? [y/N] ", a.Gate))
	if answer = strings.ToLower(answer); !ok || answer != "y" && answer != "yes" {
		return nil, nil
	}
	return p.yes("os-user at the terminal", nil, p.promoteOver)
}

// untilDecided ends the question when another process has answered it.
func (p *askApprover) untilDecided(ctx context.Context, cancel func(), run string) {
	for {
		d, err := p.engine.Get(ctx, run)
		if err != nil || d.Run.Status != slipway.RunWaitingApproval {
			cancel()
			return
		}
		if p.store.Changed(ctx, time.Second) != nil {
			return
		}
	}
}

// contentText is what an approval is about, a line for each part.
func contentText(a slipway.Approval) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Content)) {
		if name != "gate" {
			fmt.Fprintf(&b, "  %-11s %s\n", name, valueText(a.Content[name]))
		}
	}
	return b.String()
}

// meaningText tells what each effect behind the gate means, and what differs from what was approved before.
func meaningText(a slipway.Approval, plan *slipway.Plan) string {
	var b strings.Builder
	if a.Gate == slipway.GatePolicy {
		b.WriteString("  another policy is to say who may approve; those approve it who may approve apply under the one in force\n")
		for _, line := range a.Differs {
			fmt.Fprintf(&b, "  policy  %s\n", visible(line))
		}
		return b.String()
	}
	if plan != nil {
		for _, c := range a.Consequences(plan) {
			fmt.Fprintf(&b, "  %s: %s\n", c.Effect, oneLine(c.Means))
		}
	}
	for _, line := range a.Differs {
		fmt.Fprintf(&b, "  differs from what was approved before: %s\n", oneLine(line))
	}
	return b.String()
}

// ask puts a question on the terminal and returns the line that was typed. ok is false when there will be none.
func (a *app) ask(ctx context.Context, question string) (line string, ok bool) {
	if a.typed == nil {
		a.typed = make(chan string)
		go func() {
			defer close(a.typed)
			for lines := bufio.NewScanner(a.in); lines.Scan(); {
				a.typed <- lines.Text()
			}
		}()
	}
	fmt.Fprint(a.rawErr, a.redactor.String(question))
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.rawErr)
		return "", false
	case line, ok = <-a.typed:
		return strings.TrimSpace(line), ok
	}
}
