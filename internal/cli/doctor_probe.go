package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// probed is what a provider's credential is good for, as it was found at a time.
type probed struct {
	info  slipway.ProviderInfo
	found []slipway.Capability
	at    time.Time
	asked map[slipway.Kind]bool // the kinds that the manifest asks of it; none: all
	// source says that the app's source is there.
	source bool
}

// probe asks each provider what its credential is good for, or takes what was found no longer ago than age. A cache that cannot be used is
// done without.
func (a *app) probe(ctx context.Context, providers []slipway.Provider, settings slipway.Settings, age time.Duration) ([]probed, error) {
	cache, err := a.openProbes()
	if err != nil {
		cache = &probeCache{Providers: map[string]probeRecord{}}
	}
	kept := err == nil
	var out []probed
	for _, p := range providers {
		info, credential := p.Info(), ""
		if kept {
			credential = cache.fingerprint(info, settings)
		}
		if r, ok := cache.get(info.Name, credential, time.Now(), age); ok {
			out = append(out, probed{info: info, found: r.Found, at: r.At})
			continue
		}
		found, err := engine.New(engine.Config{Providers: []slipway.Provider{p}, Settings: settings}).Probe(ctx)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		out = append(out, probed{info: info, found: cache.put(info, credential, now, found), at: now})
	}
	if kept {
		if err := cache.save(a.redactor.Has); err != nil {
			a.tell("doctor: what was found is not kept: %v\n", err)
		}
	}
	return out, nil
}

// matters reports whether a finding is about something that Slipway does in an environment.
func (p probed) matters(c slipway.Capability, environment string) bool {
	if c.Environment != "" && c.Environment != environment {
		return false
	}
	if p.source && c.Cause != slipway.CauseMissing { // without a token a public repository is a source all the same
		mode, _ := slipway.Access{c}.Source(p.info.Name)
		return mode != slipway.ModeAutomated
	}
	if c.Kind == "" {
		return len(p.info.Kinds) > 0
	}
	return (len(p.asked) == 0 || p.asked[c.Kind]) && slices.ContainsFunc(p.info.Kinds, func(k slipway.KindInfo) bool { return k.Kind == c.Kind })
}

// operation is who does an operation on a kind, and why not Slipway.
type operation struct {
	Provider string        `json:"provider"`
	Kind     slipway.Kind  `json:"kind"`
	Op       slipway.Op    `json:"op"` // look, or that of an effect
	Mode     string        `json:"mode"`
	Cause    slipway.Cause `json:"cause,omitempty"`
	Reason   string        `json:"reason,omitempty"`
}

// opLook and opReport are no effects: to look at what is there, and to tell what became of a commit.
const (
	opLook   slipway.Op = "look"
	opReport slipway.Op = "report"
)

// opOrder is the order in which operations are shown; others come last.
var opOrder = []slipway.Op{
	slipway.OpCreate, slipway.OpUpdate, slipway.OpAdopt, slipway.OpReplace, slipway.OpDelete, slipway.OpDeploy, slipway.OpPromote,
}

// opsOf returns a kind's operations.
func opsOf(kind slipway.KindInfo) []slipway.Op {
	place := func(op slipway.Op) int {
		if i := slices.Index(opOrder, op); i >= 0 {
			return i
		}
		return len(opOrder)
	}
	return slices.SortedFunc(maps.Keys(kind.Consequence), func(a, b slipway.Op) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
	})
}

// operations are all that a provider's kinds have, as they are done in an environment.
func (p probed) operations(environment string) []operation {
	var out []operation
	access := slipway.Access(p.found).In(environment)
	add := func(kind slipway.Kind, op slipway.Op, mode slipway.Mode, c slipway.Capability) {
		o := operation{Provider: p.info.Name, Kind: kind, Op: op, Mode: string(mode), Cause: c.Cause, Reason: c.Reason}
		if mode == slipway.ModeAutomated {
			o.Mode, o.Cause, o.Reason = "automated", "", ""
		}
		out = append(out, o)
	}
	for _, kind := range p.info.Kinds {
		for _, op := range append([]slipway.Op{opLook}, opsOf(kind)...) {
			mode, c := access.Mode(kind, op)
			switch {
			case op == opLook:
				mode, c = look(access, kind.Kind)
			case mode == slipway.ModeAutomated && kind.ByHand != "":
				mode, c = slipway.ModeManual, slipway.Capability{Reason: kind.ByHand}
			}
			add(kind.Kind, op, mode, c)
		}
	}
	if p.info.Source {
		source := slipway.Kind(p.info.Name + ".source")
		mode, c := access.Source(p.info.Name)
		add(source, opLook, mode, c)
		mode, c = access.Report(p.info.Name)
		add(source, opReport, mode, c)
	}
	return out
}

// look is who can look at a kind: where Slipway cannot, a person's word is all there is, unless something is to be mended first.
func look(access slipway.Access, kind slipway.Kind) (slipway.Mode, slipway.Capability) {
	c, _ := access.Find(kind, "")
	switch {
	case access.Readable(kind):
		return slipway.ModeAutomated, slipway.Capability{}
	case access.Blocks(kind):
		return slipway.ModeBlocked, c
	}
	return slipway.ModeManual, c
}

// operationsText is a table with a line for each kind and each way in which its operations are done.
func operationsText(all []operation) string {
	var b strings.Builder
	for len(all) > 0 {
		first := all[0]
		n := slices.IndexFunc(all, func(o operation) bool { return o.Kind != first.Kind })
		if n < 0 {
			n = len(all)
		}
		kind := all[:n]
		all = all[n:]
		for _, mode := range []string{"automated", string(slipway.ModeManual), string(slipway.ModeBlocked), string(slipway.ModeSkipped)} {
			writeMode(&b, mode, kind)
		}
	}
	return b.String()
}

func writeMode(b *strings.Builder, mode string, kind []operation) {
	var ops, why []string
	for _, o := range kind {
		if o.Mode != mode {
			continue
		}
		ops = append(ops, string(o.Op))
		if o.Reason != "" && !slices.Contains(why, o.Reason) {
			why = append(why, o.Reason)
		}
	}
	if len(ops) > 0 {
		line := fmt.Sprintf("%-10s %-18s %-36s %s", mode, kind[0].Kind, strings.Join(ops, " "), oneLine(strings.Join(why, "; ")))
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
}

// ago is how long ago a probe was.
func ago(at, now time.Time) string {
	if d := now.Sub(at).Round(time.Second); d >= time.Second {
		return "asked " + d.String() + " ago"
	}
	return "asked now"
}
