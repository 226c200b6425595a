package slipway

import (
	"slices"
	"time"
)

// RollbackAutomatic is the value of promote.rollback by which production is moved back by itself.
const RollbackAutomatic = "automatic"

// Released are the probes that are sent to production after it has moved.
func (m *Manifest) Released() []HealthProbe {
	if len(m.Promote.Health) == 0 && m.Promote.Rollback == RollbackAutomatic {
		return m.Verify.Health
	}
	return m.Promote.Health
}

// Vintage tells how new that is which a deployment was built from.
type Vintage struct {
	Planned time.Time // when the ship that built it was asked for; zero for not known
	Commit  Commit    // of a source in git; zero for a folder
}

// Older reports whether a is older than b, or cannot be shown not to be. Commits of one repository go by their order in git, of which how tells,
// "" where nothing could; else it goes by when the ships were asked for, as long as both are known: of a folder there is nothing else to go by.
func Older(a, b Vintage, how CommitOrder) bool {
	if a.Commit.SHA != "" && b.Commit.SHA != "" && a.Commit.RepoID == b.Commit.RepoID {
		return a.Commit.SHA != b.Commit.SHA && how != CommitAhead && how != CommitIdentical
	}
	return !a.Planned.IsZero() && !b.Planned.IsZero() && a.Planned.Before(b.Planned)
}

// Hold is why production is not moved without naming what it serves.
type Hold string

const (
	// HoldOlder: what would be promoted is older than what production serves.
	HoldOlder Hold = "older"
	// HoldRolledBack: what would be promoted has served production before, and production was moved back from it.
	HoldRolledBack Hold = "rolled_back"
)

// holdFor tells whether promoting would take production backwards, or undo a rollback. s is what production is to be; serving is what it is.
// A deployment that is not ours has no order: that is drift, and told as such.
func (p *planner) holdFor(s Spec, serving Observation) Hold {
	if p.plan.Serving == "" || p.plan.Drift || s.Params["deployment"] == p.plan.Serving {
		return ""
	}
	candidate, served := Vintage{Planned: p.Planned}, false
	if of := s.IDs["deployment"]; p.last[of] == "" {
		candidate, served = p.Observed[of].Vintage, p.Observed[of].Served
	}
	candidate.Commit = p.Commit
	now := serving.Vintage
	now.Commit, _ = CommitOf(serving.Receipt)
	switch {
	case Older(candidate, now, p.CommitOrder):
		return HoldOlder
	case served: // what a newer source had taken the place of is built anew, and has not served
		return HoldRolledBack
	}
	return ""
}

// outlived tells why a deployment that is there, and was made from the same, is made anew all the same; "" for no reason. It was built before
// a value was written that it is to carry; or its source was left for a newer one, and is wanted again: by when it was planned it would
// be older than what it takes the place of.
func (p *planner) outlived(s Spec, obs Observation) string {
	for _, a := range s.Seals {
		if built := obs.Receipt.CreatedAt; !built.IsZero() && p.Observed[a].Written.After(built) {
			return a.Key() + " was written after it was built"
		}
	}
	for _, other := range p.Specs {
		serving := p.Observed[other.Address]
		if other.IDs["deployment"] != s.Address || serving.Fields["deployment"] == obs.Receipt.ID || p.Commit.SHA != "" {
			continue
		}
		if Older(obs.Vintage, serving.Vintage, "") && !Older(Vintage{Planned: p.Planned}, serving.Vintage, "") {
			return "it is wanted again, and was built before what production serves"
		}
	}
	return ""
}

// Held is why an approval that names over as what production serves does not open its gate; nil where it does.
func (a Approval) Held(over string) error {
	serving, _ := a.Content["over"].(string)
	if serving == "" || serving == over {
		return nil
	}
	what := "it has served production before, which was moved away from it and serves %s now"
	if a.Content["held"] == string(HoldOlder) {
		what = "it is older than %s, which production serves"
	}
	return Errorf(CodeDrift, "%v is not promoted: "+what, a.Content["deployment"], serving).
		WithHint("change the source and ship that; or, to move production all the same: slipway ship --promote-over %s, or: slipway approve %s --promote-over %s", serving, a.Run, serving)
}

// addRelease puts the probes of production behind its promote, and behind their failure the way back to what it served, where it served
// anything. Where a person moves production nothing here knows when.
func (p *planner) addRelease() {
	i := slices.IndexFunc(p.plan.Effects, func(e Effect) bool { return e.Op == OpPromote })
	if i < 0 || len(p.Released) == 0 || p.plan.Effects[i].Mode != ModeAutomated {
		return
	}
	promote := p.plan.Effects[i]
	c := Check{Key: string(promote.Address) + "#health", Address: promote.Address, Probes: p.Released, DependsOn: []string{promote.Key}}
	p.plan.Checks = append(p.plan.Checks, c)
	if !p.RollbackAuto || p.plan.Serving == "" || promote.Params["deployment"] == p.plan.Serving {
		return
	}
	p.append(Effect{
		Key: EffectKey(promote.Address, OpRollback), Op: OpRollback, Address: promote.Address, Name: promote.Name, Account: promote.Account,
		Params: map[string]any{"deployment": p.plan.Serving}, Basis: promote.Basis, Gate: promote.Gate, OnFailure: c.Key,
		Reason: "only when " + c.Key + " fails", Consequence: p.Kinds[promote.Address.Kind()].Consequence[OpRollback], Reversible: true,
	})
}

// due reports whether a step that waits for a check's failure is to be taken: the check has failed by what was probed, and not because nothing
// could be told.
func due(check Step) bool {
	return check.State == StepFailed && check.Error != nil && check.Error.Code == CodeCheckFailed
}

// WayBack returns the effect that a check's failure makes due, nil for none.
func (p *Plan) WayBack(check string) *Effect {
	for i := range p.Effects {
		if p.Effects[i].OnFailure == check && check != "" {
			return &p.Effects[i]
		}
	}
	return nil
}
