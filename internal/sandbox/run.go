package sandbox

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// job is one order under way in Vercel Sandbox.
type job struct {
	*client
	order   slipway.Order
	mark    slipway.JobMark
	session string
	out     *outlet
	now     func() time.Time
}

var _ slipway.Resumer = (*remote)(nil)

func (v *remote) Run(ctx context.Context, get slipway.Settings, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	return v.work(ctx, get, o, emit, false)
}

// Resume is of slipway.Resumer.
func (v *remote) Resume(ctx context.Context, get slipway.Settings, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	return v.work(ctx, get, o, emit, true)
}

func (v *remote) work(ctx context.Context, get slipway.Settings, o slipway.Order, emit func(slipway.LogLine), resumed bool) (slipway.JobResult, error) {
	r := slipway.JobResult{}
	c, err := v.client(get, o)
	if err != nil {
		return r, err
	}
	if o.Mark.Began.IsZero() {
		o.Mark.Began = v.config.Now()
	}
	ctx, cancel := v.config.withLimit(ctx, o, resumed)
	defer cancel()
	j := &job{client: c, order: o, mark: o.Mark, out: &outlet{emit: emit}, now: v.config.Now}
	j.mark.Commands = slices.Clone(j.mark.Commands)
	s, err := v.open(ctx, j, resumed)
	if err != nil {
		return r, ended(ctx, err, nil)
	}
	r.Isolation = isolation(o)
	alive := j.keepAlive(ctx, v.life, s.left(v.life, v.config.Now()))
	defer alive.stop()
	if len(j.mark.Commands) == 0 {
		if err := j.upload(ctx); err != nil {
			return r, ended(ctx, err, alive)
		}
	}
	for i := range o.Commands {
		res, err := j.command(ctx, i)
		if err != nil {
			return r, ended(ctx, err, alive)
		}
		if r.Commands = append(r.Commands, res); !res.Passed() {
			break
		}
	}
	return r, nil
}

// open returns the job's running session: that of its mark, else a new one. errGone says that it runs no more.
func (v *remote) open(ctx context.Context, j *job, resumed bool) (s session, err error) {
	if j.mark.Session != "" {
		s, err = j.look(ctx, j.mark.Session)
		if slipway.ErrorCode(err) == slipway.CodeNotFound {
			err = errGone
		}
	} else {
		s, err = j.create(ctx, v.life, resumed)
	}
	if err == nil {
		s, err = j.started(ctx, s)
	}
	if err != nil || j.mark.Session == s.ID {
		j.session = s.ID
		return s, err
	}
	j.session, j.mark.Project, j.mark.Session = s.ID, j.project, s.ID
	return s, j.save(ctx)
}

// save keeps the job's mark.
func (j *job) save(ctx context.Context) error {
	if j.order.Save == nil {
		return nil
	}
	kept := j.mark
	kept.Commands = slices.Clone(j.mark.Commands)
	return j.order.Save(ctx, kept)
}

// ended tells why a job could not go on: its own time, a sandbox that is gone, or what it is.
func ended(ctx context.Context, err error, alive *keeper) error {
	switch {
	case timeIsOver(ctx):
		return slipway.Errorf(slipway.CodeCheckFailed, "the sandbox was not ready within the time limit").WithHint("raise verify.timeout")
	case ctx.Err() != nil:
		return canceled(ctx)
	case !errors.Is(err, errGone) && (alive == nil || slipway.ErrorCode(err) != slipway.CodeNotFound): // a deleted one's session is not found
		return err
	case alive != nil && slipway.ErrorCode(alive.refused()) == slipway.CodeUnauthorized:
		return alive.refused() // the token's end is why it stopped
	case alive != nil && alive.refused() != nil:
		e := slipway.Errorf(slipway.CodeLimit, "the sandbox's life is over, and was not extended").
			WithHint("the Vercel plan's longest life is 45 minutes on Hobby (https://vercel.com/docs/sandbox/pricing): run less, or set verify.sandbox: local")
		e.Cause = alive.refused()
		return e
	}
	return &slipway.Error{
		Code: slipway.CodeUnavailable, Message: "the sandbox stopped under the commands", Retry: slipway.RetryLater,
		Hint: "somebody or something stopped it at Vercel; resume the run",
	}
}

// keeper extends a sandbox's life for as long as the job runs.
type keeper struct {
	cancel context.CancelFunc
	done   chan struct{}
	fault  chan error
}

func (k *keeper) stop() { k.cancel(); <-k.done }

// refused is why the last extension was not given; nil for none.
func (k *keeper) refused() error {
	select {
	case err := <-k.fault:
		k.fault <- err
		return err
	default:
		return nil
	}
}

// keepAlive extends the session whenever half of its life is over, and at once where less than that is left.
func (j *job) keepAlive(ctx context.Context, life, left time.Duration) *keeper {
	ctx, cancel := context.WithCancel(ctx)
	k := &keeper{cancel: cancel, done: make(chan struct{}), fault: make(chan error, 1)}
	go func() {
		defer close(k.done)
		for wait := max(0, left-life/2); pause(ctx, wait) == nil; wait = life / 2 {
			err := j.Do(ctx, rest.Request{
				Op: "sandbox extend", Method: http.MethodPost, Path: rest.Path("/v2/sandboxes/sessions/%s/extend-timeout", j.session),
				Body: map[string]any{"duration": (life / 2).Milliseconds()},
			}, nil)
			if err != nil && ctx.Err() == nil && slipway.RetryClass(err) == slipway.RetryNever {
				k.fault <- err
				return
			}
		}
	}()
	return k
}
