package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
	"github.com/slipway-dev/slipway/internal/rest"
)

var errKilled = errors.New("killed")

// killAt lets the nth Save be the last thing that a process does: before the mark is kept, or after.
func killAt(n int, after bool, kept *slipway.JobMark) func(context.Context, slipway.JobMark) error {
	return func(_ context.Context, m slipway.JobMark) error {
		if n--; n > 0 || n == 0 && after {
			*kept = m
		}
		if n <= 0 {
			return errKilled
		}
		return nil
	}
}

// A job that is killed at any of its marks is gone on with in its own sandbox: each command runs once, and everything is told as it was.
func TestAJobIsResumed(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{})
	files := tree{"a.sh": "echo a >> ran; echo one; sleep 0.2; echo two >&2; sleep 0.1; echo three", "b.sh": "echo b >> ran; cat ran; exit 3"}
	job := func(name string) slipway.Order {
		o := order(files, []string{"sh", "a.sh"}, []string{"true"}, []string{"sh", "b.sh"})
		o.Name, o.Mark.Began = "slipway-"+name, time.Now()
		return o
	}
	tell := func(out *[]string) func(slipway.LogLine) {
		return func(l slipway.LogLine) { *out = append(*out, l.Stream+"|"+l.Text) }
	}
	want := []string{"command|sh a.sh", "stdout|one", "stderr|two", "stdout|three", "command|true", "command|sh b.sh", "stdout|a", "stdout|b"}
	saves := 0
	for n := 1; saves == 0; n++ {
		for _, after := range []bool{false, true} {
			o := job(fmt.Sprintf("%d-%t", n, after))
			mark := o.Mark
			o.Save = killAt(n, after, &mark)
			var out []string
			if _, err := w.Run(t.Context(), w.settings, o, tell(&out)); err == nil {
				_ = w.Stop(t.Context(), w.settings, o)
				saves = n - 1
				break
			} else if !errors.Is(err, errKilled) {
				t.Fatalf("mark %d: %v", n, err)
			}
			out, o.Mark, o.Save = nil, mark, nil
			r, err := w.Sandbox.(slipway.Resumer).Resume(t.Context(), w.settings, o, tell(&out))
			if err != nil || len(r.Commands) != 3 || r.Commands[0].Exit != 0 || r.Commands[2].Exit != 3 || r.Commands[2].End != slipway.JobExited {
				t.Errorf("mark %d, after %t: %v %+v", n, after, err, r)
			}
			if d := cmp.Diff(want, out); d != "" {
				t.Errorf("mark %d, after %t (-want +told):\n%s", n, after, d)
			}
			if took := r.Commands[0].Took; took < 200 || r.Commands[0].Began.IsZero() {
				t.Errorf("mark %d, after %t: the first took %d ms from %v", n, after, took, r.Commands[0].Began)
			}
			if err := w.Stop(t.Context(), w.settings, o); err != nil || w.left() != 0 {
				t.Errorf("mark %d, after %t: stop: %v, %d left", n, after, err, w.left())
			}
		}
	}
	if saves != 10 { // the session; before each command, its id, its end
		t.Errorf("%d marks", saves)
	}
}

func TestNothingToResume(t *testing.T) {
	need(t)
	for name, tc := range map[string]struct {
		spoil  func(*testing.T, *world, *slipway.Order)
		code   slipway.Code
		retry  slipway.Retry
		reason string
	}{
		"deleted": {func(t *testing.T, w *world, o *slipway.Order) {
			if err := w.Stop(t.Context(), w.settings, *o); err != nil {
				t.Fatal(err)
			}
		}, slipway.CodeUnavailable, slipway.RetryLater, "another one may be begun"},
		"stopped": {func(t *testing.T, w *world, o *slipway.Order) {
			w.ask(t, "POST", "/v2/sandboxes/sessions/"+o.Mark.Session+"/stop", "{}")
		}, slipway.CodeUnavailable, slipway.RetryLater, "somebody stopped it"},
		"by its name": {func(t *testing.T, w *world, o *slipway.Order) {
			w.ask(t, "POST", "/v2/sandboxes/sessions/"+o.Mark.Session+"/stop", "{}")
			o.Mark = slipway.JobMark{Began: o.Mark.Began}
		}, slipway.CodeUnavailable, slipway.RetryLater, "the one that has the name has stopped"},
		"somebody's": {func(t *testing.T, w *world, o *slipway.Order) {
			w.ask(t, "PATCH", "/v2/sandboxes/"+o.Name, `{"tags":{}}`)
			o.Mark = slipway.JobMark{Began: o.Mark.Began}
		}, slipway.CodeConflict, slipway.RetryNever, "it does not have Slipway's tag"},
		"no token": {func(_ *testing.T, w *world, _ *slipway.Order) {
			w.answers("GET", "", 99, 403, `{"error":{"code":"forbidden","message":"expired","invalidToken":true}}`)
		}, slipway.CodeUnauthorized, slipway.RetryNever, "nobody knows how it goes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := vercelPlace(t, &vercelemu.SandboxServer{})
			o := order(tree{"f": "x"}, []string{"sleep", "1000"})
			o.Mark.Began = time.Now()
			mark := o.Mark
			o.Save = killAt(1, true, &mark)
			if _, err := w.Run(t.Context(), w.settings, o, nil); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			o.Mark, o.Save = mark, nil
			tc.spoil(t, w, &o)
			_, err := w.Sandbox.(slipway.Resumer).Resume(t.Context(), w.settings, o, func(slipway.LogLine) {})
			if slipway.ErrorCode(err) != tc.code || slipway.RetryClass(err) != tc.retry {
				t.Errorf("%s: %v (%s, %v)", tc.reason, err, slipway.ErrorCode(err), slipway.RetryClass(err))
			}
			w.answers("", "", 0, 0, "")
			if err := w.Stop(t.Context(), w.settings, o); err != nil || w.left() != 0 {
				t.Errorf("stop: %v, %d left", err, w.left())
			}
		})
	}
}

// ask sends a request of somebody else's.
func (w *world) ask(t *testing.T, method, path, body string) {
	t.Helper()
	base, _ := w.settings(settingURL)
	req, err := http.NewRequestWithContext(t.Context(), method, base.Reveal()+path+"?teamId="+vercelemu.DefaultAccount().Teams[0].ID, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+vercelemu.DefaultToken)
	transport := rest.NewTransport()
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, _ = io.Copy(io.Discard, res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d", method, path, res.StatusCode)
	}
}

// breaker breaks streams off after so many bytes, each in turn; 0 is whole.
type breaker struct {
	http.RoundTripper
	after []int
}

func (b *breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	stream := strings.HasSuffix(r.URL.Path, "/logs") || r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/cmd")
	if err != nil || !stream || len(b.after) == 0 {
		return res, err
	}
	n := b.after[0]
	if b.after = b.after[1:]; n == 0 {
		return res, nil
	}
	head := make([]byte, n)
	got, _ := io.ReadFull(res.Body, head)
	res.Body.Close()
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(head[:got]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	return res, nil
}

// A stream that breaks off, also in the middle of a line, loses nothing and tells nothing twice.
func TestABrokenStreamLosesNothing(t *testing.T) {
	need(t)
	script := tree{"s.sh": "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; echo mid >&2; printf 'with no end'; exit 7"}
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprintf("stdout|line %d", i))
	}
	want = append(want, "stdout|with no end")
	for name, after := range map[string][]int{
		"once": {700, 0}, "at the first line": {330, 0}, "again and again": {500, 700, 900, 400, 1200, 0}, "backwards": {900, 300, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := vercelPlace(t, &vercelemu.SandboxServer{})
			w.Sandbox.(*remote).config.REST.Base = &breaker{rest.NewTransport(), after}
			r, out, err := w.run(t, order(script, []string{"sh", "s.sh"}))
			if err != nil || len(r.Commands) != 1 || r.Commands[0].Exit != 7 || r.Commands[0].End != slipway.JobExited {
				t.Fatalf("%v %+v", err, r)
			}
			if !slices.ContainsFunc(out, func(l string) bool { return strings.HasPrefix(l, "state|the log broke off") }) || !slices.Contains(out, "stderr|mid") {
				t.Errorf("%v", out)
			}
			out = slices.DeleteFunc(out, func(l string) bool { return !strings.HasPrefix(l, "stdout|") })
			if d := cmp.Diff(want, out); d != "" {
				t.Errorf("(-whole +broken)\n%s", d)
			}
		})
	}
}

// A log that cannot be read to its end does not take the command's exit code with it; one that ends in an error is asked about.
func TestALogThatNeverEnds(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{})
	w.Sandbox.(*remote).config.REST.Base = &breaker{rest.NewTransport(), slices.Repeat([]int{320}, 99)}
	r, out, err := w.run(t, order(tree{"s.sh": "yes line | head -n 100"}, []string{"sh", "s.sh"}))
	if err != nil || !r.Passed(1) || !slices.ContainsFunc(out, func(l string) bool { return strings.HasPrefix(l, "state|the end of the log cannot be read") }) {
		t.Errorf("%v %+v %v", err, r, out)
	}
}

func TestAStreamThatEndsInAnError(t *testing.T) {
	need(t)
	for name, tc := range map[string]struct {
		code   string
		want   slipway.Code
		reason string
	}{
		"stopped":      {"sandbox_stopped", slipway.CodeUnavailable, "the command is gone with its sandbox"},
		"snapshotting": {"sandbox_snapshotting", slipway.CodeUnavailable, "a snapshot stops it"},
		"another":      {"internal_server_error", "", "the log is at an end; the command is not"},
	} {
		t.Run(name, func(t *testing.T) {
			w := vercelPlace(t, &vercelemu.SandboxServer{})
			line := `{"stream":"error","data":{"code":"` + tc.code + `","message":"as the test wants"}}` + "\n"
			w.Sandbox.(*remote).config.REST.Base = &misteller{rest.NewTransport(), line}
			r, out, err := w.run(t, order(tree{"s.sh": "echo x; exit 4"}, []string{"sh", "s.sh"}))
			if slipway.ErrorCode(err) != tc.want || err == nil && (len(r.Commands) != 1 || r.Commands[0].Exit != 4) {
				t.Errorf("%s: %v %+v", tc.reason, err, r)
			}
			if err == nil && (strings.Count(strings.Join(out, "\n"), "stdout|x") != 1 || !strings.Contains(strings.Join(out, "\n"), tc.code+" as the test wants")) {
				t.Errorf("%s: %v", tc.reason, out)
			}
			if err != nil && slipway.RetryClass(err) != slipway.RetryLater {
				t.Errorf("%s: %v", tc.reason, slipway.RetryClass(err))
			}
		})
	}
}

// misteller ends the stream of a command with a line of its own.
type misteller struct {
	http.RoundTripper
	line string
}

func (m *misteller) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := m.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/cmd") {
		all, _ := io.ReadAll(res.Body)
		res.Body.Close()
		lines := bytes.SplitAfter(all, []byte("\n"))
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(lines[0]), strings.NewReader(m.line)))
	}
	return res, err
}

// A command that ended in time while nobody looked has its result; one that did not is over the time.
func TestTheTimeWhileNobodyLooks(t *testing.T) {
	need(t)
	for name, tc := range map[string]struct {
		began time.Duration // how long before the end of the job's time
		end   slipway.JobEnd
	}{"in time": {time.Minute, slipway.JobExited}, "over it": {time.Millisecond, slipway.JobTime}} {
		t.Run(name, func(t *testing.T) {
			w := vercelPlace(t, &vercelemu.SandboxServer{})
			o := order(tree{"s.sh": "sleep 0.1"}, []string{"sh", "s.sh"}, []string{"true"})
			o.Timeout, o.Mark.Began = 60, time.Now()
			mark := o.Mark
			o.Save = killAt(3, true, &mark) // the first command's id
			if _, err := w.Run(t.Context(), w.settings, o, func(slipway.LogLine) {}); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			o.Mark, o.Save = mark, nil
			o.Mark.Commands[0].Began = deadline(o).Add(-tc.began)
			w.Sandbox.(*remote).config.Now = func() time.Time { return time.Now().Add(time.Minute) }
			r, err := w.Sandbox.(slipway.Resumer).Resume(t.Context(), w.settings, o, func(slipway.LogLine) {})
			if err != nil || len(r.Commands) == 0 || r.Commands[0].End != tc.end {
				t.Fatalf("%v %+v", err, r)
			}
			if last := r.Commands[len(r.Commands)-1]; last.End != slipway.JobTime || tc.end == slipway.JobExited && len(r.Commands) != 2 {
				t.Errorf("what was not begun in time is not begun: %+v", r)
			}
			if err := w.Stop(t.Context(), w.settings, o); err != nil {
				t.Error(err)
			}
		})
	}
}

// A token that expires under the commands leaves them running and their outcome unknown; with another one it is found out.
func TestATokenThatExpires(t *testing.T) {
	need(t)
	srv := &vercelemu.SandboxServer{}
	w := vercelPlace(t, srv)
	base, _ := w.settings(settingURL)
	fresh := w.settings
	team := vercelemu.DefaultAccount().Teams[0].ID
	var o slipway.Order
	var mark slipway.JobMark
	for life := 2; len(mark.Commands) == 0 || mark.Commands[0].ID == ""; life *= 2 { // a slow machine takes longer to come to the command
		if mark.Session != "" {
			o.Mark = mark
			if err := w.Stop(t.Context(), fresh, o); err != nil {
				t.Fatal(err)
			}
		}
		w.settings = settings(map[string]string{settingURL: base.Reveal(), settingOIDC: srv.OIDCToken(team, "prj_1", time.Duration(life)*time.Second)})
		o = order(tree{"s.sh": fmt.Sprintf("echo x >> ran; sleep %d", life+1)}, []string{"sh", "s.sh"}, []string{"cat", "ran"})
		o.Mark.Began, mark = time.Now(), slipway.JobMark{}
		o.Save = func(_ context.Context, m slipway.JobMark) error { mark = m; return nil }
		_, err := w.Run(t.Context(), w.settings, o, func(slipway.LogLine) {})
		if slipway.ErrorCode(err) != slipway.CodeUnauthorized || slipway.RetryClass(err) != slipway.RetryNever {
			t.Fatalf("%v (%s)", err, slipway.ErrorCode(err))
		}
	}
	o.Mark = mark
	if err := w.Stop(t.Context(), w.settings, o); slipway.ErrorCode(err) != slipway.CodeUnsandboxed {
		t.Errorf("stop without a token: %v", err)
	}
	var out []string
	r, err := w.Sandbox.(slipway.Resumer).Resume(t.Context(), fresh, o, func(l slipway.LogLine) { out = append(out, l.Text) })
	if err != nil || !r.Passed(2) || cmp.Diff([]string{"sh s.sh", "cat ran", "x"}, out) != "" {
		t.Errorf("with a fresh one: %v %+v %v", err, r, out)
	}
	if err := w.Stop(t.Context(), fresh, o); err != nil || w.left() != 0 {
		t.Errorf("stop: %v, %d left", err, w.left())
	}
}

// A sandbox that a process made whose create was never answered is used by the next.
func TestACreateThatWasLost(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{})
	lost := 1
	w.fault = func(c *emukit.Call) emukit.Action {
		if c.Phase == emukit.After && c.Method == "POST" && strings.HasSuffix(c.Path, "/sandboxes") && lost > 0 {
			lost--
			return emukit.Action{Drop: true}
		}
		return emukit.Action{}
	}
	r, out, err := w.run(t, order(tree{"f": "x"}, []string{"cat", "f"}))
	if err != nil || !r.Passed(1) || w.count("/v2/sandboxes") != 2 {
		t.Errorf("%v %+v %v, %d creates", err, r, out, w.count("/v2/sandboxes"))
	}
}
