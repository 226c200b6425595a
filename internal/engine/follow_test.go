package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// That a build is ready shows in 1.1 times its length, or 1.2 s after it, without more than one look a second, also where no log tells.
func TestLooksAtABuild(t *testing.T) {
	const reply = 150 * time.Millisecond
	for length := 100 * time.Millisecond; length < 45*time.Minute; length = length*21/20 + 7*time.Millisecond {
		p := &poller{every: 250 * time.Millisecond, most: 2 * time.Second}
		looks, now := 1, reply // the first look comes with the create's reply
		for now < length+reply/2 {
			d := p.next(true)
			if d < time.Second {
				t.Fatalf("a build of %v: %v between two looks", length, d)
			}
			now += d + reply
			looks++
		}
		if limit := max(length*11/10, length+1200*time.Millisecond) + reply/2; now > limit {
			t.Errorf("a build of %v is seen to be ready after %v, later than %v", length, now, limit)
		}
		if most := 2 + int(length/time.Second); looks > most {
			t.Errorf("a build of %v: %d looks, more than %d", length, looks, most)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		lines, told int
		last        []string
		reason      string
	}{
		"short":     {3, 3, []string{"1", "2"}, "all of it is told"},
		"just fits": {logTold, logTold, []string{fmt.Sprint(logTold - 1)}, "all of it is told"},
		"one more":  {logTold + 1, logTold + 2, []string{"the rest of the log is not told here, but for its end", fmt.Sprint(logTold)}, "nothing is left out"},
		"long": {
			3 * logTold, logTold + 2 + logTail,
			[]string{fmt.Sprint(3*logTold - 2), fmt.Sprint(3*logTold - 1)},
			"its beginning and its end, and that there was more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var f feed
			var told []string
			tell := func() {
				for _, l := range f.pending {
					told = append(told, l.Text)
				}
				f.pending = nil
			}
			for i := range c.lines {
				f.take(slipway.LogLine{Text: fmt.Sprint(i)})
				if i%logBatch == 0 {
					tell()
				}
				if len(f.tail)+len(f.pending) > logTail+logBatch {
					t.Fatalf("%d lines in memory after %d", len(f.tail)+len(f.pending), i)
				}
			}
			f.finish()
			tell()
			if len(told) != c.told {
				t.Errorf("%s: %d lines told, want %d", c.reason, len(told), c.told)
			}
			for i, want := range c.last {
				if got := told[len(told)-len(c.last)+i]; got != want {
					t.Errorf("%s: got %q, want %q", c.reason, got, want)
				}
			}
		})
	}
	var f feed
	for i := range logTold + logTail + 7 {
		f.take(slipway.LogLine{Text: fmt.Sprint(i)})
	}
	f.finish()
	for i, l := range f.pending[len(f.pending)-logTail:] {
		if want := fmt.Sprint(logTold + 7 + i); l.Text != want {
			t.Fatalf("line %d of the end is %s, want %s: in order", i, l.Text, want)
		}
	}
}
