package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

const canary = `c4n/ary+<"é">&sécret=%7`

func knowing(values ...string) *Redactor {
	r := New()
	for _, v := range values {
		r.Add(slipway.NewSecret(v))
	}
	return r
}

func TestEncodings(t *testing.T) {
	marshal := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	plainJSON := func(v any) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(v)
		return b.String()
	}
	tests := map[string]struct {
		reason string
		text   string
	}{
		"raw":              {"the value itself", canary},
		"within text":      {"a value is found in the middle", "before " + canary + " after"},
		"hex":              {"lower case hex", hex.EncodeToString([]byte(canary))},
		"HEX":              {"upper case hex", strings.ToUpper(hex.EncodeToString([]byte(canary)))},
		"query":            {"form encoding", url.Values{"a": {canary}}.Encode()},
		"path":             {"path escaping", url.PathEscape(canary)},
		"lower query":      {"some encoders write %2f", strings.ToLower(url.QueryEscape(canary))},
		"json":             {"encoding/json escapes < and >", marshal(map[string]string{"a": canary})},
		"json unescaped":   {"JavaScript does not", plainJSON(map[string]string{"a": canary})},
		"base64":           {"standard alphabet", base64.StdEncoding.EncodeToString([]byte(canary))},
		"base64 url":       {"URL alphabet", base64.URLEncoding.EncodeToString([]byte(canary))},
		"base64 in second": {"it begins one byte into a group", base64.StdEncoding.EncodeToString([]byte("x" + canary + "tail"))},
		"base64 in third":  {"it begins two bytes into a group", base64.RawURLEncoding.EncodeToString([]byte("user:" + canary + "yz"))},
	}
	r := knowing(canary, "another one that is not there")
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if !r.Has([]byte(tc.text)) {
				t.Errorf("%s: Has(%q) = false", tc.reason, tc.text)
			}
			got := r.String(tc.text)
			if r.Has([]byte(got)) || !strings.Contains(got, Mark) {
				t.Errorf("%s: String(%q) = %q", tc.reason, tc.text, got)
			}
		})
	}
}

func TestEveryBase64Alignment(t *testing.T) {
	for length := MinLength; length < MinLength+7; length++ {
		value := "Z9#~q?/\x7fkWé+Lx"[:length]
		r := knowing(value)
		for before := range 7 {
			for after := range 4 {
				whole := strings.Repeat("b", before) + value + strings.Repeat("a", after)
				if text := base64.StdEncoding.EncodeToString([]byte(whole)); !r.Has([]byte(text)) {
					t.Errorf("%d bytes, %d before, %d after: not found in %s", length, before, after, text)
				}
			}
		}
	}
}

func TestHasNot(t *testing.T) {
	r := knowing(canary, "short", "0123456789")
	for reason, text := range map[string]string{
		"nothing":                       "",
		"a value under 8 bytes":         "this is short",
		"less than the whole value":     canary[:len(canary)-1],
		"the ends without the middle":   "01234 56789",
		"a fingerprint is not a secret": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	} {
		if r.Has([]byte(text)) {
			t.Errorf("%s: found in %q", reason, text)
		}
	}
}

func TestLongestWins(t *testing.T) {
	r := knowing("postgres-password", "postgres-password-and-more")
	if diff := cmp.Diff("x [redacted] y", r.String("x postgres-password-and-more y")); diff != "" {
		t.Error(diff)
	}
}

func TestShapes(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"
	tests := map[string]struct{ reason, in, want string }{
		"url":         {"host and user help, the password goes", "postgres://app:pw@db.neon.tech/x", "postgres://app:[redacted]@db.neon.tech/x"},
		"url no user": {"Redis has no user", "rediss://:AbCd@eu1.upstash.io:6379", "rediss://:[redacted]@eu1.upstash.io:6379"},
		"url plain":   {"a port is no password", "http://127.0.0.1:8080/a@b", "http://127.0.0.1:8080/a@b"},
		"bearer":      {"whoever logs a header", "Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [redacted]"},
		"phrase":      {"words are not credentials", "use basic authentication here", "use basic authentication here"},
		"neon key":    {"documented prefix", "key napi_abc123def456ghi refused", "key [redacted] refused"},
		"neon pw":     {"generated passwords", "npg_Ab12Cd34Ef", "[redacted]"},
		"github":      {"documented prefix", "ghp_0123456789abcdefghijABCDEFGHIJ012345", "[redacted]"},
		"vercel":      {"documented prefix", "vcp_0123456789abcdef", "[redacted]"},
		"jwt":         {"OIDC tokens", "token is " + jwt + ".", "token is [redacted]."},
		"env line":    {"a build prints its environment", "DATABASE_PASSWORD=hunter2hunter2", "DATABASE_PASSWORD=[redacted]"},
		"json":        {"a reply with a token", `{"rest_token": "AXyz0123456789"}`, `{"rest_token": "[redacted]"}`},
		"query":       {"a staged URL", "?x-vercel-protection-bypass=abcd1234efgh&a=b", "?x-vercel-protection-bypass=[redacted]&a=b"},
		"name":        {"a reference to a secret is shown", "secret:STRIPE_KEY2 is not set", "secret:STRIPE_KEY2 is not set"},
		"word":        {"prose after a colon", "token: unauthorized", "token: unauthorized"},
		"twice":       {"what was redacted stays", "password=[redacted]", "password=[redacted]"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, New().String(tc.in)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestWriterAcrossChunks(t *testing.T) {
	tests := map[string]struct {
		reason, in, want string
		values           []string
	}{
		"in a line":     {"the plain case", "a canary-value b\nnext\n", "a [redacted] b\nnext\n", []string{"canary-value"}},
		"lines":         {"a key in PEM form has line breaks", "x\nBEGIN\nabc\ndef\nEND\ny\n", "x\nBEGIN\n[redacted]\n[redacted]\n[redacted]\ny\n", []string{"BEGIN\nabc\ndef\nEND"}},
		"no final line": {"Close writes the rest", "a canary-value", "a [redacted]", []string{"canary-value"}},
		"shape":         {"shapes are found within a line", "napi_abcdef123456 ok\n", "[redacted] ok\n", nil},
		"innocent":      {"the rest is not changed", "one\ntwo\n\nthree", "one\ntwo\n\nthree", []string{"canary-value", "two\n\nthree-and-more"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for first := range len(tc.in) + 1 {
				for second := first; second <= len(tc.in); second++ {
					var out bytes.Buffer
					w := knowing(tc.values...).NewWriter(&out)
					for _, chunk := range []string{tc.in[:first], tc.in[first:second], tc.in[second:]} {
						if n, err := w.Write([]byte(chunk)); n != len(chunk) || err != nil {
							t.Fatalf("Write = %d, %v", n, err)
						}
					}
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(tc.want, out.String()); diff != "" {
						t.Fatalf("%s: cut at %d and %d (-want +got):\n%s", tc.reason, first, second, diff)
					}
				}
			}
		})
	}
}

func TestWriterEndlessLine(t *testing.T) {
	var out bytes.Buffer
	w := knowing("canary-value").NewWriter(&out)
	long := strings.Repeat("x", maxHeld) + "canary-value"
	for i := 0; i < len(long); i += 1000 {
		_, _ = w.Write([]byte(long[i:min(i+1000, len(long))]))
	}
	if out.Len() == 0 {
		t.Error("a line without end is held back for good")
	}
	_ = w.Close()
	if got := out.String(); strings.Contains(got, "canary") || !strings.HasSuffix(got, Mark) {
		t.Errorf("the stream ends with %q", got[len(got)-20:])
	}
}

func TestConcurrent(t *testing.T) {
	r := New()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			value := fmt.Sprintf("secret-number-%d", i)
			r.Add(slipway.NewSecret(value))
			if !r.Has([]byte("a " + value)) {
				t.Errorf("%d is not found right after Add", i)
			}
		})
	}
	wg.Wait()
}

func TestLinesOfASecret(t *testing.T) {
	r := New()
	r.Add(slipway.NewSecret("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHvX\nshort\n-----END PRIVATE KEY-----\n"))
	for name, tc := range map[string]struct {
		text, reason string
		want         bool
	}{
		"a line of it": {"key: MC4CAQAwBQYDK2VwBCIEIHvX", "a build log shows a key line by line, an event each", true},
		"its frame":    {"-----END PRIVATE KEY-----", "every key has it", false},
		"a short line": {"in short", "it turns up in innocent text", false},
	} {
		if got := r.Has([]byte(tc.text)); got != tc.want {
			t.Errorf("%s: %v: %s", name, got, tc.reason)
		}
	}
}

// TestPlainLinesOfAValue: a value is found in what is left of its lines when a log was made plain.
func TestPlainLinesOfAValue(t *testing.T) {
	value := "first\tof two\x07 lines, as long as\r\nit\u009btakes for\tit to be a secret"
	r := knowing(value)
	s := r.NewStream()
	for line := range strings.SplitSeq(value, "\n") {
		plain := slipway.PlainLine(line)
		if got := s.Next(plain); got != Mark {
			t.Errorf("%q became %q", plain, got)
		}
	}
}
