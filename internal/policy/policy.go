// Package policy says who may do what: it answers the domain's questions by rules that people write in Cedar, https://docs.cedarpolicy.com.
// docs/policy.md is its manual. Whatever is wrong with a policy, it then allows nothing.
package policy

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"github.com/slipway-dev/slipway"
)

// FileName is the policy beside a manifest.
const FileName = "slipway.policy"

// DefaultName is what the default policy is called in messages.
const DefaultName = "default policy"

//go:embed default.cedar
var defaultText []byte

//go:embed schema.cedarschema
var schemaText []byte

// MaxText bounds a policy's text, in bytes: the library reads brackets by recursion.
const MaxText = 1 << 16

// mark is a byte order mark, as some editors put before UTF-8.
const mark = "\ufeff"

// Schema is what a policy can speak of, in Cedar's own notation.
func Schema() string { return string(schemaText) }

// Policy is a policy's text, and the rules in it.
type Policy struct {
	name  string
	text  []byte
	set   *cedar.PolicySet
	rules map[types.PolicyID]rule
	err   error
}

var _ slipway.Policy = (*Policy)(nil)

// rule is what annotations add to a permit or forbid.
type rule struct {
	at        string        // file:line:column
	approvers int           // at least 1
	keyOnly   bool          // it counts for nobody who has not signed
	life      time.Duration // how long an approval holds that it permits; 0: as long as any
	reason    string
}

// Fault is what is wrong with a policy.
type Fault struct {
	File         string
	Line, Column int // from 1; 0: the whole file
	Message      string
}

func (f *Fault) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// Default is the policy of an app without one of its own.
func Default() *Policy { return Read(DefaultName, defaultText) }

// DefaultText is the text of the default policy.
func DefaultText() []byte { return slices.Clone(defaultText) }

// Broken is a policy that could not even be opened: it allows nothing.
func Broken(name string, err error) *Policy {
	return &Policy{name: name, text: []byte(err.Error()), err: &Fault{File: name, Message: err.Error()}}
}

// Read reads a policy. One with a fault allows nothing: Err says why. name is the file's, for messages.
func Read(name string, text []byte) *Policy {
	p := &Policy{name: name, text: slices.Clone(text), set: cedar.NewPolicySet(), rules: map[types.PolicyID]rule{}}
	if err := p.parse(); err != nil {
		p.err, p.set, p.rules = err, nil, nil
	}
	return p
}

// Err is the policy's fault, a *Fault, or nil.
func (p *Policy) Err() error { return p.err }

// Digest is sha256:… of the text.
func (p *Policy) Digest() string {
	sum := sha256.Sum256(p.text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Text is the text as it was read.
func (p *Policy) Text() []byte { return slices.Clone(p.text) }

// Name is the file's name, or DefaultName.
func (p *Policy) Name() string { return p.name }

// position is how the library tells where a text cannot be parsed. It names what it has just read; its scanner may name line 0.
var position = regexp.MustCompile(`^(?:parse error at )?<input>:(\d+):(\d+):? ?`)

func (p *Policy) parse() error {
	switch {
	case len(p.text) > MaxText:
		return &Fault{File: p.name, Message: fmt.Sprintf("it is longer than %d bytes", MaxText)}
	case bytes.HasPrefix(p.text, []byte(mark)):
		return &Fault{File: p.name, Line: 1, Column: 1, Message: "it begins with a byte order mark: save it as UTF-8 without one"}
	}
	list, err := parseList(p.name, p.text)
	if err != nil {
		f := &Fault{File: p.name, Line: 1, Column: 1, Message: strings.TrimPrefix(err.Error(), "parser error: ")}
		if m := position.FindStringSubmatchIndex(f.Message); m != nil {
			line, _ := strconv.Atoi(f.Message[m[2]:m[3]])
			column, _ := strconv.Atoi(f.Message[m[4]:m[5]])
			f.Line, f.Column = max(line, 1), max(column, 1)
			f.Message = "it cannot be parsed here: " + plainly(f.Message[m[1]:])
		} else if l := literal(p.name, p.text, err); l != nil {
			f = l
		}
		return f
	}
	var s schema.Schema
	if err := s.UnmarshalCedar(schemaText); err != nil {
		return &Fault{File: p.name, Message: "the schema cannot be read: " + err.Error()}
	}
	resolved, err := s.Resolve()
	if err != nil {
		return &Fault{File: p.name, Message: "the schema cannot be read: " + err.Error()}
	}
	valid := validate.New(resolved)
	for i, c := range list {
		if err := p.add(i, c, valid); err != nil {
			return err
		}
	}
	return nil
}

// parseList turns a panic of the library into an error: the text is anybody's.
func parseList(name string, text []byte) (list cedar.PolicyList, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it cannot be parsed")
		}
	}()
	return cedar.NewPolicyListFromBytes(name, text)
}

// add takes one rule, with what its annotations oblige to.
func (p *Policy) add(i int, c *cedar.Policy, valid *validate.Validator) (err error) {
	at := c.Position()
	fault := func(format string, args ...any) error {
		return &Fault{File: p.name, Line: at.Line, Column: at.Column, Message: fmt.Sprintf(format, args...)}
	}
	id := types.PolicyID("rule-" + strconv.Itoa(i+1))
	r := rule{at: fmt.Sprintf("%s:%d:%d", p.name, at.Line, at.Column), approvers: 1}
	permits := c.Effect() == types.Permit
	for name, value := range c.Annotations() {
		if !oneLine(string(value)) {
			return fault("@%s is one line of what can be printed", name)
		}
		switch name {
		case "id":
			if id = types.PolicyID(value); value == "" {
				return fault("@id is empty")
			}
		case "reason", "description":
			if name == "reason" {
				r.reason = string(value)
			}
		case "approvers":
			n, err := strconv.Atoi(string(value))
			if err != nil || n < 1 || n > 100 || !permits {
				return fault("@approvers is a number from 1 to 100, on a permit")
			}
			r.approvers = n
		case "local_approval":
			if value != "key" || !permits {
				return fault(`@local_approval is "key", on a permit`)
			}
			r.keyOnly = true
		case "expires":
			if r.life, err = time.ParseDuration(string(value)); err != nil || r.life < time.Second || r.life > slipway.ApprovalLife || !permits {
				return fault(`@expires is a time from 1s to 24h, such as "1h" or "90m", on a permit`)
			}
		default:
			return fault("@%s means nothing here: @id, @approvers, @expires, @local_approval, @reason and @description do", name)
		}
	}
	if _, twice := p.rules[id]; twice {
		return fault("there is another rule with the id %q", id)
	}
	if err := validated(valid, string(id), c); err != nil {
		return fault("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	p.rules[id] = r
	p.set.Add(id, c)
	return nil
}

// oneLine reports whether s can be shown on a terminal as it is.
func oneLine(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func validated(valid *validate.Validator, id string, c *cedar.Policy) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it cannot be checked against the schema")
		}
	}()
	return valid.Policy(id, (*ast.Policy)(c.AST()))
}

// Ask answers. What cannot be evaluated is not allowed, even where another rule permits it: it might have been a forbid.
func (p *Policy) Ask(q slipway.Question) slipway.Answer {
	a := p.ask(q)
	if a.Allow {
		return a
	}
	if a.Hint = "look at the policy with: slipway policy show"; q.Proof == slipway.ProofOSUser {
		if q.Proof = slipway.ProofKey; p.ask(q).Allow {
			a.Why += ", but it lets a key of theirs"
			a.Signed, a.Hint = true, "sign it with a key that this home trusts; make one with: slipway key new NAME"
		}
	}
	return a
}

func (p *Policy) ask(q slipway.Question) slipway.Answer {
	deny := func(format string, args ...any) slipway.Answer {
		return slipway.Answer{Approvers: 1, Why: fmt.Sprintf(format, args...)}
	}
	if p.err != nil {
		return deny("it cannot be read, and allows nothing: %v", p.err)
	}
	request, entities := translate(q)
	decision, why := cedar.Authorize(p.set, entities, request)
	if len(why.Errors) > 0 {
		e := slices.MinFunc(why.Errors, func(a, b types.DiagnosticError) int { return strings.Compare(string(a.PolicyID), string(b.PolicyID)) })
		return deny("%s: the rule %q cannot be evaluated: %s", p.rules[e.PolicyID].at, e.PolicyID, e.Message)
	}
	a := slipway.Answer{Allow: decision == types.Allow, Approvers: 1}
	wantKey := ""
	for _, reason := range why.Reasons {
		r := p.rules[reason.PolicyID]
		if a.Allow && r.keyOnly && q.Proof != slipway.ProofKey && q.Proof != slipway.ProofServer {
			wantKey = string(reason.PolicyID)
			continue
		}
		a.Rules = append(a.Rules, string(reason.PolicyID))
		a.Approvers = max(a.Approvers, r.approvers)
		if r.life > 0 && (a.Life == 0 || r.life < a.Life) {
			a.Life = r.life
		}
	}
	slices.Sort(a.Rules)
	switch {
	case a.Allow && q.Action == slipway.ActionAutoApprove && a.Approvers > 1:
		return deny("a rule that permits it wants %d people", a.Approvers)
	case a.Allow && len(a.Rules) > 0:
	case a.Allow:
		return deny("the rule %q wants an approval signed with a key", wantKey)
	case len(a.Rules) > 0:
		a.Approvers, a.Life, a.Why = 1, 0, p.forbidden(a.Rules)
	default:
		a.Why = "no rule of the " + strings.TrimPrefix(p.name+" permits it", "the ")
	}
	return a
}

// forbidden names the rules that forbid, with the reasons that they give.
func (p *Policy) forbidden(ids []string) string {
	var parts []string
	for _, id := range ids {
		r := p.rules[types.PolicyID(id)]
		part := fmt.Sprintf("%q forbids it (%s)", id, r.at)
		if r.reason != "" {
			part += ", because " + r.reason
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// translate turns a question into Cedar's terms.
func translate(q slipway.Question) (types.Request, types.EntityMap) {
	principal := types.NewEntityUID("User", types.String(q.Principal.Name))
	if q.Principal.Kind != slipway.PrincipalUser {
		principal = types.NewEntityUID("Agent", types.String(q.Principal.Name))
	}
	gate := types.NewEntityUID("Gate", types.String(q.App+"/"+q.Environment+"/"+string(q.Gate)))
	app, environment := types.NewEntityUID("App", types.String(q.App)), types.NewEntityUID("Environment", types.String(q.Environment))
	action := types.NewEntityUID("Action", types.String(q.Action))
	approve := types.NewEntityUID("Action", "approve")
	var groups []types.EntityUID
	for _, g := range q.Groups {
		groups = append(groups, types.NewEntityUID("Group", types.String(g)))
	}
	var approves []types.EntityUID
	if q.Action == slipway.PolicyAction(q.Gate) {
		approves = append(approves, approve)
	}
	entities := types.EntityMap{
		principal: {UID: principal, Parents: types.NewEntityUIDSet(groups...)},
		action:    {UID: action, Parents: types.NewEntityUIDSet(approves...)},
		gate: {UID: gate, Parents: types.NewEntityUIDSet(app, environment), Attributes: types.NewRecord(types.RecordMap{
			"app": types.String(q.App), "environment": types.String(q.Environment), "gate": types.String(q.Gate), "operation": types.String(q.Operation),
			"ops": set(q.Ops), "kinds": set(q.Kinds), "stateful": types.Boolean(q.Stateful), "destructive": types.Boolean(q.Destructive),
			"manual": types.Boolean(q.Manual), "drift": types.Boolean(q.Drift),
		})},
	}
	now := q.Now.UTC()
	return types.Request{Principal: principal, Action: action, Resource: gate, Context: types.NewRecord(types.RecordMap{
		"now": types.NewDatetime(now), "weekday": types.String(strings.ToLower(now.Weekday().String())), "hour": types.Long(now.Hour()),
		"requester":   types.NewRecord(types.RecordMap{"kind": types.String(q.Requester.Kind), "name": types.String(q.Requester.Name)}),
		"own_request": types.Boolean(same(q.Requester, q.Principal)), "approvals": types.Long(q.Approvals), "proof": types.String(q.Proof), "key": types.String(q.Key),
	})}, entities
}

// same reports whether two principals are one: systems differ in whether the case of a user's name counts.
func same(a, b slipway.Principal) bool {
	return a.Kind == b.Kind && slipway.Person(a.Name) == slipway.Person(b.Name)
}

func set[T ~string](in []T) types.Set {
	values := make([]types.Value, len(in))
	for i, v := range in {
		values[i] = types.String(v)
	}
	return types.NewSet(values...)
}
