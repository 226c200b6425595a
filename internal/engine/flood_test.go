package engine_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

// flood gives so many bytes of lines, and measures the heap on the way.
type flood struct {
	size  int
	idle  uint64 // bytes in use before
	grown int64  // at the most
}

func (f *flood) pour(emit func(slipway.LogLine)) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	f.idle = m.HeapAlloc
	text := strings.Repeat("npm_ and words; ", 16)
	for n := 0; f.size > 0; n++ {
		emit(slipway.LogLine{Stream: "stdout", Text: text})
		if f.size -= len(text) + 1; n%1000 == 0 {
			runtime.ReadMemStats(&m)
			f.grown = max(f.grown, int64(m.HeapAlloc)-int64(f.idle))
		}
	}
}

// A log of a verification, and of a build, goes through in memory that does not grow with it, and little of it is kept: 1 GB with
// SLIPWAY_LONG, else a sample.
func TestAFloodIsBounded(t *testing.T) {
	const heap, disk, transcript = 64 << 20, 16 << 20, 300 << 10
	size := 32 << 20
	if os.Getenv("SLIPWAY_LONG") != "" {
		size = 1 << 30
	}
	for name, build := range map[string]bool{"verification": false, "build": true} {
		t.Run(name, func(t *testing.T) {
			f, c := &flood{size: size}, newCloud()
			b := newBench(t, c)
			b.box = newBox()
			b.box.run = func(_ context.Context, _ int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
				if !build {
					f.pour(emit)
				}
				emit(slipway.LogLine{Stream: "stderr", Text: "the end"})
				return passed(o, emit), nil
			}
			if build {
				c.log, c.flood = []string{"the end"}, f.pour
			}
			b.restart()
			run := b.ship(request(t, verified(), "one"))
			b.mustSucceed(run)
			kept := int64(0)
			err := filepath.WalkDir(b.dir, func(_ string, e fs.DirEntry, err error) error {
				if err == nil && e.Type().IsRegular() {
					info, err := e.Info()
					if err != nil {
						return err
					}
					kept += info.Size()
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			end, err := b.Transcript(t.Context(), run.ID)
			if err != nil || len(end) > transcript || !bytes.Contains(end, []byte("the end")) {
				t.Errorf("%v: %d bytes of transcript", err, len(end))
			}
			told := b.told(run.ID)
			t.Logf("figures: %d MiB of log: the heap grew by %d KiB at the most, %d KiB on disk, %d lines told, %d KiB of transcript",
				size>>20, f.grown>>10, kept>>10, len(told), len(end)>>10)
			if f.grown > heap || kept > disk || len(told) > 6000 || !strings.Contains(strings.Join(told, "\n"), "the end") && build {
				t.Errorf("more than %d MiB of heap, or %d on disk", heap>>20, disk>>20)
			}
		})
	}
}
