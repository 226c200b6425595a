package slipway_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestAJobStandsBeforeTheDeployment(t *testing.T) {
	for name, tc := range map[string]struct {
		world  *world
		parent slipway.Kind
		change func(*world)
		check  []string
		reason string
	}{
		"first ship":    {fresh(), "", func(*world) {}, []string{"deploy/shop#verify [apply]"}, "it needs the source alone, and runs beside what is provisioned"},
		"with a parent": {fresh(), "cloud.project", func(*world) {}, []string{"deploy/shop#verify [apply] < project/shop#create"}, "it waits for the one resource whose id it needs"},
		"parent there":  {settled(), "cloud.project", func(w *world) { w.absent(deploy) }, []string{"deploy/shop#verify [apply]"}, "what is there is not waited for"},
		"no changes":    {settled(), "", func(*world) {}, nil, "nothing is deployed, so nothing is run"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.world.Job, tc.world.JobParent = slipway.Verify{Commands: [][]string{{"npm", "test"}}}.Job(), tc.parent
			tc.change(tc.world)
			p, err := slipway.MakePlan(tc.world.PlanInput)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range p.Checks {
				if c.Job == nil {
					continue
				}
				got = append(got, line(c.Key, string(c.Gate), c.DependsOn, nil))
				for _, e := range p.Effects {
					if e.Op == slipway.OpDeploy && !slices.Contains(e.DependsOn, c.Key) {
						t.Errorf("%s does not wait for %s", e.Key, c.Key)
					}
				}
			}
			if d := cmp.Diff(tc.check, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
		})
	}
}

func TestAJobIsInTheDigest(t *testing.T) {
	digest := func(v slipway.Verify) string {
		w := fresh()
		w.Job = v.Job()
		p, err := slipway.MakePlan(w.PlanInput)
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest()
	}
	base := slipway.Verify{Commands: [][]string{{"npm", "test"}}}
	seen := map[string]string{digest(base): "base"}
	for name, change := range map[string]func(*slipway.Verify){
		"commands": func(v *slipway.Verify) { v.Commands = [][]string{{"npm", "ci"}, {"npm", "test"}} },
		"network":  func(v *slipway.Verify) { v.Network = []string{"packages.example.com"} },
		"timeout":  func(v *slipway.Verify) { v.Timeout = "11m" },
		"memory":   func(v *slipway.Verify) { v.Memory = 2048 },
		"runtime":  func(v *slipway.Verify) { v.Runtime = "node22" },
		"sandbox":  func(v *slipway.Verify) { v.Sandbox = "local" },
	} {
		v := base
		change(&v)
		if other, same := seen[digest(v)]; same {
			t.Errorf("%s: the digest is that of %s: an approval would cover what was not looked at", name, other)
		}
		seen[digest(v)] = name
	}
	auto := base
	auto.Sandbox = slipway.SandboxAuto
	if digest(auto) != digest(base) {
		t.Error("auto is what is meant when nothing is said")
	}
}
