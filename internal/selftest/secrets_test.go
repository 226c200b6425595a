package selftest_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/slipway-dev/slipway/internal/cli"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// TestSecrets runs the whole suite with SLIPWAY_LONG, in the first shard where there are several, else a sample; SLIPWAY_SEED repeats one.
func TestSecrets(t *testing.T) {
	t.Parallel()
	seed, _ := strconv.ParseUint(os.Getenv("SLIPWAY_SEED"), 10, 64) // 0: another each time
	shard := os.Getenv("SLIPWAY_SHARD")
	whole := os.Getenv("SLIPWAY_LONG") != "" && (shard == "" || strings.HasPrefix(shard, "1/"))
	r, err := selftest.Secrets(t.Context(), selftest.SecretsOptions{
		Env:      map[string]string{roleVariable: "slipway"},
		Commands: cli.Commands(), Events: eventTypes(t), Whole: whole, Seed: seed, Crash: crash,
		Progress: func(p string) { t.Log(p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range r.Sinks {
		t.Logf("%-40s %5d items %9d bytes, %d found", k.Name, k.Items, k.Bytes, k.Found)
	}
	t.Logf("%d canaries in %d forms, %d runs, seed %d", r.Canaries, r.Forms, r.Runs, r.Seed)
	for _, f := range r.Findings {
		t.Errorf("%s: %s: %s (%s) at %d", f.Sink, f.Where, f.Canary, f.Form, f.Offset)
	}
	for _, g := range r.Gaps {
		t.Errorf("not searched: %s", g)
	}
}

// eventTypes are all that event.go declares.
func eventTypes(t *testing.T) (types []string) {
	text, err := os.ReadFile("../../event.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`EventType = "([a-z.]+)"`).FindAllStringSubmatch(string(text), -1) {
		types = append(types, m[1])
	}
	if len(types) < 10 {
		t.Fatalf("event.go declares %q: it is not read as it is written", types)
	}
	return types
}

// crash runs commands of a build that panics, with the request's credential, in the goroutine that sends and in the program's own.
func crash(ctx context.Context, w *selftest.World) ([]byte, error) {
	var all []byte
	for _, how := range []string{"panics", "panics-late"} {
		cmd := w.Command(ctx, "ship", "--yes", "--json")
		cmd.Env = append(cmd.Env, roleVariable+"="+how, "GOTRACEBACK=all")
		out, _ := cmd.CombinedOutput() // it fails, as it should
		all = append(all, out...)
	}
	return all, nil
}

// panicking is Slipway's command line in a build that panics, at the first request that is sent or at the thirtieth.
func panicking(how string, args []string) int {
	return cli.MainWith(args, cli.Seams{Transport: func(base http.RoundTripper) http.RoundTripper {
		return &panicTransport{base: base, late: how == "panics-late"}
	}})
}

type panicTransport struct {
	base http.RoundTripper
	late bool
	n    atomic.Int64
}

func (p *panicTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if n := p.n.Add(1); !p.late || n == 30 {
		panic("cannot send with " + r.Header.Get("Authorization"))
	}
	return p.base.RoundTrip(r)
}
