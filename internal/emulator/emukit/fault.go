package emukit

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultSyntax is the one-line help for ParseFaults.
const FaultSyntax = "[API:]METHOD GLOB[#N|#*]=KIND, separated by commas; KIND is a status (503), STATUS:SECONDS for Retry-After (429:2), " +
	"STATUS-after, reset-before, reset-after, hold or hold:SECONDS"

type fault struct {
	api, method, glob string
	nth               int // 0 = every occurrence
	status            int
	retryAfter        int
	after, reset      bool
	hold              bool
	holdFor           time.Duration
	seen              int
}

// ParseFaults reads a fault schedule and returns it as a Hook. An empty text is a hook that does nothing. Rules are separated by commas, semicolons or newlines; the first rule whose turn it is wins.
//
//	POST /v11/projects#1=reset-after   the first create is done, then the connection is cut
//	GET */env#*=429:2                  every env read is 429 with Retry-After: 2
//	neon:POST */projects=423           the first one, at the API named neon only
//
// In a glob * stands for any run of characters, slashes included; METHOD may be *. #N is the Nth matching call
// (default 1), #* every one.
func ParseFaults(text string) (func(*Call) Action, error) {
	var rules []*fault
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		f, err := parseFault(part)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w (want %s)", part, err, FaultSyntax)
		}
		rules = append(rules, f)
	}
	var mu sync.Mutex
	return func(c *Call) Action {
		if c.Phase == Before {
			mu.Lock()
			c.planned = next(rules, c)
			mu.Unlock()
		}
		if c.planned == nil || c.planned.after != (c.Phase == After) {
			return Action{}
		}
		return c.planned.action()
	}, nil
}

func next(rules []*fault, c *Call) *fault {
	var hit *fault
	for _, f := range rules {
		if (f.api != "" && f.api != c.API) || (f.method != "*" && f.method != c.Method) || !Glob(f.glob, c.Path) {
			continue
		}
		f.seen++
		if hit == nil && (f.nth == 0 || f.nth == f.seen) {
			hit = f
		}
	}
	return hit
}

func (f *fault) action() Action {
	a := Action{Drop: f.reset, Status: f.status}
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
	return a
}

func parseFault(s string) (*fault, error) {
	target, kind, ok := cutLast(s, "=")
	if !ok {
		return nil, fmt.Errorf("no = in it")
	}
	f := &fault{nth: 1}
	if where, n, ok := cutLast(target, "#"); ok {
		target = where
		if f.nth = 0; n != "*" {
			nth, err := strconv.Atoi(n)
			if err != nil || nth < 1 {
				return nil, fmt.Errorf("occurrence %q is neither a number from 1 nor *", n)
			}
			f.nth = nth
		}
	}
	method, glob, ok := strings.Cut(strings.TrimSpace(target), " ")
	if !ok || glob == "" {
		return nil, fmt.Errorf("no path after the method")
	}
	if api, m, ok := strings.Cut(method, ":"); ok {
		f.api, method = api, m
	}
	f.method, f.glob = strings.ToUpper(method), strings.TrimSpace(glob)
	return f, f.parseKind(strings.TrimSpace(kind))
}

func (f *fault) parseKind(kind string) error {
	kind, f.after = strings.CutSuffix(kind, "-after")
	name, seconds, timed := strings.Cut(kind, ":")
	var wait int
	if timed {
		var err error
		if wait, err = strconv.Atoi(seconds); err != nil || wait < 1 {
			return fmt.Errorf("%q is no number of seconds", seconds)
		}
	}
	switch {
	case name == "hold" && !f.after:
		f.hold, f.holdFor = true, time.Duration(wait)*time.Second
		return nil
	case (name == "reset-before" && !f.after || name == "reset" && f.after) && !timed:
		f.reset = true
		return nil
	}
	status, err := strconv.Atoi(name)
	if err != nil || status < 200 || status > 599 {
		return fmt.Errorf("%q is no kind of fault", kind)
	}
	f.status, f.retryAfter = status, wait
	return nil
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
