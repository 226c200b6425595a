package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manifest"
)

// Statuses of a result.
const (
	statusSucceeded       = "succeeded"
	statusNoChanges       = "no_changes"
	statusChanges         = "changes"
	statusDrifted         = "drifted"
	statusWaitingApproval = "waiting_approval"
	statusWaitingManual   = "waiting_manual"
	statusWaiting         = "waiting" // for what is outside, and left: --once
	statusFailed          = "failed"
	statusRejected        = "rejected"
	statusCanceled        = "canceled"
	statusInterrupted     = "interrupted"
	statusAmbiguous       = "ambiguous"
	statusUnknown         = "unknown"
	statusInvalid         = "invalid"
	statusValid           = "valid"    // audit verify
	statusUnusable        = "unusable" // audit verify: no bundle, or one that cannot be read
)

// result is the last line of --json. It only grows.
type result struct {
	Type       string                    `json:"type"` // result
	Command    string                    `json:"command,omitempty"`
	Status     string                    `json:"status"`
	Exit       int                       `json:"exit"`
	Run        string                    `json:"run,omitempty"`
	Since      []string                  `json:"since,omitempty"` // drift: the runs that have changed something since that one, the newest first
	URL        string                    `json:"url,omitempty"`
	PlanDigest string                    `json:"plan_digest,omitempty"`
	Bundle     string                    `json:"bundle,omitempty"` // the audit bundle's file
	Place      string                    `json:"place,omitempty"`  // audit verify: where what is wrong is
	Effects    map[slipway.Op]int        `json:"effects,omitzero"`
	Calls      map[string]map[string]int `json:"calls,omitzero"`
	Unseen     []slipway.Address         `json:"unseen,omitempty"` // what nothing could look at: it is taken as recorded, or as declared
	Error      *resultError              `json:"error,omitempty"`
	Hint       string                    `json:"hint,omitempty"` // the next thing to do, where nothing failed
}

type resultError struct {
	Code    slipway.Code     `json:"code"`
	Message string           `json:"message"`
	Hint    string           `json:"hint,omitempty"`
	Faults  []manifest.Fault `json:"faults,omitempty"`
}

// exits is the one table from a status that is no error to the exit status.
var exits = map[string]int{
	statusWaitingApproval: slipway.ExitWaitingApproval,
	statusWaitingManual:   slipway.ExitWaitingManual,
	statusDrifted:         slipway.ExitDiffers,
	statusFailed:          slipway.ExitFailed,
	statusRejected:        slipway.ExitRejected,
	statusCanceled:        slipway.ExitRejected,
	statusInterrupted:     slipway.ExitInterrupted,
	statusWaiting:         slipway.ExitInterrupted,
	statusAmbiguous:       slipway.ExitUnknown,
	statusUnknown:         slipway.ExitUnknown,
	statusInvalid:         slipway.ExitUsage,
}

// finish says how it went, on stderr for a person and as the last line of stdout with --json, and returns the exit status.
func (a *app) finish(ctx context.Context, err error) int {
	r := a.result
	if err != nil {
		r.fail(ctx, err)
	}
	if r.Status == "" {
		r.Status = statusSucceeded
	}
	if r.Exit == 0 {
		r.Exit = exits[r.Status]
	}
	if r.Error != nil {
		fmt.Fprint(a.err, a.redactor.String(r.Error.text())) // as a whole: the writer sees it line by line
	} else if r.Hint != "" {
		fmt.Fprintf(a.err, "hint: %s\n", r.Hint)
	}
	if a.json {
		r.Type = "result"
		a.line(r)
	}
	return r.Exit
}

// fail puts err into r, with the status and exit status that its code has.
func (r *result) fail(ctx context.Context, err error) {
	if r.Status == "" {
		r.Status, r.Exit = statusFailed, slipway.ExitStatus(err)
		switch {
		case errors.Is(context.Cause(ctx), errInterrupted):
			r.Status, r.Exit = statusInterrupted, slipway.ExitInterrupted
		case r.Exit == slipway.ExitUsage:
			r.Status = statusInvalid
		case slipway.ErrorCode(err) == slipway.CodeAmbiguous:
			r.Status = statusAmbiguous
		case slipway.ErrorCode(err) == slipway.CodeRejected:
			r.Status = statusRejected
		case slipway.ErrorCode(err) == slipway.CodeCanceled:
			r.Status = statusCanceled
		case slipway.RetryClass(err) == slipway.RetryAmbiguous, slipway.ErrorCode(err) == slipway.CodeProtected:
			r.Status, r.Exit = statusUnknown, slipway.ExitUnknown
		}
	}
	r.Error = &resultError{Code: slipway.ErrorCode(err), Message: err.Error()}
	if e := (*slipway.Error)(nil); errors.As(err, &e) {
		r.Error.Hint = e.Hint
	}
	if faults := manifest.Errors(nil); errors.As(err, &faults) {
		r.Error.Message, r.Error.Faults = faulty(faults), faults
	}
	if r.Status == statusInterrupted && errors.Is(err, context.Canceled) {
		r.Error.Code, r.Error.Message = slipway.CodeCanceled, errInterrupted.Error()
	}
}

func faulty(faults manifest.Errors) string {
	if len(faults) == 1 {
		return fmt.Sprintf("%s has an error", faults[0].File)
	}
	return fmt.Sprintf("%s has %d errors", faults[0].File, len(faults))
}

// text is the error as a person reads it: what, then the next thing to try. It may repeat what somebody typed or a file holds.
func (e resultError) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", e.Message)
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n%s\n", f)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", e.Hint)
	}
	return visibleText(b.String())
}

// say writes the answer for a person; with --json it is nothing.
func (a *app) say(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.out, format, args...)
	}
}

// tell writes a remark for a person.
func (a *app) tell(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.err, format, args...)
	}
}

// object writes v as a line of --json with that type; for a person it is nothing.
func (a *app) object(kind string, v any) {
	if !a.json {
		return
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic("cli: encode " + kind + ": " + err.Error())
	}
	a.line(json.RawMessage(typed(kind, raw)))
}

// typed puts a type in front of the members of a JSON object.
func typed(kind string, object []byte) []byte {
	head := fmt.Sprintf(`{"type":%q`, kind)
	if rest := bytes.TrimSpace(object[1:]); !bytes.HasPrefix(rest, []byte("}")) {
		head += ","
	}
	return append([]byte(head), object[1:]...)
}

// line writes one JSON line with every known secret replaced inside its strings, so that it stays JSON.
func (a *app) line(v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("cli: encode: " + err.Error())
	}
	// Past the line-wise redactor, which does not know where a string ends.
	_, _ = a.rawOut.Write(a.redactStrings(b.Bytes()))
}

// redactStrings redacts every string literal of a JSON text.
func (a *app) redactStrings(text []byte) []byte {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			out = append(out, text[i])
			continue
		}
		end := i + 1
		for text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		literal := text[i : end+1]
		var s string
		if err := json.Unmarshal(literal, &s); err != nil {
			panic("cli: not a JSON string: " + err.Error())
		}
		if clean := a.redactor.String(s); clean != s {
			literal, _ = json.Marshal(clean) // a string always encodes
		}
		out = append(out, literal...)
		i = end
	}
	return out
}

// calls are the HTTP calls made so far.
func (a *app) calls() map[string]map[string]int { return maps.Clone(a.counter.Snapshot()) }
