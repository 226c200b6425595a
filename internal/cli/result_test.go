package cli

import "testing"

// TestErrorsDoNotDraw: what an error repeats moves no cursor and colours nothing; its lines stay lines.
func TestErrorsDoNotDraw(t *testing.T) {
	e := resultError{Message: "no run \x1b[31mrun_1\u202e\nof this app", Hint: "slipway runs\r"}
	want := "error: no run \\u{1b}[31mrun_1\\u{202e}\nof this app\nhint: slipway runs\n"
	if got := e.text(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
