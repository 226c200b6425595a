package engine

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway"
)

// tellUpload is the time between two words on how far an upload has come.
const tellUpload = 2 * time.Second

// create makes u. While it reads files, how many they are by now is told as u's progress.
func (w *worker) create(ctx context.Context, u *unit) (slipway.Receipt, error) {
	spec := u.spec
	if _, pinned := spec.Files.(slipway.Pinned); pinned || spec.Files == nil {
		return u.handler.Create(ctx, spec)
	}
	m := &meter{FileSet: spec.Files}
	spec.Files = m
	told := *u
	until, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.tellUploads(until, &told, m)
	}()
	defer func() {
		stop()
		<-done
		u.step, u.waiting = told.step, told.waiting
	}()
	return u.handler.Create(ctx, spec)
}

// tellUploads ends with ctx. What cannot be told is left out: the create goes on, and its outcome is committed or fails by itself.
func (w *worker) tellUploads(ctx context.Context, u *unit, m *meter) {
	tick := time.NewTicker(tellUpload)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if m.files.Load() == 0 {
			continue
		}
		u.obs = slipway.Observation{Pending: true, Stage: m.String()}
		if w.tellWaiting(ctx, u) != nil {
			return
		}
	}
}

// meter counts what is read of a source.
type meter struct {
	slipway.FileSet
	files, bytes atomic.Int64
}

var _ slipway.Versioned = (*meter)(nil)

// WorkTree passes on what the source tells of its commit.
func (m *meter) WorkTree() (*slipway.WorkTree, string) {
	if v, ok := m.FileSet.(slipway.Versioned); ok {
		return v.WorkTree()
	}
	return nil, ""
}

// Open counts a file when it is opened, and its bytes as they are read.
func (m *meter) Open(ctx context.Context, f slipway.File) (io.ReadCloser, error) {
	r, err := m.FileSet.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	m.files.Add(1)
	return &metered{ReadCloser: r, of: m}, nil
}

type metered struct {
	io.ReadCloser
	of *meter
}

func (r *metered) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.of.bytes.Add(int64(n))
	return n, err
}

// String says how far the upload has come. What the provider has already is not read.
func (m *meter) String() string {
	var size int64
	files := m.Files()
	for _, f := range files {
		size += f.Size
	}
	return fmt.Sprintf("uploading: %d files, %.1f MB; the source has %d files, %.1f MB", m.files.Load(), float64(m.bytes.Load())/1e6, len(files), float64(size)/1e6)
}
