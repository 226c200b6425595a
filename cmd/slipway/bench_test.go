//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// laden is one app, its home, and emulators of a given speed, for whole runs of the program as a process.
type laden struct {
	b       *testing.B
	program string
	dir     string
	running *emulator.Running
	env     []string
}

const ladenManifest = `app: bench
source: {dir: app}
resources:
  db:     {type: neon.postgres, region: aws-us-east-1, version: 17}
  cache:  {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 384, metric: cosine}
env:
  DATABASE_URL:             {from: db.pooled_url}
  UPSTASH_REDIS_REST_URL:   {from: cache.rest_url}
  UPSTASH_REDIS_REST_TOKEN: {from: cache.rest_token}
  UPSTASH_VECTOR_REST_URL:  {from: search.rest_url}
  SESSION_KEY:              {secret: SESSION_KEY}
  GREETING:                 {value: hello}
verify:
  health: [{path: /health, status: 200, contains: ok}]
`

func newLaden(b *testing.B, o emulator.Options) *laden {
	b.Helper()
	running, err := emulator.Start(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(running.Close)
	l := &laden{b: b, dir: b.TempDir(), running: running}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	l.program = filepath.Join(l.dir, "slipway")
	files := fstestFiles("health", "index.html", "about.html", "style.css", "robots.txt", "a.txt", "b.txt")
	if err := os.CopyFS(filepath.Join(l.dir, "app"), files); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "slipway.yaml"), []byte(ladenManifest), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(self, l.program); err != nil {
		b.Fatal(err)
	}
	l.env = append(os.Environ(), "SESSION_KEY=0123456789abcdef", "SLIPWAY_FINGERPRINT_KEY=0123456789abcdef0123456789abcdef", "SLIPWAY_HOME="+l.dir+"/home")
	for name, value := range running.Env() {
		l.env = append(l.env, name+"="+value)
	}
	return l
}

func fstestFiles(names ...string) fs.FS {
	dir, err := os.MkdirTemp("", "slipway-bench")
	if err != nil {
		panic(err)
	}
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("ok "+n), 0o600); err != nil {
			panic(err)
		}
	}
	return os.DirFS(dir)
}

// ship runs the program and returns its result, how long it took, and its peak memory in MiB.
func (l *laden) ship() (result map[string]any, took time.Duration, mib float64) {
	l.b.Helper()
	cmd := exec.CommandContext(l.b.Context(), l.program, "ship", "--yes", "--json")
	cmd.Dir, cmd.Env = l.dir, l.env
	started := time.Now()
	out, err := cmd.Output()
	took = time.Since(started)
	if err != nil {
		l.b.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		l.b.Fatal(err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		mib = float64(usage.Maxrss) / 1024
	}
	return result, took, mib
}

// calls returns all calls so far, an API's after the other's.
func (l *laden) calls() (all []emukit.Entry) {
	for _, e := range emulator.All() {
		all = append(all, l.running.Kit(e.Name).Calls()...)
	}
	return all
}

// BenchmarkShip is a whole first run at zero latency: process start to production.
func BenchmarkShip(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		l := newLaden(b, emulator.Options{BuildTime: time.Nanosecond, NeonProjectTime: time.Nanosecond, NeonOpTime: time.Nanosecond})
		b.StartTimer()
		_, _, mib := l.ship()
		b.ReportMetric(mib, "MiB")
		b.ReportMetric(float64(len(l.calls())), "calls")
	}
}

// BenchmarkShipAgain is the ship of an unchanged app.
func BenchmarkShipAgain(b *testing.B) {
	l := newLaden(b, emulator.Options{})
	l.ship()
	for b.Loop() {
		calls, changes := l.count()
		l.ship()
		nowCalls, nowChanges := l.count()
		b.ReportMetric(float64(nowCalls-calls), "calls")
		b.ReportMetric(float64(nowChanges-changes), "changes")
	}
}

func (l *laden) count() (calls, changes int) {
	for _, e := range l.calls() {
		calls++
		if e.Mutating() {
			changes++
		}
	}
	return calls, changes
}

// link is one link of the longest chain of a first ship: the call that ends it, and how long it takes at best.
type link struct {
	name         string
	method, path string
	last         bool // the last such call ends it, else the first
	best         time.Duration
}

const rtt = 150 * time.Millisecond

var chain = []link{
	{"observe", "GET", "/v9/projects/*", false, rtt},
	{"Neon create", "POST", "/api/v2/projects", false, rtt},
	{"its operations", "GET", "*/operations", true, 2 * time.Second},
	{"read", "GET", "/api/v2/projects/*", true, rtt},
	{"connection string", "GET", "*/connection_uri", true, rtt},
	{"env", "POST", "/v10/projects/*/env", false, rtt},
	{"deployment", "POST", "/v13/deployments", true, rtt},
	{"build", "GET", "/v3/deployments/*/events", true, 5 * time.Second},
	{"READY read", "GET", "/v13/deployments/*", true, rtt},
	{"promote", "POST", "/v10/projects/*/promote/*", false, rtt},
	{"alias read", "GET", "/v2/deployments/*/aliases", true, rtt},
}

// BenchmarkShipChain ships at the speed of real providers (150 ms a call, a Neon project 2 s, other operations 0.5 s, a build 5 s) and
// prints the chain with each link's slack. x-best is the whole run over the sum of the chain: the goal is 1.15 at the most.
func BenchmarkShipChain(b *testing.B) {
	for b.Loop() {
		l := newLaden(b, emulator.Options{
			Latency: rtt, NeonProjectTime: 2 * time.Second, NeonOpTime: 500 * time.Millisecond, BuildTime: 5 * time.Second,
		})
		begun := time.Now()
		_, took, mib := l.ship()
		best, at := time.Duration(0), begun
		for _, k := range chain {
			end := k.end(l.calls())
			if end.IsZero() {
				b.Fatalf("no call ended %q", k.name)
			}
			end = laterOf(end, at)
			fmt.Printf("  %-18s %7.3f s  best %6.3f s  slack %+.3f s\n", k.name, end.Sub(at).Seconds(), k.best.Seconds(), (end.Sub(at) - k.best).Seconds())
			at, best = end, best+k.best
		}
		fmt.Printf("  %-18s %7.3f s\n", "process end", begun.Add(took).Sub(at).Seconds())
		b.ReportMetric(took.Seconds()/best.Seconds(), "x-best")
		b.ReportMetric(mib, "MiB")
		b.ReportMetric(float64(withoutPolls(l.calls())), "calls")
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (k link) end(calls []emukit.Entry) (end time.Time) {
	for _, c := range calls {
		if c.Method != k.method || !emukit.Glob(k.path, c.Path) || strings.Count(c.Path, "/") != strings.Count(k.path, "/") && !strings.HasPrefix(k.path, "*") {
			continue
		}
		if end.IsZero() || k.last {
			end = c.Time
		}
	}
	return end
}

// withoutPolls counts the calls that are no look at something pending: operations, the build and its events, and the promote.
func withoutPolls(calls []emukit.Entry) (n int) {
	promoted := link{method: "POST", path: "/v10/projects/*/promote/*"}.end(calls)
	for _, c := range calls {
		poll := c.Method == "GET" && (strings.HasSuffix(c.Path, "/operations") || strings.HasSuffix(c.Path, "/events") ||
			strings.HasPrefix(c.Path, "/v13/deployments/") || c.API == "vercel" && c.Time.After(promoted))
		if !poll {
			n++
		}
	}
	return n
}

// BenchmarkVersion is the start of the program.
func BenchmarkVersion(b *testing.B) {
	l := newLaden(b, emulator.Options{})
	for b.Loop() {
		if err := exec.CommandContext(b.Context(), l.program, "version").Run(); err != nil {
			b.Fatal(err)
		}
	}
}
