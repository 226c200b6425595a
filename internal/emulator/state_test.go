package emulator

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// control calls /_emulator/ of an emulator.
func control(t *testing.T, env map[string]string, e Emulator, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(env[e.URLVar], e.Path)+"/_emulator/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestStateOfAllEmulatorsIsTheSameBytesAfterALoad(t *testing.T) {
	first, err := Start(t.Context(), Options{BuildTime: time.Millisecond, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	env := first.Env()
	var made struct{ ID string }
	if status := ask(t, env, "POST", "/v11/projects?teamId="+env["VERCEL_TEAM_ID"], `{"name":"shop"}`, &made); status != 200 {
		t.Fatalf("project: %d", status)
	}
	raw, err := first.Save()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Start(t.Context(), Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := second.Load(raw); err != nil {
		t.Fatal(err)
	}
	env = second.Env()
	var found, other struct{ ID string }
	if status := ask(t, env, "GET", "/v9/projects/shop?teamId="+env["VERCEL_TEAM_ID"], "", &found); status != 200 || found.ID != made.ID {
		t.Errorf("the loaded project: %d %s, want %s", status, found.ID, made.ID)
	}
	// The seed's random numbers go on and do not begin again.
	if status := ask(t, env, "POST", "/v11/projects?teamId="+env["VERCEL_TEAM_ID"], `{"name":"other"}`, &other); status != 200 || other.ID == made.ID {
		t.Errorf("a second project: %d %s", status, other.ID)
	}
	for text, reason := range map[string]string{
		"{": "no JSON", `{"format":"slipway-emulators/2"}`: "a later version",
		`{"format":"slipway-emulators/1","emulators":{"fly":{}}}`: "an emulator that is not there",
	} {
		if err := second.Load([]byte(text)); err == nil {
			t.Errorf("%s was loaded", reason)
		}
	}
}

func TestEveryEmulatorIsControlled(t *testing.T) {
	r, err := Start(t.Context(), Options{Faults: "vercel:GET *%10=503", Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, e := range All() {
		t.Run(e.Name, func(t *testing.T) {
			if status, body := control(t, r.Env(), e, "GET", "", ""); status != 200 || !strings.Contains(body, `"emulator":"`+e.Name+`"`) {
				t.Errorf("about: %d %s", status, body)
			}
			if status, body := control(t, r.Env(), e, "GET", "faults", ""); status != 200 || !strings.Contains(body, `"seed":11`) {
				t.Errorf("faults: %d %s", status, body)
			}
			status, state := control(t, r.Env(), e, "GET", "state", "")
			if status != 200 {
				t.Fatalf("state: %d %s", status, state)
			}
			if status, body := control(t, r.Env(), e, "PUT", "state", state); status != 204 {
				t.Errorf("loading it: %d %s", status, body)
			}
			if status, body := control(t, r.Env(), e, "PUT", "state", `{"format":"other"}`); status != 400 {
				t.Errorf("loading another: %d %s", status, body)
			}
			if status, body := control(t, r.Env(), e, "POST", "reset", ""); status != 204 {
				t.Errorf("reset: %d %s", status, body)
			}
			if n := len(r.Kit(e.Name).Calls()); n != 0 {
				t.Errorf("%d control calls are in the log", n)
			}
		})
	}
}

func TestListenElsewhereIsNamedByLoopback(t *testing.T) {
	r, err := Start(t.Context(), Options{Listen: "0.0.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var user struct{ User struct{ Username string } }
	if status := ask(t, r.Env(), "GET", "/v2/user", "", &user); status != 200 || !strings.HasPrefix(r.Env()["SLIPWAY_VERCEL_URL"], "http://127.0.0.1:") {
		t.Errorf("%d at %s", status, r.Env()["SLIPWAY_VERCEL_URL"])
	}
	if diff := cmp.Diff("emulator", user.User.Username); diff != "" {
		t.Error(diff)
	}
}

// An id that shows a part of a credential would be a secret that a client may not keep.
func TestASeedGivesNoIDTheCharactersOfACredential(t *testing.T) {
	r, err := Start(t.Context(), Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var made struct{ ID string }
	if status := ask(t, r.Env(), "POST", "/v11/projects", `{"name":"shop"}`, &made); status != 200 {
		t.Fatalf("project: %d", status)
	}
	for name, value := range r.Env() {
		for at := 0; at+8 <= len(value) && !strings.HasPrefix(name, "SLIPWAY_"); at++ {
			if strings.Contains(made.ID, value[at:at+8]) {
				t.Errorf("the project's id %s has 8 characters of %s", made.ID, name)
			}
		}
	}
}
