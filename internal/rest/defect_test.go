package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

type panicking struct{}

func (panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	panic("cannot send " + r.Header.Get("Authorization"))
}

// A panic on the way to the provider is an error that does not tell its value; what may have been done is ambiguous.
func TestAPanicIsADefect(t *testing.T) {
	c := New(Config{Base: panicking{}}, API{Name: "x", Base: "http://127.0.0.1:1", Auth: func(r *http.Request) { r.Header.Set("Authorization", "Bearer hidden") }})
	for method, retry := range map[string]slipway.Retry{http.MethodGet: slipway.RetryNever, http.MethodPost: slipway.RetryAmbiguous} {
		err := c.Do(t.Context(), Request{Op: "thing make", Method: method, Path: "/things"}, nil)
		if slipway.ErrorCode(err) != slipway.CodeInternal || slipway.RetryClass(err) != retry || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v (%v)", method, err, slipway.RetryClass(err))
		}
	}
}

// A secret that a control character breaks is redacted before the character is taken out.
func TestCleanRedactsFirst(t *testing.T) {
	c := New(Config{Redact: func(s string) string { return strings.ReplaceAll(s, "se\ncret", "[redacted]") }}, API{Base: "http://127.0.0.1:1"})
	if got := c.Clean("your se\ncret is"); got != "your [redacted] is" {
		t.Errorf("got %q", got)
	}
}
