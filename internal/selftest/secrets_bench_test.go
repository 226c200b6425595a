package selftest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"testing"

	"github.com/slipway-dev/slipway/internal/cli"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// profileVariable names the file that a "profiled" process writes its profile to.
const profileVariable = "SLIPWAY_SELFTEST_PROFILE"

// profiled is Slipway's command line under the profiler, at 1,000 samples a second.
func profiled(args []string) int {
	f, err := os.Create(os.Getenv(profileVariable))
	if err != nil {
		panic(err)
	}
	runtime.SetCPUProfileRate(1000)
	if err := pprof.StartCPUProfile(f); err != nil {
		panic(err)
	}
	exit := cli.Main(args)
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		panic(err)
	}
	return exit
}

// BenchmarkShareOfSecrets ships an app, as often as it is asked to, under the profiler, and reports which part of all samples has the
// redactor or the store's guard on its stack.
func BenchmarkShareOfSecrets(b *testing.B) {
	dir := b.TempDir()
	args := []string{"tool", "pprof", "-top", "-focus", `internal/redact|holdsSecret|endsSecret`}
	for n := 0; b.Loop(); n++ {
		name := filepath.Join(dir, fmt.Sprintf("%d.prof", n))
		ship(b, name)
		args = append(args, name)
	}
	out, err := exec.CommandContext(b.Context(), "go", args...).Output()
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(`accounting for \S+, ([0-9.]+)% of (\S+) total`).FindSubmatch(out)
	if m == nil {
		b.Fatalf("no share in\n%s", out)
	}
	share, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%s%% of %s", m[1], m[2])
	b.ReportMetric(share, "%-of-samples")
}

func ship(b *testing.B, profile string) {
	w, err := selftest.New(b.Context(), selftest.Options{Env: map[string]string{roleVariable: "profiled", profileVariable: profile}})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	if out, err := w.Command(b.Context(), "ship", "--yes", "--json").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
}
