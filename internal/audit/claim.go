package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// claim is a statement that the records call for: what it must say, and about what.
type claim struct {
	predicateType string
	predicate     map[string]any
	name, digest  string // of the subject
}

// checkClaims says that the statements are those that the records call for, no more and no less, in the same order.
func (b *reading) checkClaims(context.Context) error {
	claims := b.claims()
	for i, s := range b.statements {
		if i >= len(claims) {
			return fault(s.path, "the records do not call for this statement")
		}
		c := claims[i]
		if s.PredicateType != c.predicateType {
			return fault(s.path, "it states %s, and the records call for %s", s.PredicateType, c.predicateType)
		}
		if err := subjectIs(s.path, s.Statement, c.name, strings.TrimPrefix(c.digest, "sha256:")); err != nil {
			return err
		}
		if err := sameClaim(s.path, s.Predicate, c.predicate); err != nil {
			return err
		}
	}
	if len(claims) > len(b.statements) {
		c := claims[len(b.statements)]
		return fault(nameIndex+" statements", "a statement %s about %s is missing", c.predicateType, c.name)
	}
	return nil
}

// sameClaim names the first member in which a predicate is not as it must be.
func sameClaim(place string, have json.RawMessage, want map[string]any) error {
	var got map[string]any
	if err := decode(place+" predicate", have, &got); err != nil {
		return err
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			return fault(place+" predicate "+name, "the records do not call for it")
		}
	}
	for name, w := range want {
		wanted, err := canonical(w)
		given, errGiven := canonical(got[name])
		if _, there := got[name]; err != nil || errGiven != nil || !there || !bytes.Equal(wanted, given) {
			return fault(place+" predicate "+name, "it is not what the records say")
		}
	}
	return nil
}

// claims are what the records call for, in order.
func (b *reading) claims() (all []claim) {
	for _, a := range b.approvals {
		if a.State == slipway.ApprovalRequested {
			continue
		}
		plan, _ := a.Content["plan"].(string)
		m := map[string]any{"run": a.Run, "approval": a.ID, "gate": a.Gate, "state": a.State, "plan": plan}
		put(m, map[string]any{"how": a.How, "reason": a.Reason, "decided_at": timestamp(a.DecidedAt), "expires_at": timestamp(a.ExpiresAt)})
		put(m, map[string]any{"policy": a.Policy, "nonce": a.Nonce})
		if a.By != nil {
			m["by"] = a.By
		}
		if people := b.people(a); people != nil {
			m["approvers"] = people
		}
		all = append(all, claim{attest.Approval, m, "gate " + string(a.Gate), a.Subject})
	}
	receipts := map[slipway.Address]slipway.Receipt{}
	for _, s := range b.steps {
		if s.Receipt != nil {
			receipts[s.Receipt.Address] = *s.Receipt
		}
	}
	for _, s := range b.steps {
		all = append(all, b.stepClaims(s, receipts)...)
	}
	sum := ""
	for _, f := range b.index.Files {
		if f.Path == nameEvents {
			sum = f.SHA256
		}
	}
	return append(all, claim{attest.Checkpoint, map[string]any{"run": b.run.ID, "seq": b.index.Events.Seq, "head": b.index.Events.Head}, nameEvents, sum})
}

// put adds those of more that are not empty.
func put(m, more map[string]any) {
	for name, v := range more {
		if v != "" {
			m[name] = v
		}
	}
}

// about names what a step made, else the step itself, by the digest of its plan.
func (b *reading) about(s slipway.Step) (name, sum string) {
	if s.Receipt == nil {
		return s.Key, b.digests[s.Revision-1]
	}
	sum, _ = valueDigest(s.Receipt) // it was decoded from JSON
	return string(s.Receipt.Address), sum
}

func (b *reading) stepClaims(s slipway.Step, receipts map[slipway.Address]slipway.Receipt) (all []claim) {
	p, plan := b.plans[s.Revision-1], b.digests[s.Revision-1]
	for _, c := range p.Checks {
		if c.Key == s.Key && (s.State == slipway.StepDone || s.State == slipway.StepFailed) {
			return []claim{b.testClaim(c, s, plan, receipts)}
		}
	}
	x := p.Effect(s.Key)
	if x == nil || s.State != slipway.StepDone {
		return nil
	}
	name, sum := b.about(s)
	m := map[string]any{"run": b.run.ID, "revision": s.Revision, "plan": plan, "step": s.Key}
	put(m, map[string]any{"ended_at": timestamp(s.EndedAt)})
	if x.Mode == slipway.ModeManual && s.Evidence != nil {
		m["finding"], m["asserted"], m["by"] = s.Evidence.Finding, s.Evidence.Finding == slipway.FindingAsserted, s.Evidence.By
		put(m, map[string]any{"how": s.Evidence.How, "note": s.Evidence.Note})
		all = append(all, claim{attest.ManualEvidence, m, name, sum})
	} else {
		m["op"], m["address"], m["approvals"] = x.Op, x.Address, b.openers(x.Gate, plan)
		put(m, map[string]any{"intent_at": timestamp(s.IntentAt)})
		if s.Receipt != nil {
			put(m, map[string]any{"id": s.Receipt.ID, "account": s.Receipt.Account})
		}
		all = append(all, claim{attest.Provision, m, name, sum})
	}
	switch x.Op {
	case slipway.OpDeploy:
		all = append(all, claim{attest.Provenance, b.provenanceClaim(*x, s, plan), name, sum})
	case slipway.OpPromote, slipway.OpRollback:
		all = append(all, claim{attest.Promotion, b.promotionClaim(*x, s, plan), name, sum})
	}
	return all
}

// openers are the approvals that opened a gate for a plan.
func (b *reading) openers(gate slipway.Gate, plan string) []string {
	ids := []string{}
	for _, a := range b.approvals {
		opened := a.State == slipway.ApprovalApproved || a.State == slipway.ApprovalConsumed
		if opened && a.Gate == gate && a.Content["plan"] == plan {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// testClaim is what a check found, test by test: passed is what is known to have passed.
func (b *reading) testClaim(c slipway.Check, s slipway.Step, plan string, receipts map[slipway.Address]slipway.Receipt) claim {
	if b.version < sinceStatements {
		return b.testClaimV1(c, s, plan, receipts)
	}
	m := map[string]any{"result": "PASSED", "configuration": []attest.Subject{attest.About("plan", plan)}}
	if s.State == slipway.StepFailed {
		m["result"] = "FAILED"
	}
	went := wentWell(s.Basis)
	for _, name := range testsOf(c) {
		list := "failedTests"
		if s.State == slipway.StepDone || went[name] {
			list = "passedTests"
		}
		names, _ := m[list].([]string)
		m[list] = append(names, name)
	}
	for _, name := range []string{"isolation", "probes", "checks"} {
		if v := s.Basis[name]; v != nil {
			m["slipway_"+name] = v
		}
	}
	if name, ok := s.Basis["transcript"].(string); ok {
		m["slipway_transcript"] = attest.About("transcript", name)
	}
	r, made := receipts[c.Address]
	switch {
	case c.Job != nil:
		return claim{attest.TestResult, m, "source tree", b.run.Source}
	case !made:
		return claim{attest.TestResult, m, string(c.Address), plan}
	}
	if len(r.URLs) > 0 {
		m["slipway_url"] = r.URLs[0]
	}
	sum, _ := valueDigest(r) // it was decoded from JSON
	return claim{attest.TestResult, m, string(c.Address), sum}
}

// testsOf are the names of a check's tests, in order.
func testsOf(c slipway.Check) (names []string) {
	for _, p := range c.Probes {
		names = append(names, "GET "+p.Path)
	}
	if c.Job != nil {
		for _, argv := range c.Job.Commands {
			names = append(names, strings.Join(argv, " "))
		}
	}
	for _, name := range c.Required {
		names = append(names, "check "+name)
	}
	return names
}

// wentWell are the tests of which the record says that they passed, each time.
func wentWell(basis map[string]any) map[string]bool {
	well := map[string]bool{}
	tell := func(name string, ok bool) {
		before, seen := well[name]
		well[name] = ok && (before || !seen)
	}
	probes, _ := basis["probes"].([]any)
	for _, p := range probes {
		m, _ := p.(map[string]any)
		path, _ := m["path"].(string)
		tell("GET "+path, m["outcome"] == string(slipway.ProbePassed))
	}
	commands, _ := basis["commands"].([]any)
	for _, c := range commands {
		m, _ := c.(map[string]any)
		var argv []string
		list, _ := m["argv"].([]any)
		for _, a := range list {
			text, _ := a.(string)
			argv = append(argv, text)
		}
		tell(strings.Join(argv, " "), m["end"] == string(slipway.JobExited) && m["exit"] == 0.0)
	}
	checks, _ := basis["checks"].([]any)
	for _, c := range checks {
		m, _ := c.(map[string]any)
		name, _ := m["name"].(string)
		tell("check "+name, m["state"] == string(slipway.CheckPassed))
	}
	return well
}

// field is what was observed of a step's resource when it was done; nil for nothing.
func field(s slipway.Step, name string) any {
	fields, _ := s.Basis["fields"].(map[string]any)
	return fields[name]
}

func (b *reading) promotionClaim(x slipway.Effect, s slipway.Step, plan string) map[string]any {
	deployment := field(s, "deployment")
	if b.version < sinceStatements {
		deployment = s.Basis["deployment"]
	}
	m := map[string]any{
		"run": b.run.ID, "revision": s.Revision, "plan": plan, "step": s.Key, "deployment": deployment, "urls": []string{},
		"approvals": b.openers(x.Gate, plan),
	}
	put(m, map[string]any{"ended_at": timestamp(s.EndedAt)})
	if x.OnFailure == "" {
		put(m, map[string]any{"replaced": b.plans[s.Revision-1].Serving})
	}
	if s.Receipt != nil && s.Receipt.URLs != nil {
		m["urls"] = s.Receipt.URLs
	}
	return m
}

// provenanceClaim is where a deployment comes from.
func (b *reading) provenanceClaim(x slipway.Effect, s slipway.Step, plan string) map[string]any {
	if b.version < sinceStatements {
		return b.provenanceClaimV1(x, s, plan)
	}
	metadata := map[string]any{"invocationId": fmt.Sprintf("%s/%d/%s", b.run.ID, s.Revision, s.Key)}
	put(metadata, map[string]any{"startedOn": timestamp(s.IntentAt), "finishedOn": timestamp(s.EndedAt)})
	builder := map[string]any{"id": builderID}
	if name, version, ok := strings.Cut(b.run.Tool, " "); ok {
		builder["version"] = map[string]string{name: version}
	}
	deployment := map[string]any{"urls": []string{}, "domains": []string{}}
	if s.Receipt != nil {
		urls, hosts := []string{}, []string{}
		for _, u := range s.Receipt.URLs {
			urls, hosts = append(urls, u), append(hosts, strings.SplitN(strings.SplitN(u+"://", "://", 3)[1], "/", 2)[0])
		}
		deployment = map[string]any{"urls": urls, "domains": hosts}
		put(deployment, map[string]any{"id": s.Receipt.ID}) // a person may have told none
	}
	from, dependencies := b.origin(s)
	return map[string]any{
		"buildDefinition": map[string]any{
			"buildType":            buildType,
			"externalParameters":   map[string]any{"app": b.run.App, "environment": b.run.Environment, "source": from},
			"internalParameters":   map[string]any{"plan": plan, "kind": x.Address.Kind(), "input": field(s, "input")},
			"resolvedDependencies": dependencies,
		},
		"runDetails": map[string]any{"builder": builder, "metadata": metadata, "slipway_deployment": deployment},
	}
}

// origin is the source that was asked for, and all that went into a deployment, each by its digest.
func (b *reading) origin(s slipway.Step) (from string, all []map[string]any) {
	sha256 := func(name, sum string) {
		all = append(all, map[string]any{"name": name, "digest": map[string]string{"sha256": strings.TrimPrefix(sum, "sha256:")}})
	}
	if from = "folder"; b.run.Source != "" {
		sha256("source tree", b.run.Source)
	}
	for _, name := range []string{nameManifest, nameSource} {
		for _, f := range b.index.Files {
			if f.Path == name {
				sha256(name, f.SHA256)
			}
		}
	}
	if r := s.Receipt; r != nil && r.Details[slipway.DetailCommit] != "" {
		d := r.Details
		from = strings.TrimSuffix(fmt.Sprintf("git+https://github.com/%s@%s", d[slipway.DetailRepository], d[slipway.DetailRef]), "@")
		return from, append(all, map[string]any{"uri": from, "digest": map[string]string{"gitCommit": d[slipway.DetailCommit]}})
	}
	if p := b.plans[s.Revision-1]; p.Shipped != nil && p.Shipped.Git != nil {
		g := *p.Shipped.Git
		notes := map[string]any{"clean": g.Clean, "changed": g.Changed, "added": g.Added, "removed": g.Removed}
		put(notes, map[string]any{"branch": g.Branch, "folder": g.Folder})
		all = append(all, map[string]any{"name": "work tree", "digest": map[string]string{"gitCommit": g.Commit}, "annotations": notes})
	}
	return from, all
}
