package vercel

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestWatch(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.deployment/shop@production")
	r, err := w.handler(kindDeployment).Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	emit := func(l slipway.LogLine) {
		if l.At.IsZero() {
			t.Errorf("no time: %+v", l)
		}
		if !l.Again {
			lines = append(lines, l.Stream+": "+l.Text)
		}
	}
	next, err := w.handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), r, "", emit)
	if err != nil || next == "" {
		t.Fatalf("next %q, %v", next, err)
	}
	if len(lines) < 4 || lines[0] != "state: BUILDING" || lines[len(lines)-1] != "state: READY" {
		t.Errorf("lines %q", lines)
	}
	lines = nil
	again, err := w.handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), r, next, emit)
	if err != nil || len(lines) != 0 || again != next {
		t.Errorf("resumed at its end it says nothing twice: %q, next %q, was %q, %v", lines, again, next, err)
	}
}

func TestWatchLines(t *testing.T) {
	var since []string
	body := `{"type":"stdout","created":61000,"serial":"1","text":"\u001b[32mgreen\u001b[0m\ttab\u0007"}
{"type":"stderr","created":61000,"serial":"2","text":"two\nlines\n"}
{"type":"metric","created":61001,"serial":"3","text":"no"}
{"type":"stdout","created":61001,"payload":{"serial":"4","text":"older form"}}
{"type":"fatal","date":61002,"serial":"5","text":"the end"}
`
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since = append(since, r.URL.Query().Get("since"))
		_, _ = io.WriteString(w, body)
	}), map[string]string{settingToken: token})
	watch := func(from string) (string, []string) {
		var lines []string
		next, err := s.Handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), slipway.Receipt{ID: "dpl_1"}, from, func(l slipway.LogLine) {
			text := l.Stream + ": " + l.Text
			if l.Again {
				text = "again " + text
			}
			lines = append(lines, text)
		})
		if err != nil {
			t.Fatal(err)
		}
		return next, lines
	}
	next, lines := watch("")
	if diff := cmp.Diff([]string{"stdout: green tab", "stderr: two", "stderr: lines", "stdout: older form", "stderr: the end"}, lines); diff != "" {
		t.Error(diff)
	}
	if _, lines := watch("61000/1"); !cmp.Equal(lines[:2], []string{"again stdout: green tab", "stderr: two"}) {
		t.Errorf("after the first of two in the same millisecond: %q", lines)
	}
	if _, lines := watch(next); slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "again ") }) || len(lines) != 5 {
		t.Errorf("after the last: %q", lines)
	}
	if diff := cmp.Diff([]string{"", "51000", "51002"}, since); diff != "" {
		t.Error(diff)
	}
}

func TestWatchBreaks(t *testing.T) {
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"type":"stdout","created":1000,"serial":"1","text":"one"}`+"\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}), map[string]string{settingToken: token})
	next, err := s.Handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), slipway.Receipt{ID: "dpl_1"}, "", func(slipway.LogLine) {})
	if next != "1000/1" || slipway.ErrorCode(err) != slipway.CodeUnavailable || slipway.RetryClass(err) != slipway.RetryLater {
		t.Errorf("next %q, %v", next, err)
	}
}
