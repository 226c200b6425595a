// Package byhand is a person without judgement, for tests: it reads a runbook's JSON and does, step by step, exactly what is printed there,
// with the credentials that it was given and nothing of Slipway's own. What it cannot do by the words alone is a defect of the runbook.
package byhand

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Means are what a way needs.
type Means string

const (
	HTTP    Means = "http"
	Command Means = "command"
	DNS     Means = "dns"
	// Pages are clicked by pages.go's reading of what each place of the providers' pages does.
	Pages Means = "pages"
)

// ErrNoWay says that a step has no way that the person's means are enough for.
var ErrNoWay = errors.New("no way of this step can be done with these means")

// Person does what a runbook says. The zero value has no means.
type Person struct {
	// Means in the order in which they are tried.
	Means []Means
	// Values are credentials, and what is to be copied from a page, by placeholder. What replies and outputs fill is added.
	Values map[string]string
	// Hosts replaces the beginnings of URLs, such as https://api.vercel.com, by emulators'.
	Hosts map[string]string
	// Programs are the vendors' command lines by name. A command of any other is refused.
	Programs map[string]Program
	// Zone is where lines NAME TYPE VALUE are sent by PATCH to be the records of those names and types, without a value to be none.
	Zone string
	// Dir is the folder in which commands run.
	Dir string
	// Pause is how long to wait before a request is sent again. Default: 20 ms.
	Pause time.Duration

	told map[string]string // the placeholders that a step has told of, and where each comes from; anything else in such brackets is text
	app  string            // as the runbook calls it
	// made are the ids of what pages made last, by kind: it stays open.
	made map[string]string
	used map[string]bool // the places that were visited
}

// Program is how a vendor's command line is run here.
type Program struct {
	Argv []string // in place of its name
	Env  []string // its whole environment
	// Stand is a stand-in for a program that is not installed: it gets the arguments and what is read from stdin, and returns what is printed.
	Stand func(ctx context.Context, p *Person, args []string, input string) (string, error)
}

// The runbook as the JSON has it. Nothing of Slipway is imported: the words alone count.
type (
	book struct {
		App   string `json:"app"`
		Steps []Step `json:"steps"`
	}
	// Step is one of a runbook.
	Step struct {
		Key          string `json:"key"`
		Number       int    `json:"number"`
		Ways         []Way  `json:"ways"`
		Undo         []Way  `json:"undo"`
		Placeholders []struct {
			Name string `json:"name"`
			From string `json:"from"`
		} `json:"placeholders"`
	}
	// Way is one way to do a step.
	Way struct {
		Command []string          `json:"command"`
		Input   string            `json:"input"`
		Prints  map[string]string `json:"prints"`
		HTTP    *form             `json:"http"`
		Page    *place            `json:"page"`
		Records []record          `json:"records"`
		Then    []Way             `json:"then"`
	}
	record struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	place struct {
		URL    string   `json:"url"`
		Path   []string `json:"path"`
		Fields []struct {
			Label string `json:"label"`
			Value string `json:"value"`
		} `json:"fields"`
	}
	form struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		User    string            `json:"user"`
		Headers map[string]string `json:"headers"`
		Body    any               `json:"body"`
		Status  int               `json:"status"`
		Again   int               `json:"again"`
		Until   map[string]string `json:"until"`
		Take    map[string]string `json:"take"`
	}
)

// Do does all steps in their order.
func (p *Person) Do(ctx context.Context, runbook []byte) error {
	steps, err := p.read(runbook)
	for _, s := range steps {
		if err = p.Step(ctx, s); err != nil {
			return err
		}
	}
	return err
}

// read keeps whose runbook it is.
func (p *Person) read(runbook []byte) ([]Step, error) {
	var b book
	err := json.Unmarshal(runbook, &b)
	p.app = b.App
	return b.Steps, err
}

// Undo takes all steps back, the last first, where the means are enough.
func (p *Person) Undo(ctx context.Context, runbook []byte) error {
	steps, err := p.read(runbook)
	if err != nil {
		return err
	}
	for _, s := range slices.Backward(steps) {
		s.Ways = s.Undo
		for i := range s.Ways { // to take records back is to have none
			for j := range s.Ways[i].Records {
				s.Ways[i].Records[j].Value = ""
			}
		}
		if err := p.Step(ctx, s); err != nil && !errors.Is(err, ErrNoWay) {
			return fmt.Errorf("undo: %w", err)
		}
	}
	return nil
}

// Step does one step by the first of its ways that the means are enough for.
func (p *Person) Step(ctx context.Context, s Step) error {
	if p.told == nil {
		p.told = map[string]string{}
	}
	for _, told := range s.Placeholders {
		if !p.isTold(told.Name) { // from there on the same name is the same value
			p.told[told.Name] = told.From
		}
	}
	for _, m := range p.Means {
		for _, w := range s.Ways {
			if w.means() != m || !p.able(w) {
				continue
			}
			if err := p.Way(ctx, w); err != nil {
				return fmt.Errorf("step %d, %s: %w", s.Number, s.Key, err)
			}
			return nil
		}
	}
	return fmt.Errorf("step %d, %s: %w", s.Number, s.Key, ErrNoWay)
}

// able reports whether the person has what the whole way needs.
func (p *Person) able(w Way) bool {
	if w.means() == "" || w.means() == Pages && !slices.Contains(p.Means, Pages) {
		return false
	}
	if w.means() == Command {
		if _, ok := p.Programs[w.Command[0]]; !ok {
			return false
		}
	}
	return !slices.ContainsFunc(w.Then, func(next Way) bool { return !p.able(next) })
}

// means is what the way begins with.
func (w Way) means() Means {
	switch {
	case len(w.Command) > 0:
		return Command
	case w.HTTP != nil:
		return HTTP
	case len(w.Records) > 0:
		return DNS
	case w.Page != nil:
		return Pages
	}
	return ""
}

// Way does a way to its end.
func (p *Person) Way(ctx context.Context, w Way) error {
	var err error
	switch w.means() {
	case Command:
		err = p.command(ctx, w)
	case HTTP:
		err = p.request(ctx, *w.HTTP)
	case DNS:
		err = p.write(ctx, w.Records)
	case Pages:
		err = p.visit(ctx, *w.Page)
	default:
		err = ErrNoWay
	}
	for _, next := range w.Then {
		if err == nil {
			err = p.Way(ctx, next)
		}
	}
	return err
}

// write has the records in the zone.
func (p *Person) write(ctx context.Context, records []record) error {
	var lines strings.Builder
	for _, r := range records {
		value := r.Value
		if r.Type == "TXT" && value != "" {
			value = strconv.Quote(value)
		}
		fmt.Fprintln(&lines, r.Name, r.Type, value)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPatch, p.Zone, strings.NewReader(lines.String()))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the zone takes no %q: %d", lines.String(), res.StatusCode)
	}
	return nil
}

func (p *Person) isTold(name string) bool {
	_, told := p.told[name]
	return told
}

var placeholder = regexp.MustCompile(`<([A-Z][A-Z0-9_]*)>`)

func (p *Person) fill(text string) (string, error) {
	var err error
	filled := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		name := m[1 : len(m)-1]
		v, ok := p.Values[name]
		switch {
		case ok:
			return v
		case p.isTold(name):
			err = fmt.Errorf("nothing says what %s is", m)
		}
		return m
	})
	return filled, err
}

// fillAll fills the strings of a JSON value.
func (p *Person) fillAll(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return p.fill(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = p.fillAll(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			var err error
			if out[k], err = p.fillAll(v[k]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func (p *Person) request(ctx context.Context, f form) error {
	for {
		status, raw, err := p.send(ctx, f)
		if err != nil {
			return err
		}
		var reply any
		_ = json.Unmarshal(raw, &reply) // an empty reply takes nothing
		switch {
		case f.Again != 0 && status == f.Again:
		case status != f.Status:
			return fmt.Errorf("%s %s answered %d, not %d: %s", f.Method, f.URL, status, f.Status, raw)
		case shows(reply, f.Until):
			return p.take(reply, f.Take)
		}
		if err := pause(ctx, max(p.Pause, tick)); err != nil {
			return err
		}
	}
}

func shows(reply any, until map[string]string) bool {
	for path, want := range until {
		if got, ok := at(reply, path); !ok || got != want {
			return false
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (p *Person) send(ctx context.Context, f form) (int, []byte, error) {
	link, err := p.fill(f.URL)
	if err != nil {
		return 0, nil, err
	}
	link, err = p.rewrite(link)
	if err != nil {
		return 0, nil, err
	}
	var body io.Reader
	if f.Body != nil {
		filled, err := p.fillAll(f.Body)
		if err != nil {
			return 0, nil, err
		}
		raw, err := json.Marshal(filled)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, f.Method, link, body)
	if err != nil {
		return 0, nil, err
	}
	for name, v := range f.Headers {
		if v, err = p.fill(v); err != nil {
			return 0, nil, err
		}
		r.Header.Set(name, v)
	}
	if f.User != "" {
		user, err := p.fill(f.User)
		if err != nil {
			return 0, nil, err
		}
		name, password, _ := strings.Cut(user, ":")
		r.SetBasicAuth(name, password)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

// rewrite points a URL at an emulator. No other host is ever asked.
func (p *Person) rewrite(link string) (string, error) {
	for from, to := range p.Hosts {
		if rest, ok := strings.CutPrefix(link, from); ok {
			return to + rest, nil
		}
	}
	return "", fmt.Errorf("%s is at no host that is known here", link)
}

// take fills placeholders from a reply.
func (p *Person) take(reply any, take map[string]string) error {
	for name, path := range take {
		v, ok := Read(reply, path)
		if !ok {
			return fmt.Errorf("the reply has no %s, which is to be <%s>: %v", path, name, reply)
		}
		p.Values[name] = v
	}
	return nil
}

// tick is the shortest wait before a request is sent again.
const tick = 20 * time.Millisecond

var inBraces = regexp.MustCompile(`\{([^{}]+)\}`)

// Read returns the value at a path, or a text with the values at the paths in its braces. An emulator's endpoint is a whole URL where a real
// one is a host: https:// before it falls away.
func Read(reply any, path string) (string, bool) {
	if !strings.Contains(path, "{") {
		return at(reply, path)
	}
	all := true
	text := inBraces.ReplaceAllStringFunc(path, func(m string) string {
		v, ok := at(reply, m[1:len(m)-1])
		all = all && ok
		return v
	})
	return strings.Replace(text, "https://http://", "http://", 1), all
}

func at(v any, path string) (string, bool) {
	for part := range strings.SplitSeq(path, ".") {
		switch within := v.(type) {
		case map[string]any:
			v = within[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(within) {
				return "", false
			}
			v = within[i]
		default:
			return "", false
		}
	}
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return fmt.Sprint(v), true
}

func (p *Person) command(ctx context.Context, w Way) error {
	program, ok := p.Programs[w.Command[0]]
	if !ok {
		return fmt.Errorf("%s: there is no such program here: %w", w.Command[0], ErrNoWay)
	}
	if program.Stand != nil {
		return p.standIn(ctx, program, w)
	}
	argv := slices.Clone(program.Argv)
	for _, arg := range w.Command[1:] {
		filled, err := p.fill(arg)
		if err != nil {
			return err
		}
		argv = append(argv, filled)
	}
	input, err := p.fill(w.Input)
	if err != nil {
		return err
	}
	var out, errs strings.Builder
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Env, c.Stdin, c.Stdout, c.Stderr = p.Dir, program.Env, strings.NewReader(input), &out, &errs
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s%s", strings.Join(w.Command, " "), err, out.String(), errs.String())
	}
	return p.takePrinted(strings.TrimSpace(out.String()), w.Prints)
}

func (p *Person) takePrinted(out string, prints map[string]string) error {
	take := map[string]string{}
	for name, path := range prints {
		if path == "" {
			p.Values[name] = out
			continue
		}
		take[name] = path
	}
	if len(take) == 0 {
		return nil
	}
	var reply any
	if err := json.Unmarshal([]byte(out), &reply); err != nil {
		return fmt.Errorf("what was printed is no JSON: %w\n%s", err, out)
	}
	return p.take(reply, take)
}
