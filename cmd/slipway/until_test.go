package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// until API PATH FIELD VALUE: waits until what a GET answers holds VALUE at FIELD (names with points).
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: until API PATH FIELD VALUE")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		call(ts, false, []string{args[0], http.MethodGet, args[1], ""})
		if held([]byte(ts.ReadFile("answer")), args[2]) == args[3] {
			return
		}
		<-tick.C // the test's own deadline ends this
	}
}

// release lets go on what a hold keeps. It is not missed by a call that has arrived, as await says, and is held a moment later.
func release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: release")
	}
	w := wireOf(ts)
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.held)
	w.held = make(chan struct{})
}

// ahead API DURATION: an emulator's clock goes so far before this machine's, so that what takes its time is over when the script says so.
func ahead(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ahead API DURATION")
	}
	call(ts, false, []string{args[0], http.MethodPatch, "/_emulator/settings", `{"ahead":"` + args[1] + `"}`})
}

// shows PATTERN ARGS...: waits until slipway with these arguments prints what matches, on stdout.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: shows PATTERN ARGS...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ts.Check(ts.Exec("slipway", args[1:]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		<-tick.C // the test's own deadline ends this
	}
}

// held is the value at a path in JSON, "" where there is none.
func held(body []byte, path string) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		in, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = in[name]
	}
	return fmt.Sprint(v)
}
