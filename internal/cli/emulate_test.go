package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// emulating runs `slipway emulate` with flags, calls use with its environment, and interrupts it.
func emulating(t *testing.T, flags []string, use func(env map[string]string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, exit := newScreen(), make(chan int, 1)
	go func() {
		exit <- desk{env: map[string]string{}}.app(nil, out).main(ctx, append([]string{"emulate", "--print-env", "--pg-bin", ""}, flags...))
	}()
	out.await(t, "VERCEL_TOKEN", 1, exit)
	env := map[string]string{}
	for line := range strings.Lines(out.String()) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		env[name] = strings.Trim(value, "'")
	}
	use(env)
	cancel()
	if code := <-exit; code != 0 {
		t.Errorf("emulate exits %d\n%s", code, out)
	}
}

func vercelStatus(t *testing.T, env map[string]string, method, path, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, env["SLIPWAY_VERCEL_URL"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+env["VERCEL_TOKEN"])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestEmulateKeepsItsStateInAFile(t *testing.T) {
	dir := t.TempDir()
	state, faults := filepath.Join(dir, "state.json"), filepath.Join(dir, "faults")
	if err := os.WriteFile(faults, []byte("# one refusal\nvercel:GET /v9/projects/*=503\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--state", state, "--seed", "7", "--faults-file", faults}
	token := ""
	emulating(t, flags, func(env map[string]string) {
		token = env["VERCEL_TOKEN"]
		if got := vercelStatus(t, env, "POST", "/v11/projects", `{"name":"kept"}`); got != 200 {
			t.Errorf("create: %d", got)
		}
		if got := vercelStatus(t, env, "GET", "/v9/projects/kept", ""); got != 503 {
			t.Errorf("the fault of the file did not come: %d", got)
		}
	})
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("state file: %v %v", info, err)
	}
	emulating(t, flags[:4], func(env map[string]string) {
		if env["VERCEL_TOKEN"] != token {
			t.Error("the same seed has another token")
		}
		if got := vercelStatus(t, env, "GET", "/v9/projects/kept", ""); got != 200 {
			t.Errorf("after the load: %d", got)
		}
	})
	if err := os.WriteFile(state, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := newScreen()
	if code := (desk{env: map[string]string{}}).app(nil, out).main(t.Context(), []string{"emulate", "--state", state, "--pg-bin", ""}); code != 2 || !strings.Contains(out.String(), "hint:") {
		t.Errorf("a broken state exits %d\n%s", code, out)
	}
}

func TestEmulateWarnsWhenItListensElsewhere(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, exit := newScreen(), make(chan int, 1)
	go func() {
		exit <- desk{env: map[string]string{}}.app(nil, out).main(ctx, []string{"emulate", "--listen", "0.0.0.0", "--pg-bin", ""})
	}()
	out.await(t, "warning: the emulators listen on 0.0.0.0", 1, exit)
	out.await(t, "SLIPWAY_VERCEL_URL='http://127.0.0.1:", 1, exit)
	cancel()
	<-exit
}

func TestEmulateTellsItsCredentialsAsJSON(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, exit := newScreen(), make(chan int, 1)
	go func() {
		d := desk{env: map[string]string{}}
		exit <- d.app(nil, out).main(ctx, []string{"emulate", "--json", "--pg-bin", ""})
	}()
	out.await(t, "VERCEL_TOKEN", 1, exit)
	var line struct {
		Type string
		Env  map[string]string
	}
	text, _, _ := strings.Cut(out.String(), "\n")
	if err := json.Unmarshal([]byte(text), &line); err != nil || line.Type != "environment" || !strings.HasPrefix(line.Env["NEON_API_KEY"], "napi_") {
		t.Errorf("%v: the emulators' own credentials open nothing else, and are not redacted\n%s", err, text)
	}
	cancel()
	if code := <-exit; code != 0 {
		t.Errorf("emulate exits %d\n%s", code, out)
	}
}

func TestEmulateTakesSettingsByName(t *testing.T) {
	emulating(t, []string{"--set", "vercel.max-projects=1,github.rate-limit=9", "--set", "neon.max-projects=1"}, func(env map[string]string) {
		for i, want := range []int{200, 402} {
			name := fmt.Sprintf("p%d", i)
			if got := vercelStatus(t, env, "POST", "/v11/projects", `{"name":"`+name+`"}`); got != want {
				t.Errorf("%s: %d, want %d", name, got, want)
			}
		}
	})
	out := newScreen()
	if code := (desk{env: map[string]string{}}).app(nil, out).main(t.Context(), []string{"emulate", "--set", "vercel.max=1", "--pg-bin", ""}); code != 2 || !strings.Contains(out.String(), "vercel.max-projects") {
		t.Errorf("a setting that is not there exits %d\n%s", code, out)
	}
}
