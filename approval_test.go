package slipway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

var (
	noon  = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	ada   = slipway.Principal{Kind: slipway.PrincipalUser, Name: "ada"}
	agent = slipway.Principal{Kind: slipway.PrincipalAgent, Name: "agent"}
)

func asked(gate slipway.Gate, stateful any) slipway.Approval {
	return slipway.Approval{
		ID: "apr-1", Run: "run-1", Gate: gate, Subject: "sha256:a", Content: map[string]any{"stateful": stateful}, State: slipway.ApprovalRequested, CreatedAt: noon,
	}
}

func TestDecide(t *testing.T) {
	in := func(s slipway.ApprovalState) slipway.Approval {
		a := asked(slipway.GateApply, nil)
		a.State = s
		return a
	}
	yes := slipway.Decision{Approve: true, By: ada, How: "os-user", Reason: "looks right"}
	with := func(f func(d *slipway.Decision)) slipway.Decision { d := yes; f(&d); return d }
	tests := map[string]struct {
		reason   string
		approval slipway.Approval
		decision slipway.Decision
		code     slipway.Code
		state    slipway.ApprovalState
		hint     string
	}{
		"approve": {reason: "a person may", approval: asked(slipway.GateApply, nil), decision: yes, state: slipway.ApprovalApproved},
		"approve what is seen": {
			reason: "the subject that was looked at is the one that is asked for", approval: asked(slipway.GateApply, nil),
			decision: with(func(d *slipway.Decision) { d.Subject = "sha256:a" }), state: slipway.ApprovalApproved,
		},
		"reject": {reason: "a person may", approval: asked(slipway.GateApply, nil), decision: with(func(d *slipway.Decision) { d.Approve = false }), state: slipway.ApprovalRejected},
		"agent":  {reason: "an agent never approves", approval: asked(slipway.GateApply, nil), decision: with(func(d *slipway.Decision) { d.By = agent }), code: slipway.CodeForbidden},
		"agent rejects": {
			reason: "nor does it decide in any other way", approval: asked(slipway.GateApply, nil),
			decision: with(func(d *slipway.Decision) { d.By, d.Approve = agent, false }), code: slipway.CodeForbidden,
		},
		"nobody": {
			reason: "a principal of no kind is no person", approval: asked(slipway.GateApply, nil),
			decision: with(func(d *slipway.Decision) { d.By = slipway.Principal{Name: "ada"} }), code: slipway.CodeForbidden,
		},
		"agent, with everything right": {
			reason: "whatever it types", approval: asked(slipway.GateDestroy, true),
			decision: with(func(d *slipway.Decision) { d.By, d.Subject, d.Confirm = agent, "sha256:a", "shop" }), code: slipway.CodeForbidden,
		},
		"another subject": {
			reason: "what was looked at is not what is asked for now", approval: asked(slipway.GateApply, nil),
			decision: with(func(d *slipway.Decision) { d.Subject = "sha256:b" }), code: slipway.CodeVoided, hint: "slipway status run-1",
		},
		"approved before": {reason: "one decision", approval: in(slipway.ApprovalApproved), decision: yes, code: slipway.CodeConflict},
		"consumed before": {reason: "one decision", approval: in(slipway.ApprovalConsumed), decision: yes, code: slipway.CodeConflict},
		"rejected before": {reason: "a no stays", approval: in(slipway.ApprovalRejected), decision: yes, code: slipway.CodeConflict},
		"voided before":   {reason: "what it asked for is gone", approval: in(slipway.ApprovalVoided), decision: yes, code: slipway.CodeConflict},
		"no name typed": {
			reason: "data would go", approval: asked(slipway.GateDestroy, true), decision: yes, code: slipway.CodeInvalid, hint: "--confirm shop",
		},
		"another name typed": {
			reason: "data of another app", approval: asked(slipway.GateDestroy, true),
			decision: with(func(d *slipway.Decision) { d.Confirm = "Shop" }), code: slipway.CodeInvalid, hint: "--confirm shop",
		},
		"name typed": {
			reason: "the app's own", approval: asked(slipway.GateDestroy, true), decision: with(func(d *slipway.Decision) { d.Confirm = "shop" }), state: slipway.ApprovalApproved,
		},
		"no name to reject": {
			reason: "a no deletes nothing", approval: asked(slipway.GateDestroy, true), decision: with(func(d *slipway.Decision) { d.Approve = false }), state: slipway.ApprovalRejected,
		},
		"nothing stateful":     {reason: "no data would go", approval: asked(slipway.GateDestroy, false), decision: yes, state: slipway.ApprovalApproved},
		"stateful, other gate": {reason: "only destroy deletes", approval: asked(slipway.GatePromote, true), decision: yes, state: slipway.ApprovalApproved},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tc.approval.Decide(tc.decision, "shop", noon)
			want := tc.approval
			if tc.code == "" {
				want.State, want.By, want.How, want.Reason, want.DecidedAt = tc.state, &ada, "os-user", "looks right", noon
			}
			if tc.state == slipway.ApprovalApproved {
				want.ExpiresAt = noon.Add(24 * time.Hour)
			}
			if slipway.ErrorCode(err) != tc.code {
				t.Fatalf("%s: %v, want code %q", tc.reason, err, tc.code)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if e, ok := err.(*slipway.Error); ok && !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("%s: hint %q does not say %q", tc.reason, e.Hint, tc.hint)
			}
		})
	}
}

func TestOpens(t *testing.T) {
	approved, err := asked(slipway.GateApply, nil).Decide(slipway.Decision{Approve: true, By: ada}, "shop", noon)
	if err != nil {
		t.Fatal(err)
	}
	in := func(s slipway.ApprovalState) slipway.Approval { a := approved; a.State = s; return a }
	tests := map[string]struct {
		reason   string
		approval slipway.Approval
		gate     slipway.Gate
		subject  string
		after    time.Duration
		want     bool
	}{
		"its own":            {"what was approved", approved, slipway.GateApply, "sha256:a", 0, true},
		"just in time":       {"a day is a day", approved, slipway.GateApply, "sha256:a", slipway.ApprovalLife - 1, true},
		"expired":            {"nobody used it in time", approved, slipway.GateApply, "sha256:a", slipway.ApprovalLife, false},
		"another gate":       {"it names one gate", approved, slipway.GatePromote, "sha256:a", 0, false},
		"another subject":    {"it names one subject", approved, slipway.GateApply, "sha256:b", 0, false},
		"consumed":           {"the run that used it goes on behind it, however long it takes", in(slipway.ApprovalConsumed), slipway.GateApply, "sha256:a", 48 * time.Hour, true},
		"consumed, another":  {"it opens no other", in(slipway.ApprovalConsumed), slipway.GateApply, "sha256:b", 0, false},
		"consumed, its gate": {"nor another gate", in(slipway.ApprovalConsumed), slipway.GateDestroy, "sha256:a", 0, false},
		"requested":          {"not decided", in(slipway.ApprovalRequested), slipway.GateApply, "sha256:a", 0, false},
		"rejected":           {"a no", in(slipway.ApprovalRejected), slipway.GateApply, "sha256:a", 0, false},
		"voided":             {"not what would be done now", in(slipway.ApprovalVoided), slipway.GateApply, "sha256:a", 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.approval.Opens(tc.gate, tc.subject, noon.Add(tc.after)); got != tc.want {
				t.Errorf("opens %t: %s", got, tc.reason)
			}
		})
	}
}
