//go:build unix

package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // writes a home's past

	"github.com/slipway-dev/slipway/internal/emulator"
)

// past is a home in which runs of an app with 20 variables have each changed one value, and been approved, deployed and promoted.
func past(b *testing.B, runs int) *laden {
	l := newLaden(b, emulator.Options{BuildTime: time.Nanosecond, NeonProjectTime: time.Nanosecond, NeonOpTime: time.Nanosecond})
	path := filepath.Join(l.dir, "slipway.yaml")
	text := strings.Replace(ladenManifest, "verify:\n", "", 1)
	text, _, _ = strings.Cut(text, "  health:")
	for i := range 14 {
		text += fmt.Sprintf("  PLAIN_%02d: {value: one}\n", i)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	write(text)
	l.ship()
	write(strings.Replace(text, "{value: hello}", "{value: goodbye}", 1))
	changed, _, _ := l.ship()
	l.repeat(changed["run"].(string), runs)
	write(text)
	l.ship()
	return l
}

// repeat writes a run that has ended n times more into the home, each as if it had come after the one before.
func (l *laden) repeat(run string, n int) {
	l.b.Helper()
	files, err := filepath.Glob(filepath.Join(l.dir, "home", "apps", "*", "*.db"))
	if err != nil || len(files) != 1 {
		l.b.Fatalf("%v %v", files, err)
	}
	db, err := sql.Open("sqlite", files[0])
	if err != nil {
		l.b.Fatal(err)
	}
	defer db.Close()
	for _, table := range []string{"runs", "manifests", "plans", "steps", "approvals", "events"} {
		rows, err := db.QueryContext(l.b.Context(), "SELECT * FROM "+table+" LIMIT 0")
		if err != nil {
			l.b.Fatal(err)
		}
		columns, err := rows.Columns()
		if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
			l.b.Fatal(err)
		}
		values := slices.Clone(columns)
		for i, c := range columns {
			switch {
			case c == "run" || c == "id":
				values[i] = fmt.Sprintf("printf('%%s_%%06d', t.%s, n.i)", c)
			case c == "created_at" && table == "runs":
				values[i] = "substr(t.created_at, 1, 20) || printf('%09d', n.i) || 'Z'"
			}
		}
		key := map[bool]string{true: "id", false: "run"}[table == "runs"]
		_, err = db.ExecContext(l.b.Context(), fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO %s (%s) SELECT %s FROM %s t, n WHERE t.%s = $1 AND %d > 0`,
			n, table, strings.Join(columns, ", "), strings.Join(values, ", "), table, key, n), run)
		if err != nil {
			l.b.Fatal(err)
		}
	}
}

// run runs a command, which may end in any way that is no fault, and returns the processor time that it took and its peak memory in MiB.
func (l *laden) run(env []string, args ...string) (took time.Duration, mib float64) {
	l.b.Helper()
	cmd := exec.CommandContext(l.b.Context(), l.program, append(args, "--json")...)
	cmd.Dir, cmd.Env = l.dir, append(slices.Clone(l.env), env...)
	out, _ := cmd.Output()
	var result map[string]any
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil || result["status"] == "failed" {
		l.b.Fatalf("%v: %v\n%s", args, err, lines[len(lines)-1])
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		mib = float64(usage.Maxrss) / 1024
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), mib
}

// BenchmarkPast is what commands cost in a home with none, 1,000 and 5,000 past runs: the processor time and peak memory of the whole process, and
// how many calls it makes, which its past must not change.
func BenchmarkPast(b *testing.B) {
	bare := []string{"VERCEL_TOKEN=", "NEON_API_KEY=", "UPSTASH_API_KEY="}
	for _, runs := range []int{0, 1000, 5000} {
		l := past(b, runs)
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) {
			for _, tc := range []struct {
				name string
				env  []string
				args []string
			}{
				{"plan", nil, []string{"plan"}},
				{"plan-changed", []string{"SESSION_KEY=fedcba9876543210"}, []string{"plan"}},
				{"plan-unseen", bare, []string{"plan"}},
				{"ship", nil, []string{"ship", "--yes"}},
				{"ship-unseen", bare, []string{"ship", "--yes"}},
				{"runs", nil, []string{"runs"}},
				{"status", nil, []string{"status"}},
				{"drift", nil, []string{"drift"}},
				{"audit", nil, []string{"audit", "export", "-o", filepath.Join(l.dir, "bundle.zip")}},
				{"rollback", nil, []string{"rollback"}},
			} {
				b.Run(tc.name, func(b *testing.B) {
					l.b = b
					var all time.Duration
					for b.Loop() {
						before, _ := l.count()
						took, mib := l.run(tc.env, tc.args...)
						after, _ := l.count()
						all += took
						b.ReportMetric(mib, "MiB")
						b.ReportMetric(float64(after-before), "calls")
					}
					b.ReportMetric(float64(all.Milliseconds())/float64(b.N), "cpu-ms")
				})
			}
		})
	}
}
