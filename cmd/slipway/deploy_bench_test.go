//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

const vendorsClient = "../../internal/emulator/clienttest"

// BenchmarkDeploy ships 1,000 small files, and has @vercel/client deploy as many to the same emulator right after. x-client is the time from
// the first create of a deployment to the reply of the last, uploads between them, over the client's; the goal is 1.2 at the most.
// x-client-process is the same for whole processes: ours observes, plans, builds, promotes; the client stops when the deployment is created.
func BenchmarkDeploy(b *testing.B) {
	node, err := exec.LookPath("node")
	if err != nil {
		b.Skip("node is not installed")
	}
	if _, err := os.Stat(filepath.Join(vendorsClient, "node_modules/@vercel/client")); err != nil {
		b.Skip("@vercel/client is not installed: make clients")
	}
	for b.Loop() {
		l := newLaden(b, emulator.Options{BuildTime: time.Nanosecond, NeonProjectTime: time.Nanosecond, NeonOpTime: time.Nanosecond})
		ours, theirs := filepath.Join(l.dir, "app"), b.TempDir()
		manyFiles(b, ours, "ours")
		manyFiles(b, theirs, "theirs")
		_, took, _ := l.ship()
		us := deployTime(b, l, time.Time{})
		begun := time.Now()
		cmd := exec.CommandContext(b.Context(), node, "testdata/vercel-client-deploy.mjs")
		cmd.Dir = vendorsClient
		env := l.running.Env()
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + b.TempDir(), "FOLDER=" + theirs, "NAME=theirs",
			"VERCEL_URL=" + env["SLIPWAY_VERCEL_URL"], "VERCEL_TOKEN=" + env["VERCEL_TOKEN"], "VERCEL_TEAM_ID=" + env["VERCEL_TEAM_ID"],
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		process := time.Since(begun)
		them := deployTime(b, l, begun)
		b.ReportMetric(us.Seconds(), "s-ours")
		b.ReportMetric(them.Seconds(), "s-client")
		b.ReportMetric(us.Seconds()/them.Seconds(), "x-client")
		b.ReportMetric(took.Seconds()/process.Seconds(), "x-client-process")
	}
}

// manyFiles writes 1,000 files of 1 to 8 KB, no two alike.
func manyFiles(b *testing.B, dir, mark string) {
	b.Helper()
	for i := range 1000 {
		name := filepath.Join(dir, fmt.Sprintf("d%02d", i%50), fmt.Sprintf("f%d.txt", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.Repeat(fmt.Sprintf("%s %d\n", mark, i), 100+i%700)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// deployTime is how long the deployment took whose calls came after since: from the begin of its first create to the end of its last. The log
// has the end of each call.
func deployTime(b *testing.B, l *laden, since time.Time) time.Duration {
	b.Helper()
	var first, last time.Time
	uploads := 0
	for _, c := range l.running.Kit("vercel").Calls() {
		switch {
		case c.Time.Before(since) || c.Method != "POST":
		case c.Path == "/v2/files":
			uploads++
		case emukit.Glob("/v*/deployments", c.Path):
			if last = c.Time; first.IsZero() {
				first = c.Time.Add(-c.Duration)
			}
		}
	}
	if uploads < 1000 {
		b.Fatalf("%d uploads were seen, want 1000", uploads)
	}
	return last.Sub(first)
}

// BenchmarkReady ships a build of 5 s, with its log and with one that says nothing, and reports when a look saw that it was ready: x-build is
// that over the build's length (the limit is 1.1, or 1.2 s after the end), looks how many there were until then.
func BenchmarkReady(b *testing.B) {
	const build = 5 * time.Second
	for name, silent := range map[string]bool{"log": false, "silent": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				over := make(chan struct{})
				l := newLaden(b, emulator.Options{
					BuildTime: build, NeonProjectTime: time.Nanosecond, NeonOpTime: time.Nanosecond,
					Hook: func(c *emukit.Call) (a emukit.Action) {
						if silent && c.Phase == emukit.Before && strings.HasSuffix(c.Path, "/events") {
							a.Hold = over
						}
						return a
					},
				})
				l.ship()
				close(over)
				var begun, seen time.Time
				looks := 0
				for _, c := range l.running.Kit("vercel").Calls() {
					switch {
					case c.Method == "POST" && emukit.Glob("/v*/deployments", c.Path):
						begun = c.Time
					case c.Method == "GET" && strings.HasPrefix(c.Path, "/v13/deployments/") && seen.IsZero():
						if looks++; c.Time.Sub(begun) >= build-10*time.Millisecond { // the reply to the create is logged a little after its begin
							seen = c.Time
						}
					}
				}
				b.ReportMetric(seen.Sub(begun).Seconds()/build.Seconds(), "x-build")
				b.ReportMetric(float64(looks), "looks")
			}
		})
	}
}
