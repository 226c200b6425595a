package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/slipway-dev/slipway"
)

// CasesName is the file of example requests beside a policy.
const CasesName = "slipway.policy.test.yaml"

// Case is one example: a question in the words of the file, and what the policy must answer.
type Case struct {
	Name        string   `yaml:"name"`
	Action      string   `yaml:"action"`    // a gate, auto-approve, or promote-with-apply
	Gate        string   `yaml:"gate"`      // with auto-approve; default apply
	Principal   string   `yaml:"principal"` // a user's name, or agent:NAME
	Groups      []string `yaml:"groups"`
	Proof       string   `yaml:"proof"` // os-user (default), key or server; policy where nobody approves
	Key         string   `yaml:"key"`
	App         string   `yaml:"app"`
	Environment string   `yaml:"environment"` // default production
	Operation   string   `yaml:"operation"`   // default ship
	Ops         []string `yaml:"ops"`
	Kinds       []string `yaml:"kinds"`
	Stateful    bool     `yaml:"stateful"`
	Destructive bool     `yaml:"destructive"`
	Manual      bool     `yaml:"manual"`
	Drift       bool     `yaml:"drift"`
	Requester   string   `yaml:"requester"` // default: somebody else; the principal where nobody approves
	Approvals   int      `yaml:"approvals"`
	Now         string   `yaml:"now"` // RFC 3339; default a Wednesday at noon, UTC

	Expect    string   `yaml:"expect"`    // allow or deny
	Approvers int      `yaml:"approvers"` // 0: any
	Expires   string   `yaml:"expires"`   // how long the approval holds, such as 1h; left out: any
	Rules     []string `yaml:"rules"`     // ids of the rules that decide; left out: any
}

// Result is what became of a case.
type Result struct {
	Name   string         `json:"name"`
	OK     bool           `json:"ok"`
	Want   string         `json:"want"`
	Got    string         `json:"got"`
	Answer slipway.Answer `json:"answer"`
}

// ReadCases reads a file of cases: {cases: [...]}. The error is a *Fault.
func ReadCases(name string, text []byte) ([]Case, error) {
	var file struct {
		Cases []Case `yaml:"cases"`
	}
	if err := decodeCases(text, &file); err != nil && !errors.Is(err, io.EOF) {
		return nil, &Fault{File: name, Message: yaml.FormatError(err, false, true)}
	}
	if len(file.Cases) == 0 {
		return nil, &Fault{File: name, Message: "it has no cases"}
	}
	for i := range file.Cases {
		if file.Cases[i].Name == "" {
			file.Cases[i].Name = fmt.Sprintf("case %d", i+1)
		}
		if _, err := file.Cases[i].question(); err != nil {
			return nil, &Fault{File: name, Message: fmt.Sprintf("%s: %v", file.Cases[i].Name, err)}
		}
	}
	return file.Cases, nil
}

func decodeCases(text []byte, into any) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("it cannot be parsed")
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(into); err != nil {
		return err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("a second document is not supported: its cases would not be looked at")
	}
	return nil
}

var gates = []string{"apply", "promote", "rollback", "rotate", "destroy", "unsandboxed"}

// What a case can say; anything else would be asked of no policy, and tell nothing.
var (
	operations = []string{"ship", "rollback", "rotate", "destroy"}
	ops        = []string{"create", "update", "adopt", "replace", "delete", "deploy", "promote", "rollback", "rotate"}
	proofs     = []string{string(slipway.ProofOSUser), string(slipway.ProofKey), string(slipway.ProofServer)}
)

// alone reports whether a case asks what is done without anybody: then whoever asked is the principal, and the policy the proof.
func (c Case) alone() bool {
	return c.Action == string(slipway.ActionAutoApprove) || c.Action == string(slipway.ActionPromoteWithApply)
}

// check says what of a case is nothing that could be asked.
func (c Case) check() error {
	life, errLife := time.ParseDuration(cmp.Or(c.Expires, "1h"))
	unknown := slices.IndexFunc(c.Ops, func(op string) bool { return !slices.Contains(ops, op) })
	switch {
	case !c.alone() && !slices.Contains(gates, c.Action):
		return fmt.Errorf("action: one of %s, auto-approve, promote-with-apply", strings.Join(gates, ", "))
	case c.Gate != "" && (c.Action != string(slipway.ActionAutoApprove) || !slices.Contains(gates, c.Gate)):
		return fmt.Errorf("gate: with auto-approve alone, one of %s", strings.Join(gates, ", "))
	case c.Expect != "allow" && c.Expect != "deny":
		return fmt.Errorf("expect: allow or deny")
	case errLife != nil || life <= 0:
		return fmt.Errorf("expires: a time such as 1h or 90m")
	case c.Principal == "":
		return fmt.Errorf("principal: a user's name, or agent:NAME")
	case c.alone() && c.Requester != "" && !same(principal(c.Requester), principal(c.Principal)):
		return fmt.Errorf("requester: the principal, who is whoever asked where nobody approves")
	case c.alone() && c.Proof != "" && c.Proof != string(slipway.ProofPolicy):
		return fmt.Errorf("proof: policy alone, where nobody approves")
	case !c.alone() && c.Proof != "" && !slices.Contains(proofs, c.Proof):
		return fmt.Errorf("proof: one of %s", strings.Join(proofs, ", "))
	case c.Operation != "" && !slices.Contains(operations, c.Operation):
		return fmt.Errorf("operation: one of %s", strings.Join(operations, ", "))
	case unknown >= 0:
		return fmt.Errorf("ops: %q is none of %s", c.Ops[unknown], strings.Join(ops, ", "))
	case c.Approvals < 0:
		return fmt.Errorf("approvals: how many others have given before, from 0")
	}
	return nil
}

// question is the case in the domain's words.
func (c Case) question() (q slipway.Question, err error) {
	if err := c.check(); err != nil {
		return q, err
	}
	now, err := time.Parse(time.RFC3339, cmp.Or(c.Now, "2026-01-07T12:00:00Z"))
	if err != nil {
		return q, fmt.Errorf("now: a time as 2026-01-07T12:00:00Z")
	}
	gate, requester, proof := c.Action, "somebody-else", slipway.ProofOSUser
	if c.alone() {
		gate, requester, proof = cmp.Or(c.Gate, string(slipway.GateApply)), c.Principal, slipway.ProofPolicy
	}
	q = slipway.Question{
		Action: slipway.PolicyAction(c.Action), Principal: principal(c.Principal), Groups: c.Groups, Proof: cmp.Or(slipway.Proof(c.Proof), proof), Key: c.Key,
		App: cmp.Or(c.App, "shop"), Environment: cmp.Or(c.Environment, slipway.Production), Operation: slipway.Operation(cmp.Or(c.Operation, "ship")),
		Gate: slipway.Gate(gate), Stateful: c.Stateful, Destructive: c.Destructive, Manual: c.Manual, Drift: c.Drift,
		Requester: principal(cmp.Or(c.Requester, requester)), Approvals: c.Approvals, Now: now,
	}
	for _, op := range c.Ops {
		q.Ops = append(q.Ops, slipway.Op(op))
	}
	for _, k := range c.Kinds {
		q.Kinds = append(q.Kinds, slipway.Kind(k))
	}
	return q, nil
}

func principal(text string) slipway.Principal {
	if name, ok := strings.CutPrefix(text, "agent:"); ok {
		return slipway.Principal{Kind: slipway.PrincipalAgent, Name: name}
	}
	return slipway.Principal{Kind: slipway.PrincipalUser, Name: text}
}

// Test asks every case, in order.
func (p *Policy) Test(cases []Case) []Result {
	out := make([]Result, len(cases))
	for i, c := range cases {
		q, err := c.question()
		if err != nil { // ReadCases has refused it
			out[i] = Result{Name: c.Name, Want: c.Expect, Got: err.Error()}
			continue
		}
		a := p.Ask(q)
		switch {
		case !c.alone() && q.Principal.Kind != slipway.PrincipalUser:
			a = slipway.Answer{Approvers: 1, Why: "an agent approves nothing, whatever a policy says"}
		case q.Action == slipway.ActionAutoApprove && q.Gate == slipway.GateDestroy:
			a = slipway.Answer{Approvers: 1, Why: "the destroy gate never opens by itself, whatever a policy says"}
		}
		out[i] = c.judge(a)
	}
	return out
}

func (c Case) judge(a slipway.Answer) Result {
	r := Result{Name: c.Name, Answer: a, OK: true}
	want, got := []string{c.Expect}, []string{map[bool]string{true: "allow", false: "deny"}[a.Allow]}
	r.OK = want[0] == got[0]
	if c.Approvers > 0 {
		want, got = append(want, fmt.Sprintf("%d approvers", c.Approvers)), append(got, fmt.Sprintf("%d approvers", a.Approvers))
		r.OK = r.OK && c.Approvers == a.Approvers
	}
	if c.Expires != "" {
		life, _ := time.ParseDuration(c.Expires) // question has refused what is none
		holds := cmp.Or(a.Life, slipway.ApprovalLife)
		want, got = append(want, "for "+life.String()), append(got, "for "+holds.String())
		r.OK = r.OK && life == holds
	}
	if c.Rules != nil {
		rules := slices.Sorted(slices.Values(c.Rules))
		want, got = append(want, "by ["+strings.Join(rules, ", ")+"]"), append(got, "by ["+strings.Join(a.Rules, ", ")+"]")
		r.OK = r.OK && slices.Equal(rules, a.Rules)
	}
	r.Want, r.Got = strings.Join(want, ", "), strings.Join(got, ", ")
	return r
}
