package vercel

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// received counts what arrives at /v2/files by digest, and holds back what comes after the first few.
type received struct {
	mu     sync.Mutex
	began  map[string]int
	kept   map[string]int // the uploads that were answered with 200
	passes int            // so many are let through; all when negative
	full   chan struct{}  // closed when all of those have been kept
	most   atomic.Int64   // at once
	now    atomic.Int64
}

func (u *received) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/files" {
			h.ServeHTTP(w, r)
			return
		}
		u.most.Store(max(u.most.Load(), u.now.Add(1)))
		defer u.now.Add(-1)
		digest := r.Header.Get("X-Vercel-Digest")
		u.mu.Lock()
		u.began[digest]++
		pass := u.passes != 0
		if u.passes > 0 {
			u.passes--
		}
		u.mu.Unlock()
		if !pass {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		h.ServeHTTP(w, r)
		u.mu.Lock()
		u.kept[digest]++
		if u.passes == 0 && len(u.kept) == cap(u.full) {
			close(u.full)
		}
		u.mu.Unlock()
	})
}

// A create that dies half-way is made again: what was uploaded before is not sent again, and equal contents are sent once.
func TestUploadGoesOnWhereItWasKilled(t *testing.T) {
	const before = 70
	u := &received{began: map[string]int{}, kept: map[string]int{}, passes: before, full: make(chan struct{}, before)}
	w := start(t, manifest(), u.wrap)
	files := tree{}
	for i := range 200 {
		files[fmt.Sprintf("page-%d", i)] = fmt.Sprintf("page %d %s", i, strings.Repeat("x", 2000))
		files[fmt.Sprintf("copy-%d", i)] = files[fmt.Sprintf("page-%d", i)]
	}
	s := w.spec("vercel.deployment/shop@production")
	s.Files = files
	ctx, kill := context.WithCancel(t.Context())
	died := make(chan error, 1)
	go func() {
		_, err := w.handler(kindDeployment).Create(ctx, s)
		died <- err
	}()
	<-u.full
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for held, full := 0, 0; full < 30 && held < 5000; held++ { // those that are held back pile up to the bound, and no further
		if <-tick.C; u.now.Load() >= uploads {
			full++
		}
	}
	if now := u.now.Load(); now != uploads {
		t.Errorf("%d uploads at once, want %d", now, uploads)
	}
	kill()
	if err := <-died; slipway.ErrorCode(err) != slipway.CodeCanceled {
		t.Fatalf("got %v, want code canceled", err)
	}
	u.mu.Lock()
	first := u.kept
	u.began, u.kept, u.passes = map[string]int{}, map[string]int{}, -1
	u.mu.Unlock()
	if len(first) != before {
		t.Fatalf("%d uploads before the kill, want %d", len(first), before)
	}
	if _, err := w.handler(kindDeployment).Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for digest, n := range u.began {
		if first[digest] > 0 || n > 1 {
			t.Errorf("%s was sent %d times after the kill, and %d times before", digest, n, first[digest])
		}
	}
	if len(u.began) != 200-before {
		t.Errorf("%d uploads after the kill, want %d", len(u.began), 200-before)
	}
	if most := u.most.Load(); most > uploads {
		t.Errorf("%d uploads at once, want %d at the most", most, uploads)
	}
}

// huge is a tree of one file of zeros, which is made as it is read.
type huge struct {
	size int64
	sha1 string
}

func (h huge) Digest() string { return "sha256:huge" }

func (h huge) Files() []slipway.File {
	return []slipway.File{{Path: "huge.bin", Mode: regularFile, Size: h.size, SHA1: h.sha1}}
}

func (h huge) Open(context.Context, slipway.File) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(zeros{}, h.size)), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// 500 MB go through memory that does not grow with them.
func TestUploadOfALargeFileIsStreamed(t *testing.T) {
	const size, limit = 500 << 20, 24 << 20
	sum := sha1.New()
	if _, err := io.CopyN(sum, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	file := huge{size, hex.EncodeToString(sum.Sum(nil))}
	var most uint64
	var got int64
	creates := 0
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v2/files" {
			buffer := make([]byte, 1<<20)
			for {
				n, err := r.Body.Read(buffer)
				if (got >> 25) != (got+int64(n))>>25 { // every 32 MiB
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapInuse)
				}
				if got += int64(n); err != nil {
					break
				}
			}
			_, _ = io.WriteString(w, `{}`)
			return
		}
		if creates++; creates == 1 {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": "missing_files", "message": "Missing files", "missing": []string{file.sha1}}})
			return
		}
		_, _ = io.WriteString(w, `{"id":"dpl_1","url":"x","readyState":"QUEUED"}`)
	}), map[string]string{settingToken: token})
	spec := slipway.Spec{
		Address: "vercel.deployment/shop@preview", Name: "shop", App: "shop", Run: "run-1", Params: map[string]any{}, Files: file,
		Parents: map[slipway.Kind]slipway.Receipt{kindProject: {ID: "prj_1"}},
	}
	runtime.GC()
	var base runtime.MemStats
	runtime.ReadMemStats(&base)
	if _, err := s.Handler(kindDeployment).Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if got != size || creates != 2 {
		t.Errorf("%d bytes and %d creates arrived", got, creates)
	}
	if grown := int64(most) - int64(base.HeapInuse); grown > limit {
		t.Errorf("the heap grew by %d MiB while %d MiB were uploaded, more than %d", grown>>20, size>>20, limit>>20)
	}
}
