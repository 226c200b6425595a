package emukit

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultSyntax is the one-line help for ParseSchedule.
const FaultSyntax = "[API:]METHOD GLOB[#N|#*|%RATE]=KIND[|KIND], separated by commas; KIND is a status (503), STATUS:SECONDS for Retry-After (429:2), " +
	"STATUS-after, reset-before, reset-after, hold or hold:SECONDS, delay:DURATION, page:N, truncate:N, twice, with:NAME:VALUE"

// rule is one line of a schedule.
type rule struct {
	text              string
	api, method, glob string
	nth               int     // 0 = every occurrence
	rate              float64 // a share of the occurrences, instead of nth; 0 = none
	kinds             []fault // one of them, by chance when there are several
	rng               *rand.Rand
	seen, hits        int
}

// fault is what happens to a call.
type fault struct {
	status, retryAfter   int
	after, reset, hold   bool
	holdFor, delay       time.Duration
	page                 int
	truncates            bool
	truncate             int
	twice                bool
	settingName, setting string
}

// breaks reports whether the fault takes the call's answer away. What does not break adds to what does.
func (f fault) breaks() bool { return f.status != 0 || f.reset || f.hold }

// Schedule is a list of faults, and how often each has come. It is safe for concurrent use, also by several kits.
type Schedule struct {
	seed uint64

	mu    sync.Mutex
	rules []*rule
}

// RuleCount is a rule of a schedule: how many calls it matched, and how many it did something to.
type RuleCount struct {
	Rule string `json:"rule"`
	Seen int    `json:"seen"`
	Hits int    `json:"hits"`
}

// ParseSchedule reads a fault schedule. An empty text is one that does nothing. Rules are separated by commas,
// semicolons or newlines; a line that begins with # is a comment. Of the rules whose turn it is the first that takes
// the answer away wins; delay, page, truncate, twice and with add to it.
//
//	POST /v11/projects#1=reset-after         the first create is done, then the connection is cut
//	GET */env#*=429:2                        every env read is 429 with Retry-After: 2
//	neon:POST */projects=423                 the first one, at the API named neon only
//	* *%5=503|reset-after                    one call in twenty, by chance: one of the two
//	GET */domains#*=delay:250ms              latency of a route
//	GET */projects#*=page:3                  pages of 3 whatever limit the caller asked for
//	GET */projects=truncate:0                the list ends after 0 items, and says that there are no more
//	POST */projects=twice                    done twice, as by a proxy that retries: names repeat where they may
//	POST /v13/deployments=with:build-time:5s a setting for this call alone; the emulator says which it has
//
// In a glob * stands for any run of characters, slashes included; METHOD may be *. #N is the Nth matching call
// (default 1), #* every one, %RATE that share of them in percent. Chance comes from seed: the Nth call that matches a
// rule meets the same fate in every run with that seed. Seed 0 takes one at random, which Seed tells.
func ParseSchedule(text string, seed uint64) (*Schedule, error) {
	for seed == 0 {
		var b [8]byte
		_, _ = crand.Read(b[:])
		seed = binary.LittleEndian.Uint64(b[:]) >> 12 // fits a JSON number
	}
	s := &Schedule{seed: seed}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ';' }) {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			r, err := parseRule(part)
			if err != nil {
				return nil, fmt.Errorf("fault %q: %w (want %s)", part, err, FaultSyntax)
			}
			r.rng = rand.New(rand.NewPCG(seed, uint64(len(s.rules))))
			s.rules = append(s.rules, r)
		}
	}
	return s, nil
}

// ParseFaults is the Hook of a schedule.
func ParseFaults(text string) (func(*Call) Action, error) {
	s, err := ParseSchedule(text, 0)
	if err != nil {
		return nil, err
	}
	return s.Hook, nil
}

// Seed returns what chance was seeded with.
func (s *Schedule) Seed() uint64 { return s.seed }

// Rules returns the rules in order, with their counts.
func (s *Schedule) Rules() []RuleCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]RuleCount, 0, len(s.rules))
	for _, r := range s.rules {
		out = append(out, RuleCount{r.text, r.seen, r.hits})
	}
	return out
}

// Hook is the schedule as a Kit's Hook.
func (s *Schedule) Hook(c *Call) Action {
	if c.Phase == Before {
		if c.planned == nil {
			c.planned = map[*Schedule][]fault{}
		}
		c.planned[s] = s.plan(c)
	}
	var a Action
	for _, f := range c.planned[s] {
		if f.after == (c.Phase == After) {
			f.onto(&a)
		}
	}
	return a
}

// plan counts the call and returns what is to happen to it.
func (s *Schedule) plan(c *Call) []fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []fault
	broken := false
	for _, r := range s.rules {
		if (r.api != "" && r.api != c.API) || (r.method != "*" && r.method != c.Method) || !Glob(r.glob, c.Path) {
			continue
		}
		f, due := r.turn()
		if !due || broken && f.breaks() {
			continue
		}
		broken = broken || f.breaks()
		r.hits++
		out = append(out, f)
	}
	return out
}

// turn counts an occurrence and says whether it is the rule's, and what it meets. The same numbers are drawn for each
// occurrence, so that the fate of one does not hang on those before.
func (r *rule) turn() (fault, bool) {
	r.seen++
	due := r.nth == 0 || r.nth == r.seen
	if r.rate > 0 {
		due = r.rng.Float64()*100 < r.rate
	}
	return r.kinds[r.rng.IntN(len(r.kinds))], due
}

func (f fault) onto(a *Action) {
	if f.breaks() {
		a.Drop, a.Status = f.reset, f.status
	}
	if f.retryAfter > 0 {
		a.Header = http.Header{"Retry-After": {strconv.Itoa(f.retryAfter)}}
	}
	if f.hold {
		ch := make(chan struct{})
		a.Hold = ch
		if f.holdFor > 0 {
			time.AfterFunc(f.holdFor, func() { close(ch) })
		}
	}
	a.Delay += f.delay
	if f.page > 0 {
		a.PageSize = f.page
	}
	if f.truncates {
		a.Rewrite = Truncate(f.truncate)
	}
	a.Twice = a.Twice || f.twice
	if f.settingName != "" {
		if a.With == nil {
			a.With = map[string]string{}
		}
		a.With[f.settingName] = f.setting
	}
}

func parseRule(s string) (*rule, error) {
	target, kinds, ok := cutLast(s, "=")
	if !ok {
		return nil, fmt.Errorf("no = in it")
	}
	r := &rule{text: s, nth: 1}
	target, err := r.parseTurn(target)
	if err != nil {
		return nil, err
	}
	method, glob, ok := strings.Cut(strings.TrimSpace(target), " ")
	if !ok || glob == "" {
		return nil, fmt.Errorf("no path after the method")
	}
	if api, m, ok := strings.Cut(method, ":"); ok {
		r.api, method = api, m
	}
	r.method, r.glob = strings.ToUpper(method), strings.TrimSpace(glob)
	for kind := range strings.SplitSeq(kinds, "|") {
		f, err := parseKind(strings.TrimSpace(kind))
		if err != nil {
			return nil, err
		}
		r.kinds = append(r.kinds, f)
	}
	return r, nil
}

// parseTurn takes #N, #* or %RATE off the target.
func (r *rule) parseTurn(target string) (string, error) {
	if where, n, ok := cutLast(target, "#"); ok {
		if r.nth = 0; n != "*" {
			nth, err := strconv.Atoi(n)
			if err != nil || nth < 1 {
				return "", fmt.Errorf("occurrence %q is neither a number from 1 nor *", n)
			}
			r.nth = nth
		}
		return where, nil
	}
	if where, share, ok := cutLast(target, "%"); ok {
		rate, err := strconv.ParseFloat(share, 64)
		if err != nil || !(rate > 0 && rate <= 100) {
			return "", fmt.Errorf("rate %q is no percentage over 0", share)
		}
		r.rate = rate
		return where, nil
	}
	return target, nil
}

func parseKind(kind string) (f fault, err error) {
	if name, value, ok := strings.Cut(kind, ":"); ok {
		switch name {
		case "delay":
			if f.delay, err = time.ParseDuration(value); err != nil || f.delay <= 0 {
				return f, fmt.Errorf("%q is no duration over 0", value)
			}
			return f, nil
		case "page":
			if f.page, err = strconv.Atoi(value); err != nil || f.page < 1 {
				return f, fmt.Errorf("%q is no page size", value)
			}
			return f, nil
		case "truncate":
			if f.truncate, err = strconv.Atoi(value); err != nil || f.truncate < 0 {
				return f, fmt.Errorf("%q is no number of items", value)
			}
			f.truncates, f.after = true, true
			return f, nil
		case "with":
			if f.settingName, f.setting, ok = strings.Cut(value, ":"); !ok || f.settingName == "" {
				return f, fmt.Errorf("with:%s has no NAME:VALUE", value)
			}
			return f, nil
		}
	}
	if kind == "twice" {
		return fault{twice: true}, nil
	}
	return parseBreak(kind)
}

// parseBreak reads the kinds that take the answer away.
func parseBreak(kind string) (f fault, err error) {
	kind, f.after = strings.CutSuffix(kind, "-after")
	name, seconds, timed := strings.Cut(kind, ":")
	var wait int
	if timed {
		if wait, err = strconv.Atoi(seconds); err != nil || wait < 1 {
			return f, fmt.Errorf("%q is no number of seconds", seconds)
		}
	}
	switch {
	case name == "hold" && !f.after:
		f.hold, f.holdFor = true, time.Duration(wait)*time.Second
		return f, nil
	case (name == "reset-before" && !f.after || name == "reset" && f.after) && !timed:
		f.reset = true
		return f, nil
	}
	status, err := strconv.Atoi(name)
	if err != nil || status < 200 || status > 599 {
		return f, fmt.Errorf("%q is no kind of fault", kind)
	}
	f.status, f.retryAfter = status, wait
	return f, nil
}

func cutLast(s, sep string) (string, string, bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Glob reports whether s matches pattern, in which * stands for any run of characters, slashes included.
func Glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, last)
}
