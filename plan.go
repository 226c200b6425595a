package slipway

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gowebpki/jcs"
)

// PlanFormat is the version of the plan's canonical form.
const PlanFormat = 1

// Op is what an effect does.
type Op string

const (
	OpCreate   Op = "create"
	OpUpdate   Op = "update"
	OpAdopt    Op = "adopt"
	OpReplace  Op = "replace"
	OpDelete   Op = "delete"
	OpDeploy   Op = "deploy"
	OpPromote  Op = "promote"
	OpRollback Op = "rollback"
)

// Gate is where a run waits for an approval.
type Gate string

const (
	GateApply    Gate = "apply"    // every effect before promotion
	GatePromote  Gate = "promote"  // moving production
	GateRollback Gate = "rollback" // moving production back
	GateDestroy  Gate = "destroy"  // delete and replace
	GatePolicy   Gate = "policy"   // another policy than the one in force: before every other gate, and behind it is no effect
)

// Operation is what a run is for.
type Operation string

const (
	OperationShip     Operation = "ship"
	OperationDestroy  Operation = "destroy"
	OperationRollback Operation = "rollback"
)

// Effect is one change outside.
type Effect struct {
	Key     string         `json:"key"` // address#op: stable over revisions
	Op      Op             `json:"op"`
	Address Address        `json:"address"`
	Name    string         `json:"name,omitempty"`
	Account string         `json:"account,omitempty"`
	Params  map[string]any `json:"params,omitempty"` // what is declared; null is known only during the run; never a secret
	Secrets []SecretWrite  `json:"secrets,omitempty"`
	// Basis is what the diff read: exists, id, and the observed value of each param. It is checked again just before the effect.
	Basis     map[string]any `json:"basis"`
	DependsOn []string       `json:"depends_on,omitempty"`
	// After are effects whose outcome must be committed first; that they are usable is not waited for.
	After []string `json:"after,omitempty"`
	// OnFailure is the check whose failure makes this due. Without that failure it is never done.
	OnFailure string `json:"on_failure,omitempty"`
	Gate      Gate   `json:"gate"`
	Mode      Mode   `json:"mode,omitempty"` // "" is automated

	// Prose, outside the digest.
	Cause       Cause    `json:"cause,omitempty"` // manual or blocked: what the credential lacks; "" where it is not the credential
	Why         string   `json:"why,omitempty"`   // manual or blocked: why Slipway does not do it
	Changes     []Change `json:"changes,omitempty"`
	Reason      string   `json:"reason"`
	Consequence string   `json:"consequence,omitempty"`
	Reversible  bool     `json:"reversible"`
}

// SecretWrite tells which value an effect writes, by reference and keyed fingerprint; "" is known only during the run.
type SecretWrite struct {
	Name        string `json:"name"`
	Reference   string `json:"reference"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Change is one field that differs, for display. Secrets show as "(changed)".
type Change struct {
	Field string `json:"field"`
	From  any    `json:"from"`
	To    any    `json:"to"`
}

// Check is a step that changes nothing of the app's: health probes on a deployment, a job on the source before it, or a wait for what others say
// of the commit. Exactly one of Probes, Job and Required.
type Check struct {
	Key       string        `json:"key"`
	Address   Address       `json:"address"` // the deployment
	DependsOn []string      `json:"depends_on,omitempty"`
	Gate      Gate          `json:"gate,omitempty"` // of a job: it costs compute, and runs the source's code
	Probes    []HealthProbe `json:"probes,omitempty"`
	Job       *Job          `json:"job,omitempty"`
	Required  []string      `json:"required,omitempty"` // names of the commit's checks, or ChecksAll
}

// Plan is the ordered effects and checks of a run.
type Plan struct {
	Format      int       `json:"format"`
	Operation   Operation `json:"operation"`
	App         string    `json:"app"`
	Environment string    `json:"environment"`
	Source      string    `json:"source,omitempty"` // digest of the source tree, or of its commit
	Commit      *Commit   `json:"commit,omitempty"` // what Source pins; nil for a folder
	Effects     []Effect  `json:"effects"`
	Checks      []Check   `json:"checks,omitempty"`
	// Existing are resources that were there already, and are checked and wired.
	Existing []Used `json:"existing,omitempty"`
	// Undeclared are stateful resources of ours that the manifest no longer names. They stay until destroy.
	Undeclared []Address `json:"undeclared,omitempty"`
	// Kept are resources that a destroy leaves, or that the manifest no longer declares, because Slipway did not make them.
	Kept []Address `json:"kept,omitempty"`
	// Serving is the deployment that production serves, where a promote is planned. Drift tells that it is not our last.
	Serving string `json:"serving,omitempty"`
	Drift   bool   `json:"drift,omitempty"`
	// Held: production is moved only by a decision that names what it serves.
	Held Hold `json:"held,omitempty"`

	// Report tells where it is shown how the run goes; nil for nowhere.
	Report *Reporting `json:"report,omitempty"`

	// Shipped tells what the source is. Outside the digest.
	Shipped *Shipped `json:"shipped,omitempty"`
	// Access is what speaks against the credentials, as evidence of the modes. Outside the digest.
	Access Access `json:"access,omitempty"`
	// Unverified are recorded resources that nothing could look at; they are taken as recorded. Outside the digest.
	Unverified []Address `json:"unverified,omitempty"`
	// Rotated are the values that were written since the deployment of a rollback was built: it still has the old ones. Outside the digest.
	Rotated []Address `json:"rotated,omitempty"`
	// Built tells the values' names that the deployment of a rollback was built with; nil where this home did not deploy it. Outside the digest.
	Built *Built `json:"built,omitempty"`
}

// NoChanges reports whether there is nothing to do.
func (p *Plan) NoChanges() bool { return len(p.Effects) == 0 }

// Effect returns the effect with that key, nil for none.
func (p *Plan) Effect(key string) *Effect {
	for i := range p.Effects {
		if p.Effects[i].Key == key {
			return &p.Effects[i]
		}
	}
	return nil
}

// Check returns the check with that key, nil for none.
func (p *Plan) Check(key string) *Check {
	for i := range p.Checks {
		if p.Checks[i].Key == key {
			return &p.Checks[i]
		}
	}
	return nil
}

// Counts returns the number of effects by op, without those that only a failure makes due.
func (p *Plan) Counts() map[Op]int {
	n := map[Op]int{}
	for _, e := range p.Effects {
		if e.OnFailure == "" {
			n[e.Op]++
		}
	}
	return n
}

// Digest returns sha256:… over the canonical JSON (RFC 8785) of all that an approval binds; prose is left out.
func (p *Plan) Digest() string {
	bare := *p
	bare.Access, bare.Unverified, bare.Rotated, bare.Built, bare.Shipped = nil, nil, nil, nil, nil
	if bare.Report != nil && bare.Report.Skipped != "" {
		bare.Report = nil
	}
	bare.Effects, bare.Existing = slices.Clone(p.Effects), slices.Clone(p.Existing)
	for i := range bare.Existing {
		bare.Existing[i].Note = ""
	}
	for i := range bare.Effects {
		e := &bare.Effects[i]
		e.Changes, e.Cause, e.Why, e.Reason, e.Consequence, e.Reversible = nil, "", "", "", "", false
	}
	slices.SortFunc(bare.Effects, func(a, b Effect) int { return strings.Compare(a.Key, b.Key) })
	return CanonicalDigest(bare)
}

// CanonicalDigest returns sha256:… over the canonical JSON (RFC 8785) of v. It panics on a value that JSON cannot hold, which only a
// defect can make.
func CanonicalDigest(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("slipway: canonical digest: %v", err))
	}
	canonical, err := jcs.Transform(raw)
	if err != nil {
		panic(fmt.Sprintf("slipway: canonical digest: %v", err))
	}
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// PlanInput is all that planning reads.
type PlanInput struct {
	Operation   Operation
	App         string
	Environment string
	Source      string // digest of the source tree, or of its commit
	Specs       []Spec // Params resolved as far as they can be known
	Kinds       map[Kind]KindInfo
	Observed    map[Address]Observation
	Owned       map[Address]bool    // proven ours: a recorded id, the ledger, or the provider's own mark
	Receipts    map[Address]Receipt // what is recorded, declared or not
	Listed      []Observation       // ours by the provider's own mark, declared or not
	Ledger      *Ledger             // what the provider's ledger says now; nil for none
	Probes      []HealthProbe
	Released    []HealthProbe // on production, after it has moved
	Required    []string      // checks of the commit that production waits for; none for a folder
	// RollbackAuto: where those fail, production is moved back.
	RollbackAuto bool
	Job          *Job   // what is to pass before the source is deployed; nil for nothing
	JobParent    Kind   // the kind of the resource that the job needs; "" for none
	LastServed   string // the deployment that our last promote moved production to; "" when nothing is recorded
	PromoteAuto  bool   // the apply approval covers the promote, unless production has drifted or would go backwards
	// Planned is when the ship was asked for, Commit what it ships (zero for a folder), and CommitOrder how that stands to the commit that
	// production serves; "" where nothing could compare them.
	Planned     time.Time
	Commit      Commit
	CommitOrder CommitOrder
	Access      Access // what the credentials are good for
	// Unresolved are the Specs of which Slipway cannot read a value that they write, and why. A person carries it.
	Unresolved map[Address]string
	// Elsewhere are those of them whose value was written last from another reference than the one declared now.
	Elsewhere map[Address]bool
}

// MakePlan returns what must change so that what is observed becomes what is desired. It is pure: the same input gives the same plan.
// It fails with CodeAmbiguous, CodeConflict or CodeInvalid (a cycle) and then there is no plan.
func MakePlan(in PlanInput) (*Plan, error) {
	in.Access = in.Access.In(in.Environment)
	p := &planner{PlanInput: in, last: map[Address]string{}, plan: &Plan{
		Format: PlanFormat, Operation: in.Operation, App: in.App, Environment: in.Environment, Source: in.Source, Effects: []Effect{},
		Access: in.Access,
	}}
	specs, err := sortSpecs(in.Specs)
	if err != nil {
		return nil, err
	}
	for _, s := range specs {
		if s.isLedger() {
			continue // it depends on all the others
		}
		if err := p.add(s); err != nil {
			return nil, err
		}
	}
	p.deleteUnlisted(specs)
	p.prune(specs)
	p.addLedger(specs)
	p.joinBatches()
	p.promoteLast()
	p.addJob(specs)
	p.addChecks(specs)
	p.addCommitChecks(specs)
	p.addRelease()
	p.undeclared(specs)
	return p.plan, nil
}

type planner struct {
	PlanInput
	plan *Plan
	last map[Address]string // key of the last effect on an address
}

func (s Spec) isLedger() bool {
	for _, in := range s.Inputs {
		if in.Ledger && !in.CreateOnly {
			return true
		}
	}
	return false
}

// add compares one Spec with what was observed and adds the effect that mends the difference.
func (p *planner) add(s Spec) error {
	p.followMade(&s)
	if s.Existing {
		return p.addExisting(s)
	}
	kind, obs := p.Kinds[s.Address.Kind()], p.Observed[s.Address]
	if len(obs.Namesakes) > 1 {
		return ambiguous(s, obs.Namesakes)
	}
	if kind.Initial != nil && !obs.Exists {
		obs = Observation{Exists: true, Fields: kind.Initial}
		p.Observed = maps.Clone(p.Observed)
		p.Observed[s.Address] = obs
	}
	p.fillFromOthers(&s)
	if obs.Unseen {
		p.addUnseen(s)
		return nil
	}
	changes := p.changes(s, obs)
	switch {
	case !obs.Exists && obs.Vanished && kind.Stateful:
		p.put(s, OpReplace, GateDestroy, nil, "its recorded id no longer exists in this account")
	case !obs.Exists && kind.Stateful && p.unfound(s):
		p.put(s, OpReplace, GateDestroy, nil, "a person made it and told no id, and this account has none of its name: the app would get an empty one in its place; "+
			"to keep it, name it with existing: in the manifest")
	case !obs.Exists || kind.Versioned && obs.Failed != nil:
		p.put(s, orOp(kind.CreateOp, OpCreate), kind.Gate, nil, reasonOr(s.Note, "it does not exist"))
	case kind.Versioned && len(changes) == 0 && !p.touched(s.Seals) && p.outlived(s, obs) != "":
		p.put(s, orOp(kind.CreateOp, OpCreate), kind.Gate, nil, p.outlived(s, obs))
	case kind.Shared || kind.Versioned && len(changes) == 0 && !p.touched(s.Seals):
	case kind.Versioned:
		p.put(s, orOp(kind.CreateOp, OpCreate), kind.Gate, changes, "what it was made from has changed")
	case !p.Owned[s.Address] && kind.UpdateOp == "":
		if bad := immutable(kind, changes); bad != "" {
			return Errorf(CodeConflict, "%s %q exists, was not made by Slipway, and its %s differs: %s",
				s.Address.Kind(), s.Name, bad, wantedAndThere(bad, s.Params, obs.Fields)).
				WithHint("give this resource another name: in the manifest, or declare what exists")
		}
		p.put(s, OpAdopt, kind.Gate, changes, "it exists and was not made by Slipway")
	case len(changes) == 0 && p.Unresolved[s.Address] != "" && p.remade(s):
		p.put(s, orOp(kind.UpdateOp, OpUpdate), kind.Gate, nil, "what its value comes from is made anew")
	case len(changes) == 0 && p.Elsewhere[s.Address]:
		p.put(s, orOp(kind.UpdateOp, OpUpdate), kind.Gate, nil, elsewhere)
	case len(changes) == 0 && kind.UpdateOp == OpPromote && (obs.Failed != nil || obs.Pending):
		p.put(s, kind.UpdateOp, kind.Gate, nil, "not every domain serves it")
	case len(changes) == 0:
	case immutable(kind, changes) != "":
		p.put(s, OpReplace, GateDestroy, changes, "its "+immutable(kind, changes)+" cannot be changed in place")
	default:
		p.put(s, orOp(kind.UpdateOp, OpUpdate), kind.Gate, changes, differsText(changes))
	}
	return nil
}

// followMade forgets what was observed through a resource that this plan makes anew: what was in it has gone with it, and what it gives is
// known only during the run.
func (p *planner) followMade(s *Spec) {
	if len(s.Needs) > 0 && p.made(s.Needs[0]) {
		p.Observed = maps.Clone(p.Observed)
		delete(p.Observed, s.Address)
	}
	forget := func(param string) {
		if _, has := s.Params[param]; has {
			s.Params = maps.Clone(s.Params)
			s.Params[param] = nil
		}
	}
	if p.remade(*s) || p.Elsewhere[s.Address] {
		forget("fingerprint")
	}
	for _, a := range s.Seals {
		if e := p.plan.Effect(p.last[a]); e != nil && e.Params["fingerprint"] == nil {
			forget("input")
		}
	}
}

// touched reports whether the plan changes one of these: what was built before then does not carry it, even where the values are equal.
func (p *planner) touched(addresses []Address) bool {
	return slices.ContainsFunc(addresses, func(a Address) bool { return p.last[a] != "" })
}

// fillFromOthers sets the params that are another resource's id: null while that one is still to be made.
func (p *planner) fillFromOthers(s *Spec) {
	for _, name := range slices.Sorted(maps.Keys(s.IDs)) {
		s.Params = maps.Clone(s.Params)
		of := s.IDs[name]
		if obs := p.Observed[of]; obs.Exists && obs.Failed == nil && p.last[of] == "" {
			s.Params[name] = obs.Receipt.ID
		} else {
			s.Params[name] = nil
		}
	}
}

func (p *planner) put(s Spec, op Op, gate Gate, changes []Change, reason string) {
	kind, obs := p.Kinds[s.Address.Kind()], p.Observed[s.Address]
	if gate == "" {
		gate = GateApply
	}
	if op == OpPromote && len(changes) > 0 { // what has failed is the move to something else
		obs.Failed = nil
	}
	e := Effect{
		Key: EffectKey(s.Address, op), Op: op, Address: s.Address, Name: s.Name, Account: obs.Receipt.Account,
		Params: s.Params, Secrets: secretWrites(s), Basis: Basis(s, obs), Gate: gate, Changes: changes, Reason: reason,
		Consequence: kind.Consequence[op], Reversible: op != OpReplace && op != OpDelete,
	}
	e.DependsOn = p.dependencies(s)
	if kind.Versioned { // each one is new: nothing that exists is a basis
		e.Basis = Basis(s, Observation{})
	}
	if op == OpPromote {
		p.plan.Serving, _ = obs.Fields["deployment"].(string)
		p.plan.Drift = p.plan.Serving != "" && p.plan.Serving != p.LastServed && !obs.Owned
		if p.plan.Held = p.holdFor(s, obs); p.PromoteAuto && !p.plan.Drift && p.plan.Held == "" {
			e.Gate = GateApply
		}
	}
	p.append(e)
}

func (p *planner) append(e Effect) {
	e.Mode, e.Cause, e.Why = EffectMode(p.Access, p.Kinds[e.Address.Kind()], e, p.Unresolved[e.Address])
	p.plan.Effects = append(p.plan.Effects, e)
	p.last[e.Address] = e.Key
}

// dependencies are the effects on what s needs, reads and seals.
func (p *planner) dependencies(s Spec) []string {
	var keys []string
	for _, a := range slices.Concat(s.Needs, s.After, s.reads(p.Specs)) {
		if k := p.last[a]; k != "" {
			keys = append(keys, k)
		}
	}
	return uniq(keys)
}

// deleteUnlisted adds a delete for what is ours by the provider's own mark and no longer declared.
func (p *planner) deleteUnlisted(specs []Spec) {
	declared := map[Address]bool{}
	for _, s := range specs {
		declared[s.Address] = true
	}
	var deleted []string
	listed := slices.SortedStableFunc(slices.Values(p.Listed), func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.Receipt.Address, b.Receipt.Address), cmp.Compare(a.Receipt.ID, b.Receipt.ID))
	})
	for _, obs := range listed {
		a := obs.Receipt.Address
		kind := p.Kinds[a.Kind()]
		if declared[a] || !obs.Exists || kind.Stateful || kind.Shared {
			continue
		}
		declared[a] = true
		s := Spec{Address: a, Name: obs.Receipt.Name}
		e := Effect{
			Key: EffectKey(a, OpDelete), Op: OpDelete, Address: a, Name: s.Name, Account: obs.Receipt.Account,
			Basis: Basis(s, obs), Gate: GateDestroy, Reason: "the manifest no longer declares it", Consequence: kind.Consequence[OpDelete],
		}
		p.append(e)
		deleted = append(deleted, e.Key)
	}
	for i := range p.plan.Effects {
		if e := &p.plan.Effects[i]; e.Op == OpDeploy {
			e.DependsOn = uniq(append(e.DependsOn, deleted...))
		}
	}
}

// joinBatches makes the effects of one batch ready at the same time, so that they go out in one call. Those that wait for a person, or for
// something to be mended, are a batch of their own.
func (p *planner) joinBatches() {
	type batch struct {
		kind Kind
		held string
	}
	held := p.held()
	join := map[batch][]string{}
	of := func(e *Effect) batch { return batch{e.Address.Kind(), held[e.Key]} }
	inBatch := func(e *Effect) bool {
		return p.Kinds[e.Address.Kind()].Batch && e.Mode == ModeAutomated && e.Op != OpDelete && !Announces(*e)
	}
	for i := range p.plan.Effects {
		if e := &p.plan.Effects[i]; inBatch(e) {
			join[of(e)] = append(join[of(e)], e.DependsOn...)
		}
	}
	for b, keys := range join {
		join[b] = slices.Clip(uniq(keys))
	}
	for i := range p.plan.Effects {
		if e := &p.plan.Effects[i]; inBatch(e) {
			e.DependsOn = join[of(e)]
		}
	}
}

// promoteLast makes production move only when all else that is applied has been.
func (p *planner) promoteLast() {
	var before []string
	for _, e := range p.plan.Effects {
		if e.Op != OpPromote && e.Gate == GateApply && p.Kinds[e.Address.Kind()].ByHand == "" {
			before = append(before, e.Key)
		}
	}
	for i := range p.plan.Effects {
		if e := &p.plan.Effects[i]; e.Op == OpPromote {
			e.DependsOn = uniq(append(e.DependsOn, before...))
		}
	}
	last := func(e Effect) int {
		if e.Op == OpPromote {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(p.plan.Effects, func(a, b Effect) int { return last(a) - last(b) })
}

// addJob puts the job before every deployment. It needs the source, and at the most the one resource whose id its sandbox asks for: all
// else is made beside it.
func (p *planner) addJob(specs []Spec) {
	var needs []Address
	for _, s := range specs {
		if s.Address.Kind() == p.JobParent {
			needs = append(needs, s.Address)
		}
	}
	for i := range p.plan.Effects {
		e := &p.plan.Effects[i]
		if p.Job == nil || e.Op != OpDeploy {
			continue
		}
		c := Check{Key: string(e.Address) + "#verify", Address: e.Address, Gate: e.Gate, Job: p.Job, DependsOn: p.dependencies(Spec{Needs: needs})}
		p.plan.Checks = append(p.plan.Checks, c)
		e.DependsOn = uniq(append(e.DependsOn, c.Key))
	}
}

// addChecks puts the probes between a deployment and what depends on it.
func (p *planner) addChecks(specs []Spec) {
	for _, s := range specs {
		if len(s.Seals) == 0 && !p.Kinds[s.Address.Kind()].Versioned || len(p.Probes) == 0 {
			continue
		}
		promote := slices.IndexFunc(p.plan.Effects, func(e Effect) bool { return e.Op == OpPromote })
		if p.last[s.Address] == "" && promote < 0 {
			continue
		}
		c := Check{Key: string(s.Address) + "#health", Address: s.Address, Probes: p.Probes, DependsOn: uniq(p.dependencies(Spec{Needs: []Address{s.Address}}))}
		p.plan.Checks = append(p.plan.Checks, c)
		if promote >= 0 {
			e := &p.plan.Effects[promote]
			e.DependsOn = uniq(append(e.DependsOn, c.Key))
		}
		for _, e := range p.plan.Effects {
			if p.Kinds[e.Address.Kind()].Probing != "" {
				last := &p.plan.Checks[len(p.plan.Checks)-1]
				last.DependsOn = uniq(append(last.DependsOn, e.Key))
			}
		}
	}
}

// undeclared lists the stateful things of ours that the manifest does not name; those of other environments are not looked at.
func (p *planner) undeclared(specs []Spec) {
	declared := map[Address]bool{}
	for _, s := range specs {
		declared[s.Address] = true
	}
	var ours []Address
	for a, r := range p.Receipts {
		if r.Origin != OriginExisting {
			ours = append(ours, a)
		}
	}
	for _, obs := range p.Listed {
		ours = append(ours, obs.Receipt.Address)
	}
	slices.Sort(ours)
	for _, a := range slices.Compact(ours) {
		if p.Kinds[a.Kind()].Stateful && !declared[a] && (a.Environment() == "" || a.Environment() == p.Environment) {
			p.plan.Undeclared = append(p.plan.Undeclared, a)
		}
	}
}

// changes lists the params whose observed value differs. What is known only during the run differs.
func (p *planner) changes(s Spec, obs Observation) []Change {
	var out []Change
	if !obs.Exists {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		want, have := s.Params[name], obs.Fields[name]
		if name == "fingerprint" && p.carried(s, obs) {
			continue
		}
		if want == nil || !equalJSON(want, have) {
			out = append(out, Change{Field: name, From: have, To: want})
		}
	}
	return out
}

// Basis returns what a diff of s reads of obs: whether it exists, its id, and the observed value of each param.
func Basis(s Spec, obs Observation) map[string]any {
	there := obs.Exists && obs.Failed == nil // what will never be usable counts as absent
	b := map[string]any{"exists": there}
	if !there {
		return b
	}
	b["id"] = obs.Receipt.ID
	fields := map[string]any{}
	for name := range s.Params {
		fields[name] = obs.Fields[name]
	}
	b["fields"] = fields
	return b
}

// EqualBasis reports whether two bases say the same, as JSON.
func EqualBasis(a, b map[string]any) bool { return equalJSON(a, b) }

func ambiguous(s Spec, found []Receipt) error {
	var ids []string
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	sort.Strings(ids)
	return Errorf(CodeAmbiguous, "%s: %d are named %q: %s", s.Address, len(ids), s.Name, strings.Join(ids, ", ")).
		WithHint("delete or rename all but one of them, or give this resource another name: in the manifest; nothing was changed")
}

func immutable(kind KindInfo, changes []Change) string {
	for _, c := range changes {
		if slices.Contains(kind.Immutable, c.Field) {
			return c.Field
		}
	}
	return ""
}

func orOp(op, otherwise Op) Op {
	if op == "" {
		return otherwise
	}
	return op
}

func reasonOr(note, otherwise string) string {
	if note == "" {
		return otherwise
	}
	return note
}

func uniq(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
