package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway/internal/rest"
)

// records FILE: the public DNS has these records alone, a line NAME TYPE VALUE each.
func records(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: records FILE")
	}
	call(ts, false, []string{"vercel", http.MethodPut, "/_emulator/dns", ts.ReadFile(args[0])})
}

// served HOST TEXT: a visitor whom the DNS leads to Vercel finds TEXT at a domain; where they are sent on, its status and where to.
// With ! they do not.
func served(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] served HOST TEXT")
	}
	call(ts, false, []string{"vercel", http.MethodGet, "/v6/deployments", "", "AT", "deployments.0.url"})
	at, err := url.Parse("http://" + ts.Getenv("AT"))
	ts.Check(err)
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+at.Port(), nil)
	ts.Check(err)
	req.Host = args[0]
	transport := rest.NewTransport()
	defer transport.CloseIdleConnections()
	here := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := (&http.Client{Transport: transport, CheckRedirect: here}).Do(req)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if to := res.Header.Get("Location"); to != "" {
		res.StatusCode, body = http.StatusOK, []byte(res.Status+" to "+to)
	}
	if (res.StatusCode == http.StatusOK && strings.Contains(string(body), args[1])) == neg {
		ts.Fatalf("%s answers %d: %s", args[0], res.StatusCode, body)
	}
}
