package selftest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// outcome is how a ship ends that met a fault at one create.
type outcome string

const (
	one       outcome = "one"         // it succeeds; there is exactly one, and one create took effect
	adopt     outcome = "adopt"       // it asks a person to adopt what is there, and makes none beside it
	used      outcome = "used"        // it succeeds with what is there, whoever made it
	ambiguous outcome = "ambiguous"   // it stops with that code, and goes on when a person has left one of them
	conflict  outcome = "conflict"    // it stops with that code, and changes nothing that is not ours
	late      outcome = "unavailable" // it stops with that code, and goes on when it can be seen
	voided    outcome = "voided"      // the same: what is there cannot be told from what somebody takes away again and again
)

// upset is a column of the table: what goes wrong at a create.
type upset struct {
	reason string
	end    outcome
	before func(*cell) error // before the ship under test
	atGate func(*cell) error // when its approval is asked for
	lost   *emukit.Action    // what becomes of the first create, in phase
	phase  emukit.Phase
	half   bool              // the first create's reply breaks off
	also   func(*cell) error // at the moment of that create's fault
	look   func(*cell, *emukit.Call) emukit.Action
	mend   func(*cell) error // what a person does once it has stopped
}

// never is a channel that is never closed: a server that says nothing more.
func never() <-chan struct{} { return make(chan struct{}) }

var cut = &emukit.Action{Drop: true}

func upsets() map[string]upset {
	after, before := emukit.After, emukit.Before
	return map[string]upset{
		"nothing":             {reason: "the table's cells are green for the right reason", end: one},
		"reply lost":          {reason: "the reply breaks off in its middle", end: one, half: true},
		"500 after success":   {reason: "the reply says that it failed, and it did not", end: one, lost: &emukit.Action{Status: 500}, phase: after},
		"502 after success":   {reason: "a proxy gave up on a server that went on", end: one, lost: &emukit.Action{Status: 502, Body: []byte("<html>")}, phase: after},
		"reset after success": {reason: "the connection is cut before the reply", end: one, lost: cut, phase: after},
		"reset before":        {reason: "the connection is cut before anything is done: it is looked for, and then sent again", end: one, lost: cut, phase: before},
		"timeout after":       {reason: "it is done, and no reply comes until the time is over", end: one, lost: &emukit.Action{Hold: never()}, phase: after},
		"timeout before":      {reason: "nothing is done, and no reply comes until the time is over", end: one, lost: &emukit.Action{Hold: never()}, phase: before},

		"hidden for 1 look":  hidden("the first look does not show it", one, time.Second),
		"hidden for 2 looks": hidden("only the last look of the settle time shows it", one, 9*time.Second),
		"hidden for 15 s":    hidden("the settle time is over before it shows: it is sent again, and then there are two", ambiguous, 15*time.Second),
		"hidden for good": hidden("no look within the settle time shows it: it is sent again, and that must not pass in silence", ambiguous,
			10*time.Minute),
		"hidden by id": {
			reason: "the reply came, and its id is not to be found for 6 seconds", end: one,
			look: func(w *cell, c *emukit.Call) emukit.Action {
				if w.since() < 6*time.Second && w.is(c, w.subject.byID) {
					return w.hide(c)
				}
				return emukit.Action{}
			},
		},
		"on page 2":          {reason: "ours is not on the first page of the list", end: one, lost: cut, phase: after, also: crowd, look: pages},
		"namesake on page 2": {reason: "a namesake that is not ours is not on the first page", end: adopt, before: crowded, look: pages},
		"truncated once": {
			reason: "the list ends early at the first look, without a next page", end: one, lost: cut, phase: after,
			look: func(w *cell, c *emukit.Call) emukit.Action { return truncated(w, c, time.Second) },
		},
		"truncated": {
			reason: "the list ends early at every look: absence cannot be known, and nothing passes in silence", end: ambiguous, lost: cut, phase: after,
			look: func(w *cell, c *emukit.Call) emukit.Action { return truncated(w, c, 10*time.Minute) },
			mend: func(w *cell) error { return w.leaveOne() },
		},
		"names that hold ours":  {reason: "only the exact name counts", end: one, before: func(w *cell) error { return w.subject.near(w.cloud) }, lost: cut, phase: after},
		"namesake":              {reason: "somebody else has one of its name", end: adopt, before: rival},
		"namesake that differs": {reason: "somebody else's cannot be made what is declared", end: conflict, before: func(w *cell) error { return w.subject.other(w.cloud) }},
		"namesake meanwhile":    {reason: "somebody makes one while the approval is waited for: it was not approved", end: adopt, atGate: rival},
		"two namesakes":         {reason: "two have its name: a person must say which", end: ambiguous, before: all2(rival, rival), mend: func(w *cell) error { return w.subject.remove(w.cloud) }},
		"another beside ours": {
			reason: "the reply is lost, and somebody makes another at that moment", end: ambiguous, lost: cut, phase: after, also: rival,
			mend: func(w *cell) error { return w.subject.remove(w.cloud) },
		},
		"another instead of ours": {
			reason: "the request is lost, and somebody makes one at that moment: absent before our intent and there after it, it is taken as ours unless a mark of ours is missing",
			end:    used, lost: cut, phase: before, also: instead,
		},
	}
}

func instead(w *cell) error {
	if w.subject.instead != nil {
		return w.subject.instead(w.cloud)
	}
	return rival(w)
}

func rival(w *cell) error { return w.subject.rival(w.cloud) }

func all2(of ...func(*cell) error) func(*cell) error {
	return func(w *cell) error {
		for _, f := range of {
			if err := f(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// crowd makes others, which lists show before what is older.
func crowd(w *cell) error { return w.subject.near(w.cloud) }

func crowded(w *cell) error { return all2(rival, crowd)(w) }

func pages(w *cell, c *emukit.Call) emukit.Action {
	if c.Phase == emukit.Before && w.is(c, w.subject.lookup) {
		return emukit.Action{PageSize: 1}
	}
	return emukit.Action{}
}

func hidden(reason string, end outcome, d time.Duration) upset {
	return upset{
		reason: reason, end: end, lost: cut, phase: emukit.After,
		look: func(w *cell, c *emukit.Call) emukit.Action {
			if w.since() < d && w.is(c, w.subject.lookup) {
				return w.hide(c)
			}
			return emukit.Action{}
		},
		mend: func(w *cell) error { return w.leaveOne() },
	}
}

func truncated(w *cell, c *emukit.Call, d time.Duration) emukit.Action {
	if c.Phase == emukit.After && w.since() < d && w.is(c, w.subject.lookup) {
		return emukit.Action{Rewrite: emukit.Truncate(0)}
	}
	return emukit.Action{}
}

// cell is one run of one kind under one fault.
type cell struct {
	t       *testing.T
	cloud   *cloud
	subject subject
	upset   upset

	mu      sync.Mutex
	on      bool // the ship under test is under way
	acted   int  // creates of ours that took effect
	met     bool // the fault has come
	at      time.Time
	changes int
}

// since is the time since the first create met its fault, or took effect where it meets none; negative before.
func (w *cell) since() time.Duration {
	if w.at.IsZero() {
		return time.Hour
	}
	return time.Since(w.at)
}

func (w *cell) is(c *emukit.Call, call string) bool {
	method, glob, _ := strings.Cut(call, " ")
	return c.API == w.subject.api && c.Method == method && emukit.Glob(glob, strings.TrimPrefix(c.Path, "/api/v2"))
}

// hide answers a look as if the thing were not there.
func (w *cell) hide(c *emukit.Call) emukit.Action {
	if c.Phase != emukit.After || c.Status/100 != 2 {
		return emukit.Action{}
	}
	if w.subject.list == "" || c.Path != "" && !w.isList(c) {
		return emukit.Action{Status: http.StatusNotFound}
	}
	return emukit.Action{Rewrite: func(status int, body []byte) (int, []byte) {
		return status, without(body, w.subject.list, w.subject.element)
	}}
}

func (w *cell) isList(c *emukit.Call) bool { return w.is(c, w.subject.lookup) }

// without is body with the elements that match taken out of its list; a list that is an object is emptied.
func without(body []byte, list string, match func(map[string]any) bool) []byte {
	whole := map[string]json.RawMessage{}
	items := body
	if list != "." {
		if json.Unmarshal(body, &whole) != nil {
			return body
		}
		items = whole[list]
	}
	var kept []map[string]any
	if json.Unmarshal(items, &kept) != nil { // protectionBypass
		delete(whole, list)
	} else {
		kept = slices.DeleteFunc(kept, match)
		items, _ = json.Marshal(append([]map[string]any{}, kept...))
		whole[list] = items
	}
	if list == "." {
		return items
	}
	out, _ := json.Marshal(whole)
	return out
}

// hook is what the emulators ask about each call of ours.
func (w *cell) hook(c *emukit.Call) emukit.Action {
	a, also := w.meet(c)
	if also != nil {
		if err := also(w); err != nil {
			w.t.Error(err)
		}
	}
	return a
}

func (w *cell) meet(c *emukit.Call) (a emukit.Action, also func(*cell) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.on {
		return a, nil
	}
	if c.Phase == emukit.Before && c.Method != http.MethodGet {
		w.changes++
	}
	if !w.is(c, w.subject.create) {
		if w.upset.look != nil {
			return w.upset.look(w, c), nil
		}
		return a, nil
	}
	if c.Phase == emukit.After && c.Status/100 == 2 {
		w.acted++
		if w.at.IsZero() {
			w.at = time.Now()
		}
	}
	if w.upset.lost == nil || w.met || c.Phase != w.upset.phase || c.Phase == emukit.After && c.Status/100 != 2 {
		return a, nil
	}
	w.met, w.at = true, time.Now()
	return *w.upset.lost, w.upset.also
}

// halve breaks the first create's reply off.
func (w *cell) halve(r *http.Request) wireFault {
	method, glob, _ := strings.Cut(w.subject.create, " ")
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.on || w.met || r.Method != method || !strings.HasPrefix(r.URL.Host, w.subject.api) || !emukit.Glob(glob, strings.TrimPrefix(r.URL.Path, "/api/v2")) {
		return wireFault{}
	}
	w.met = true
	return wireFault{half: true}
}

// leaveOne takes away, as a person does who was asked to, all but one, where there are several.
func (w *cell) leaveOne() error {
	n, err := w.subject.count(w.cloud)
	if err != nil || n < 2 {
		return err
	}
	if w.subject.remove == nil {
		return fmt.Errorf("there are %d", n)
	}
	return w.subject.remove(w.cloud)
}

// TestAmbiguity puts every fault to every kind that has a create: through the engine, the providers and the emulators, at the engine's own
// settle times.
func TestAmbiguity(t *testing.T) {
	kinds, faults, part := subjects(), upsets(), readPlan(t)
	cells, tried, impossible := 0, 0, 0
	for _, k := range slices.Sorted(maps.Keys(notMade)) {
		t.Logf("%s: never: %s", k, notMade[k])
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		for why := range kinds[k].never {
			if _, ok := faults[why]; !ok {
				t.Errorf("%s: there is no fault %q that can never be", k, why)
			}
		}
		for _, f := range slices.Sorted(maps.Keys(faults)) {
			subject, upset := kinds[k], faults[f]
			if why := subject.never[f]; why != "" {
				t.Logf("%s: %s: never: %s", k, f, why)
				impossible++
				continue
			}
			if cells++; !part.picks(k+"/"+f, 4) {
				continue
			}
			tried++
			want := verdict{upset.end, upset.reason}
			if v, ok := subject.want[f]; ok {
				want = v
			} else if upset.end == ambiguous && subject.never["two namesakes"] != "" {
				want = verdict{conflict, uniqueName}
			}
			t.Run(k+"/"+f, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := &cell{t: t, cloud: newCloud(), subject: subject, upset: upsets()[f]} // its channels are the bubble's
					w.run(want)
					if t.Failed() {
						t.Logf("reason: %s", want.reason)
					}
				})
			})
		}
	}
	t.Logf("%d of %d cells (seed %d), %d that cannot be", tried, cells, part.seed, impossible)
}

// picks reports whether this process tries what has that name: its shard, or a sample of one in n.
func (p plan) picks(name string, n uint64) bool {
	if p.long {
		return selftest.Hash(name)%uint64(p.parts) == uint64(p.shard-1)
	}
	return selftest.Hash(fmt.Sprint(name, p.seed))%n == 0
}

func (w *cell) run(want verdict) {
	w.cloud.disturb(w.hook)
	if w.upset.half {
		w.cloud.onWire(w.halve)
	}
	home := w.t.TempDir()
	if w.subject.base != "" {
		p := w.cloud.start(w.t, home)
		w.succeeded(p.drive(p.ship(w.subject.base, slipway.Production), nil))
		p.end()
	}
	w.do("before", w.upset.before)
	p := w.cloud.start(w.t, home)
	run := p.ship(w.subject.manifest, w.subject.environment)
	w.set(true)
	asked, waited := false, false
	d := p.drive(run, func(d *slipway.RunDetail) bool {
		if d.Plan.Effect(string(w.subject.address)+"#adopt") != nil {
			asked = true
		}
		if !waited {
			waited = true
			w.do("at the gate", w.upset.atGate)
		}
		return true
	})
	if want.end == ambiguous || want.end == conflict || want.end == late || want.end == voided {
		d = w.refused(p, d, slipway.Code(want.end))
		if d == nil {
			return
		}
	}
	w.succeeded(d)
	w.set(false)
	w.judge(want.end, asked)
	w.settled(p)
}

func (w *cell) set(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = on
}

func (w *cell) do(when string, f func(*cell) error) {
	w.t.Helper()
	if f == nil {
		return
	}
	if err := f(w); err != nil {
		w.t.Fatalf("%s: %v", when, err)
	}
}

func (w *cell) succeeded(d *slipway.RunDetail) {
	w.t.Helper()
	if d.Run.Status != slipway.RunSucceeded {
		w.t.Fatalf("the run is %s: %+v", d.Run.Status, d.Run.Error)
	}
}

// refused judges a stop, lets a person mend what it is about, and resumes. nil: there is nothing that a person can do here.
func (w *cell) refused(p *process, d *slipway.RunDetail, code slipway.Code) *slipway.RunDetail {
	w.t.Helper()
	if d.Run.Status != slipway.RunFailed || d.Run.Error.Code != code || d.Run.Error.Hint == "" {
		w.t.Fatalf("the run is %s: %+v; want the code %s, and a hint", d.Run.Status, d.Run.Error, code)
	}
	if w.upset.mend == nil {
		return nil
	}
	w.set(false) // all is well again
	w.do("mend", w.upset.mend)
	run, err := p.engine.Resume(w.t.Context(), d.Run.ID, page("<h1>the shop</h1>"), person)
	if err != nil {
		w.t.Fatal(err)
	}
	return p.drive(run, nil)
}

func (w *cell) judge(end outcome, asked bool) {
	w.t.Helper()
	n, err := w.subject.count(w.cloud)
	if err != nil {
		w.t.Fatal(err)
	}
	if end != used && end != late && n != 1 {
		w.t.Errorf("there are %d", n)
	}
	if asked != (end == adopt) && end != ambiguous {
		w.t.Errorf("asked whether to adopt: %v", asked)
	}
	batch := w.subject.address.Kind() == "vercel.env"
	if end == one && w.acted != 1 && !batch || end == adopt && w.acted != 0 && !batch || end == used && w.acted > 2 {
		w.t.Errorf("%d creates took effect", w.acted)
	}
}

// settled asks for the same once more: there is nothing to do.
func (w *cell) settled(p *process) {
	w.t.Helper()
	w.upset = upset{}
	w.mu.Lock()
	w.changes = 0
	w.mu.Unlock()
	w.set(true)
	d := p.drive(p.ship(w.subject.manifest, w.subject.environment), nil)
	if w.succeeded(d); !d.Run.NoChanges || w.changes > 0 {
		w.t.Errorf("the next ship: no changes %v, %d mutating calls, %s", d.Run.NoChanges, w.changes, fmt.Sprint(d.Plan.Counts()))
	}
}
