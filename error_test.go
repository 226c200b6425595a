package slipway_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestErrorText(t *testing.T) {
	cause := errors.New("connection refused")
	tests := map[string]struct {
		reason string
		err    *slipway.Error
		want   string
	}{
		"message":     {"nothing is invented", &slipway.Error{Message: "it failed", Hint: "a hint is apart", Code: slipway.CodeBusy}, "it failed"},
		"operation":   {"where it happened, first", &slipway.Error{Op: "neon.project create", Message: "it failed"}, "neon.project create: it failed"},
		"cause":       {"why, last", &slipway.Error{Op: "op", Message: "it failed", Cause: cause}, "op: it failed: connection refused"},
		"by Errorf":   {"formatted", slipway.Errorf(slipway.CodeBusy, "%d of %q", 2, "x"), `2 of "x"`},
		"with %":      {"no argument, no verb", slipway.Errorf(slipway.CodeBusy, "100%% full"), "100% full"},
		"with a hint": {"a hint does not change the text", slipway.Errorf(slipway.CodeBusy, "it failed").WithHint("try %s", "again"), "it failed"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.err.Error(); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
	if e := slipway.Errorf(slipway.CodeBusy, "it failed").WithHint("try %s", "again"); e.Hint != "try again" || e.Code != slipway.CodeBusy {
		t.Errorf("hint %q, code %s", e.Hint, e.Code)
	}
	if !errors.Is(&slipway.Error{Cause: cause}, cause) {
		t.Error("the cause is not found")
	}
}

func TestErrorTree(t *testing.T) {
	busy := &slipway.Error{Code: slipway.CodeBusy, Retry: slipway.RetryLater}
	lost := &slipway.Error{Code: slipway.CodeUnavailable, Retry: slipway.RetryAmbiguous, Cause: busy}
	tests := map[string]struct {
		reason string
		err    error
		code   slipway.Code
		retry  slipway.Retry
		exit   int
	}{
		"nil":       {"no error", nil, "", slipway.RetryNever, slipway.ExitDone},
		"plain":     {"any other error is a defect", errors.New("x"), slipway.CodeInternal, slipway.RetryNever, slipway.ExitFailed},
		"own":       {"its own", busy, slipway.CodeBusy, slipway.RetryLater, slipway.ExitFailed},
		"wrapped":   {"found in what wraps it", fmt.Errorf("a: %w", fmt.Errorf("b: %w", busy)), slipway.CodeBusy, slipway.RetryLater, slipway.ExitFailed},
		"joined":    {"the first of a tree", errors.Join(errors.New("x"), lost, busy), slipway.CodeUnavailable, slipway.RetryAmbiguous, slipway.ExitFailed},
		"outermost": {"the outer one speaks", lost, slipway.CodeUnavailable, slipway.RetryAmbiguous, slipway.ExitFailed},
		"wrapped exit": {
			"the exit status is found through a wrap", fmt.Errorf("a: %w", slipway.Errorf(slipway.CodeAmbiguous, "two")), slipway.CodeAmbiguous, slipway.RetryNever, slipway.ExitUnknown,
		},
		"context": {"a bare context error is nobody's code", context.Canceled, slipway.CodeInternal, slipway.RetryNever, slipway.ExitFailed},
		"zero":    {"never retried unless it says so", &slipway.Error{}, "", slipway.RetryNever, slipway.ExitFailed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if c, r, x := slipway.ErrorCode(tc.err), slipway.RetryClass(tc.err), slipway.ExitStatus(tc.err); c != tc.code || r != tc.retry || x != tc.exit {
				t.Errorf("%s: code %q, retry %d, exit %d; want %q, %d, %d", tc.reason, c, r, x, tc.code, tc.retry, tc.exit)
			}
		})
	}
}

// Scripts rely on the numbers: they are written out here, and not taken from the constants.
func TestExitStatus(t *testing.T) {
	for code, want := range map[slipway.Code]int{
		slipway.CodeInvalid: 2, slipway.CodeUnsupported: 2, slipway.CodeSecretMissing: 2,
		slipway.CodeRejected: 5, slipway.CodeCanceled: 5, slipway.CodeAmbiguous: 6, slipway.CodeProtected: 6,
		slipway.CodeCredential: 1, slipway.CodeUnauthorized: 1, slipway.CodeForbidden: 1, slipway.CodeNotFound: 1, slipway.CodeConflict: 1,
		slipway.CodeAccountChanged: 1, slipway.CodeVanished: 1, slipway.CodeLimit: 1, slipway.CodeRefused: 1, slipway.CodeRateLimited: 1,
		slipway.CodeBusy: 1, slipway.CodeUnavailable: 1, slipway.CodeMalformed: 1, slipway.CodeLocked: 1, slipway.CodeFenced: 1,
		slipway.CodeSourceChanged: 1, slipway.CodeVoided: 1, slipway.CodeDrift: 1, slipway.CodePlanMismatch: 1, slipway.CodeBuildFailed: 1,
		slipway.CodeCheckFailed: 1, slipway.CodeSecretLeak: 1, slipway.CodeStore: 1, slipway.CodeInternal: 1, "not a code": 1,
	} {
		if got := slipway.ExitStatus(slipway.Errorf(code, "x")); got != want {
			t.Errorf("%s: exit status %d, want %d", code, got, want)
		}
	}
	for got, want := range map[int]int{
		slipway.ExitDone: 0, slipway.ExitWaitingApproval: 3, slipway.ExitWaitingManual: 4, slipway.ExitDiffers: 7, slipway.ExitInterrupted: 130,
	} {
		if got != want {
			t.Errorf("an exit status is %d, and was %d", got, want)
		}
	}
}
