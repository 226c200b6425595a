package vercel

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/rest"
)

// logLines is about 64 KiB of a build's log as Vercel streams it; hidden stands in one of its lines.
func logLines(hidden string) string {
	var b strings.Builder
	for i := 0; b.Len() < 64<<10; i++ {
		text := fmt.Sprintf("├ ƒ /api/products/[id]/reviews %d   193 B   102 kB  (gzip: 28.4 kB, map: 161 kB, cached 12/27)", i)
		if i == 100 {
			text += " with " + hidden
		}
		fmt.Fprintf(&b, `{"type":"stdout","created":%d,"serial":"%d","text":%q,"info":{"type":"build","entrypoint":"."}}`+"\n", 1_700_000_000_000+i, i, text)
	}
	return b.String()
}

// followed streams a log of size bytes through Watch and the redactor, and returns how many lines came, how many of them were redacted,
// whether any held what must not, and by how much the heap grew meanwhile.
func followed(tb testing.TB, size int) (lines, redacted, leaked int, grown int64) {
	tb.Helper()
	const hidden = "npg_0123456789abcdef"
	part := logLines(hidden)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/stream+json")
		for sent := 0; sent < size; sent += len(part) {
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `{"type":"deployment-state","created":1800000000000,"serial":"end","info":{"readyState":"READY"}}`+"\n")
	}))
	defer srv.Close()
	s, err := New(rest.Config{}).Open(context.Background(), func(env string) (slipway.Secret, bool) {
		v, ok := map[string]string{settingURL: srv.URL, settingToken: token}[env]
		return slipway.NewSecret(v), ok
	})
	if err != nil {
		tb.Fatal(err)
	}
	r := redact.New()
	r.Add(slipway.NewSecret(hidden))
	stream := r.NewStream()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapInuse
	ready := false
	_, err = s.Handler(kindDeployment).(slipway.Watcher).Watch(context.Background(), slipway.Receipt{ID: "dpl_1"}, "", func(l slipway.LogLine) {
		text := stream.Next(l.Text)
		if lines++; strings.Contains(text, hidden) {
			leaked++
		}
		if strings.Contains(text, redact.Mark) {
			redacted++
		}
		if ready = l.Stream == "state" && l.Text == "READY"; lines%10_000 == 0 || ready {
			runtime.ReadMemStats(&m)
			grown = max(grown, int64(m.HeapInuse)-int64(base))
		}
	})
	if err != nil || !ready {
		tb.Fatalf("the log did not end in READY: %v", err)
	}
	return lines, redacted, leaked, grown
}

// A build's log goes through redaction in memory that does not grow with it: 1 GB with SLIPWAY_LONG, else a sample.
func TestALongLogIsStreamed(t *testing.T) {
	size := 24 << 20
	if os.Getenv("SLIPWAY_LONG") != "" {
		size = 1 << 30
	}
	const limit = 24 << 20
	part := logLines("x")
	lines, redacted, leaked, grown := followed(t, size)
	parts := (size + len(logLines("npg_0123456789abcdef")) - 1) / len(logLines("npg_0123456789abcdef"))
	if want := parts*strings.Count(part, "\n") + 1; lines < want-parts || lines > want+parts {
		t.Errorf("%d lines came, want about %d", lines, want)
	}
	if leaked > 0 || redacted != parts {
		t.Errorf("%d lines leaked and %d were redacted, want %d", leaked, redacted, parts)
	}
	if grown > limit {
		t.Errorf("the heap grew by %d MiB with a log of %d MiB, more than %d", grown>>20, size>>20, limit>>20)
	}
}

// A line without an end does not fill the memory: it is left out, and the log goes on.
func TestALineThatIsTooLong(t *testing.T) {
	const size = 64 << 20
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"type":"stdout","created":1,"serial":"1","text":"`)
		chunk := strings.Repeat("x", 1<<20)
		for range size >> 20 {
			_, _ = io.WriteString(w, chunk)
		}
		_, _ = io.WriteString(w, `"}`+"\n"+`{"type":"stdout","created":2,"serial":"2","text":"after it"}`+"\n")
	}), map[string]string{settingToken: token})
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapInuse
	var lines []string
	_, err := s.Handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), slipway.Receipt{ID: "dpl_1"}, "", func(l slipway.LogLine) {
		runtime.ReadMemStats(&m)
		lines = append(lines, l.Text)
	})
	if err != nil || strings.Join(lines, "|") != "a line that is too long is left out here|after it" {
		t.Errorf("got %q, %v", lines, err)
	}
	if grown := int64(m.HeapInuse) - int64(base); grown > 24<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}
