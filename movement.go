package slipway

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Part is how far one part of what is moved has come, such as a domain.
type Part string

const (
	PartMoved   Part = "moved"   // it serves what was asked for
	PartWaiting Part = "waiting" // it does not yet
	PartFailed  Part = "failed"  // it does not, and the provider has given up
)

// Movement is how far a build, or a move of production, had come when it was looked at last. Names are sorted.
type Movement struct {
	Stage   string   `json:"stage,omitempty"` // of a build, as Observation has it
	Moved   []string `json:"moved,omitempty"`
	Waiting []string `json:"waiting,omitempty"`
	Failed  []string `json:"failed,omitempty"`
	Rollout *Rollout `json:"rollout,omitempty"`
}

// Rollout is a gradual release that is under way: of what production is moved to, or of something else that the move waits for.
type Rollout struct {
	Of      string  `json:"of"`                // the deployment that gets a growing share of the traffic
	Queued  bool    `json:"queued,omitempty"`  // the move begins when it is over
	Percent float64 `json:"percent,omitempty"` // of the traffic
	ByHand  bool    `json:"by_hand,omitempty"` // it goes on when somebody approves the next stage at the provider
}

// String says it in a clause.
func (r Rollout) String() string {
	what := "in"
	if r.Queued {
		what = "queued behind"
	}
	text := fmt.Sprintf("%s a rolling release of %s, which has %g%% of the traffic", what, r.Of, r.Percent)
	if r.ByHand {
		text += " until somebody approves its next stage"
	}
	return text
}

// MovementOf is how far a move has come by what was observed, nil where that tells nothing of one.
func MovementOf(obs Observation) *Movement {
	if len(obs.Parts) == 0 && obs.Rollout == nil && obs.Stage == "" {
		return nil
	}
	m := &Movement{Stage: obs.Stage, Rollout: obs.Rollout}
	for _, name := range slices.Sorted(maps.Keys(obs.Parts)) {
		switch obs.Parts[name] {
		case PartMoved:
			m.Moved = append(m.Moved, name)
		case PartFailed:
			m.Failed = append(m.Failed, name)
		default:
			m.Waiting = append(m.Waiting, name)
		}
	}
	return m
}

// Equal reports whether two movements say the same; nil is one that says nothing.
func (m *Movement) Equal(o *Movement) bool {
	if m == nil || o == nil {
		return m == o
	}
	same := m.Rollout == o.Rollout || m.Rollout != nil && o.Rollout != nil && *m.Rollout == *o.Rollout
	return same && m.Stage == o.Stage && slices.Equal(m.Moved, o.Moved) && slices.Equal(m.Waiting, o.Waiting) && slices.Equal(m.Failed, o.Failed)
}

// Data is m as an event holds it.
func (m *Movement) Data() map[string]any {
	data := map[string]any{}
	if m == nil {
		return data
	}
	if m.Stage != "" {
		data["stage"] = m.Stage
	}
	for name, list := range map[string][]string{"moved": m.Moved, "waiting": m.Waiting, "failed": m.Failed} {
		if len(list) > 0 || name != "failed" && len(m.Moved)+len(m.Waiting) > 0 {
			all := []any{}
			for _, part := range list {
				all = append(all, part)
			}
			data[name] = all
		}
	}
	if r := m.Rollout; r != nil {
		data["rollout"] = map[string]any{"of": r.Of, "queued": r.Queued, "percent": r.Percent, "by_hand": r.ByHand}
		data["why"] = r.String()
	}
	return data
}

// String says in one line what has moved and what has not, by name; "" where there is nothing to say.
func (m *Movement) String() string {
	if m == nil {
		return ""
	}
	var said []string
	if m.Stage != "" {
		said = append(said, m.Stage)
	}
	if m.Rollout != nil {
		said = append(said, m.Rollout.String())
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"moved", m.Moved}, {"waits for", m.Waiting}, {"failed", m.Failed}} {
		if len(list.names) > 0 {
			said = append(said, list.what+" "+strings.Join(list.names, ", "))
		}
	}
	return strings.Join(said, "; ")
}
