package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
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

// answers makes every nth call and those after it, up to times, whose path ends so, answer with a status and a body.
func (w *world) answers(method, end string, times, status int, body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = func(c *emukit.Call) emukit.Action {
		if c.Phase != emukit.Before || c.Method != method || !strings.HasSuffix(c.Path, end) || times == 0 {
			return emukit.Action{}
		}
		times--
		return emukit.Action{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
	}
}

func problem(code string) string {
	return `{"error":{"code":"` + code + `","message":"as the test wants"}}`
}

func TestRefusalsOfVercelSandbox(t *testing.T) {
	need(t)
	for name, tc := range map[string]struct {
		method, end   string
		times, status int
		body          string
		code          slipway.Code
		retry         slipway.Retry
		reason        string
	}{
		"stopping":           {"POST", "/fs/write", 2, 422, problem("sandbox_stopping"), "", 0, "it is asked again until that is over"},
		"snapshotting":       {"POST", "/cmd", 1, 422, problem("sandbox_snapshotting"), "", 0, "the same"},
		"stopping for good":  {"POST", "/fs/write", 99, 422, problem("sandbox_stopping"), slipway.CodeBusy, slipway.RetryLater, "another one may do"},
		"another 422":        {"POST", "/sandboxes", 99, 422, problem("bad"), slipway.CodeRefused, slipway.RetryNever, "the request is wrong"},
		"stopped":            {"POST", "/cmd", 99, 410, problem("sandbox_stopped"), slipway.CodeUnavailable, slipway.RetryLater, "another one may do"},
		"stopped for upload": {"POST", "/fs/write", 99, 410, problem("sandbox_stopped"), slipway.CodeUnavailable, slipway.RetryLater, "the same"},
		"lost create":        {"POST", "/sandboxes", 2, 502, "", "", 0, "it is sent again: no two have one name"},
		"no create":          {"POST", "/sandboxes", 99, 502, "", slipway.CodeUnavailable, slipway.RetryAmbiguous, "it may be there: the caller stops it by its name"},
		"limit":              {"POST", "/sandboxes", 99, 402, problem("payment_required"), slipway.CodeLimit, slipway.RetryNever, ""},
		"rate limit":         {"POST", "/sandboxes", 2, 429, problem("rate_limited"), "", 0, "waited for"},
		"bad token":          {"POST", "/sandboxes", 99, 403, `{"error":{"code":"forbidden","message":"no","invalidToken":true}}`, slipway.CodeUnauthorized, slipway.RetryNever, ""},
		"forbidden":          {"POST", "/sandboxes", 99, 403, problem("forbidden"), slipway.CodeForbidden, slipway.RetryNever, ""},
		"no session":         {"POST", "/sandboxes", 99, 200, `{}`, slipway.CodeMalformed, slipway.RetryAmbiguous, "no sandbox that could be used"},
		"another network":    {"POST", "/sandboxes", 99, 200, `{"session":{"id":"s","status":"running","networkPolicy":{"mode":"allow-all"}}}`, slipway.CodeMalformed, slipway.RetryNever, "nothing runs with a network that nobody declared"},
	} {
		t.Run(name, func(t *testing.T) {
			w := vercelPlace(t, &vercelemu.SandboxServer{})
			w.answers(tc.method, tc.end, tc.times, tc.status, tc.body)
			r, _, err := w.run(t, order(tree{"f": "x"}, []string{"true"}))
			if slipway.ErrorCode(err) != tc.code || slipway.RetryClass(err) != tc.retry || (err == nil) != r.Passed(1) {
				t.Errorf("%s: %v (%v), %+v", tc.reason, err, slipway.RetryClass(err), r)
			}
		})
	}
}

func TestASandboxStoppedUnderTheCommand(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{})
	o := order(tree{"f": "x"}, []string{"sleep", "1000"})
	_, err := w.Run(t.Context(), w.settings, o, func(slipway.LogLine) {
		if err := w.Stop(t.Context(), w.settings, o); err != nil {
			t.Error(err)
		}
	})
	if slipway.ErrorCode(err) != slipway.CodeUnavailable || slipway.RetryClass(err) != slipway.RetryLater && slipway.RetryClass(err) != slipway.RetryAmbiguous {
		t.Errorf("%v", err)
	}
}

func TestItsLifeIsExtendedWhileItRuns(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{})
	w.Sandbox.(*remote).life = 2 * time.Second
	r, out, err := w.run(t, order(tree{"f": "x"}, []string{"sleep", "4"}))
	if err != nil || !r.Passed(1) || w.count("/extend-timeout") < 3 {
		t.Errorf("%v %+v, %d extensions: %v", err, r, w.count("/extend-timeout"), out)
	}
}

func TestALifeThatThePlanDoesNotExtend(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{MaxLife: time.Second})
	w.Sandbox.(*remote).life = time.Second
	_, _, err := w.run(t, order(tree{"f": "x"}, []string{"sleep", "1000"}))
	if slipway.ErrorCode(err) != slipway.CodeLimit {
		t.Errorf("%v", err)
	}
}

// cutter breaks the connection after the first line of a command's stream.
type cutter struct{ http.RoundTripper }

func (c cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/cmd") {
		line, _ := bufio.NewReader(res.Body).ReadBytes('\n')
		res.Body.Close()
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(line), iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
	return res, err
}

// The emulator goes on with a command whose caller has gone away, as Vercel does.
func TestALogThatBreaksOff(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{})
	w.Sandbox.(*remote).config.REST.Base = cutter{rest.NewTransport()}
	r, out, err := w.run(t, order(tree{"f": "x"}, []string{"sh", "-c", "sleep 1; exit 3"}))
	if err != nil || len(r.Commands) != 1 || r.Commands[0].Exit != 3 || !strings.Contains(strings.Join(out, "\n"), "state|the log broke off") {
		t.Errorf("the command's end is asked for: %v %+v %v", err, r, out)
	}
}

func TestCredentials(t *testing.T) {
	srv := &vercelemu.SandboxServer{}
	live, over := srv.OIDCToken("team_1", "prj_1", time.Hour), srv.OIDCToken("team_1", "prj_1", -time.Hour)
	for name, tc := range map[string]struct {
		env    map[string]string
		parent slipway.Kind
		code   slipway.Code
		reason string
	}{
		"oidc":           {map[string]string{settingOIDC: live}, "", "", "it names team and project"},
		"oidc first":     {map[string]string{settingOIDC: live, settingToken: "t", settingTeam: "team_1"}, "", "", "it is made for this"},
		"token and team": {map[string]string{settingToken: "t", settingTeam: "acme"}, kindProject, "", "the app's own project is the third"},
		"token alone":    {map[string]string{settingToken: "t"}, "", slipway.CodeUnsandboxed, "there is no team"},
		"expired":        {map[string]string{settingOIDC: over}, "", slipway.CodeUnsandboxed, ""},
		"expired, token": {map[string]string{settingOIDC: over, settingToken: "t", settingTeam: "acme"}, kindProject, "", ""},
		"nonsense":       {map[string]string{settingOIDC: "a.b.c"}, "", slipway.CodeUnsandboxed, ""},
		"nothing":        {nil, "", slipway.CodeUnsandboxed, ""},
		"plain http":     {map[string]string{settingOIDC: live, settingURL: "http://example.com"}, "", slipway.CodeInvalid, "a token never goes out in plain"},
	} {
		t.Run(name, func(t *testing.T) {
			parent, err := (&remote{config: Config{Now: time.Now}}).Ready(t.Context(), settings(tc.env), slipway.Job{})
			if parent != tc.parent || slipway.ErrorCode(err) != tc.code {
				t.Errorf("%s: %q, %v", tc.reason, parent, err)
			}
			if err != nil && (strings.Contains(err.Error(), over) || strings.Contains(err.Error(), "a.b.c")) {
				t.Errorf("it tells the token: %v", err)
			}
		})
	}
}

func TestTheAppsOwnProject(t *testing.T) {
	need(t)
	w := vercelPlace(t, &vercelemu.SandboxServer{})
	base, _ := w.settings(settingURL)
	for _, team := range []string{vercelemu.DefaultAccount().Teams[0].ID, vercelemu.DefaultAccount().Teams[0].Slug} {
		w.settings = settings(map[string]string{settingURL: base.Reveal(), settingToken: vercelemu.DefaultToken, settingTeam: team})
		o := order(tree{"f": "x"}, []string{"true"})
		if _, err := w.Run(t.Context(), w.settings, o, nil); slipway.ErrorCode(err) != slipway.CodeUnsandboxed {
			t.Errorf("without a project: %v", err)
		}
		o.Parent = &slipway.Receipt{ID: "prj_own"}
		if r, _, err := w.run(t, o); err != nil || !r.Passed(1) {
			t.Errorf("team %s: %v %+v", team, err, r)
		}
	}
}

func TestWhatIsAskedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		network []string
		policy  map[string]any
		mode    string
	}{
		"none":  {nil, map[string]any{"mode": "deny-all"}, "deny-all"},
		"all":   {[]string{"all"}, map[string]any{"mode": "allow-all"}, "allow-all"},
		"hosts": {[]string{"a.com"}, map[string]any{"mode": "custom", "allowedDomains": []string{"a.com"}}, "custom"},
	} {
		if policy, mode := networkPolicy(slipway.Job{Network: tc.network}); mode != tc.mode || cmp.Diff(tc.policy, policy) != "" {
			t.Errorf("%s: %s %v", name, mode, policy)
		}
	}
	for mib, want := range map[int64]int64{256: 1, 2048: 1, 2049: 2, 4096: 2, 4097: 4, 8192: 4, 65536: 32} {
		if got := vcpus(mib); got != want {
			t.Errorf("%d MiB: %d vCPUs, not %d", mib, got, want)
		}
	}
}

// zeros is a source of large files that no memory holds.
type zeros int

func (z zeros) Digest() string { return "sha256:zeros" }

func (z zeros) Files() (out []slipway.File) {
	for i := range int(z) {
		out = append(out, slipway.File{Path: string(rune('a' + i)), Mode: 0o100644, Size: 100 << 20})
	}
	return out
}

func (z zeros) Open(_ context.Context, f slipway.File) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(zero{}, f.Size)), nil
}

type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestASourceIsPackedInLittleMemory(t *testing.T) {
	z := zeros(2)
	j := &job{order: slipway.Order{Files: z}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := j.pack(t.Context(), z.Files(), io.Discard); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes were allocated for 200 MiB", grown)
	}
}
