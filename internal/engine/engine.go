// Package engine runs Slipway's runs: it observes, plans, waits at gates, and makes each effect true exactly once. It implements
// slipway.Service. It knows no provider: whoever builds it hands the providers in.
//
// Runs are reconciled level by level, as controllers do: a worker loads the run, computes what may run now (slipway.WhatNext), does it,
// commits, and goes on or goes away until a decision or a time. The intent of every change outside is committed before its request and
// the outcome after; whatever happens between the two is looked for, never assumed.
package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/slipway-dev/slipway"
)

// Config is what an Engine works with. All fields without a default must be set.
type Config struct {
	Store     slipway.Store
	Providers []slipway.Provider
	// Settings looks up the providers' settings, such as VERCEL_TOKEN.
	Settings slipway.Settings
	// Secrets looks up the values of the app's own env vars.
	Secrets slipway.Settings
	// Parse turns a manifest's bytes into a Manifest that the providers have checked.
	Parse func([]byte) (*slipway.Manifest, error)
	// Fingerprints keys the fingerprints of written values.
	Fingerprints slipway.FingerprintKey
	// Remember tells the redactor and the store's guard of a secret; called before the value is used. Default: nothing.
	Remember func(slipway.Secret)
	// Redact cleans text that comes from outside. Default: as it is.
	Redact func(string) string
	// Lines returns a function that cleans the lines of one stream of output, one after the other. Default: Redact for each.
	Lines func() func(string) string
	// Connect tries out values that a person hands over. Default: none can be.
	Connect map[slipway.Connection]slipway.Connector
	// DNS looks up what a step's records are to be. Default: nothing does.
	DNS slipway.DNSLookup
	// Attest signs a person's word about a step of a plan's digest. Default: it is not signed.
	Attest func(ctx context.Context, step, digest string, predicate any) (json.RawMessage, error)
	// Policy returns the policy that is in force, whenever it is asked. Default: every person may approve at every gate, and nothing opens by itself.
	Policy func() slipway.Policy
	// ReadPolicy reads the text of a policy that was in force before. Default: approvals are given under Policy, whatever was asked before.
	ReadPolicy func(text []byte) slipway.Policy
	// Witness verifies the envelope of a signed Ballot that was taken at a time, and tells who holds the key. It fails where the key is not trusted
	// now, or was not at some moment since then. Default: no key is trusted.
	Witness func(ctx context.Context, statement json.RawMessage, at time.Time) (slipway.Ballot, slipway.Approver, error)
	// Tool names this program and its version, in what it records of a run. Default: it does not.
	Tool string
	// Sandboxes are where verify.commands can run, the first that is ready unless the manifest names one. Default: nowhere.
	Sandboxes []slipway.Sandbox
	// HTTP sends the health probes. Default: http.DefaultTransport, 10 s a request.
	HTTP http.RoundTripper
	// Settle overrides how long a lost create is looked for. Default: as the kind says, else slipway.DefaultSettle.
	Settle *slipway.Settle
	// Notified are the providers whose news Wake is told of: what is pending there is looked at less often. Default: none.
	Notified []string
	// Calm is how often: news that is lost costs no more. Default: 30 s.
	Calm time.Duration
	// Leave makes this process leave a run whose next step waits for something outside, as soon as nothing else can be done. Left then tells so.
	Leave bool
	// Patience overrides how long all that is pending, or differs after it was sent, is waited for. Default: 45 minutes, 15 for a move of
	// production of which nothing shows, 30 seconds for what differs.
	Patience time.Duration
	// Holder names this process in a lease. Default: a random name.
	Holder string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Log is told every event, before it is committed. Default: nothing.
	Log *slog.Logger
}

// Engine implements slipway.Service. Plan, Get, Decide and the like work at any time; runs move only between Start and Stop.
type Engine struct {
	Config
	kinds map[slipway.Kind]slipway.KindInfo
	queue *localQueue

	telling sync.Mutex // one at a time tells the host of a source that a run was stopped

	mu         sync.Mutex
	mine       map[string]slipway.FileSet // the runs that this process was asked to work on, and their source trees (nil for a destroy)
	unwritable error                      // what keeps this process from writing
	anew       map[string]bool            // the runs whose refused requests were asked to be tried again
	bells      bells
	left       map[string]bool // the runs that this process has left to whoever resumes them
}

var _ slipway.Service = (*Engine)(nil)

// New returns an engine that is not started.
func New(c Config) *Engine {
	if c.Remember == nil {
		c.Remember = func(slipway.Secret) {}
	}
	if c.Redact == nil {
		c.Redact = func(s string) string { return s }
	}
	if c.Lines == nil {
		c.Lines = func() func(string) string { return c.Redact }
	}
	if c.HTTP == nil {
		c.HTTP = http.DefaultTransport
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Calm == 0 {
		c.Calm = 30 * time.Second
	}
	if c.Policy == nil {
		c.Policy = func() slipway.Policy { return anybody{} }
	}
	if c.Witness == nil {
		c.Witness = noWitness
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Holder == "" {
		c.Holder = uuid.NewString()
	}
	e := &Engine{Config: c, kinds: map[slipway.Kind]slipway.KindInfo{}, mine: map[string]slipway.FileSet{}, anew: map[string]bool{}, bells: bells{}, left: map[string]bool{}}
	for _, p := range c.Providers {
		for _, k := range p.Info().Kinds {
			e.kinds[k.Kind] = k
		}
	}
	e.queue = &localQueue{store: c.Store, now: c.Now, failed: e.noteUnwritable}
	return e
}

// Err returns what keeps this process from writing what its runs do, nil for nothing: then they stand still, and look as if they went on.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unwritable
}

// noteUnwritable keeps err when it is one that does not pass by itself.
func (e *Engine) noteUnwritable(err error) {
	if slipway.ErrorCode(err) != slipway.CodeStore || slipway.RetryClass(err) != slipway.RetryNever {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unwritable = err
}

// Start works on the runs that Ship, Destroy and Resume were asked for, until ctx ends or Stop. Only the process that owns the database calls it.
func (e *Engine) Start(ctx context.Context) error { return e.queue.Start(ctx, e.advance) }

// Stop ends the work at once and waits for it: requests in flight are given up, and what they did is looked for by whoever resumes.
func (e *Engine) Stop() { e.queue.Stop() }

// Left reports whether this process has left a run, as Config.Leave says: it is still active, and nobody works on it.
func (e *Engine) Left(run string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left[run]
}

// Wait returns the run as soon as it is no longer active, or Left. It fails with Err where that cannot be written.
func (e *Engine) Wait(ctx context.Context, id string) (slipway.Run, error) {
	for {
		run, err := e.run(ctx, id)
		if err != nil || run.Status != slipway.RunActive || e.Left(id) {
			return run, err
		}
		if err := e.Err(); err != nil {
			return run, err
		}
		if err := e.Store.Changed(ctx, time.Second); err != nil {
			return run, err
		}
	}
}

func (e *Engine) run(ctx context.Context, id string) (run slipway.Run, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		run, err = tx.Run(id)
		return err
	})
	return run, err
}

// take makes a run this process's own. Others in the same database are left to whoever resumes them.
func (e *Engine) take(run string, files slipway.FileSet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.mine[run]; !ok || files != nil {
		e.mine[run] = files
	}
	e.anew[run] = true
}

// takeAnew reports, once, whether the run was asked for since its refused requests were tried last.
func (e *Engine) takeAnew(run string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	anew := e.anew[run]
	delete(e.anew, run)
	return anew
}

func (e *Engine) taken(run string) (files slipway.FileSet, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	files, ok = e.mine[run]
	return files, ok
}

func newID(prefix string) string {
	id, err := uuid.NewV7()
	if err != nil {
		panic(fmt.Sprintf("engine: no randomness: %v", err))
	}
	return prefix + "_" + id.String()
}

// setStatus moves run and tells so, inside tx.
func (e *Engine) setStatus(tx slipway.Tx, run slipway.Run, to slipway.RunStatus) (slipway.Run, error) {
	next, err := run.Move(to)
	if err != nil {
		return run, err
	}
	next.UpdatedAt = e.Now()
	if err := tx.SaveRun(next); err != nil {
		return run, err
	}
	if to.Stopped() { // whoever works on the database tells the host of the source
		if err := e.queue.Insert(tx, run.ID, e.Now()); err != nil {
			return run, err
		}
	}
	data := map[string]any{"status": string(to)}
	if next.Error != nil && to == slipway.RunFailed {
		data["error"] = next.Error.Message
		data["code"] = string(next.Error.Code)
	}
	return next, e.event(tx, next.ID, slipway.EventRunStatus, "", data)
}

func (e *Engine) event(tx slipway.Tx, run string, t slipway.EventType, step string, data map[string]any) error {
	e.Log.Debug("event", "run", run, "type", string(t), "step", step, "data", data)
	return tx.AddEvent(slipway.Event{Run: run, At: e.Now(), Type: t, Step: step, Data: data})
}
