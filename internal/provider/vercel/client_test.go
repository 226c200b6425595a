package vercel

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

func TestMapError(t *testing.T) {
	reset := time.Date(2026, 3, 1, 0, 0, 9, 0, time.UTC)
	date := http.Header{"Date": {reset.Add(-9 * time.Second).Format(http.TimeFormat)}}
	tests := map[string]struct {
		reason string
		status int
		header http.Header
		body   string
		code   slipway.Code
		retry  slipway.Retry
		after  time.Duration
	}{
		"unknown token":  {"Vercel answers 403 for a token that it does not know", 403, nil, `{"error":{"code":"forbidden","message":"Not authorized","invalidToken":true}}`, slipway.CodeUnauthorized, 0, 0},
		"no right":       {"the token may not", 403, nil, `{"error":{"code":"forbidden","message":"You don't have permission"}}`, slipway.CodeForbidden, 0, 0},
		"projects":       {"a limit comes with more than one status", 403, nil, `{"error":{"code":"too_many_projects","message":"Too many"}}`, slipway.CodeLimit, 0, 0},
		"payment":        {"402 is a limit", 402, nil, `{"error":{"code":"payment_required","message":"Pay"}}`, slipway.CodeLimit, 0, 0},
		"too large":      {"so is 413, of a file or of a body", 413, nil, `{"error":{"code":"payload_too_large","message":"x"}}`, slipway.CodeLimit, 0, 0},
		"env conflict":   {"upper case with 403", 403, nil, `{"error":{"code":"ENV_ALREADY_EXISTS","message":"x"}}`, slipway.CodeConflict, 0, 0},
		"env conflict 2": {"lower case with 409", 409, nil, `{"error":{"code":"existing_key_and_target","message":"x"}}`, slipway.CodeConflict, 0, 0},
		"env conflict 3": {"upper case with 400", 400, nil, `{"error":{"code":"ENV_CONFLICT","message":"x"}}`, slipway.CodeConflict, 0, 0},
		"ongoing":        {"a 400 that passes", 400, nil, `{"error":{"code":"bad_request","message":"There is an ongoing update of this variable"}}`, slipway.CodeBusy, slipway.RetryLater, 0},
		"reset as time":  {"limit.reset since 1970", 429, date, fmt.Sprintf(`{"error":{"code":"rate_limited","message":"x","limit":{"reset":%d}}}`, reset.Unix()), slipway.CodeRateLimited, 0, 9 * time.Second},
		"reset as wait":  {"limit.reset in seconds", 429, nil, `{"error":{"code":"rate_limited","message":"x","limit":{"reset":4}}}`, slipway.CodeRateLimited, 0, 4 * time.Second},
		"no envelope":    {"the status alone", 409, nil, `[]`, slipway.CodeConflict, 0, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e := mapError(tc.status, tc.header, []byte(tc.body))
			if e.Code != tc.code || e.Retry != tc.retry || e.RetryAfter != tc.after {
				t.Errorf("%s: code %s, retry %d after %s", tc.reason, e.Code, e.Retry, e.RetryAfter)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	tests := map[string]struct {
		reason   string
		settings map[string]string
		code     slipway.Code
	}{
		"good":     {"a token is enough", map[string]string{settingToken: "t"}, ""},
		"none":     {"without a token", nil, slipway.CodeCredential},
		"empty":    {"with an empty token", map[string]string{settingToken: ""}, slipway.CodeCredential},
		"bad base": {"a token is not sent in the clear", map[string]string{settingToken: "t", settingURL: "http://api.vercel.com"}, slipway.CodeInvalid},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(rest.Config{}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
				v, ok := tc.settings[env]
				return slipway.NewSecret(v), ok
			})
			var e *slipway.Error
			if slipway.ErrorCode(err) != tc.code || errors.As(err, &e) && tc.code == slipway.CodeCredential && !strings.Contains(e.Hint, settingToken) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

func TestProtectionIsTold(t *testing.T) {
	h := bypasses{}
	for name, tc := range map[string]struct {
		status int
		header http.Header
		body   string
		want   bool
		reason string
	}{
		"page":      {401, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<title>Authentication Required</title>", true, "Vercel's page stands in the app's place"},
		"nonce":     {401, http.Header{"Set-Cookie": {"_vercel_sso_nonce=x; Path=/"}}, "", true, "its cookie comes from Vercel alone"},
		"browser":   {302, http.Header{"Location": {"https://vercel.com/sso-api?url=x"}}, "", true, "a browser is sent to log in"},
		"the app's": {401, http.Header{"Content-Type": {"application/json"}}, `{"error":"Authentication Required"}`, false, "an app may have a door of its own"},
		"elsewhere": {302, http.Header{"Location": {"/login"}}, "", false, "so may it send elsewhere"},
		"fine":      {200, http.Header{}, "Authentication Required", false, "a page may say so"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := h.Protected(tc.status, tc.header.Get, []byte(tc.body)); got != tc.want {
				t.Errorf("%s: %v", tc.reason, got)
			}
		})
	}
}
