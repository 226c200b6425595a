package selftest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/selftest"
)

func newWorld(t *testing.T) *selftest.World {
	t.Helper()
	w, err := selftest.New(t.Context(), selftest.Options{Dir: t.TempDir() + "/world", Env: map[string]string{roleVariable: "slipway"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func run(t *testing.T, w *selftest.World, args ...string) string {
	t.Helper()
	out, err := w.Command(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("slipway %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func observe(t *testing.T, w *selftest.World) selftest.State {
	t.Helper()
	s, err := w.Observe()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWorldsCompare ships in two worlds, whose ids, ports and passwords differ.
func TestWorldsCompare(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	run(t, a, "ship", "--yes")
	run(t, b, "ship", "--yes")
	first := observe(t, a)
	if d := cmp.Diff(first, observe(t, b)); d != "" {
		t.Errorf("two ships of one app (-one +other):\n%s", d)
	}
	wiring := ""
	for _, thing := range first.Things {
		if thing.Kind == "vercel.env" && strings.HasPrefix(thing.Name, "DATABASE_URL/") {
			wiring = thing.Fields["value"]
		}
	}
	if !strings.Contains(wiring, "(password of neon.role shop/main/shop #1)") {
		t.Errorf("DATABASE_URL does not tell which database it is of: %s", wiring)
	}
	snapshot, err := a.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.WritePage("<h1>the shop, again</h1>"); err != nil {
		t.Fatal(err)
	}
	run(t, a, "ship", "--yes")
	if cmp.Equal(first.Things, observe(t, a).Things) {
		t.Error("another page is another state")
	}
	if err := a.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	run(t, a, "ship", "--yes")
	if d := cmp.Diff(selftest.State{Things: first.Things, Effects: map[string]int{}}, observe(t, a)); d != "" {
		t.Errorf("an unchanged app after Restore (-before +after):\n%s", d)
	}
}
