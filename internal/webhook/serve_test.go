package webhook

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestListensWhereItMay(t *testing.T) {
	taken, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tc := range map[string]struct {
		address string
		proxied bool
		says    string
		reason  string
	}{
		"loopback":              {"127.0.0.1:0", false, "", ""},
		"loopback, six":         {"[::1]:0", false, "", ""},
		"its name":              {"localhost:0", false, "", ""},
		"every address":         {":0", false, "can be reached from other machines", "an empty host is all of them"},
		"every address, spelt":  {"0.0.0.0:0", false, "can be reached from other machines", ""},
		"behind a proxy":        {"0.0.0.0:0", true, "", "in a container the proxy is another machine"},
		"another process there": {taken.Addr().String(), false, "another process listens there", ""},
		"no port":               {"127.0.0.1", false, "is not HOST:PORT", ""},
		"no such address":       {"192.0.2.1:0", true, "nothing can listen there", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Listen(t.Context(), tc.address, tc.proxied)
			if err == nil {
				l.Close()
			}
			if name == "loopback, six" && err != nil {
				return // a machine without IPv6
			}
			if tc.says == "" && err != nil || tc.says != "" && (slipway.ErrorCode(err) != slipway.CodeInvalid || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("got %v, want %q: %s", err, tc.says, tc.reason)
			}
		})
	}
}

// TestServesSoManyAtATime: the connection after the last is answered when one before it has ended, and all end with ctx.
func TestServesSoManyAtATime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := Listen(ctx, "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		Serve(ctx, l, New(Config{}))
	}()
	var held []net.Conn
	for range maxConnections {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	answered := make(chan error, 1)
	go func() {
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post("http://"+l.Addr().String()+"/webhooks/vercel", "application/json", nil)
		if err == nil {
			res.Body.Close()
		}
		answered <- err
	}()
	for len(l.(*narrow).free) < maxConnections { // until all that fit are taken
		select {
		case err := <-answered:
			t.Fatalf("answered beside %d others: %v", maxConnections, err)
		default:
		}
	}
	select {
	case err := <-answered:
		t.Fatalf("answered beside %d others: %v", maxConnections, err)
	default:
	}
	held[0].Close()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	for _, c := range held[1:] {
		c.Close()
	}
	cancel()
	<-over
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}
