package slipway

import "time"

// EventType names what happened. Types only ever grow.
type EventType string

const (
	EventRunCreated    EventType = "run.created"
	EventRunStatus     EventType = "run.status"
	EventPlanMade      EventType = "plan.made"
	EventGateRequested EventType = "gate.requested"
	EventGateDecided   EventType = "gate.decided"
	EventGateVoided    EventType = "gate.voided"
	EventStepIntended  EventType = "step.intended"
	EventStepDone      EventType = "step.done"
	EventStepFailed    EventType = "step.failed"
	EventStepRetry     EventType = "step.retry"
	EventStepWaiting   EventType = "step.waiting"   // its resource is there and not yet usable
	EventLog           EventType = "log"            // one line of a build, or of a job's commands
	EventManualWaiting EventType = "manual.waiting" // a person's steps are all that can go on
	EventManualTaken   EventType = "manual.taken"   // a person has taken a step, or given it back
	EventManualChecked EventType = "manual.checked" // somebody looked at a step, or asserted it
	EventReported      EventType = "reported"       // the host of the source was told how the run goes, or could not be
	EventNews          EventType = "news"           // a provider said that something has happened: it is looked at now
	EventNote          EventType = "note"
)

// Event is one thing that happened in a run. Seq grows by one within a run.
type Event struct {
	Run  string         `json:"run"`
	Seq  int64          `json:"seq"`
	At   time.Time      `json:"at"`
	Type EventType      `json:"type"`
	Step string         `json:"step,omitempty"`
	Data map[string]any `json:"data,omitempty"`
}
