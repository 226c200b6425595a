package audit

import (
	"encoding/json"
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
	// testResult: https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
	testResult struct {
		Result        string           `json:"result"`
		Configuration []attest.Subject `json:"configuration"`
		PassedTests   []string         `json:"passedTests,omitempty"`
		FailedTests   []string         `json:"failedTests,omitempty"` // those that are not known to have passed, in a check that has failed
		// Extensions: the deployment that was asked, where commands were run, apart from what, and what they have printed; how each probe
		// went, and what the commit's checks said.
		URL        string          `json:"slipway_url,omitempty"`
		Isolation  any             `json:"slipway_isolation,omitempty"`
		Transcript *attest.Subject `json:"slipway_transcript,omitempty"`
		Probes     any             `json:"slipway_probes,omitempty"`
		Checks     any             `json:"slipway_checks,omitempty"`
	}
	// provenance: https://slsa.dev/spec/v1.0/provenance
	provenance struct {
		Definition buildDefinition `json:"buildDefinition"`
		Details    runDetails      `json:"runDetails"`
	}
	buildDefinition struct {
		Type         string             `json:"buildType"`
		External     externalParameters `json:"externalParameters"`
		Internal     internalParameters `json:"internalParameters"`
		Dependencies []resource         `json:"resolvedDependencies"`
	}
	externalParameters struct {
		App         string `json:"app"`
		Environment string `json:"environment"`
		Source      string `json:"source"` // folder, or git+https://github.com/OWNER/NAME@REF
	}
	internalParameters struct {
		Plan  string `json:"plan"`
		Kind  string `json:"kind"`
		Input any    `json:"input"` // digest of all that decides what a deployment is; null where nothing told it
	}
	// resource: https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md
	resource struct {
		Name        string            `json:"name,omitempty"`
		URI         string            `json:"uri,omitempty"`
		Digest      map[string]string `json:"digest"`
		Annotations *workTree         `json:"annotations,omitempty"`
	}
	// workTree tells how the source that was shipped stands to the commit that it stood beside.
	workTree struct {
		Branch  string `json:"branch,omitempty"`
		Folder  string `json:"folder,omitempty"`
		Clean   bool   `json:"clean"`
		Changed int    `json:"changed"`
		Added   int    `json:"added"`
		Removed int    `json:"removed"`
	}
	runDetails struct {
		Builder    builder           `json:"builder"`
		Metadata   map[string]string `json:"metadata"`
		Deployment deployed          `json:"slipway_deployment"` // an extension: what came out
	}
	builder struct {
		ID      string            `json:"id"`
		Version map[string]string `json:"version,omitempty"` // of the program that worked on the run last
	}
	deployed struct {
		ID      string   `json:"id,omitempty"`
		URLs    []string `json:"urls"`
		Domains []string `json:"domains"`
	}
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

// observed is what a done step found of its resource, nil where it did not tell.
func observed(s slipway.Step, field string) any {
	fields, _ := s.Basis["fields"].(map[string]any)
	return fields[field]
}

func (e *export) promoted(plan *slipway.Plan, x slipway.Effect, s slipway.Step) statement {
	p := promotionPredicate{
		Run: e.run.ID, Revision: s.Revision, Plan: plan.Digest(), Step: s.Key, Deployment: observed(s, "deployment"), Replaced: plan.Serving,
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
	t := testResult{Result: "PASSED", Configuration: []attest.Subject{attest.About("plan", plan.Digest())}, Isolation: s.Basis["isolation"], Probes: s.Basis["probes"], Checks: s.Basis["checks"]}
	for _, p := range c.Probes {
		t.add("GET "+p.Path, s)
	}
	about := attest.About(string(c.Address), plan.Digest())
	if c.Job != nil {
		for _, argv := range c.Job.Commands {
			t.add(strings.Join(argv, " "), s)
		}
		about = attest.About("source tree", e.run.Source)
	} else if r, ok := e.receipts[c.Address]; ok {
		about = attest.About(string(c.Address), slipway.CanonicalDigest(r))
		if len(r.URLs) > 0 {
			t.URL = r.URLs[0]
		}
	}
	for _, name := range c.Required {
		t.add("check "+name, s)
	}
	if name, ok := s.Basis["transcript"].(string); ok {
		transcript := attest.About("transcript", name)
		t.Transcript = &transcript
	}
	if s.State == slipway.StepFailed {
		t.Result = "FAILED"
	}
	return statement{attest.TestResult, t, []attest.Subject{about}}
}

// add puts a test where it belongs: all have passed in a check that did, else those that are recorded to have.
func (t *testResult) add(name string, s slipway.Step) {
	if s.State == slipway.StepDone || passed(name, s.Basis) {
		t.PassedTests = append(t.PassedTests, name)
		return
	}
	t.FailedTests = append(t.FailedTests, name)
}

// passed reports whether a step's record has a test, and has it as passed wherever it has it.
func passed(name string, basis map[string]any) bool {
	var results struct {
		Probes   []slipway.ProbeResult
		Commands []slipway.CommandResult
		Checks   []slipway.CommitCheck
	}
	raw, err := json.Marshal(basis)
	if err != nil || json.Unmarshal(raw, &results) != nil {
		return false
	}
	found := false
	for _, p := range results.Probes {
		if "GET "+p.Path == name {
			if found = p.Outcome == slipway.ProbePassed; !found {
				return false
			}
		}
	}
	for _, c := range results.Checks {
		if "check "+c.Name == name {
			if found = c.State == slipway.CheckPassed; !found {
				return false
			}
		}
	}
	for _, c := range results.Commands {
		if strings.Join(c.Argv, " ") == name {
			if found = c.Passed(); !found {
				return false
			}
		}
	}
	return found
}

// deployed is where a deployment comes from.
func (e *export) deployed(plan *slipway.Plan, x slipway.Effect, s slipway.Step) statement {
	p := provenance{
		buildDefinition{
			buildType,
			externalParameters{e.run.App, e.run.Environment, "folder"},
			internalParameters{plan.Digest(), string(x.Address.Kind()), observed(s, "input")},
			e.dependencies(plan, s),
		},
		runDetails{
			builder{ID: builderID},
			map[string]string{"invocationId": e.run.ID + "/" + fmt.Sprint(s.Revision) + "/" + s.Key},
			deployed{URLs: []string{}, Domains: []string{}},
		},
	}
	if at := timestamp(s.IntentAt); at != "" {
		p.Details.Metadata["startedOn"] = at
	}
	if at := timestamp(s.EndedAt); at != "" {
		p.Details.Metadata["finishedOn"] = at
	}
	if name, version, ok := strings.Cut(e.run.Tool, " "); ok {
		p.Details.Builder.Version = map[string]string{name: version}
	}
	if s.Receipt != nil {
		p.Details.Deployment = deployed{s.Receipt.ID, append([]string{}, s.Receipt.URLs...), domains(s.Receipt.URLs)}
		if s.Receipt.Details[slipway.DetailCommit] != "" {
			p.Definition.External.Source = commitURI(*s.Receipt)
		}
	}
	return statement{attest.Provenance, p, subject(plan, s.Key, s)}
}

// dependencies are what went into a deployment.
func (e *export) dependencies(plan *slipway.Plan, s slipway.Step) (all []resource) {
	if e.run.Source != "" {
		all = append(all, resource{Name: "source tree", Digest: attest.About("", e.run.Source).Digest})
	}
	for _, name := range []string{nameManifest, nameSource} {
		for _, f := range e.files {
			if f.Path == name {
				all = append(all, resource{Name: name, Digest: map[string]string{"sha256": f.SHA256}})
			}
		}
	}
	switch {
	case s.Receipt != nil && s.Receipt.Details[slipway.DetailCommit] != "":
		all = append(all, resource{URI: commitURI(*s.Receipt), Digest: map[string]string{"gitCommit": s.Receipt.Details[slipway.DetailCommit]}})
	case plan.Shipped != nil && plan.Shipped.Git != nil:
		g := plan.Shipped.Git
		all = append(all, resource{
			Name: "work tree", Digest: map[string]string{"gitCommit": g.Commit},
			Annotations: &workTree{g.Branch, g.Folder, g.Clean, g.Changed, g.Added, g.Removed},
		})
	}
	return all
}

// commitURI names the repository and the ref that a commit was asked for by: https://slsa.dev/spec/v1.0/provenance#builddefinition
func commitURI(r slipway.Receipt) string {
	uri := "git+https://github.com/" + r.Details[slipway.DetailRepository]
	if ref := r.Details[slipway.DetailRef]; ref != "" {
		uri += "@" + ref
	}
	return uri
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
