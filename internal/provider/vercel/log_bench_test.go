//go:build unix

package vercel

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkLog is 64 MB of a build's log on its way from Vercel through the redactor; its rate is by the processor time of both ends, since
// the machine may have other work.
func BenchmarkLog(b *testing.B) {
	const size = 64 << 20
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.SetBytes(size)
	begun, n := cpu(), 0
	for b.Loop() {
		_, _, _, grown := followed(b, size)
		b.ReportMetric(float64(grown)/(1<<20), "MiB-more")
		n++
	}
	b.ReportMetric(size*float64(n)/1e6/(cpu()-begun).Seconds(), "MB/core-s")
}
