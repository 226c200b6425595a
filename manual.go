package slipway

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Guide is a Provider that can say how a person does what its API would do. It is pure: the same input gives the same step.
type Guide interface {
	// Guide returns how a person makes e true. s is the effect's Spec; its Parents and Known hold what is recorded, and what is not
	// recorded yet stands as a placeholder. Needs and Why are left to MakeRunbook, and where outputs are found to GuideBy.
	Guide(e Effect, s Spec) ManualStep
}

// GuideBeside is a Guide whose steps also name what is no need of the effect. It is pure.
type GuideBeside interface {
	Guide
	// Beside returns the addresses whose receipts Guide finds in Parents too, where they are recorded with an id.
	Beside(e Effect, s Spec) []Address
}

// ManualStep is how a person makes one effect true. It holds no secret: where one belongs, a placeholder says where it comes from.
type ManualStep struct {
	Key          string        `json:"key"` // of the effect
	Number       int           `json:"number"`
	Title        string        `json:"title"` // what to do, as an order
	Why          string        `json:"why"`   // why Slipway does not do it
	Needs        []string      `json:"needs,omitempty"`
	Before       []string      `json:"before,omitempty"` // what a person needs first: an account, a role
	Ways         []Way         `json:"ways"`             // each is enough; the safest first
	Placeholders []Placeholder `json:"placeholders,omitempty"`
	See          string        `json:"see"`            // what is to be seen afterwards
	Undo         []Way         `json:"undo,omitempty"` // each is enough; none: it cannot be undone
	Check        string        `json:"check"`          // how Slipway looks, or that a person asserts it
	Unseen       string        `json:"-"`              // Check where no credential can look; MakeRunbook leaves one of both
	// Exports are the environment variables (SLIPWAY_OUTPUT_…) from which the check takes what nothing here can read: values to connect with, or
	// what lets a probe into a protected deployment.
	Exports []string `json:"exports,omitempty"`
}

// Way is one way to do a step: exactly one of Command, HTTP, Page and Records, and what follows it.
type Way struct {
	Command []string  `json:"command,omitempty"` // argv, without a shell
	Input   string    `json:"input,omitempty"`   // what the command reads from stdin, such as <DB_URL>
	HTTP    *HTTPForm `json:"http,omitempty"`
	Page    *Page     `json:"page,omitempty"`
	// Records are to be written where the zone of their names is served.
	Records []DNSRecord `json:"records,omitempty"`
	// Prints names placeholders that the command's output fills: "" is all of it, a path is as in Take and means that it is JSON.
	Prints map[string]string `json:"prints,omitempty"`
	Then   []Way             `json:"then,omitempty"` // the rest of the same way, in order
}

// And returns w followed by next, as one way.
func (w Way) And(next ...Way) Way {
	for _, n := range next {
		then := n.Then
		n.Then = nil
		w.Then = append(append(slices.Clip(w.Then), n), then...)
	}
	return w
}

// HTTPForm is one request of a provider's documented API.
type HTTPForm struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	User    string            `json:"user,omitempty"` // NAME:PASSWORD of basic authentication
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"` // JSON
	Status  int               `json:"status"`         // of success
	// Again is a status that says that nothing was done and that the same request may be sent again after some seconds; 0: none.
	Again int `json:"again,omitempty"`
	// Until are values, by path, that the reply must show: until then the request is sent again every few seconds.
	Until map[string]string `json:"until,omitempty"`
	// Take names placeholders that the reply fills, with the path to the value: keys and indexes, joined by points. A text with {path} in
	// it is that text with the values in their places.
	Take map[string]string `json:"take,omitempty"`
}

// Page is a place in a provider's pages.
type Page struct {
	URL     string   `json:"url"`
	Path    []string `json:"path"`             // what to click, in order
	Fields  []Field  `json:"fields,omitempty"` // what to enter
	Checked string   `json:"checked"`          // the day on which somebody last looked, YYYY-MM-DD
}

// Field is one input of a page.
type Field struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Placeholder is a value that Slipway does not have: <NAME> in the ways of a step.
type Placeholder struct {
	Name   string `json:"name"` // without the brackets
	From   string `json:"from"` // where it comes from
	To     string `json:"to"`   // where it goes
	Secret bool   `json:"secret,omitempty"`
}

// Logged notes what a person needs first where one of the step's ways is a command of program: needs, after what is noted already.
func (s *ManualStep) Logged(program, needs string) {
	runs := func(w Way) bool { return len(w.Command) > 0 && w.Command[0] == program }
	if slices.ContainsFunc(slices.Concat(s.Ways, s.Undo), func(w Way) bool { return runs(w) || slices.ContainsFunc(w.Then, runs) }) {
		s.Before = append(s.Before, needs)
	}
}

// String is how the placeholder stands in the ways of a step.
func (p Placeholder) String() string { return "<" + p.Name + ">" }

// Ask notes a value that the step needs, once, and returns how it stands in the step's ways.
func (s *ManualStep) Ask(p Placeholder) string {
	if !slices.ContainsFunc(s.Placeholders, func(q Placeholder) bool { return q.Name == p.Name }) {
		s.Placeholders = append(s.Placeholders, p)
	}
	return p.String()
}

// Runbook is the manual steps of a plan, in an order in which each can be done.
type Runbook struct {
	App         string       `json:"app"`
	Environment string       `json:"environment"`
	Plan        string       `json:"plan"` // digest
	Steps       []ManualStep `json:"steps"`
}

// MakeRunbook returns the manual steps of plan in an order in which mistakes are hard: the plan's, but what is needed comes first. guide is
// asked for each; it is pure when guide is. A guide may name effects in Needs that the plan does not know of.
func MakeRunbook(plan *Plan, guide func(Effect) ManualStep) Runbook {
	book := Runbook{App: plan.App, Environment: plan.Environment, Plan: plan.Digest(), Steps: []ManualStep{}}
	var open []ManualStep
	for _, e := range plan.Effects {
		if e.Mode != ModeManual {
			continue
		}
		s := guide(e)
		s.Key, s.Why = e.Key, e.Why
		if plan.Access.Readable(e.Address.Kind()) {
			s.Exports = nil
			s.Placeholders = slices.DeleteFunc(s.Placeholders, func(p Placeholder) bool { return p.To == forCheck })
		} else if s.Unseen != "" {
			s.Check = s.Unseen
		}
		s.Unseen = ""
		asked := slices.DeleteFunc(s.Needs, func(key string) bool { return plan.Effect(key) == nil })
		s.Needs = uniq(slices.Concat(e.DependsOn, e.After, asked))
		open = append(open, s)
	}
	for len(open) > 0 {
		i := max(0, slices.IndexFunc(open, func(s ManualStep) bool {
			return !slices.ContainsFunc(open, func(o ManualStep) bool { return slices.Contains(s.Needs, o.Key) })
		}))
		open[i].Number = len(book.Steps) + 1
		book.Steps, open = append(book.Steps, open[i]), slices.Delete(open, i, i+1)
	}
	return book
}

// GuideBy returns what MakeRunbook asks: the guide of the effect's provider for its Spec, each output's placeholder with the place where a
// person finds the value. spec gives an effect's Spec with what is recorded, in environment, also for an address alone. MakeRunbook takes away the Exports that nobody needs.
func GuideBy(providers []Provider, m *Manifest, environment string, spec func(Effect) Spec) func(Effect) ManualStep {
	where := outputPlaces(providers, m)
	return func(e Effect) ManualStep {
		var s ManualStep
		for _, p := range providers {
			if g, ok := p.(Guide); ok && p.Info().Name == e.Address.Kind().Provider() {
				of := spec(e)
				of.Parents = parentsBeside(g, e, of, spec)
				s = g.Guide(e, of)
				way := ConnectionOf(providers, m, of.Serves)
				s.Exports, s.Unseen = exports(p.Info(), e, of.Serves, way, m.OutputsUsed(of.Serves, environment)), unseenCheck(p.Info(), e, way)
				s.askForCheck(p.Info(), m, of.Serves, environment)
			}
		}
		for i, p := range s.Placeholders {
			if p.From == "" {
				s.Placeholders[i].From = where[p.Name]
			}
		}
		return s
	}
}

// parentsBeside are the Parents of an effect's Spec and what g wants beside them.
func parentsBeside(g Guide, e Effect, of Spec, spec func(Effect) Spec) map[Kind]Receipt {
	b, ok := g.(GuideBeside)
	if !ok {
		return of.Parents
	}
	parents := map[Kind]Receipt{}
	for _, a := range b.Beside(e, of) {
		if r := spec(Effect{Address: a}).Known; r != nil {
			parents[a.Kind()] = *r
		}
	}
	maps.Copy(parents, of.Parents)
	return parents
}

// forCheck is where a value goes that nothing but the check takes.
const forCheck = "the check"

// askForCheck notes those of the exported outputs of a manifest resource that no variable of the app has: else nothing tells where they are found.
func (s *ManualStep) askForCheck(info ProviderInfo, m *Manifest, resource, environment string) {
	used := m.OutputsUsed(resource, environment)
	for _, t := range info.Types {
		for _, o := range t.Outputs {
			ref := OutputRef{Resource: resource, Output: o.Name}
			if t.Name == m.Resources[resource].Type && slices.Contains(s.Exports, OutputVariable(ref)) && !slices.Contains(used, o.Name) {
				s.Ask(Placeholder{Name: PlaceholderFor(ref), To: forCheck, Secret: o.Secret})
			}
		}
	}
}

// Exported is the name of the placeholder whose value an environment variable of Exports takes.
func Exported(variable string) string { return strings.TrimPrefix(variable, outputPrefix) }

const outputPrefix = "SLIPWAY_OUTPUT_"

// outputPlaces tells where a person finds each output of m's resources, by the name of its placeholder.
func outputPlaces(providers []Provider, m *Manifest) map[string]string {
	out := map[string]string{}
	for _, p := range providers {
		for _, t := range p.Info().Types {
			for key, r := range m.Resources {
				if r.Type != t.Name {
					continue
				}
				for _, o := range t.Outputs {
					ref := OutputRef{Resource: key, Output: o.Name}
					out[PlaceholderFor(ref)] = ref.String() + ", " + o.Help
					if o.Where.Checked != "" {
						out[PlaceholderFor(ref)] = p.Info().Title + ": " + o.Where.String()
					}
				}
			}
		}
	}
	return out
}

// OutputVariable is the environment variable by which a person can hand Slipway an output that it cannot read itself, such as
// SLIPWAY_OUTPUT_DB_POOLED_URL for db.pooled_url.
func OutputVariable(r OutputRef) string {
	return outputPrefix + placeholderName(r.Resource) + "_" + placeholderName(r.Output)
}

// PlaceholderFor is the name of the placeholder for an output, such as DB_POOLED_URL.
func PlaceholderFor(r OutputRef) string {
	return placeholderName(r.Resource) + "_" + placeholderName(r.Output)
}

// placeholderName is s in upper case, with _ for all but letters and digits.
func placeholderName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(s))
}

// Finding is what a check of a manual step found.
type Finding string

const (
	FindingDone      Finding = "done"      // as declared
	FindingAbsent    Finding = "absent"    // not there
	FindingPartial   Finding = "partial"   // there, and not all of it, or not usable yet
	FindingWrong     Finding = "wrong"     // there, and something else than declared
	FindingDuplicate Finding = "duplicate" // there more than once, and nothing says which is meant
	FindingUnseen    Finding = "unseen"    // nothing here can look at it
	FindingAsserted  Finding = "asserted"  // a person said so
)

// Evidence is how a manual step came to count as done.
type Evidence struct {
	Finding Finding    `json:"finding"`
	How     string     `json:"how,omitempty"`  // what was looked at
	Note    string     `json:"note,omitempty"` // asserted: what the person says
	By      *Principal `json:"by,omitempty"`
	Differs []string   `json:"differs,omitempty"` // wrong or partial: the fields, with what is wanted and what is there where that may be shown
	// Statement is the person's word, asserted, as a signed in-toto statement in a DSSE envelope.
	Statement json.RawMessage `json:"statement,omitempty"`
}

// ManualCheck asks to look at a manual step, or, with Assert, states that it is done.
type ManualCheck struct {
	Run    string
	Step   string // the step's key or number
	ID     string // the resource's id at the provider, where a person knows it; "" for by name
	URL    string // where a deployment answers; "" for unknown
	Assert bool
	Note   string // what a person who asserts has seen
	By     Principal
}
