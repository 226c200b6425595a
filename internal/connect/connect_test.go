package connect

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-dev/slipway"
)

// canary is in every value that a test hands over.
const canary = "canary-0123456789"

// mustFail checks an error's code and that neither it nor its hint tells a value.
func mustFail(t *testing.T, reason string, facts map[string]any, err error, code slipway.Code) {
	t.Helper()
	if got := slipway.ErrorCode(err); got != code || facts != nil {
		t.Fatalf("%s: %q (%v) and %v, want %q", reason, got, err, facts, code)
	}
	e := (*slipway.Error)(nil)
	if !errors.As(err, &e) || strings.Contains(e.Error()+e.Hint, canary) || e.Cause != nil {
		t.Errorf("%s: a value is in the error: %v", reason, err)
	}
}

func TestWithinItsTime(t *testing.T) {
	hang := func(ctx context.Context, _ map[string]slipway.Secret) (map[string]any, error) {
		<-ctx.Done()
		return nil, slipway.Errorf(slipway.CodeCheckFailed, "cut off")
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		facts, err := within(limit, hang)(t.Context(), nil)
		mustFail(t, "nothing answers", facts, err, slipway.CodeUnavailable)
		if d := time.Since(began); d != limit {
			t.Errorf("it took %s", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		facts, err = within(limit, hang)(ctx, nil)
		mustFail(t, "nobody waits for it any more", facts, err, slipway.CodeCanceled)
	})
}

// listen serves each connection on loopback by serve until the test ends, and returns host:port.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// closedPort is an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// says answers the first bytes of a client with text.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1024))
		_, _ = io.WriteString(c, text)
	}
}

// hangs takes what comes and never answers.
func hangs(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// refuses is a PostgreSQL server without TLS that refuses whoever connects, with a SQLSTATE:
// https://www.postgresql.org/docs/current/protocol-error-fields.html
func refuses(state string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1024))
		fields := "SFATAL\x00VFATAL\x00C" + state + "\x00Mno, " + canary + "\x00\x00"
		_, _ = c.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(fields)+4)), fields...))
	}
}

func TestPostgresFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		serve  func(net.Conn)
		value  string // HOST stands for where serve listens
		code   slipway.Code
	}{
		"empty":         {"nothing was handed over", nil, "", slipway.CodeCheckFailed},
		"password only": {"a part of it", nil, canary, slipway.CodeCheckFailed},
		"other scheme":  {"a value of another resource", nil, "https://app:" + canary + "@HOST/store", slipway.CodeCheckFailed},
		"not a URL":     {"broken by copying", nil, "postgres://app:" + canary + "\x7f@HOST/store", slipway.CodeCheckFailed},
		"no password":   {"the page hides it by default", nil, "postgres://app@HOST/" + canary, slipway.CodeCheckFailed},
		"no database":   {"the app would land in another", nil, "postgres://app:" + canary + "@HOST/", slipway.CodeCheckFailed},
		"no role":       {"it would be this machine's user", nil, "postgres://:" + canary + "@HOST/store", slipway.CodeCheckFailed},
		"bad sslmode":   {"PostgreSQL knows no such mode", nil, "postgres://app:" + canary + "@HOST/store?sslmode=" + canary, slipway.CodeCheckFailed},
		"TLS refused":   {"the string asks for TLS", says("N"), "postgres://app:" + canary + "@HOST/store?sslmode=require", slipway.CodeCheckFailed},
		"web server":    {"not PostgreSQL at all", says("HTTP/1.1 400 " + canary + "\r\n\r\n"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeCheckFailed},
		"ssh server":    {"what says S is not yet TLS", says("SSH-2.0-" + canary + "\r\n"), "postgres://app:" + canary + "@HOST/store?sslmode=require", slipway.CodeCheckFailed},
		"hangs up":      {"nothing is said", func(net.Conn) {}, "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeCheckFailed},
		"password":      {"28P01", refuses("28P01"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeUnauthorized},
		"pg_hba":        {"28000", refuses("28000"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeUnauthorized},
		"may not":       {"42501", refuses("42501"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeUnauthorized},
		"database":      {"3D000", refuses("3D000"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeCheckFailed},
		"starting":      {"57P03", refuses("57P03"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeUnavailable},
		"full":          {"53300", refuses("53300"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeUnavailable},
		"protocol":      {"08P01 is no passing trouble", refuses("08P01"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeCheckFailed},
		"no state":      {"a state that is none is not shown", refuses("a-b-c"), "postgres://app:" + canary + "@HOST/store?sslmode=disable", slipway.CodeCheckFailed},
	} {
		t.Run(name, func(t *testing.T) {
			host := "127.0.0.1:1"
			if tc.serve != nil {
				host = listen(t, tc.serve)
			}
			facts, err := postgres(t.Context(), map[string]slipway.Secret{"url": slipway.NewSecret(strings.ReplaceAll(tc.value, "HOST", host))})
			mustFail(t, tc.reason, facts, err, tc.code)
			if strings.Contains(err.Error(), "a-b-c") {
				t.Errorf("the server's words are in the error: %v", err)
			}
		})
	}
	t.Run("closed port", func(t *testing.T) {
		facts, err := postgres(t.Context(), map[string]slipway.Secret{"url": slipway.NewSecret("postgres://app:" + canary + "@" + closedPort(t) + "/store")})
		mustFail(t, "nothing listens", facts, err, slipway.CodeUnavailable)
	})
}

// The app has the string alone: what this machine knows of PostgreSQL must not help.
func TestPostgresTakesNothingFromHere(t *testing.T) {
	t.Setenv("PGPASSWORD", canary)
	t.Setenv("PGUSER", "app")
	t.Setenv("PGDATABASE", "store")
	t.Setenv("PGSSLMODE", "require")
	facts, err := postgres(t.Context(), map[string]slipway.Secret{"url": slipway.NewSecret("postgres://127.0.0.1/")})
	mustFail(t, "no part is taken from the environment", facts, err, slipway.CodeCheckFailed)
	config, err := postgresConfig(slipway.NewSecret("postgres://app:" + canary + "@127.0.0.1/store"))
	if err != nil || len(config.Fallbacks) == 0 {
		t.Errorf("sslmode is the environment's: %v", err)
	}
}

func TestAHangingServerIsGivenUp(t *testing.T) {
	for name, value := range map[string]string{
		"before TLS": "postgres://app:" + canary + "@HOST/store?sslmode=require",
		"without":    "postgres://app:" + canary + "@HOST/store?sslmode=disable",
	} {
		t.Run(name, func(t *testing.T) {
			value = strings.ReplaceAll(value, "HOST", listen(t, hangs))
			facts, err := within(50*time.Millisecond, postgres)(t.Context(), map[string]slipway.Secret{"url": slipway.NewSecret(value)})
			mustFail(t, "it never answers", facts, err, slipway.CodeUnavailable)
		})
	}
	t.Run("REST", func(t *testing.T) {
		for name, c := range map[string]slipway.Connector{"redis": connector{}.redis, "vector": connector{}.vector} {
			facts, err := within(50*time.Millisecond, c)(t.Context(), handed("http://"+listen(t, hangs), canary))
			mustFail(t, name, facts, err, slipway.CodeUnavailable)
		}
	})
}

// A certificate that the string asks to be verified, and that is nobody's.
func TestPostgresVerifiesWhereAsked(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	own := server.TLS.Certificates[0]
	host := listen(t, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, 8)); err != nil {
			return
		}
		_, _ = io.WriteString(c, "S")
		refuses("28P01")(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{own}}))
	})
	value := func(mode string) map[string]slipway.Secret {
		return map[string]slipway.Secret{"url": slipway.NewSecret("postgres://app:" + canary + "@" + host + "/store?sslmode=" + mode)}
	}
	facts, err := postgres(t.Context(), value("verify-full"))
	mustFail(t, "no password goes to whoever it is", facts, err, slipway.CodeCheckFailed)
	facts, err = postgres(t.Context(), value("require"))
	mustFail(t, "require does not verify, as at libpq", facts, err, slipway.CodeUnauthorized)
}
