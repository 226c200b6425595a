package cli

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/slipway-dev/slipway"
)

// log returns the program's own log, on stderr past the redactor: with SLIPWAY_LOG=debug every request and every event, else nothing. Any
// other value of it is CodeInvalid.
func (a *app) log() (*slog.Logger, error) {
	level, err := a.settings.get("SLIPWAY_LOG")
	switch {
	case err != nil:
		return nil, err
	case level == "":
		return slog.New(slog.DiscardHandler), nil
	case level != "debug":
		return nil, slipway.Errorf(slipway.CodeInvalid, "SLIPWAY_LOG: no such level").WithHint("set it to debug, or unset it")
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelDebug})), nil
}

// logged tells of each request when its answer has begun, or when there was none. Headers and bodies are not told.
type logged struct {
	base http.RoundTripper
	log  *slog.Logger
}

func (t logged) RoundTrip(req *http.Request) (*http.Response, error) {
	begun := time.Now()
	res, err := t.base.RoundTrip(req)
	about := []any{"method", req.Method, "url", address(req.URL), "took", time.Since(begun).Round(time.Millisecond)}
	if err != nil {
		t.log.Debug("request", append(about, "error", err.Error())...)
		return res, err
	}
	t.log.Debug("request", append(about, "status", res.StatusCode)...)
	return res, nil
}

// address is a URL without what opens it: GitHub leads to archives by addresses that hold a token.
func address(u *url.URL) string {
	if !u.Query().Has("token") {
		return u.Redacted()
	}
	bare := *u
	bare.RawQuery = ""
	return bare.Redacted()
}

// tellPanic says on stderr, past the redactor, that a defect stopped the program, and where.
func (a *app) tellPanic(value any) int {
	e := slipway.Errorf(slipway.CodeInternal, "a defect in slipway stopped it: %v", value).
		WithHint("what was begun is recorded; go on with: slipway resume; and please report this")
	a.result = result{}
	_, _ = a.err.Write(append(debug.Stack(), '\n'))
	return a.finish(context.Background(), e)
}
