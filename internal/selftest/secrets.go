package selftest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// SecretsOptions are the settings of Secrets.
type SecretsOptions struct {
	// Program and Env are those of the World.
	Program string
	Env     map[string]string
	// Commands are all that the program has, such as "env diff": one that the suite does not run is a gap.
	Commands []string
	// Events are all types of events that there are: one that does not occur is a gap. May be nil.
	Events []string
	// Seed draws the canaries and, without Whole, which of the failures are tried. 0: one from the clock.
	Seed uint64
	// Whole tries everything. Otherwise a sample is tried, in about 20 s.
	Whole bool
	// Progress is told what is done next. May be nil.
	Progress func(string)
	// Crash runs a command of a test build that panics while it works, and returns what it printed. May be nil.
	Crash func(ctx context.Context, w *World) ([]byte, error)
}

// SecretsReport is what Secrets found. Findings and Gaps must be empty.
type SecretsReport struct {
	Seed     uint64          `json:"seed"`
	Sinks    []SinkReport    `json:"sinks"`
	Canaries int             `json:"canaries"`
	Forms    int             `json:"forms"` // in each of which every canary was looked for, whole and cut in two
	Runs     int             `json:"runs"`  // of the program
	Findings []SecretFinding `json:"findings"`
	Gaps     []string        `json:"gaps"` // what was not looked at, or may not have been
}

// SinkReport says how much of a sink was looked at.
type SinkReport struct {
	Name  string `json:"name"`
	Items int    `json:"items"` // files, streams or rows, equal ones once
	Bytes int64  `json:"bytes"`
	Found int    `json:"found"`
}

// SecretFinding is a canary in a sink. It does not hold the value.
type SecretFinding struct {
	Sink   string `json:"sink"`
	Where  string `json:"where"`  // the command or file
	Canary string `json:"canary"` // where it was planted
	Form   string `json:"form"`
	Offset int    `json:"offset"`
}

// Clean reports whether nothing was found and nothing left out.
func (r SecretsReport) Clean() bool { return len(r.Findings)+len(r.Gaps) == 0 }

// item is something that was collected from a sink.
type item struct {
	sink, where string
	data        []byte
}

// secrets is the suite under way.
type secrets struct {
	options SecretsOptions
	*World
	random   *rand.Rand
	canaries map[string]string // by name
	numbers  map[string]int    // of what was generated, by value
	runs     int
	ran      map[string]bool // commands
	events   map[string]bool // types that were seen

	mu    sync.Mutex
	items []item
	seen  map[[32]byte]bool
	gaps  map[string]bool
}

// Secrets plants canaries as credentials, as the app's secrets and, by the emulators, as what providers generate; does everything with
// the program that can be done; and searches every sink for each of them. The error is for what keeps it from judging.
func Secrets(ctx context.Context, o SecretsOptions) (SecretsReport, error) {
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	s := &secrets{
		options: o, random: rand.New(rand.NewPCG(o.Seed, 0)), canaries: map[string]string{}, numbers: map[string]int{}, ran: map[string]bool{}, events: map[string]bool{},
		seen: map[[32]byte]bool{}, gaps: map[string]bool{},
	}
	if err := s.plant(ctx); err != nil {
		return SecretsReport{}, err
	}
	defer s.Close()
	for _, c := range s.cases() {
		s.tell(c.name)
		if err := c.do(ctx); err != nil {
			return SecretsReport{}, fmt.Errorf("selftest: %s: %w", c.name, err)
		}
		if err := s.collect(ctx); err != nil {
			return SecretsReport{}, err
		}
	}
	s.tell("search")
	return s.report(), nil
}

func (s *secrets) tell(what string) {
	if s.options.Progress != nil {
		s.options.Progress(what)
	}
}

// look takes what a sink shows, to be searched when all canaries are known.
func (s *secrets) look(sink, where string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(Sinks(), func(k Sink) bool { return k.Name == sink }) {
		s.gaps["the sink "+sink+" is not registered"] = true
		return
	}
	if sum := sha256.Sum256(append([]byte(sink+"\x00"), data...)); !s.seen[sum] {
		s.seen[sum] = true
		s.items = append(s.items, item{sink, where, data})
	}
}

func (s *secrets) gap(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps[fmt.Sprintf(format, args...)] = true
}

// collect looks at everything that is at rest now.
func (s *secrets) collect(ctx context.Context) error {
	if err := s.generated(); err != nil {
		return err
	}
	if err := s.files(); err != nil {
		return err
	}
	return s.rows(ctx)
}

// files looks at every file below the world's folder.
func (s *secrets) files() error {
	return filepath.WalkDir(s.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, err := filepath.Rel(s.dir, name)
		if err != nil {
			return err
		}
		below = filepath.ToSlash(below)
		sink, known, own := sinkOf(below)
		switch {
		case own:
			return nil
		case !known:
			s.gap("the file %s belongs to no registered sink", below)
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s.look(sink, below, data)
		return nil
	})
}

// report searches all that was collected.
func (s *secrets) report() SecretsReport {
	r := SecretsReport{Seed: s.options.Seed, Canaries: len(s.canaries), Forms: len(forms), Runs: s.runs, Findings: []SecretFinding{}, Gaps: []string{}}
	var all []Canary
	for _, name := range slices.Sorted(maps.Keys(s.canaries)) {
		all = append(all, Canary{name, s.canaries[name]})
	}
	judge := newSearcher(all)
	at := map[string]int{}
	for i, k := range Sinks() {
		at[k.Name] = i
		r.Sinks = append(r.Sinks, SinkReport{Name: k.Name})
	}
	for _, it := range s.items {
		k := &r.Sinks[at[it.sink]]
		k.Items, k.Bytes = k.Items+1, k.Bytes+int64(len(it.data))
		for _, h := range judge.search(it.data) {
			if slices.Contains(Sinks()[at[it.sink]].Own, h.canary) {
				continue
			}
			k.Found++
			r.Findings = append(r.Findings, SecretFinding{it.sink, it.where, h.canary, h.form, h.at})
		}
	}
	for _, k := range r.Sinks {
		if k.Items == 0 && empty[k.Name] == "" && (k.Name != sinkCrash || runtime.GOOS != "windows") { // which has no SIGQUIT
			s.gap("nothing reached the sink %s", k.Name)
		}
	}
	for _, c := range s.options.Commands {
		if reason := exempt[c]; !s.ran[c] && reason == "" {
			s.gap("the command %q is not run", c)
		}
	}
	for _, e := range s.options.Events {
		if !s.events[e] && neverTold[e] == "" {
			s.gap("no event %q occurs", e)
		}
	}
	r.Gaps = slices.Sorted(maps.Keys(s.gaps))
	slices.SortFunc(r.Findings, func(a, b SecretFinding) int {
		return cmp.Or(strings.Compare(a.Sink, b.Sink), strings.Compare(a.Where, b.Where), strings.Compare(a.Canary, b.Canary), strings.Compare(a.Form, b.Form))
	})
	return r
}
