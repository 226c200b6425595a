package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/rest"
)

// reply API METHOD GLOB STATUS TYPE BODY: from now on such calls are answered with this, and do nothing. The first such command that fits
// a call wins; reply alone ends them all, and faults too.
func reply(ts *testscript.TestScript, neg bool, args []string) {
	w := wireOf(ts)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(args) == 0 && !neg {
		w.fault = nil
		return
	}
	if neg || len(args) != 6 {
		ts.Fatalf("usage: reply API METHOD GLOB STATUS TYPE BODY, or: reply")
	}
	status, err := strconv.Atoi(args[3])
	ts.Check(err)
	before := w.fault
	w.fault = func(c *emukit.Call) emukit.Action {
		if before != nil {
			if a := before(c); a.Status != 0 {
				return a
			}
		}
		if c.Phase != emukit.Before || !emukit.Glob(args[0], c.API) || !emukit.Glob(args[1], c.Method) || !emukit.Glob(args[2], c.Path) {
			return emukit.Action{}
		}
		return emukit.Action{Status: status, Header: http.Header{"Content-Type": {args[4]}}, Body: []byte(args[5])}
	}
}

// call API METHOD PATH BODY [VARIABLE PATH]: somebody else calls an emulator, with our credentials. The answer goes to the file "answer";
// what it holds at PATH (names and indexes with points) goes to the variable. With ! the call must be refused.
func call(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 && len(args) != 6 {
		ts.Fatalf("usage: [!] call API METHOD PATH BODY [VARIABLE PATH]")
	}
	req, err := http.NewRequest(args[1], ts.Getenv("SLIPWAY_"+strings.ToUpper(args[0])+"_URL")+args[2], strings.NewReader(args[3]))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	switch args[0] {
	case "vercel", "sandbox":
		q := req.URL.Query()
		q.Set("teamId", ts.Getenv("VERCEL_TEAM_ID"))
		req.URL.RawQuery = q.Encode()
		req.Header.Set("Authorization", "Bearer "+ts.Getenv("VERCEL_TOKEN"))
	case "neon":
		req.Header.Set("Authorization", "Bearer "+ts.Getenv("NEON_API_KEY"))
	case "github":
		req.Header.Set("Authorization", "Bearer "+ts.Getenv("GITHUB_TOKEN"))
	case "upstash":
		req.SetBasicAuth(ts.Getenv("UPSTASH_EMAIL"), ts.Getenv("UPSTASH_API_KEY"))
	}
	transport := rest.NewTransport()
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if (res.StatusCode/100 == 2) == neg {
		ts.Fatalf("%s %s answers %d: %s", args[1], args[2], res.StatusCode, body)
	}
	ts.Check(os.WriteFile(ts.MkAbs("answer"), body, 0o600))
	if len(args) == 6 {
		ts.Setenv(args[4], at(ts, body, args[5]))
	}
}

// at is the value at a path in JSON.
func at(ts *testscript.TestScript, body []byte, path string) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	ts.Check(decoder.Decode(&v))
	for name := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(in) {
				ts.Fatalf("there is no %s of %s", name, path)
			}
			v = in[i]
		default:
			ts.Fatalf("there is no %s of %s in %s", name, path, body)
		}
	}
	return fmt.Sprint(v)
}
