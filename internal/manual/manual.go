// Package manual shows runbooks, the steps that a person does: as Markdown for a repository or a ticket, and as text for a terminal, with
// commands that can be pasted into sh. The same runbook gives the same bytes; JSON is the value itself. Its tests do by hand what runbooks
// say, and compare what the providers then hold with what the clients make of it.
package manual

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// Text is a runbook for a terminal. Commands stand at the beginning of a line, so that a paste is what was meant.
func Text(book slipway.Runbook) string {
	return show(book, style{
		title: func(app, environment string) string { return "Runbook of " + app + ", " + environment + "\n" },
		step:  func(n int, title string) string { return fmt.Sprintf("\n%d. %s\n", n, title) },
		item:  func(label, text string) string { return fmt.Sprintf("   %-9s%s\n", label, text) },
		way:   func(label string) string { return "   " + label + "\n" },
		code:  func(text string) string { return text + "\n" },
	})
}

// Markdown is a runbook as a page.
func Markdown(book slipway.Runbook) string {
	return show(book, style{
		title: func(app, environment string) string { return "# Runbook of " + app + ", " + environment + "\n" },
		step:  func(n int, title string) string { return fmt.Sprintf("\n## %d. %s\n\n", n, title) },
		item:  func(label, text string) string { return "- **" + label + "**: " + text + "\n" },
		way:   func(label string) string { return "\n" + label + "\n\n" },
		code:  func(text string) string { return "```sh\n" + text + "\n```\n" },
		quote: func(text string) string { return "`" + text + "`" },
	})
}

// style is what Text and Markdown differ in.
type style struct {
	title func(app, environment string) string
	step  func(n int, title string) string
	item  func(label, text string) string
	way   func(label string) string
	code  func(text string) string
	quote func(text string) string // of a name or a value inside a sentence; nil: as it is
}

func (s style) q(text string) string {
	if s.quote == nil {
		return text
	}
	return s.quote(text)
}

type page struct {
	strings.Builder
	style
	shell
	used    map[string]bool // the placeholders that something of the runbook needs
	told    map[string]bool // those that were explained
	given   map[string]bool // those that a reply or an output fills
	numbers map[string]int  // of the steps, by key
	undoing bool            // what is shown takes something back
}

func show(book slipway.Runbook, s style) string {
	p := &page{style: s, shell: shell{known(book)}}
	p.used, p.told, p.given, p.numbers = p.needed(book), map[string]bool{}, map[string]bool{}, map[string]int{}
	for _, step := range book.Steps {
		p.numbers[step.Key] = step.Number
	}
	p.WriteString(s.title(book.App, book.Environment))
	p.WriteString("\nPlan " + s.q(book.Plan) + ".\n\nDo the steps in this order; any one of a step's ways is enough. A value that is not known here stands as " + s.q("<NAME>") + ",\n" +
		"and in commands as a variable of that name: set it first with " + s.q("read -r NAME") + ", so that it is in no shell's history.\n")
	if len(book.Steps) == 0 {
		p.WriteString("\nNothing is to be done by hand.\n")
	}
	for _, step := range book.Steps {
		p.step(step)
	}
	return p.String()
}

func (p *page) step(s slipway.ManualStep) {
	p.WriteString(p.style.step(s.Number, s.Title))
	if s.Why != "" {
		p.item("why", "by hand because "+s.Why)
	}
	if after := p.after(s.Needs); after != "" {
		p.item("after", after)
	}
	for _, b := range s.Before {
		p.item("first", b)
	}
	for _, v := range s.Placeholders {
		p.value(v)
	}
	for i, w := range s.Ways {
		p.way(fmt.Sprintf("Way %d: %s", i+1, kind(w)), w)
	}
	p.item("see", s.See)
	p.item("check", s.Check)
	if len(s.Exports) > 0 {
		p.exports(s.Exports)
	}
	if len(s.Undo) == 0 {
		p.item("undo", "it cannot be undone")
	}
	for _, w := range s.Undo {
		p.undoing = true
		p.way("To undo it: "+kind(w), w)
		p.undoing = false
	}
}

// after names the steps of this runbook by their numbers, and says what Slipway does before.
func (p *page) after(needs []string) string {
	var steps []int
	var others []string
	for _, key := range needs {
		if n, here := p.numbers[key]; here {
			steps = append(steps, n)
		} else {
			others = append(others, p.q(key))
		}
	}
	var parts []string
	if len(steps) > 0 {
		slices.Sort(steps)
		parts = append(parts, "step "+strings.Trim(strings.ReplaceAll(fmt.Sprint(steps), " ", ", "), "[]"))
	}
	if len(others) > 0 {
		parts = append(parts, "what Slipway does: "+strings.Join(others, ", "))
	}
	return strings.Join(parts, "; ")
}

// value tells once what a placeholder is: from here on the same name is the same value.
func (p *page) value(v slipway.Placeholder) {
	if !p.used[v.Name] || p.told[v.Name] {
		return
	}
	p.told[v.Name] = true
	text := p.q(v.String()) + " for " + v.To + ", from " + v.From
	if p.given[v.Name] {
		text = p.q(v.String()) + " for " + v.To + ", from the reply above; it is also found in " + v.From
	}
	p.item("value", text+map[bool]string{true: " (a secret)"}[v.Secret])
}

// exports tells which values the check takes from the environment: names alone.
func (p *page) exports(variables []string) {
	names := make([]string, len(variables))
	for i, name := range variables {
		names[i] = p.q(name)
	}
	p.item("export", strings.Join(names, ", ")+": the values, for "+p.q("slipway manual RUN --check STEP"))
}

func (p *page) item(label, text string) { p.WriteString(p.style.item(label, text)) }

func kind(w slipway.Way) string {
	switch {
	case w.HTTP != nil:
		return "the API"
	case len(w.Command) > 0:
		return "the command line"
	case len(w.Records) > 0:
		return "the DNS"
	}
	return "the pages"
}

func (p *page) way(label string, w slipway.Way) {
	p.WriteString(p.style.way(label))
	for _, part := range append([]slipway.Way{w}, w.Then...) {
		p.part(part)
	}
	if p.quote != nil {
		p.WriteString("\n")
	}
}

func (p *page) part(w slipway.Way) {
	switch {
	case w.HTTP != nil:
		if p.idle(*w.HTTP) {
			return
		}
		p.WriteString(p.code(p.curl(w.HTTP)))
		p.reply(*w.HTTP)
	case len(w.Command) > 0:
		p.WriteString(p.code(p.line(w.Command, w.Input)))
		p.takes("prints", w.Prints)
	case len(w.Records) > 0:
		p.records(w.Records)
	default:
		p.page(*w.Page)
	}
}

// idle reports whether a request only reads what nothing of the runbook needs.
func (p *page) idle(f slipway.HTTPForm) bool {
	return f.Method == http.MethodGet && len(f.Take) > 0 && len(f.Until) == 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(f.Take)), func(name string) bool { return p.used[name] })
}

func (p *page) reply(f slipway.HTTPForm) {
	text := fmt.Sprintf("%d is success", f.Status)
	if f.Again != 0 {
		text += fmt.Sprintf("; %d means that nothing was done: wait some seconds, and send it again", f.Again)
	}
	for _, path := range slices.Sorted(maps.Keys(f.Until)) {
		text += fmt.Sprintf("; send it again every few seconds until %s is %s", p.q(path), p.q(f.Until[path]))
	}
	p.item("reply", text)
	p.takes("reply", f.Take)
}

// takes tells which values are taken from a reply or an output.
func (p *page) takes(label string, take map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(take)) {
		switch path := take[name]; {
		case !p.used[name]:
			continue
		case path == "":
			p.item(label, p.q("<"+name+">"))
		default:
			p.item(label, "its "+p.q(path)+" is "+p.q("<"+name+">"))
		}
		p.given[name] = true
	}
}

func (p *page) page(g slipway.Page) {
	p.item("page", g.URL)
	p.item("path", strings.Join(g.Path, " > ")+" (checked "+g.Checked+")")
	for _, f := range g.Fields {
		p.item("enter", f.Label+": "+p.q(f.Value))
	}
}

func (p *page) records(records []slipway.DNSRecord) {
	label := "record"
	if p.undoing {
		label = "remove"
	}
	for _, r := range records {
		text := fmt.Sprintf("type %s, name %s, value %s", p.q(r.Type), p.q(r.Name), p.q(r.Value))
		if !p.undoing {
			text += ", for " + r.For
		}
		p.item(label, text)
	}
}

// known are the names of all placeholders of a runbook.
func known(book slipway.Runbook) map[string]bool {
	out := map[string]bool{}
	var note func(ways []slipway.Way)
	note = func(ways []slipway.Way) {
		for _, w := range ways {
			for name := range w.Prints {
				out[name] = true
			}
			if w.HTTP != nil {
				for name := range w.HTTP.Take {
					out[name] = true
				}
			}
			note(w.Then)
		}
	}
	for _, s := range book.Steps {
		for _, p := range s.Placeholders {
			out[p.Name] = true
		}
		note(s.Ways)
	}
	return out
}

// needed are the placeholders that a way of the runbook has.
func (p *page) needed(book slipway.Runbook) map[string]bool {
	out := map[string]bool{}
	var note func(ways []slipway.Way)
	note = func(ways []slipway.Way) {
		for _, w := range ways {
			for _, text := range texts(w) {
				for _, name := range p.placeholders(text) {
					out[name] = true
				}
			}
			note(w.Then)
		}
	}
	for _, s := range book.Steps {
		note(s.Ways)
		note(s.Undo)
		for _, v := range s.Exports {
			out[slipway.Exported(v)] = true
		}
	}
	return out
}

// texts are all texts of a way in which a placeholder can stand.
func texts(w slipway.Way) []string {
	out := append(slices.Clone(w.Command), w.Input)
	if f := w.HTTP; f != nil {
		out = append(out, f.URL, f.User, encode(f.Body))
		out = slices.AppendSeq(out, maps.Values(f.Headers))
	}
	if w.Page != nil {
		out = append(append(out, w.Page.URL), w.Page.Path...)
		for _, f := range w.Page.Fields {
			out = append(out, f.Value)
		}
	}
	return out
}
