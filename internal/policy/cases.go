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
	Gate        string   `yaml:"gate"`      // with the last two; default apply
	Principal   string   `yaml:"principal"` // a user's name, or agent:NAME
	Groups      []string `yaml:"groups"`
	Proof       string   `yaml:"proof"` // os-user (default), key or server
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
	Requester   string   `yaml:"requester"` // default: somebody else
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

// question is the case in the domain's words.
func (c Case) question() (q slipway.Question, err error) {
	or := func(v, other string) string {
		if v == "" {
			return other
		}
		return v
	}
	gate := c.Action
	switch {
	case slices.Contains(gates, c.Action):
	case slices.Contains([]string{string(slipway.ActionAutoApprove), string(slipway.ActionPromoteWithApply)}, c.Action):
		gate = or(c.Gate, "apply")
	default:
		return q, fmt.Errorf("action: one of %s, auto-approve, promote-with-apply", strings.Join(gates, ", "))
	}
	if c.Expect != "allow" && c.Expect != "deny" {
		return q, fmt.Errorf("expect: allow or deny")
	}
	if c.Expires != "" {
		if _, err := time.ParseDuration(c.Expires); err != nil {
			return q, fmt.Errorf("expires: a time such as 1h or 90m")
		}
	}
	if c.Principal == "" {
		return q, fmt.Errorf("principal: a user's name, or agent:NAME")
	}
	now, err := time.Parse(time.RFC3339, or(c.Now, "2026-01-07T12:00:00Z"))
	if err != nil {
		return q, fmt.Errorf("now: a time as 2026-01-07T12:00:00Z")
	}
	q = slipway.Question{
		Action: slipway.PolicyAction(c.Action), Principal: principal(c.Principal), Groups: c.Groups, Proof: slipway.Proof(or(c.Proof, "os-user")), Key: c.Key,
		App: or(c.App, "shop"), Environment: or(c.Environment, slipway.Production), Operation: slipway.Operation(or(c.Operation, "ship")),
		Gate: slipway.Gate(gate), Stateful: c.Stateful, Destructive: c.Destructive, Manual: c.Manual, Drift: c.Drift,
		Requester: principal(or(c.Requester, "somebody-else")), Approvals: c.Approvals, Now: now,
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
		a := slipway.Answer{Approvers: 1, Why: "an agent approves nothing, whatever a policy says"}
		if q.Principal.Kind == slipway.PrincipalUser || q.Action != slipway.PolicyAction(q.Gate) {
			a = p.Ask(q)
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
