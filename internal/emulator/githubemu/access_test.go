package githubemu

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// What a token may do as with:access makes it.
func TestAccess(t *testing.T) {
	tests := map[string]struct {
		reason string
		want   []int // user, repository, branch
	}{
		"none":      {"an owner", []int{200, 200, 422}},
		"expired":   {"it is not accepted", []int{401, 401, 401}},
		"read-only": {"it changes nothing", []int{200, 200, 403}},
		"app":       {"an app is no user", []int{403, 200, 422}},
		"elsewhere": {"a private repository that it is not for is not there", []int{200, 404, 404}},
		"admin":     {"there is no such value", []int{400, 400, 400}},
	}
	settings := Settings()
	if len(settings) != 1 {
		t.Errorf("%d settings: there are some that no test tries", len(settings))
	}
	for access, test := range tests {
		if documented := strings.Contains(settings["access"], access); documented != (access != "none" && access != "admin") {
			t.Errorf("with:access:%s: documented %t", access, documented)
		}
		t.Run(access, func(t *testing.T) {
			s := &Server{}
			defer s.Close()
			if access != "none" {
				hook, err := emukit.ParseFaults("* *#*=with:access:" + access)
				if err != nil {
					t.Fatal(err)
				}
				s.Hook = hook
			}
			var got []int
			for _, call := range [][2]string{{"GET", "/user"}, {"GET", "/repos/acme/shop"}, {"POST", "/repos/acme/shop/git/refs"}} {
				got = append(got, ask(t, s, call[0], call[1]).Code)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s:\n%s", test.reason, diff)
			}
		})
	}
}

func ask(t *testing.T, s *Server, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("User-Agent", "test")
	r.Header.Set("Authorization", "Bearer "+DefaultToken)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(t.Context()))
	return w
}

func TestATokenThatEnds(t *testing.T) {
	a := DefaultAccount()
	a.Expires = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	now := a.Expires.Add(-time.Hour)
	s := &Server{Tokens: map[string]Account{DefaultToken: a}, Kit: emukit.Kit{Now: func() time.Time { return now }}}
	defer s.Close()
	w := ask(t, s, "GET", "/user")
	if got := w.Header().Get("GitHub-Authentication-Token-Expiration"); w.Code != 200 || got != "2026-12-01 09:00:00 UTC" {
		t.Errorf("%d, ends %q", w.Code, got)
	}
	now = a.Expires.Add(time.Second)
	if w := ask(t, s, "GET", "/user"); w.Code != 401 {
		t.Errorf("after its day: %d", w.Code)
	}
}
