//go:build unix

package redact

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// fiftySecrets are like those of a large app: connection strings, tokens, a key of several lines.
func fiftySecrets() *Redactor {
	r := New()
	random := func(i int) string {
		sum := sha256.Sum256([]byte{byte(i)})
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	for i := range 20 {
		r.Add(slipway.NewSecret(fmt.Sprintf("postgresql://app:npg_%s@ep-cool-%d.aws.neon.tech/app?sslmode=require", random(i)[:12], i)))
	}
	for i := 20; i < 49; i++ {
		r.Add(slipway.NewSecret(random(i)))
	}
	r.Add(slipway.NewSecret("-----BEGIN PRIVATE KEY-----\n" + strings.Repeat(random(49)+random(50)[:20]+"\n", 24) + "-----END PRIVATE KEY-----\n"))
	return r
}

// buildLog is about 1 MB of what a build prints.
func buildLog() string {
	lines := []string{
		"Cloning github.com/acme/storefront (Branch: main, Commit: 3f786850e387550fdab836ed7e6dc881de23001b)",
		"npm warn deprecated rimraf@3.0.2: Rimraf versions prior to v4 are no longer supported",
		"added 1214 packages, and audited 1215 packages in 21s",
		"  see https://nextjs.org/docs/messages/swc-disabled for more",
		"   Creating an optimized production build ...",
		" \x1b[32m✓\x1b[39m Compiled successfully in 14.2s",
		"   Collecting page data ... 45% (12/27)",
		"├ ƒ /api/products/[id]/reviews                        193 B         102 kB",
		"├ ○ /account/settings/tokens                        4.21 kB         131 kB",
		"  └ chunks/webpack-4a462cecab786e93.js (gzip: 28.4 kB, map: 161 kB)",
		"./components/Keyboard.tsx:14:3 Warning: React Hook useEffect has a missing dependency: 'onKeyDown'.",
		`{"level":"info","msg":"cache restored","path":"/vercel/path0/node_modules/.cache","hits":412}`,
		"GET https://packages.example.com/@types%2fnode 200 in 34ms (cache revalidated)",
		"Using access token from the environment variable SENTRY_AUTH_TOKEN",
	}
	var b strings.Builder
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "%02d:%02d %s\n", i/60%60, i%60, lines[i%len(lines)])
	}
	return b.String()
}

// perCore runs f as the benchmark and reports its rate by the processor time it took, which says more than MB/s on a machine with other
// work.
func perCore(b *testing.B, size int, f func()) {
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.SetBytes(int64(size))
	begun, n := cpu(), 0
	for b.Loop() {
		f()
		n++
	}
	b.ReportMetric(float64(size)*float64(n)/1e6/(cpu()-begun).Seconds(), "MB/core-s")
}

// BenchmarkWriter is a build's output with 50 secrets known, as the command line prints it, in chunks of 4 KiB.
func BenchmarkWriter(b *testing.B) {
	r, log := fiftySecrets(), []byte(buildLog())
	perCore(b, len(log), func() {
		w := r.NewWriter(io.Discard)
		for rest := log; len(rest) > 0; rest = rest[min(len(rest), 4096):] {
			if _, err := w.Write(rest[:min(len(rest), 4096)]); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkLines is the same output line by line, as the events of a build come.
func BenchmarkLines(b *testing.B) {
	r, log := fiftySecrets(), buildLog()
	lines := strings.Split(log, "\n")
	perCore(b, len(log), func() {
		s := r.NewStream()
		for _, l := range lines {
			_ = s.Next(l)
		}
	})
}

// BenchmarkString is one message in which nothing is found.
func BenchmarkString(b *testing.B) {
	r := fiftySecrets()
	const message = "vercel.env write: Vercel refused the variable DATABASE_URL (production): The environment variable is not valid (bad_request)"
	perCore(b, len(message), func() {
		_ = r.String(message)
	})
}

// BenchmarkGuard is what the store asks before it writes a plan: JSON in which nothing is found.
func BenchmarkGuard(b *testing.B) {
	r := fiftySecrets()
	data := []byte(strings.Repeat(`{"address":"vercel.env/DATABASE_URL@production","id":"abc","text":"a \"quoted\" word"}`, 1500))
	perCore(b, len(data), func() {
		if r.Has(data) {
			b.Fatal("found")
		}
	})
}
