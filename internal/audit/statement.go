package audit

import (
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// statement is one that is about to be signed.
type statement struct {
	about     string // the predicate's type
	predicate any
	subject   []attest.Subject
}

// The predicates of our own, and what is needed of the others. Times are RFC 3339 in UTC. docs/format-audit-bundle.md describes each field.
type (
	approvalPredicate struct {
		Run       string             `json:"run"`
		Approval  string             `json:"approval"`
		Gate      string             `json:"gate"`
		State     string             `json:"state"`
		By        *slipway.Principal `json:"by,omitempty"`
		How       string             `json:"how,omitempty"`
		Reason    string             `json:"reason,omitempty"`
		Plan      string             `json:"plan"`
		DecidedAt string             `json:"decided_at,omitempty"`
		ExpiresAt string             `json:"expires_at,omitempty"`
		Policy    string             `json:"policy,omitempty"`
		Nonce     string             `json:"nonce,omitempty"`
		Approvers []approverEntry    `json:"approvers,omitempty"`
	}
	// approverEntry is one yes: of whom, by what proof, let by which rules of the policy.
	approverEntry struct {
		Name  string   `json:"name"`
		Proof string   `json:"proof"`
		Key   string   `json:"key,omitempty"`
		Rules []string `json:"rules,omitempty"`
		At    string   `json:"at"`
	}
	provisionPredicate struct {
		Run       string   `json:"run"`
		Revision  int      `json:"revision"`
		Plan      string   `json:"plan"`
		Step      string   `json:"step"`
		Op        string   `json:"op"`
		Address   string   `json:"address"`
		ID        string   `json:"id,omitempty"`
		Account   string   `json:"account,omitempty"`
		Approvals []string `json:"approvals"`
		IntentAt  string   `json:"intent_at,omitempty"`
		EndedAt   string   `json:"ended_at,omitempty"`
	}
	evidencePredicate struct {
		Run      string             `json:"run"`
		Revision int                `json:"revision"`
		Plan     string             `json:"plan"`
		Step     string             `json:"step"`
		Finding  string             `json:"finding"`
		Asserted bool               `json:"asserted"`
		How      string             `json:"how,omitempty"`
		Note     string             `json:"note,omitempty"`
		By       *slipway.Principal `json:"by,omitempty"`
		EndedAt  string             `json:"ended_at,omitempty"`
	}
	promotionPredicate struct {
		Run        string   `json:"run"`
		Revision   int      `json:"revision"`
		Plan       string   `json:"plan"`
		Step       string   `json:"step"`
		Deployment any      `json:"deployment"` // its id; null where nothing told it
		Replaced   string   `json:"replaced,omitempty"`
		URLs       []string `json:"urls"`
		Approvals  []string `json:"approvals"`
		EndedAt    string   `json:"ended_at,omitempty"`
	}
	testResult struct {
		Result        string           `json:"result"`
		Configuration []attest.Subject `json:"configuration"`
		URL           string           `json:"url,omitempty"`
		PassedTests   []string         `json:"passedTests,omitempty"`
		FailedTests   []string         `json:"failedTests,omitempty"`
		// Extensions: where commands were run, apart from what, and what they have printed; and how each probe went.
		Isolation  any             `json:"isolation,omitempty"`
		Transcript *attest.Subject `json:"transcript,omitempty"`
		Probes     any             `json:"probes,omitempty"`
	}
	provenance struct {
		Definition buildDefinition `json:"buildDefinition"`
		Details    runDetails      `json:"runDetails"`
	}
	buildDefinition struct {
		Type         string           `json:"buildType"`
		Parameters   map[string]any   `json:"externalParameters"`
		Dependencies []attest.Subject `json:"resolvedDependencies"`
	}
	runDetails struct {
		Builder    map[string]string `json:"builder"`
		Metadata   map[string]string `json:"metadata"`
		Byproducts []attest.Subject  `json:"byproducts,omitempty"`
	}
)

// What provenance calls us.
const (
	builderID = "https://slipway.dev/builder/v1"
	buildType = "https://slipway.dev/build-types/deployment/v1"
)

// statements are all that the bundle states, in order: approvals, then what the steps did, then the checkpoint.
func (e *export) statements() []statement {
	var all []statement
	for _, a := range e.approvals {
		if a.State != slipway.ApprovalRequested {
			all = append(all, approvalStatement(a))
		}
	}
	for _, s := range e.steps {
		all = append(all, e.stepStatements(s)...)
	}
	for _, f := range e.files {
		if f.Path == nameEvents {
			all = append(all, statement{attest.Checkpoint, e.checkpoint, []attest.Subject{attest.About(nameEvents, "sha256:"+f.SHA256)}})
		}
	}
	return all
}

func approvalStatement(a slipway.Approval) statement {
	plan, _ := a.Content["plan"].(string)
	var approvers []approverEntry
	for _, v := range a.Votes {
		approvers = append(approvers, approverEntry{v.By.Name, string(v.Proof), v.Key, v.Rules, timestamp(v.At)})
	}
	return statement{attest.Approval, approvalPredicate{
		Run: a.Run, Approval: a.ID, Gate: string(a.Gate), State: string(a.State), By: a.By, How: a.How, Reason: a.Reason, Plan: plan,
		DecidedAt: timestamp(a.DecidedAt), ExpiresAt: timestamp(a.ExpiresAt), Policy: a.Policy, Nonce: a.Nonce, Approvers: approvers,
	}, []attest.Subject{attest.About("gate "+string(a.Gate), a.Subject)}}
}

// stepStatements are what is stated of one step: nothing while it is not done, unless it is a check that has failed.
func (e *export) stepStatements(s slipway.Step) []statement {
	plan := e.plans[s.Revision-1]
	for _, c := range plan.Checks {
		if c.Key == s.Key && (s.State == slipway.StepDone || s.State == slipway.StepFailed) {
			return []statement{e.verified(plan, c, s)}
		}
	}
	effect := plan.Effect(s.Key)
	if effect == nil || s.State != slipway.StepDone {
		return nil
	}
	var all []statement
	switch {
	case effect.Mode == slipway.ModeManual && s.Evidence != nil:
		all = append(all, e.byHand(plan, s))
	default:
		all = append(all, e.provisioned(plan, *effect, s))
	}
	switch effect.Op {
	case slipway.OpDeploy:
		all = append(all, e.deployed(plan, *effect, s))
	case slipway.OpPromote, slipway.OpRollback:
		all = append(all, e.promoted(plan, *effect, s))
	}
	return all
}

// subject names what a step made, by the digest of its receipt; without one, the effect by the digest of its plan.
func subject(plan *slipway.Plan, key string, s slipway.Step) []attest.Subject {
	if s.Receipt == nil {
		return []attest.Subject{attest.About(key, plan.Digest())}
	}
	return []attest.Subject{attest.About(string(s.Receipt.Address), slipway.CanonicalDigest(s.Receipt))}
}

func (e *export) provisioned(plan *slipway.Plan, x slipway.Effect, s slipway.Step) statement {
	p := provisionPredicate{
		Run: e.run.ID, Revision: s.Revision, Plan: plan.Digest(), Step: s.Key, Op: string(x.Op), Address: string(x.Address),
		Approvals: e.approvalsOf(x.Gate, plan.Digest()), IntentAt: timestamp(s.IntentAt), EndedAt: timestamp(s.EndedAt),
	}
	if s.Receipt != nil {
		p.ID, p.Account = s.Receipt.ID, s.Receipt.Account
	}
	return statement{attest.Provision, p, subject(plan, s.Key, s)}
}

func (e *export) byHand(plan *slipway.Plan, s slipway.Step) statement {
	return statement{attest.ManualEvidence, evidencePredicate{
		Run: e.run.ID, Revision: s.Revision, Plan: plan.Digest(), Step: s.Key, Finding: string(s.Evidence.Finding),
		Asserted: s.Evidence.Finding == slipway.FindingAsserted, How: s.Evidence.How, Note: s.Evidence.Note, By: s.Evidence.By,
		EndedAt: timestamp(s.EndedAt),
	}, subject(plan, s.Key, s)}
}

func (e *export) promoted(plan *slipway.Plan, x slipway.Effect, s slipway.Step) statement {
	p := promotionPredicate{
		Run: e.run.ID, Revision: s.Revision, Plan: plan.Digest(), Step: s.Key, Deployment: s.Basis["deployment"], Replaced: plan.Serving,
		URLs: []string{}, Approvals: e.approvalsOf(x.Gate, plan.Digest()), EndedAt: timestamp(s.EndedAt),
	}
	if s.Receipt != nil && s.Receipt.URLs != nil {
		p.URLs = s.Receipt.URLs
	}
	if x.OnFailure != "" { // it replaced what this run itself had promoted
		p.Replaced = ""
	}
	return statement{attest.Promotion, p, subject(plan, s.Key, s)}
}

// verified states what a check found: probes of a deployment, or the manifest's commands on the source.
func (e *export) verified(plan *slipway.Plan, c slipway.Check, s slipway.Step) statement {
	t := testResult{Result: "PASSED", Configuration: []attest.Subject{attest.About("plan", plan.Digest())}, Isolation: s.Basis["isolation"], Probes: s.Basis["probes"]}
	for _, p := range c.Probes {
		t.PassedTests = append(t.PassedTests, "GET "+p.Path)
	}
	about := attest.About(string(c.Address), plan.Digest())
	if c.Job != nil {
		for _, argv := range c.Job.Commands {
			t.PassedTests = append(t.PassedTests, strings.Join(argv, " "))
		}
		about = attest.About("source tree", e.run.Source)
	} else if r, ok := e.receipts[c.Address]; ok {
		about = attest.About(string(c.Address), slipway.CanonicalDigest(r))
		if len(r.URLs) > 0 {
			t.URL = r.URLs[0]
		}
	}
	if name, ok := s.Basis["transcript"].(string); ok {
		transcript := attest.About("transcript", name)
		t.Transcript = &transcript
	}
	if s.State == slipway.StepFailed { // which of them did not pass is in the step
		t.Result, t.PassedTests, t.FailedTests = "FAILED", nil, t.PassedTests
	}
	return statement{attest.TestResult, t, []attest.Subject{about}}
}

// deployed is where a deployment comes from.
func (e *export) deployed(plan *slipway.Plan, x slipway.Effect, s slipway.Step) statement {
	dependencies := []attest.Subject{}
	if e.run.Source != "" {
		dependencies = append(dependencies, attest.About("source tree", e.run.Source))
	}
	dependencies = append(dependencies, attest.About(nameManifest, digest([]byte(e.run.Manifest))))
	if s.Receipt != nil && s.Receipt.Details[slipway.DetailCommit] != "" {
		dependencies = append(dependencies, commitSubject(*s.Receipt))
	}
	d := runDetails{
		Builder:  map[string]string{"id": builderID},
		Metadata: map[string]string{"invocationId": e.run.ID + "/" + fmt.Sprint(s.Revision) + "/" + s.Key},
	}
	if at := timestamp(s.IntentAt); at != "" {
		d.Metadata["startedOn"] = at
	}
	if at := timestamp(s.EndedAt); at != "" {
		d.Metadata["finishedOn"] = at
	}
	parameters := map[string]any{
		"app": e.run.App, "environment": e.run.Environment, "plan": plan.Digest(), "kind": string(x.Address.Kind()), "input": s.Basis["input"],
	}
	if s.Receipt != nil {
		parameters["id"], parameters["urls"], parameters["domains"] = s.Receipt.ID, s.Receipt.URLs, domains(s.Receipt.URLs)
	}
	return statement{attest.Provenance, provenance{buildDefinition{buildType, parameters, dependencies}, d}, subject(plan, s.Key, s)}
}

// commitSubject names the commit that a deployment was built from: https://github.com/in-toto/attestation/blob/main/spec/v1/digest_set.md
func commitSubject(r slipway.Receipt) attest.Subject {
	return attest.Subject{Name: r.Details[slipway.DetailRepository], Digest: map[string]string{"gitCommit": r.Details[slipway.DetailCommit]}}
}

// domains are the hosts of URLs.
func domains(urls []string) []string {
	out := []string{}
	for _, u := range urls {
		_, rest, _ := strings.Cut(u, "://")
		host, _, _ := strings.Cut(rest, "/")
		out = append(out, host)
	}
	return out
}
