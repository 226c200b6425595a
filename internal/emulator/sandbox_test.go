package emulator

import (
	"net/http"
	"strings"
	"testing"
)

func TestSandboxOpensWithVercelsToken(t *testing.T) {
	r, err := Start(t.Context(), Options{Faults: "sandbox:GET /v2/sandboxes#2=503"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	env := r.Env()
	get := func(token string) int {
		req, err := http.NewRequestWithContext(t.Context(), "GET", env["SLIPWAY_SANDBOX_URL"]+"/v2/sandboxes?teamId="+env["VERCEL_TEAM_ID"], strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	for i, want := range []int{200, 503} {
		if got := get(env["VERCEL_TOKEN"]); got != want {
			t.Errorf("call %d: %d, want %d", i+1, got, want)
		}
	}
	if got := get("other"); got != 403 {
		t.Errorf("another token: %d", got)
	}
}
