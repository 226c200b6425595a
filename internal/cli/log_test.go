package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

const logged1 = `s3cret"<v&lue>+with/all=`

// TestNothingTellsASecret: what reaches stderr, however it came to hold the secret.
func TestNothingTellsASecret(t *testing.T) {
	inner := slipway.Errorf(slipway.CodeRefused, "refused %q", logged1)
	withUser := &url.URL{Scheme: "postgres", Host: "db.example.com", Path: "/app", User: url.UserPassword("app", logged1)}
	for name, tc := range map[string]struct {
		reason string
		err    error
	}{
		"an error":      {"whoever writes a message", inner},
		"wrapped":       {"a cause is shown too", fmt.Errorf("outer: %w", fmt.Errorf("middle %s: %w", logged1, inner))},
		"joined":        {"several at once", errors.Join(errors.New("first"), inner, errors.New(logged1))},
		"a cause":       {"our own error shows its cause", &slipway.Error{Code: slipway.CodeStore, Message: "x", Cause: errors.New(logged1)}},
		"a hint":        {"a hint is text", slipway.Errorf(slipway.CodeInvalid, "x").WithHint("try %s", logged1)},
		"a URL's error": {"net/http puts the URL into it", &url.Error{Op: "Get", URL: withUser.String(), Err: errors.New("refused")}},
		"in lines":      {"a message of several lines", errors.New(logged1[:9] + "\n" + logged1[9:])},
		"never known":   {"a connection string is known by its shape", errors.New("dial postgres://app:hunter22@db.example.com/app and Bearer abcdef0123456789 and napi_abc123def456")},
	} {
		for _, json := range []bool{false, true} {
			d, out := newDesk(t), newScreen()
			a := d.app(strings.NewReader(""), out)
			a.redactor.Add(slipway.NewSecret(logged1))
			a.json = json
			if exit := a.finish(context.Background(), tc.err); exit == 0 {
				t.Errorf("%s: exit 0", name)
			}
			_ = a.err.Close()
			for _, secret := range []string{logged1, "s3cret", "with/all", "hunter22", "abcdef0123456789", "napi_abc"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%s, json %v: %s: %q is shown by\n%s", name, json, tc.reason, secret, out)
				}
			}
		}
	}
}

func TestAPanicTellsNoSecret(t *testing.T) {
	d, out := newDesk(t), newScreen()
	a := d.app(strings.NewReader(""), out)
	a.redactor.Add(slipway.NewSecret(logged1))
	a.seams.Transport = func(http.RoundTripper) http.RoundTripper { panic(errors.New("cannot go on with " + logged1)) }
	exit := a.main(t.Context(), []string{"-C", d.dir, "plan"})
	if text := out.String(); exit != slipway.ExitFailed || strings.Contains(text, "s3cret") || !strings.Contains(text, "error: a defect in slipway") || !strings.Contains(text, "goroutine ") {
		t.Errorf("exit %d\n%s", exit, text)
	}
}

func TestDebugLog(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, level string
		exit          int
		want          []string
	}{
		"off":   {"it is off by default", "", slipway.ExitDone, nil},
		"debug": {"requests are told", "debug", slipway.ExitDone, []string{"msg=request method=GET url=", "status=200"}},
		"other": {"a word that is no level is refused", "verbose", slipway.ExitUsage, []string{"hint: set it to debug, or unset it"}},
	} {
		d, out := newDesk(t), newScreen()
		d.env["SLIPWAY_LOG"] = tc.level
		exit := d.app(strings.NewReader(""), out).main(t.Context(), []string{"-C", d.dir, "plan"})
		if exit != tc.exit || tc.want == nil && strings.Contains(out.String(), "level=DEBUG") {
			t.Errorf("%s: exit %d: %s\n%s", name, exit, tc.reason, out)
		}
		for _, want := range tc.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q: %s\n%s", name, want, tc.reason, out)
			}
		}
	}
}

func TestTheStoreIsGuarded(t *testing.T) {
	d := newDesk(t)
	a := d.app(strings.NewReader(""), newScreen())
	a.dir, a.file = d.dir, "slipway.yaml"
	w, err := a.open(t.Context(), need{keys: true, create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	a.redactor.Add(slipway.NewSecret(logged1))
	err = w.store.Tx(t.Context(), func(tx slipway.Tx) error {
		return tx.AddRun(slipway.Run{ID: "r1", URL: "https://x/" + url.PathEscape(logged1)})
	})
	if slipway.ErrorCode(err) != slipway.CodeSecretLeak {
		t.Errorf("a secret that the process knows is written: %v", err)
	}
}
