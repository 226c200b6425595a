package slipway_test

import (
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

func TestProbeRefuses(t *testing.T) {
	said := func(path, equals string) slipway.HealthProbe {
		return slipway.HealthProbe{Path: "/h", JSON: &slipway.JSONProbe{Path: path, Equals: equals}}
	}
	const body = `{"status":"ok","deep":{"a/b":{"~":[{"n":1.50},true,null]}},"0":"zero"}`
	for name, tc := range map[string]struct {
		probe  slipway.HealthProbe
		status int
		body   string
		took   time.Duration
		want   string
		reason string
	}{
		"status":        {slipway.HealthProbe{}, 503, "", 0, "status 503, not 200", "200 is what is wanted where nothing is said"},
		"other status":  {slipway.HealthProbe{Status: 307}, 307, "", 0, "", "any status can be wanted"},
		"text":          {slipway.HealthProbe{Contains: "ok"}, 200, "no", 0, `the answer does not contain "ok"`, "the body has to hold the text"},
		"json":          {said("/status", "ok"), 200, body, 0, "", "a member"},
		"json differs":  {said("/status", "fine"), 200, body, 0, `/status is not "fine"`, "the value itself is not told: it may be anything"},
		"escapes":       {said("/deep/a~1b/~0/0/n", "1.5"), 200, body, 0, "", "~1 is / and ~0 is ~; numbers are compared by value"},
		"true":          {said("/deep/a~1b/~0/1", "true"), 200, body, 0, "", "an entry of a list"},
		"null":          {said("/deep/a~1b/~0/2", "null"), 200, body, 0, "", "null is a value"},
		"past the list": {said("/deep/a~1b/~0/3", "null"), 200, body, 0, "the answer has no /deep/a~1b/~0/3", "what is not there is not null"},
		"zeros":         {said("/deep/a~1b/~0/01", "true"), 200, body, 0, "the answer has no /deep/a~1b/~0/01", "RFC 6901: no leading zeros"},
		"object":        {said("/deep", "{}"), 200, body, 0, `/deep is not "{}"`, "an object equals no text"},
		"digit member":  {said("/0", "zero"), 200, body, 0, "", "in an object a number is a name"},
		"no json":       {said("/status", "ok"), 200, "<html>", 0, "the answer is not JSON", "a page is no JSON"},
		"two values":    {said("/status", "ok"), 200, body + body, 0, "the answer is more than one JSON value", "nor are two in a row"},
		"rubbish after": {said("/status", "ok"), 200, body + " rubbish", 0, "the answer is not JSON: something follows its value", "what follows the value is no white space"},
		"bracket after": {said("/status", "ok"), 200, body + "}", 0, "the answer is not JSON: something follows its value", "a bracket too many is no JSON either"},
		"broken second": {said("/status", "ok"), 200, body + `{"status`, 0, "the answer is more than one JSON value", "a second value that breaks off"},
		"newline after": {said("/status", "ok"), 200, body + " \r\n\t", 0, "", "white space may follow"},
		"in time":       {slipway.HealthProbe{Within: "2s"}, 200, "", 2 * time.Second, "", "the limit itself is within"},
		"late":          {slipway.HealthProbe{Within: "2s"}, 200, "", 2001 * time.Millisecond, "it took 2001 ms, more than 2s", "past the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.probe.Refuses(tc.status, []byte(tc.body), tc.took); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
