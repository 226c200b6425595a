package engine

import (
	"github.com/slipway-dev/slipway"
)

// sameWanted reports whether two runs want the same: the unfinished one goes on then, with its approvals. A manifest in other words that wants the same
// is the same; the run keeps the text that it began with.
func (e *Engine) sameWanted(old, run slipway.Run) bool {
	if old.Operation != run.Operation || old.Source != run.Source || old.Options != run.Options {
		return false
	}
	if old.Manifest == run.Manifest {
		return true
	}
	was, err := e.Wants([]byte(old.Manifest), old.Environment)
	if err != nil {
		return false
	}
	is, err := e.Wants([]byte(run.Manifest), run.Environment)
	return err == nil && was == is
}

// Wants is a digest of all that a manifest wants of one environment: what a plan is made of, but for the files and what is observed. Two manifests
// that differ in words alone (order, comments, quotes, defaults written out) have the same one. It looks at nothing outside.
func (e *Engine) Wants(manifest []byte, environment string) (string, error) {
	m, err := e.Parse(manifest)
	if err != nil {
		return "", err
	}
	specs, err := e.expand(&wanted{manifest: m, environment: environment})
	if err != nil {
		return "", err
	}
	all := make([]any, len(specs))
	for i, s := range specs {
		inputs := map[string]any{}
		for name, in := range s.Inputs {
			inputs[name] = []any{in, in.CreateOnly}
		}
		all[i] = map[string]any{
			"address": s.Address, "name": s.Name, "serves": s.Serves, "params": s.Params, "inputs": inputs, "needs": s.Needs, "ids": s.IDs, "after": s.After,
			"seals": s.Seals, "existing": s.Existing,
		}
	}
	// What a default or another field says as well is left out; a field that is added counts as it is.
	promote, verify := m.Promote, m.Verify
	promote.Approval, promote.Rollback, promote.Health = "", "", nil
	verify.Commands, verify.Network, verify.Timeout, verify.Memory, verify.Runtime, verify.Sandbox, verify.Health = nil, nil, "", 0, "", "", nil
	return slipway.CanonicalDigest(map[string]any{
		"app": m.App, "specs": all, "team": m.Vercel.Team, "github": m.Source.GitHub, "ref": m.Source.Ref, "prebuilt": m.Source.Prebuilt,
		"probes": slipway.PlainProbes(m.Verify.Health), "released": slipway.PlainProbes(m.Released()), "job": m.Verify.Job(), "verify": verify,
		"rollback": m.Promote.Rollback == slipway.RollbackAutomatic, "approval": m.Promote.Approval == "auto", "promote": promote,
	}), nil
}
