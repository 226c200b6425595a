package neonemu

import (
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// batch is the operations of one change. They run one after another, and a project has at most one batch running.
// What the change makes holds a pointer to it, and is usable when the batch has succeeded.
type batch struct {
	started time.Time
	takes   time.Duration
	count   int
	failed  string // the error of the last operation; "" when it finishes or will
	working int    // changes that a real PostgreSQL is still at
}

func (b *batch) done(now time.Time) bool {
	return b == nil || b.working == 0 && !now.Before(b.started.Add(b.takes))
}

// usable reports whether what the batch makes may be used.
func (b *batch) usable(now time.Time) bool { return b == nil || b.done(now) && b.failed == "" }

// timeline is the i-th operation's way through its states.
func (b *batch) timeline(i int) emukit.Timeline {
	share := b.takes / time.Duration(b.count)
	last := emukit.Stage{State: "finished", After: share * time.Duration(i+1)}
	if i == b.count-1 {
		last.After = b.takes
		if b.failed != "" {
			last.State = "failed"
		}
	}
	start := share * time.Duration(i)
	return emukit.Timeline{Started: b.started, Stages: []emukit.Stage{
		{State: "scheduling"}, {State: "running", After: start + share/10}, last,
	}}
}

type operation struct {
	seq        int64
	id         string
	project    *project
	branchID   string
	endpointID string
	action     string
	batch      *batch
	index      int
}

type operationBody struct {
	ID              string `json:"id"`
	ProjectID       string `json:"project_id"`
	BranchID        string `json:"branch_id,omitempty"`
	EndpointID      string `json:"endpoint_id,omitempty"`
	Action          string `json:"action"`
	Status          string `json:"status"`
	Error           string `json:"error,omitempty"`
	FailuresCount   int    `json:"failures_count"`
	CreatedAt       stamp  `json:"created_at"`
	UpdatedAt       stamp  `json:"updated_at"`
	TotalDurationMS int64  `json:"total_duration_ms"`
}

func (o *operation) wire(now time.Time) operationBody {
	t := o.batch.timeline(o.index)
	status := t.At(now)
	if status == "finished" && o.batch.working > 0 && o.index == o.batch.count-1 {
		status = "running"
	}
	changed, _ := t.Begins(status)
	b := operationBody{
		ID: o.id, ProjectID: o.project.id, BranchID: o.branchID, EndpointID: o.endpointID, Action: o.action,
		Status: status, CreatedAt: stamp(t.Started), UpdatedAt: stamp(changed),
	}
	if status == "failed" {
		b.Error, b.FailuresCount = o.batch.failed, 1
	}
	if status == "finished" || status == "failed" {
		b.TotalDurationMS = t.End().Sub(t.Started).Milliseconds()
	}
	return b
}

func operations(ops []*operation, now time.Time) []operationBody {
	out := make([]operationBody, 0, len(ops))
	for _, o := range ops {
		out = append(out, o.wire(now))
	}
	return out
}

// todo is an operation to be scheduled.
type todo struct {
	action     string
	branchID   string
	endpointID string
}

// schedule starts a batch on a project that has none running. Without anything to do it returns an empty batch, which
// is done at once.
func (s *Server) schedule(q *request, p *project, takes time.Duration, work []todo) (*batch, []*operation) {
	b := &batch{started: q.now, takes: max(q.opTime(takes), 0), count: len(work), failed: q.with("op-fails")}
	if len(work) == 0 {
		b.takes = 0
		return b, nil
	}
	ops := make([]*operation, 0, len(work))
	for i, w := range work {
		if s.FailOperation != nil && b.failed == "" {
			b.failed = s.FailOperation(p.id, w.action)
		}
		ops = append(ops, &operation{
			seq: s.next(), id: s.Kit.RandomUUID(), project: p, branchID: w.branchID, endpointID: w.endpointID,
			action: w.action, batch: b, index: i,
		})
	}
	p.ops = append(p.ops, ops...)
	p.running = b
	return b, ops
}

func (s *Server) projectTime() time.Duration {
	if s.ProjectTime == 0 {
		return defaultProjectTime
	}
	return s.ProjectTime
}

func (s *Server) opTime() time.Duration {
	if s.OpTime == 0 {
		return defaultOpTime
	}
	return s.OpTime
}

func (s *Server) listProjectOperations(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	newest := slices.Clone(p.ops)
	slices.Reverse(newest)
	ops, next, f := page(q, newest, func(o *operation) int64 { return o.seq }, 1000, 1000)
	if f != nil {
		return nil, f
	}
	return struct {
		Operations []operationBody `json:"operations"`
		Pagination *pagination     `json:"pagination,omitempty"`
	}{operations(ops, q.now), next}, nil
}

func (s *Server) getProjectOperation(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	for _, o := range p.ops {
		if o.id == q.PathValue("operation") {
			return struct {
				Operation operationBody `json:"operation"`
			}{o.wire(q.now)}, nil
		}
	}
	return nil, notFound("operation")
}
