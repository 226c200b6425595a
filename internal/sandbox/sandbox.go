// Package sandbox runs the manifest's verify commands apart from Slipway: in Vercel Sandbox, or isolated on this machine by
// internal/isolate. It implements slipway.Sandbox; the engine decides when, and the plan where. Commands get the source, the limits and the
// network of their slipway.Job, and of Slipway's environment nothing.
package sandbox

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// Names of the places.
const (
	Vercel = "vercel"
	Local  = "local"
)

// Config is what the places work with.
type Config struct {
	REST rest.Config // of Vercel Sandbox's API
	// Dir is where local jobs have their folders. "" is the system's temporary folder.
	Dir string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// All returns the places in the order in which auto takes them.
func All(c Config) []slipway.Sandbox {
	if c.Now == nil {
		c.Now = time.Now
	}
	return []slipway.Sandbox{&remote{config: c, life: sandboxLife}, &local{config: c}}
}

// Settings are the environment variables that are read beside those of the provider vercel.
func Settings() []slipway.Setting {
	return []slipway.Setting{
		{Env: settingOIDC, Help: "token for Vercel Sandbox, from: vercel env pull; default: VERCEL_TOKEN, with a team", Secret: true},
		{Env: settingURL, Help: "base URL of the Vercel Sandbox API", Default: defaultURL},
	}
}

// environment is all that commands find set, beside what a place needs to work at all.
func environment() map[string]string { return map[string]string{"CI": "1"} }

// seconds is the time limit of a job.
func seconds(j slipway.Job) time.Duration { return time.Duration(j.Timeout) * time.Second }

// lookTime is how long whoever goes on with a job whose time is over may look at how it ended.
const lookTime = 10 * time.Second

// withLimit is ctx until the job's time is over.
func (c Config) withLimit(ctx context.Context, o slipway.Order, resumed bool) (context.Context, context.CancelFunc) {
	left := seconds(o.Job)
	if !o.Mark.Began.IsZero() {
		left = deadline(o).Sub(c.Now())
	}
	if resumed {
		left = max(left, lookTime)
	}
	return context.WithTimeoutCause(ctx, left, errTime)
}

// deadline is when a job's time is over.
func deadline(o slipway.Order) time.Time { return o.Mark.Began.Add(seconds(o.Job)) }

// errTime is the cause of a context that the job's own limit has ended.
var errTime = errors.New("the job's time is over")

// timeIsOver reports whether the job's own limit has ended ctx.
func timeIsOver(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errTime) }
