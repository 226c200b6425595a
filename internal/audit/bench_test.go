package audit

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/store"
)

// large is a run with 10,000 events and 100 transcripts of 1 MB each.
func large(b *testing.B) slipway.Store {
	b.Helper()
	st, err := store.Open(b.Context(), store.Config{Path: filepath.Join(b.TempDir(), "slipway.db"), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	s := &story{t: b, key: key(b, testKey), log: 9_967}
	random := rand.New(rand.NewPCG(1, 2))
	err = st.Tx(b.Context(), func(tx slipway.Tx) error {
		s.tx = tx
		s.tell(slipway.RunFailed)
		for i := range 100 {
			var text bytes.Buffer
			for text.Len() < 1<<20 {
				fmt.Fprintf(&text, "%02d:%02d added %d packages, and audited %x packages in %ds\n", i, random.IntN(60), random.IntN(2000), random.Uint64(), random.IntN(90))
			}
			name := digest(text.Bytes())
			if err := tx.PutArtifact(name, text.Bytes()); err != nil {
				return err
			}
			p := newPlan("the-shop", s.run.Source)
			s.planned(p)
			st := s.step(verification)
			st.State, st.Basis = slipway.StepPending, map[string]any{"transcript": name}
			if err := tx.SaveStep(st); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// fiftySecrets is the guard of a large app.
func fiftySecrets() func([]byte) bool {
	r := redact.New()
	for i := range 50 {
		r.Add(slipway.NewSecret(digest([]byte{byte(i)})))
	}
	return r.Has
}

// measured reports how much memory what f does has taken at most, above what was taken before.
func measured(b *testing.B, size int64, f func()) {
	b.Helper()
	b.SetBytes(size)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		f()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(max(0, int64(after.HeapSys)-int64(before.HeapSys)))/(1<<20), "MiB-more")
}

func BenchmarkExport(b *testing.B) {
	st := large(b)
	x := exporter(b)
	x.Guard = fiftySecrets()
	name := filepath.Join(b.TempDir(), "bundle.zip")
	measured(b, 100<<20, func() {
		f, err := os.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		if _, err := x.Export(context.Background(), st, runID, f); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	data, _ := bundle(b, exporter(b), large(b))
	k := key(b, testKey)
	measured(b, int64(len(data)), func() {
		if _, err := verify(b, data, k); err != nil {
			b.Fatal(err)
		}
	})
}
