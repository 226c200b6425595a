package selftest

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"
)

// Trial is one way to interrupt an operation: the points at which it, and whoever goes on with it, are killed.
type Trial struct {
	Points []string
	Resume bool // its run is resumed; else the operation is asked for again
}

// Where names the trial in findings.
func (t Trial) Where() string {
	how := "asked again"
	if t.Resume {
		how = "resumed"
	}
	return strings.Join(t.Points, ", then ") + " (" + how + ")"
}

// Matrix returns the trials of all points: each once, a second time at the same, and with three seeded others after it. What a trial is
// hangs on its first point, the points and the seed alone, so that parts of it can be tried by several processes.
func Matrix(points []string, seed uint64) []Trial {
	var out []Trial
	for _, first := range points {
		random := Random(seed, first)
		add := func(points ...string) { out = append(out, Trial{points, random.IntN(2) == 0}) }
		add(first)
		add(first, first)
		for range 3 {
			add(first, points[random.IntN(len(points))])
		}
	}
	return out
}

// Random returns what a seed gives for a purpose.
func Random(seed uint64, purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, Hash(purpose)))
}

// Hash is the same in every process.
func Hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s) // a hash takes everything
	return h.Sum64()
}
