package slipway

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code says what went wrong, for machines. Codes are stable: scripts and the JSON output rely on them.
type Code string

const (
	CodeInvalid        Code = "invalid"         // the manifest or the command line is wrong
	CodeSecretMissing  Code = "secret_missing"  // a value that the manifest names is not in the environment, or is too short
	CodeCredential     Code = "credential"      // a provider's credential is missing
	CodeUnauthorized   Code = "unauthorized"    // 401: the credential is not accepted
	CodeForbidden      Code = "forbidden"       // 403: the credential may not do this
	CodeNotFound       Code = "not_found"       // 404, or no such run
	CodeConflict       Code = "conflict"        // 409: somebody else's thing has the name
	CodeAmbiguous      Code = "ambiguous"       // more than one match: a person must say which
	CodeAccountChanged Code = "account_changed" // the credential serves another account than the receipts
	CodeVanished       Code = "vanished"        // a recorded id no longer exists in the right account
	CodeLimit          Code = "limit"           // 402, 422: a plan's limit
	CodeRefused        Code = "refused"         // 400, 422: the provider refuses the request
	CodeRateLimited    Code = "rate_limited"    // 429
	CodeBusy           Code = "busy"            // 423: another operation runs
	CodeUnavailable    Code = "unavailable"     // 5xx, no connection, or no answer
	CodeMalformed      Code = "malformed"       // an answer that is not what the API documents
	CodeUnsupported    Code = "unsupported"     // not there yet
	CodeLocked         Code = "locked"          // another process owns the app
	CodeFenced         Code = "fenced"          // another worker took the run over
	CodeSourceChanged  Code = "source_changed"  // the folder is not the one that was planned
	CodeVoided         Code = "voided"          // what was approved is not what would be done now
	CodeDrift          Code = "drift"           // production serves something that Slipway did not put there
	CodePlanMismatch   Code = "plan_mismatch"   // the plan is not the one that was asked for
	CodeRejected       Code = "rejected"        // a person said no
	CodeBuildFailed    Code = "build_failed"    // the deployment failed to build
	CodeCheckFailed    Code = "check_failed"    // a probe or a verification did not pass
	CodeProtected      Code = "protected"       // a probe was answered by the deployment's protection: nothing is known of the app
	CodeUnsandboxed    Code = "unsandboxed"     // nothing here can run commands apart from Slipway
	CodeSecretLeak     Code = "secret_leak"     // the store's guard refused a value that holds a secret
	CodeStore          Code = "store"           // the database is unusable
	CodeCanceled       Code = "canceled"        // cancelled, or interrupted
	CodeInternal       Code = "internal"        // a defect in Slipway
)

// Retry says whether the same call may be made again.
type Retry int

const (
	RetryNever     Retry = iota // the answer will stay the same until somebody changes something
	RetryLater                  // nothing was done; the same call may be sent again after RetryAfter
	RetryAmbiguous              // it may have been done: look before you send it again
)

// Error is the one error type. Message and Hint are for a person and never hold a secret.
type Error struct {
	Code       Code
	Op         string        // what was being done, such as "neon.project create"
	Message    string        // what went wrong, in a sentence without a final stop
	Hint       string        // the next thing to try; may be empty
	Retry      Retry         // zero: never
	RetryAfter time.Duration // with RetryLater: what the provider asked for; zero if it did not say
	Refusal    Cause         // what it says of the credential, where Code does not say it all; CauseOf reads it
	Cause      error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf returns an *Error that is not worth a retry.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns e with its hint set.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// ErrorCode returns the code of the first *Error in err's tree, "" for nil and CodeInternal for any other error.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// RetryClass returns the retry class of the first *Error in err's tree, RetryNever for any other error.
func RetryClass(err error) Retry {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Retry
	}
	return RetryNever
}

// Exit statuses of the command line.
const (
	ExitDone            = 0   // done, or nothing to do
	ExitFailed          = 1   // failed
	ExitUsage           = 2   // usage, or an invalid manifest
	ExitWaitingApproval = 3   // waits for an approval
	ExitWaitingManual   = 4   // waits for a person's manual steps
	ExitRejected        = 5   // rejected or cancelled
	ExitUnknown         = 6   // outcome unknown or ambiguous
	ExitDiffers         = 7   // differences were found
	ExitInterrupted     = 130 // interrupted, or left waiting; the run can be resumed
)

// exits is the one table from an error's code to the exit status. A code that is not listed is a plain failure.
var exits = map[Code]int{
	CodeInvalid: ExitUsage, CodeUnsupported: ExitUsage, CodeSecretMissing: ExitUsage,
	CodeAmbiguous: ExitUnknown, CodeProtected: ExitUnknown,
	CodeRejected: ExitRejected, CodeCanceled: ExitRejected,
}

// ExitStatus returns the exit status for err; 0 for nil.
func ExitStatus(err error) int {
	if err == nil {
		return ExitDone
	}
	if status, ok := exits[ErrorCode(err)]; ok {
		return status
	}
	return ExitFailed
}
