package slipway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// HealthProbe is one HTTP GET, without headers of the app's own, and what its answer must be.
type HealthProbe struct {
	Path     string     `json:"path"`
	Status   int        `json:"status,omitempty"`   // default 200
	Contains string     `json:"contains,omitempty"` // text that the body must hold
	JSON     *JSONProbe `json:"json,omitempty"`     // what the body must say
	Within   string     `json:"within,omitempty"`   // the longest that one GET, its whole body included, may take, such as 2s; default any
	Retries  *int       `json:"retries,omitempty"`  // GETs after one that did not pass; default 4
	Interval string     `json:"interval,omitempty"` // between two GETs; default 1s
}

// JSONProbe is a value inside a JSON body. The path is a JSON Pointer (RFC 6901): it names one value or none, so that there is one answer to
// whether that value is the one that is wanted; a JSONPath (RFC 9535) selects any number of them.
type JSONProbe struct {
	Path   string `json:"path"`   // such as /status or /checks/0/state
	Equals string `json:"equals"` // text as it is; a number by its value; true, false or null
}

// ProbeOutcome is how a probe ended.
type ProbeOutcome string

const (
	ProbePassed ProbeOutcome = "passed"
	ProbeFailed ProbeOutcome = "failed"
	// ProbeProtected: the deployment's protection answered in the app's place, so that nothing is known of the app.
	ProbeProtected ProbeOutcome = "protected"
)

// ProbeResult is how one probe went, as evidence: the last of its GETs.
type ProbeResult struct {
	URL      string       `json:"url"` // without a path
	Path     string       `json:"path"`
	Outcome  ProbeOutcome `json:"outcome"`
	Status   int          `json:"status,omitempty"` // 0: no answer
	Millis   int64        `json:"millis"`           // until the last byte of the body
	Attempts int          `json:"attempts"`
}

// Tries is how many GETs a probe is worth.
func (p HealthProbe) Tries() int {
	if p.Retries == nil {
		return 5
	}
	return 1 + max(*p.Retries, 0)
}

// Pause is the time between two of them.
func (p HealthProbe) Pause() time.Duration { return durationOr(p.Interval, time.Second) }

// Limit is the longest that one of them may take; 0 for any.
func (p HealthProbe) Limit() time.Duration { return durationOr(p.Within, 0) }

// Plain is the probe without what says no more than its defaults, and with durations in one form: two that ask the same are equal.
func (p HealthProbe) Plain() HealthProbe {
	if p.Status == 200 {
		p.Status = 0
	}
	if p.Tries() == (HealthProbe{}).Tries() {
		p.Retries = nil
	}
	if p.Interval = p.Pause().String(); p.Pause() == (HealthProbe{}).Pause() {
		p.Interval = ""
	}
	if p.Within != "" {
		p.Within = p.Limit().String()
	}
	return p
}

// PlainProbes are probes in their Plain form.
func PlainProbes(in []HealthProbe) (out []HealthProbe) {
	for _, p := range in {
		out = append(out, p.Plain())
	}
	return out
}

func durationOr(text string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(text); err == nil {
		return d
	}
	return otherwise
}

// Refuses tells what is wrong with an answer, in words after "GET /path: "; "" for nothing.
func (p HealthProbe) Refuses(status int, body []byte, took time.Duration) string {
	want := p.Status
	if want == 0 {
		want = 200
	}
	switch limit := p.Limit(); {
	case status != want:
		return fmt.Sprintf("status %d, not %d", status, want)
	case p.Contains != "" && !bytes.Contains(body, []byte(p.Contains)):
		return fmt.Sprintf("the answer does not contain %q", p.Contains)
	case p.JSON != nil && p.JSON.refuses(body) != "":
		return p.JSON.refuses(body)
	case limit > 0 && took > limit:
		return fmt.Sprintf("it took %d ms, more than %s", took.Milliseconds(), p.Within)
	}
	return ""
}

func (j JSONProbe) refuses(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return "the answer is not JSON"
	}
	switch _, err := decoder.Token(); {
	case err == nil:
		return "the answer is more than one JSON value"
	case !errors.Is(err, io.EOF):
		return "the answer is not JSON: something follows its value"
	}
	v, ok := pointed(v, j.Path)
	switch {
	case !ok:
		return "the answer has no " + j.Path
	case !equalsText(v, j.Equals):
		return fmt.Sprintf("%s is not %q", j.Path, j.Equals)
	}
	return ""
}

// pointed evaluates a JSON Pointer: https://www.rfc-editor.org/rfc/rfc6901#section-4
func pointed(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch at := v.(type) {
		case map[string]any:
			member, ok := at[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
			if !ok {
				return nil, false
			}
			v = member
		case []any:
			i, err := strconv.ParseUint(token, 10, 31)
			if err != nil || strconv.FormatUint(i, 10) != token || int(i) >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// equalsText compares a JSON value with what the manifest says. An object or a list equals nothing.
func equalsText(v any, want string) bool {
	switch v := v.(type) {
	case string:
		return v == want
	case json.Number:
		a, errA := v.Float64()
		b, errB := strconv.ParseFloat(want, 64)
		return v.String() == want || errA == nil && errB == nil && a == b
	case bool:
		return strconv.FormatBool(v) == want
	case nil:
		return want == "null"
	}
	return false
}
