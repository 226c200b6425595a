package cli

import (
	"fmt"
	"time"

	"github.com/slipway-dev/slipway"
)

// view shows a run's events as they come.
type view interface {
	// planned tells the run with its plan, before the events, and again when there is another plan.
	planned(d *slipway.RunDetail)
	event(e slipway.Event)
	// flush is called after each group of events.
	flush()
	// pause leaves the terminal to others until the next event.
	pause()
	close()
}

// newView returns the view for this output: JSON lines, a live tree on a terminal, else plain lines.
func (a *app) newView() view {
	switch {
	case a.json:
		return jsonView{a}
	case a.live:
		return newTree(a.rawErr, a.redactor.String, terminalSize(a.rawErr))
	}
	return lineView{a}
}

// jsonView writes each event as a line of --json.
type jsonView struct{ *app }

type eventLine struct {
	Run   string            `json:"run"`
	Seq   int64             `json:"seq"`
	At    time.Time         `json:"at"`
	Event slipway.EventType `json:"event"`
	Step  string            `json:"step,omitempty"`
	Data  map[string]any    `json:"data,omitempty"`
}

func (jsonView) planned(*slipway.RunDetail) {}
func (v jsonView) event(e slipway.Event) {
	v.object("event", eventLine{e.Run, e.Seq, e.At, e.Type, e.Step, e.Data})
}
func (jsonView) flush() {}
func (jsonView) pause() {}
func (jsonView) close() {}

// lineView writes plain lines on stderr.
type lineView struct{ *app }

func (lineView) planned(*slipway.RunDetail) {}
func (v lineView) event(e slipway.Event) {
	if line := eventText(e); line != "" {
		v.tell("%s\n", line)
	}
}
func (lineView) flush() {}
func (lineView) pause() {}
func (lineView) close() {}

// eventText is an event in one line, "" for one that says nothing to a person.
func eventText(e slipway.Event) string {
	data := func(name string) string { return oneLine(fmt.Sprint(e.Data[name])) }
	switch e.Type {
	case slipway.EventRunCreated:
		return fmt.Sprintf("run %s: %s %s", e.Run, data("operation"), data("environment"))
	case slipway.EventPlanMade:
		return fmt.Sprintf("plan %s: %s", data("revision"), data("digest"))
	case slipway.EventGateRequested:
		return fmt.Sprintf("gate %s: waits for an approval", data("gate"))
	case slipway.EventGateDecided:
		if standing, ok := e.Data["approvals"].(string); ok {
			return fmt.Sprintf("gate %s: %s approvals, by %s (%s)", data("gate"), standing, data("by"), data("how"))
		}
		return fmt.Sprintf("gate %s: %s by %s (%s)", data("gate"), data("state"), data("by"), data("how"))
	case slipway.EventGateVoided:
		return voidText(e)
	case slipway.EventStepIntended:
		return "  start  " + e.Step
	case slipway.EventStepDone:
		return "  done   " + e.Step
	case slipway.EventStepFailed:
		if moved := movedText(e); moved != "" {
			return fmt.Sprintf("  failed %s: %s (%s)", e.Step, data("error"), moved)
		}
		return fmt.Sprintf("  failed %s: %s", e.Step, data("error"))
	case slipway.EventStepRetry:
		return fmt.Sprintf("  again  %s: %s", e.Step, data("error"))
	case slipway.EventStepWaiting:
		if moved := movedText(e); moved != "" {
			return fmt.Sprintf("  wait   %s: %s", e.Step, moved)
		}
		return "  wait   " + e.Step
	case slipway.EventManualWaiting:
		return "manual: waits for a person's steps"
	case slipway.EventManualTaken:
		if release, _ := e.Data["release"].(bool); release {
			return fmt.Sprintf("manual %s: given back by %s", e.Step, data("by"))
		}
		return fmt.Sprintf("manual %s: taken by %s", e.Step, data("by"))
	case slipway.EventManualChecked:
		return fmt.Sprintf("manual %s: %s (%s)", e.Step, data("finding"), data("how"))
	case slipway.EventLog:
		if data("stream") == "command" {
			return "    $ " + data("text")
		}
		return "    | " + data("text")
	case slipway.EventReported:
		if _, failed := e.Data["error"]; failed {
			return fmt.Sprintf("not reported to %s: %s", data("to"), data("error"))
		}
		return fmt.Sprintf("reported to %s: %s", data("to"), data("state"))
	case slipway.EventNews:
		return fmt.Sprintf("news from %s: %s", data("provider"), data("event"))
	case slipway.EventRunStatus:
		if s := data("status"); s != string(slipway.RunActive) {
			return fmt.Sprintf("run %s: %s", e.Run, s)
		}
	}
	return ""
}

// movedText is how far a build or a move has come, a move by domain; "" for an event that does not tell.
func movedText(e slipway.Event) string {
	names := func(name string) (out []string) {
		list, _ := e.Data[name].([]any)
		for _, v := range list {
			out = append(out, oneLine(fmt.Sprint(v)))
		}
		return out
	}
	m := slipway.Movement{Moved: names("moved"), Waiting: names("waiting"), Failed: names("failed")}
	m.Stage, _ = e.Data["stage"].(string)
	why, told := e.Data["why"].(string)
	if told && m.String() != "" {
		why += "; "
	}
	return slipway.PlainLine(why + m.String())
}

// voidText tells what differs from what was approved.
func voidText(e slipway.Event) string {
	if why, ok := e.Data["why"].(string); ok {
		if e.Data["address"] == nil {
			return fmt.Sprintf("gate %v: its approval opens nothing any more: %s", e.Data["gate"], why)
		}
		return fmt.Sprintf("gate %v: %v: %s", e.Data["gate"], e.Data["address"], why)
	}
	if address, ok := e.Data["address"].(string); ok {
		return fmt.Sprintf("gate %v: %s has changed since it was planned: %s -> %s",
			e.Data["gate"], address, basisText(e.Data["planned"]), basisText(e.Data["observed"]))
	}
	text := fmt.Sprintf("gate %v: what was asked for has changed (%s)", e.Data["gate"], valueText(e.Data["differs"]))
	how, _ := e.Data["how"].([]any)
	for _, line := range how {
		text += "\n  " + oneLine(fmt.Sprint(line))
	}
	return text
}

// basisText is what was observed of a thing, without the fields that mean nothing to a person.
func basisText(v any) string {
	basis, _ := v.(map[string]any)
	if exists, _ := basis["exists"].(bool); !exists {
		return "absent"
	}
	fields, _ := basis["fields"].(map[string]any)
	shown := []any{}
	for _, name := range sortedKeys(fields) {
		if _, plain := fields["value"]; plain && name == "fingerprint" {
			continue
		}
		if name == "fingerprint" {
			shown = append(shown, "secret")
		} else if !hidden[name] {
			shown = append(shown, fmt.Sprintf("%s: %s", name, thereText(fields[name])))
		}
	}
	return valueText(shown)
}
