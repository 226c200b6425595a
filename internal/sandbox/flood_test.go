package sandbox

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// flooded answers a command's stream of so many bytes of output. Half of it comes with the command, then the connection is cut; the log has all.
func flooded(size int) http.Handler {
	text := `{"stream":"stdout","data":"` + strings.Repeat(strings.Repeat("x", 99)+`\n`, 40) + `"}` + "\n"
	pour := func(w http.ResponseWriter, size int) {
		for n := 0; n < size; n += 4000 {
			_, _ = io.WriteString(w, text) // who has gone away reads no more
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/sandboxes", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"session":{"id":"s","status":"running"}}`)
	})
	mux.HandleFunc("POST /v2/sandboxes/sessions/s/cmd", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"command":{"id":"c"}}`+"\n")
		pour(w, size/2)
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("GET /v2/sandboxes/sessions/s/cmd/c/logs", func(w http.ResponseWriter, _ *http.Request) { pour(w, size) })
	mux.HandleFunc("GET /v2/sandboxes/sessions/s/cmd/c", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"command":{"id":"c","exitCode":0,"durationMs":5}}`)
	})
	return mux
}

// The output of a command goes through in memory that does not grow with it, also when it breaks off: 1 GB with SLIPWAY_LONG, else a sample.
func TestALongOutputIsStreamed(t *testing.T) {
	const heap = 32 << 20
	size := 16 << 20
	if os.Getenv("SLIPWAY_LONG") != "" {
		size = 1 << 30
	}
	at := httptest.NewServer(flooded(size))
	defer at.Close()
	token := fmt.Sprintf("e30.%s.e30", "eyJvd25lcl9pZCI6InRlYW1fMSIsInByb2plY3RfaWQiOiJwcmpfMSIsImV4cCI6OTk5OTk5OTk5OX0")
	get := settings(map[string]string{settingURL: at.URL, settingOIDC: token})
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	idle, grown, lines, bytes := m.HeapAlloc, int64(0), 0, 0
	o := order(tree{}, []string{"flood"})
	o.Timeout = 3600
	r, err := (&remote{config: Config{Now: time.Now}, life: sandboxLife}).Run(t.Context(), get, o, func(l slipway.LogLine) {
		if l.Stream != "stdout" {
			return
		}
		lines++
		if bytes += len(l.Text) + 1; lines%1000 == 0 {
			runtime.ReadMemStats(&m)
			grown = max(grown, int64(m.HeapAlloc)-int64(idle))
		}
	})
	if want := (size + 3999) / 4000 * 4000; err != nil || !r.Passed(1) || bytes != want {
		t.Errorf("%v %+v: %d bytes, not %d", err, r, bytes, want)
	}
	t.Logf("figures: %d MiB of output, and half of it before it broke off: the heap grew by %d KiB at the most", size>>20, grown>>10)
	if grown > heap {
		t.Errorf("more than %d MiB", heap>>20)
	}
}
