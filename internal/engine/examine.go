package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// urlFits refuses a URL for what answers at none: that something answers there would tell nothing. It asks for the URL of a deployment
// that health probes are to look at and no API of a provider tells.
func (w *worker) urlFits(effect slipway.Effect, c slipway.ManualCheck) error {
	kind := effect.Address.Kind()
	probed := slices.ContainsFunc(w.plan.Checks, func(o slipway.Check) bool { return o.Address == effect.Address && len(o.Probes) > 0 })
	switch {
	case c.URL != "" && !w.kinds[kind].Versioned:
		return slipway.Errorf(slipway.CodeInvalid, "--url is for a deployment, and %s is none", effect.Address).
			WithHint("look at it with: slipway manual %s --check '%s'", c.Run, effect.Key)
	case c.Assert && c.URL == "" && probed && effect.Op != slipway.OpDelete && !w.wanted.visible(kind):
		return slipway.Errorf(slipway.CodeInvalid, "the health probes need the URL at which %s answers", effect.Address).
			WithHint("give it with --url, as the deployment's page shows it, to: slipway manual %s --check '%s'", c.Run, effect.Key)
	}
	return nil
}

// examine looks at a step with whatever is there: the provider's API, the values that the environment hands over, HTTP.
func (w *worker) examine(ctx context.Context, u *unit, c slipway.ManualCheck) (slipway.Evidence, error) {
	if c.ID != "" {
		u.spec.Known = &slipway.Receipt{Address: u.effect.Address, ID: c.ID}
		if u.effect.Op == slipway.OpUpdate && len(u.effect.Basis) > 0 && u.effect.Basis["id"] != nil && u.effect.Basis["id"] != c.ID {
			return slipway.Evidence{}, slipway.Errorf(slipway.CodeConflict, "%s is about %v, not %s", u.effect.Key, u.effect.Basis["id"], c.ID)
		}
	}
	if err := w.declare(ctx, u); err != nil {
		return slipway.Evidence{}, err
	}
	if w.wanted.visible(u.effect.Address.Kind()) {
		return w.examineByAPI(ctx, u)
	}
	u.obs = slipway.Observation{Exists: u.effect.Op != slipway.OpDelete, Receipt: slipway.Receipt{ID: c.ID, Name: u.spec.Name}, Fields: u.spec.Params}
	if known := u.spec.Known; c.ID == "" && known != nil && u.effect.Op == slipway.OpUpdate { // it stays what it is
		u.obs.Receipt = *known
	}
	if c.URL != "" {
		u.obs.Receipt.URLs = []string{c.URL}
		return w.examineByHTTP(ctx, c.URL)
	}
	return w.examineByValues(ctx, u)
}

// declare gives u what its plan declares, completed by what is known now.
func (w *worker) declare(ctx context.Context, u *unit) error {
	if u.effect.Op == slipway.OpDelete {
		return nil
	}
	for name, v := range u.effect.Params {
		if v != nil {
			u.spec.Params[name] = v
		}
	}
	in, sessions := u.spec.Inputs["value"], w.wanted.pass()
	_, printed := u.spec.Params["fingerprint"]
	switch {
	case w.unresolved(w.wanted, in) != "":
		u.spec = carried(u.spec)
	case printed: // what the plan could not know yet: the next one compares with it
		v, err := w.value(ctx, sessions, in)
		if err != nil {
			return err
		}
		u.spec.Params["fingerprint"] = w.print(u.spec, v)
	}
	if w.kinds[u.effect.Address.Kind()].Versioned {
		return w.sealUnit(ctx, sessions, u)
	}
	return nil
}

func (w *worker) examineByAPI(ctx context.Context, u *unit) (slipway.Evidence, error) {
	before := u.spec.Known
	ev := slipway.Evidence{How: "observed at the provider"}
	if err := w.observeUnit(ctx, w.wanted.pass(), u); err != nil {
		return ev, err
	}
	if err := w.sameAccount(ctx, u); err != nil {
		return ev, err
	}
	gone := u.effect.Op == slipway.OpDelete
	unprinted := w.unresolved(w.wanted, u.spec.Inputs["value"]) != ""
	differs := differing(u.spec, u.obs)
	if before != nil && before.Version != "" && u.obs.Receipt.Version != before.Version { // written anew: by whom its fingerprint cannot tell
		differs = slices.DeleteFunc(differs, func(f string) bool { return f == "fingerprint" || f == "written" })
	}
	if fp, _ := u.obs.Fields["fingerprint"].(string); fp == "" && u.effect.Op != slipway.OpUpdate {
		differs = slices.DeleteFunc(differs, func(f string) bool { return f == "fingerprint" })
	}
	switch {
	case len(u.obs.Namesakes) > 1:
		ev.Finding = slipway.FindingDuplicate
		for _, n := range u.obs.Namesakes {
			ev.Differs = append(ev.Differs, n.ID)
		}
	case gone && u.obs.Exists:
		ev.Finding, ev.Differs = slipway.FindingAbsent, []string{"it is still there"}
	case gone:
		ev.Finding = slipway.FindingDone
	case !u.obs.Exists || u.effect.Op == slipway.OpReplace && u.obs.Receipt.ID == u.effect.Basis["id"]:
		ev.Finding = slipway.FindingAbsent
	case u.effect.Op == slipway.OpUpdate && unprinted && before != nil && before.Version != "" && u.obs.Receipt.Version == before.Version:
		ev.Finding, ev.Differs = slipway.FindingAbsent, []string{"it was not written since"}
	case u.obs.Failed != nil:
		ev.Finding, ev.Differs = slipway.FindingWrong, []string{w.Redact(u.obs.Failed.Message)}
	case u.obs.Pending:
		ev.Finding = slipway.FindingPartial
	case len(differs) > 0:
		ev.Finding, ev.Differs = slipway.FindingWrong, w.mismatches(u.spec, u.obs, differs)
		if !slices.ContainsFunc(differs, func(f string) bool { return !empty(u.obs.Fields[f]) }) {
			ev.Finding = slipway.FindingPartial
		}
	default:
		ev.Finding = slipway.FindingDone
	}
	return ev, nil
}

// mismatches tells of each field what is wanted and what is there.
func (w *worker) mismatches(s slipway.Spec, there slipway.Observation, fields []string) []string {
	var lines []string
	for _, f := range fields {
		if line := w.Redact(slipway.Mismatch(s, there, f)); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// sameAccount refuses what was seen in another account than the one that the app's other resources of that provider were made in.
func (w *worker) sameAccount(ctx context.Context, u *unit) error {
	seen := u.obs.Receipt.Account
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil || !u.obs.Exists || seen == "" {
		return err
	}
	for _, a := range slices.Sorted(maps.Keys(receipts)) {
		r := receipts[a]
		if a.Kind().Provider() == u.effect.Address.Kind().Provider() && r.Origin != slipway.OriginExisting && r.Account != "" && r.Account != seen {
			return slipway.Errorf(slipway.CodeAccountChanged, "%s is in account %s, and the credential serves %s", a, r.Account, seen).
				WithHint("check %s with the credential (and the team or organisation) of %s", u.effect.Address, r.Account)
		}
	}
	return nil
}

func empty(v any) bool { return v == nil || v == "" || v == false }

// examineByHTTP asks a deployment that nothing else here can look at.
func (w *worker) examineByHTTP(ctx context.Context, url string) (slipway.Evidence, error) {
	ev := slipway.Evidence{Finding: slipway.FindingDone, How: "it answers over HTTP"}
	probes, once := slices.Clone(w.wanted.manifest.Verify.Health), 0
	if len(probes) == 0 {
		probes = []slipway.HealthProbe{{Path: "/"}}
	}
	for i := range probes {
		probes[i].Retries = &once
	}
	p, err := w.prober(ctx)
	if err != nil {
		return ev, err
	}
	if _, err := p.all(ctx, []string{url}, probes); err != nil {
		if ctx.Err() != nil {
			return ev, ctx.Err()
		}
		ev.Finding, ev.Differs = slipway.FindingWrong, []string{w.Redact(err.Error())}
		if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Hint != "" {
			ev.Differs = append(ev.Differs, e.Hint)
		}
	}
	return ev, nil
}

// examineByValues tries out what the environment hands over: every set of values of which nothing is missing. One is enough to tell that
// the step is done; what the manifest needs beside it is named.
func (w *worker) examineByValues(ctx context.Context, u *unit) (slipway.Evidence, error) {
	resource := u.spec.Serves
	way := slipway.ConnectionOf(w.Providers, w.wanted.manifest, resource)
	connect := w.Connect[way]
	if connect == nil || u.effect.Op == slipway.OpDelete {
		return slipway.Evidence{Finding: slipway.FindingUnseen, How: "nothing here can look at it"}, nil
	}
	whole, lacking := w.handedSets(resource, way)
	if len(whole) == 0 {
		return slipway.Evidence{Finding: slipway.FindingUnseen, How: "its values are not in the environment", Differs: lacking}, nil
	}
	var names []string
	ev := slipway.Evidence{Finding: slipway.FindingDone}
	for _, values := range whole {
		given := strings.Join(slices.Sorted(maps.Keys(values)), ", ")
		names = append(names, given)
		facts, err := connect(ctx, values)
		switch {
		case ctx.Err() != nil:
			return ev, ctx.Err()
		case err != nil:
			ev.Differs = append(ev.Differs, given+": "+w.Redact(err.Error()))
			continue
		}
		fields := maps.Clone(u.spec.Params) // as declared, but for what it told
		maps.Copy(fields, facts)
		told := slipway.Observation{Fields: fields}
		ev.Differs = append(ev.Differs, w.mismatches(u.spec, told, differing(u.spec, told))...)
	}
	slices.Sort(ev.Differs)
	ev.Differs = slices.Compact(ev.Differs)
	if ev.How = "connected with " + strings.Join(names, ", "); len(lacking) > 0 {
		ev.How += "; still to be handed over: " + strings.Join(lacking, ", ")
	}
	if len(ev.Differs) > 0 {
		ev.Finding, ev.How = slipway.FindingWrong, "tried "+strings.Join(names, ", ")
	}
	return ev, nil
}

// handedSets are the sets of values by which a connection can be tried out, and the variables that are lacking: of a set of which something is
// handed over, and of what the manifest needs.
func (w *worker) handedSets(resource string, way slipway.Connection) (whole []map[string]slipway.Secret, lacking []string) {
	needs := way.Needs(w.wanted.manifest.OutputsUsed(resource, w.wanted.environment))
	for _, set := range way.Sets() {
		values := w.handed(resource, set)
		if len(values) == len(set) {
			whole = append(whole, values)
			continue
		}
		needed := slices.ContainsFunc(needs, func(n []string) bool { return slices.Equal(n, set) })
		for _, o := range set {
			if _, ok := values[o]; !ok && (needed || len(values) > 0) {
				lacking = append(lacking, slipway.OutputVariable(slipway.OutputRef{Resource: resource, Output: o}))
			}
		}
	}
	return whole, lacking
}
