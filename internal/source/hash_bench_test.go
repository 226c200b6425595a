package source

import (
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	slipway "github.com/slipway-dev/slipway"
)

// BenchmarkHash hashes 256 MB as Open does, and by a plain loop on every core that opens, reads and hashes, one after the other in one run.
// x-plain is our time over the plain one: 1.0 is disk speed on all cores. large is few large files, small many small ones.
func BenchmarkHash(b *testing.B) {
	for name, c := range map[string]struct{ files, size int }{"large": {16, 16 << 20}, "small": {16_000, 16 << 10}} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			makeMany(b, dir, c.files, c.size)
			var files []slipway.File
			err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					rel, _ := filepath.Rel(dir, p)
					files = append(files, slipway.File{Path: filepath.ToSlash(rel), Mode: ModeFile, Size: int64(c.size)})
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(c.files) * int64(c.size))
			var ours, plain time.Duration
			for b.Loop() {
				begun := time.Now()
				if err := plainHash(dir, files); err != nil {
					b.Fatal(err)
				}
				plain += time.Since(begun)
				begun = time.Now()
				if _, err := hashAll(context.Background(), dir, files, nil); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(begun)
			}
			b.ReportMetric(ours.Seconds()/plain.Seconds(), "x-plain")
			b.ReportMetric(float64(b.N)*float64(c.files)*float64(c.size)/1e6/ours.Seconds(), "MB/s-ours")
		})
	}
}

// plainHash is what sha1sum does, on every core.
func plainHash(dir string, files []slipway.File) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var work sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			buffer := make([]byte, bufferSize)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return
				}
				f, err := os.Open(filepath.Join(dir, files[i].Path))
				if err == nil {
					h := sha1.New()
					_, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, buffer)
					_ = fmt.Sprintf("%x", h.Sum(nil))
					f.Close()
				}
				if err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	work.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
