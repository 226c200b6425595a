package slipway

import (
	"context"
	"slices"
	"strings"
)

// ChecksAll, as the one name of promote.checks, stands for every check that the commit has.
const ChecksAll = "all"

// ownChecks begins the names of what Slipway itself reports: a run that waited for those of another could wait for one that waits for it.
const ownChecks = "slipway/"

// ReportName is the name under which the host of a source shows how an app's runs go.
func ReportName(app, environment string) string { return ownChecks + app + "/" + environment }

// CheckState is how a commit's check stands.
type CheckState string

const (
	CheckPending CheckState = "pending"
	CheckPassed  CheckState = "passed"
	CheckFailed  CheckState = "failed"
)

// CommitCheck is what somebody says of a commit, such as a job of its tests.
type CommitCheck struct {
	Name  string     `json:"name"`
	State CheckState `json:"state"`
	Says  string     `json:"says,omitempty"` // the host's own word for it, such as in_progress or timed_out; absent where there is none of that name
	URL   string     `json:"url,omitempty"`  // of its page
}

// CheckAbsent is what is said of a check that the commit does not have.
const CheckAbsent = "absent"

// CheckedCommits is Repositories at which commits are checked.
type CheckedCommits interface {
	// Checks returns what there is on a commit, in no certain order. Of those that were run again the last counts; a name can stand there twice,
	// by different apps.
	Checks(ctx context.Context, c Commit) ([]CommitCheck, error)
}

// RequireChecks returns how the required checks stand, by name, and all of them together. A name that the commit does not have is pending, and one
// that it has twice has passed when both have. ChecksAll leaves out Slipway's own, and is pending where there is no other.
func RequireChecks(required []string, seen []CommitCheck) (checks []CommitCheck, all CheckState) {
	if slices.Equal(required, []string{ChecksAll}) {
		for _, c := range seen {
			if !strings.HasPrefix(c.Name, ownChecks) {
				checks = append(checks, c)
			}
		}
		if len(checks) == 0 {
			checks = []CommitCheck{{Name: ChecksAll, State: CheckPending, Says: CheckAbsent}}
		}
	} else {
		for _, name := range required {
			n := len(checks)
			for _, c := range seen {
				if c.Name == name {
					checks = append(checks, c)
				}
			}
			if len(checks) == n {
				checks = append(checks, CommitCheck{Name: name, State: CheckPending, Says: CheckAbsent})
			}
		}
	}
	slices.SortFunc(checks, func(a, b CommitCheck) int {
		return strings.Compare(a.Name+"\x00"+a.URL+"\x00"+a.Says, b.Name+"\x00"+b.URL+"\x00"+b.Says)
	})
	all = CheckPassed
	for _, c := range checks {
		if c.State == CheckFailed || c.State == CheckPending && all == CheckPassed {
			all = c.State
		}
	}
	return checks, all
}

// Awaited reports whether c has not ended, and is not Slipway's own.
func (c CommitCheck) Awaited() bool {
	return c.State == CheckPending && !strings.HasPrefix(c.Name, ownChecks)
}

// String is a check in a line.
func (c CommitCheck) String() string {
	text := c.Name + ": " + c.Says
	if c.URL != "" {
		text += " (" + c.URL + ")"
	}
	return text
}

// addCommitChecks makes production move only when the required checks of the commit have passed. They are looked at when what is to be promoted is
// there: until then something else can need a decision.
func (p *planner) addCommitChecks(specs []Spec) {
	i := slices.IndexFunc(p.plan.Effects, func(e Effect) bool { return e.Op == OpPromote })
	if i < 0 || len(p.Required) == 0 || p.Commit.SHA == "" {
		return
	}
	for _, s := range specs {
		if !p.Kinds[s.Address.Kind()].Versioned {
			continue
		}
		c := Check{Key: string(s.Address) + "#checks", Address: s.Address, Required: p.Required, DependsOn: uniq(p.dependencies(Spec{Needs: []Address{s.Address}}))}
		p.plan.Checks = append(p.plan.Checks, c)
		e := &p.plan.Effects[i]
		e.DependsOn = uniq(append(e.DependsOn, c.Key))
	}
}
