package emulator

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkStart is from nothing to all emulators listening, without PostgreSQL.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		r, err := Start(context.Background(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// BenchmarkAnswer is a 2xx answer over loopback, of emulators that hold 1,000 projects with 20 variables each. p50-ns is
// the median.
func BenchmarkAnswer(b *testing.B) {
	env := started(b, Options{})
	fill(b, env, 1000)
	for name, g := range map[string]target{
		"vercel-project":  {"", "SLIPWAY_VERCEL_URL", "GET", "/v9/projects/p500", ""},
		"vercel-env":      {"", "SLIPWAY_VERCEL_URL", "GET", "/v10/projects/p500/env", ""},
		"vercel-projects": {"", "SLIPWAY_VERCEL_URL", "GET", "/v10/projects?limit=20", ""},
		"vercel-page":     {"", "SLIPWAY_VERCEL_URL", "GET", "/v10/projects?limit=100", ""},
		"neon-projects":   {"", "SLIPWAY_NEON_URL", "GET", "/regions", ""},
		"upstash-list":    {"", "SLIPWAY_UPSTASH_URL", "GET", "/v2/redis/databases", ""},
		"github-user":     {"", "SLIPWAY_GITHUB_URL", "GET", "/rate_limit", ""},
	} {
		b.Run(name, func(b *testing.B) {
			req := g.request(b, env, nil)
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				took = append(took, time.Since(began))
				if res.StatusCode != 200 {
					b.Fatal(res.Status)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
		})
	}
}
