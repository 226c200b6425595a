package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway/internal/rest"
)

// port VARIABLE: a port of this machine that is free. The time in milliseconds is then $NOW, and $BUSY is a HOST:PORT that is taken.
func port(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port VARIABLE")
	}
	// Below those that a system gives by itself, so that no emulator of another script gets it before it is listened at.
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20000+rand.IntN(10000)))
	for tries := 0; err != nil && tries < 100; tries++ {
		l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20000+rand.IntN(10000)))
	}
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Setenv("NOW", fmt.Sprint(time.Now().UnixMilli()))
	ts.Setenv("BUSY", strings.TrimPrefix(ts.Getenv("SLIPWAY_VERCEL_URL"), "http://"))
}

// hook STATUS SENDER SECRET BODY [EVENT]: somebody sends a webhook to $PORT, signed with SECRET as SENDER does it. The answer, of that status, goes
// to the file "answer".
func hook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || len(args) > 5 {
		ts.Fatalf("usage: hook STATUS SENDER SECRET BODY [EVENT]")
	}
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:"+ts.Getenv("PORT")+"/webhooks/"+args[1], strings.NewReader(args[3]))
	ts.Check(err)
	sign := func(of func() hash.Hash) string {
		mac := hmac.New(of, []byte(args[2]))
		mac.Write([]byte(args[3]))
		return hex.EncodeToString(mac.Sum(nil))
	}
	req.Header.Set("Content-Type", "application/json")
	if args[1] == "vercel" {
		req.Header.Set("x-vercel-signature", sign(sha1.New))
	} else {
		req.Header.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New))
		req.Header.Set("X-GitHub-Event", args[4])
	}
	transport := rest.NewTransport()
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), body, 0o600))
	if strconv.Itoa(res.StatusCode) != args[0] {
		ts.Fatalf("answered %d %s", res.StatusCode, body)
	}
}
