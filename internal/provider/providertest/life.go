package providertest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

// life is what holds when nothing goes wrong on the way.
var life = map[string]check{
	"absent": {
		reason: "what does not exist is observed as absent, and looking changes nothing",
		run: func(w *World) {
			w.Parents()
			if obs := w.Look(w.Unknown()); obs.Exists || obs.Vanished {
				w.T.Errorf("observed before it was made: %+v", obs)
			}
		},
	},
	"no parent": {
		reason: "without a recorded parent a resource is absent, and no call is needed to know it, but to see whether another parent has it",
		run: func(w *World) {
			want := w.Unknown()
			if len(want.Needs) == 0 {
				w.T.Skip("it needs nothing")
			}
			want.Parents = nil
			calls := w.calls(func() {
				if obs := w.Look(want); obs.Exists {
					w.T.Errorf("observed without its parent: %+v", obs)
				}
			})
			if len(calls) > w.subject.Asks {
				w.T.Errorf("made %d calls without a parent", len(calls))
			}
		},
	},
	"made": {
		reason: "what was made is observed as it was asked for, with an id, and found again without its receipt",
		run: func(w *World) {
			obs := w.Make()
			if obs.Receipt.ID == "" || obs.Receipt.Address != w.Spec().Address {
				w.T.Errorf("the receipt has no id or another address: %+v", obs.Receipt)
			}
			if w.kind.Ledgered && len(w.Spec().Needs) == 0 && obs.Receipt.Account == "" {
				w.T.Error("the receipt names no account")
			}
			again := w.Look(w.Unknown())
			if !again.Exists || again.Receipt.ID != obs.Receipt.ID || len(again.Namesakes) > 0 {
				w.T.Errorf("found without its receipt: %+v, want id %s", again, obs.Receipt.ID)
			}
		},
	},
	"ensured twice": {
		reason: "making sure of what is already so sends nothing",
		run: func(w *World) {
			w.Make()
			before := w.Emulator.Kit.Mutations()
			w.Make()
			if n := w.Emulator.Kit.Mutations() - before; n != 0 {
				w.T.Errorf("the second time made %d mutating calls", n)
			}
		},
	},
	"drift": {
		reason: "a field that somebody changed is seen, and one call repairs it and nothing else",
		run: func(w *World) {
			if w.subject.Drift == nil {
				w.T.Skip("it has no field that can be changed in place")
			}
			made := w.Make()
			w.subject.Drift(w, made.Receipt)
			obs := w.settled(w.specs[len(w.specs)-1])
			if got := differing(w.Spec(), obs); !obs.Exists || !slices.Equal(got, []string{w.subject.Field}) {
				w.T.Fatalf("fields that differ: %v, want only %s", got, w.subject.Field)
			}
			var repaired slipway.Observation
			changes := slices.DeleteFunc(w.calls(func() { repaired = w.Make() }), func(e emukit.Entry) bool { return !e.Mutating() || e.Status/100 != 2 })
			if len(changes) != 1 {
				w.T.Errorf("the repair took %d changes, want 1: %+v", len(changes), changes)
			}
			if !w.kind.Versioned && repaired.Receipt.ID != made.Receipt.ID {
				w.T.Errorf("the repair made another: %s, was %s", repaired.Receipt.ID, made.Receipt.ID)
			}
		},
	},
	"deleted": {
		reason: "a delete leaves nothing, a second one is no error, and the recorded id is seen to have vanished",
		run: func(w *World) {
			obs := w.Make()
			want := w.Spec()
			for range 2 {
				if err := w.handler(want).Delete(w.T.Context(), obs.Receipt); err != nil {
					w.scan(err)
					w.T.Fatalf("delete: %v", err)
				}
				w.Pass(waitLong)
			}
			if obs := w.Look(w.Unknown()); obs.Exists {
				w.T.Errorf("observed after its delete: %+v", obs)
			}
			if obs := w.Look(want); obs.Exists || w.kind.Ledgered && !obs.Vanished {
				w.T.Errorf("the recorded id after its delete: %+v, want vanished", obs)
			}
		},
	},
	"from the ledger": {
		reason: "with nothing but the ids and accounts that the ledger holds, a thing is observed and deleted",
		run: func(w *World) {
			if !w.kind.Ledgered {
				w.T.Skip("its id is not kept in the ledger")
			}
			made := w.Make().Receipt
			want := slipway.Spec{Address: made.Address, App: w.subject.Manifest.App}
			want.Known = &slipway.Receipt{Address: made.Address, ID: made.ID, Account: made.Account, Origin: slipway.OriginCreated}
			if w.kind.Contained {
				want.Parents = map[slipway.Kind]slipway.Receipt{}
				for kind, r := range w.Spec().Parents {
					want.Parents[kind] = slipway.Receipt{Address: r.Address, ID: r.ID, Account: r.Account}
				}
			}
			obs := w.Look(want)
			if !obs.Exists || obs.Receipt.ID != made.ID || obs.Receipt.Account != made.Account {
				w.T.Errorf("observed %+v, want %+v", obs, made)
			}
			if err := w.handler(want).Delete(w.T.Context(), obs.Receipt); err != nil {
				w.T.Errorf("delete: %v", err)
			}
			w.Pass(waitLong)
			if obs := w.Look(want); obs.Exists || !obs.Vanished {
				w.T.Errorf("observed after its delete: %+v", obs)
			}
		},
	},
	"another account": {
		reason: "a credential of another account is refused where a receipt names the first, and sees nothing without one",
		run: func(w *World) {
			if w.Emulator.Other == nil {
				w.T.Skip("the emulator has one account")
			}
			w.Make()
			known, unknown := w.Spec(), w.Unknown()
			w.Session = w.Open(w.Emulator.Other)
			_, err := w.Observe(known)
			if got := slipway.ErrorCode(err); got != slipway.CodeAccountChanged {
				w.T.Errorf("observed by another account with a receipt: %v, want code %s", err, slipway.CodeAccountChanged)
			}
			if obs, err := w.Observe(unknown); err == nil && obs.Exists {
				w.T.Errorf("another account sees it: %+v", obs)
			}
		},
	},
	"second page": {
		reason: "a match that is not on the first page of a list is found",
		run: func(w *World) {
			if w.subject.Crowd == nil {
				w.T.Skip("it is not found in a list with pages")
			}
			w.Parents()
			w.subject.Crowd(w)
			obs := w.Make()
			alone := len(w.calls(func() { w.Look(w.Unknown()) }))
			w.subject.Crowd(w)
			var found slipway.Observation
			crowded := len(w.calls(func() { found = w.Look(w.Unknown()) }))
			if !found.Exists || found.Receipt.ID != obs.Receipt.ID || len(found.Namesakes) > 0 {
				w.T.Errorf("found among many: %+v, want id %s", found, obs.Receipt.ID)
			}
			if crowded <= alone {
				w.T.Errorf("%d calls in a crowd, %d before it: the list did not have another page", crowded, alone)
			}
		},
	},
	"namesakes": {
		reason: "where the provider lets two have one name, both are reported and none is chosen",
		run: func(w *World) {
			if w.kind.Versioned || w.kind.Batch || w.kind.Shared {
				w.T.Skip("making it again is no second thing of the same name")
			}
			w.Make()
			want := w.Unknown()
			second, err := w.Change(w.T.Context(), want, slipway.Observation{})
			if slipway.ErrorCode(err) == slipway.CodeConflict {
				return // names are unique, and the provider said so
			}
			if err != nil {
				w.T.Fatalf("make a second: %v", err)
			}
			w.Pass(waitLong)
			obs := w.Look(want)
			ids := map[string]bool{second.ID: true, w.receipts[want.Address].ID: true}
			for _, r := range obs.Namesakes {
				delete(ids, r.ID)
			}
			if len(obs.Namesakes) != 2 || len(ids) > 0 {
				w.T.Errorf("namesakes %+v, missing %v", obs.Namesakes, slices.Collect(maps.Keys(ids)))
			}
		},
	},
	"two at once": {
		reason: "of two that make it at the same time one is refused, or both are there to be seen, or they made one thing",
		run: func(w *World) {
			if w.kind.Versioned {
				w.T.Skip("each makes one of its own")
			}
			w.Parents()
			want, have := w.Unknown(), w.Look(w.Unknown())
			made, errs := [2]slipway.Receipt{}, [2]error{}
			var both sync.WaitGroup
			for i := range made {
				both.Go(func() { made[i], errs[i] = w.Change(w.T.Context(), want, have) })
			}
			both.Wait()
			ids := map[string]bool{}
			for i, err := range errs {
				switch {
				case err == nil:
					ids[made[i].ID] = true
				case slipway.ErrorCode(err) != slipway.CodeConflict:
					w.T.Errorf("one of two: %v", err)
				}
			}
			w.Pass(waitLong)
			obs := w.Look(want)
			if several := len(obs.Namesakes); len(ids) == 0 || !obs.Exists && several == 0 || several > 0 != (len(ids) > 1) {
				w.T.Errorf("two made %v, and a look finds %+v", slices.Collect(maps.Keys(ids)), obs)
			}
		},
	},
	"by hand": {
		reason: "a person is told how to do each of its effects, what to see then and what is looked at, the same each time, and no secret",
		run: func(w *World) {
			guide, ok := w.Provider.(slipway.Guide)
			if !ok {
				w.T.Fatal("the provider guides nobody")
			}
			w.Make()
			known := w.Spec()
			fresh := w.Unknown()
			fresh.Parents = nil
			for op := range w.kind.Consequence {
				for name, want := range map[string]slipway.Spec{"known": known, "fresh": fresh} {
					e := slipway.Effect{Key: slipway.EffectKey(want.Address, op), Op: op, Address: want.Address, Name: want.Name, Params: want.Params, Mode: slipway.ModeManual}
					step := guide.Guide(e, want)
					if step.Title == "" || len(step.Ways) == 0 || step.See == "" || step.Check == "" {
						w.T.Errorf("%s of a %s one: title, ways, what to see or what is checked is not told: %+v", op, name, step)
					}
					text := asJSON(step)
					if again := asJSON(guide.Guide(e, want)); again != text {
						w.T.Errorf("%s of a %s one: told in two ways: %s and %s", op, name, text, again)
					}
					for _, secret := range w.secrets {
						if strings.Contains(text, secret) {
							w.T.Errorf("%s of a %s one: a secret is told", op, name)
						}
					}
				}
			}
		},
	},
	"outputs": {
		reason: "every output that the manifest may name has a value",
		run: func(w *World) {
			obs := w.Make()
			want := w.Spec()
			if want.Serves == "" {
				w.T.Skip("it gives no outputs")
			}
			out, ok := w.handler(want).(slipway.Outputter)
			if !ok {
				w.T.Fatal("it serves a manifest resource and has no outputs")
			}
			got, err := out.Outputs(w.T.Context(), want, obs)
			if err != nil {
				w.T.Fatalf("outputs: %v", err)
			}
			for _, known := range w.resourceType(want.Serves).Outputs {
				if got[known.Name].Reveal() == "" {
					w.T.Errorf("output %s has no value", known.Name)
				}
				delete(got, known.Name)
			}
			if len(got) > 0 {
				w.T.Errorf("outputs that are not documented: %v", slices.Sorted(maps.Keys(got)))
			}
		},
	},
	"requests": {
		reason: "every request of its life fits the vendor's own document",
		setup: func(w *World) {
			spec, inner := speccheck.Load(w.T, w.Emulator.Spec), w.Emulator.Handler
			w.Emulator.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					w.T.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				if w.Emulator.Differs == nil || !w.Emulator.Differs(r) {
					r.Body = io.NopCloser(bytes.NewReader(body))
					if err := spec.Request(r); err != nil {
						w.T.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
					}
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				inner.ServeHTTP(rw, r)
			})
		},
		run: func(w *World) {
			obs := w.Make()
			want := w.Spec()
			if out, ok := w.handler(want).(slipway.Outputter); ok && want.Serves != "" {
				if _, err := out.Outputs(w.T.Context(), want, obs); err != nil {
					w.T.Errorf("outputs: %v", err)
				}
			}
			if w.subject.Skip["deleted"] == "" {
				if err := w.handler(want).Delete(w.T.Context(), obs.Receipt); err != nil {
					w.T.Errorf("delete: %v", err)
				}
			}
		},
	},
	"contract": {
		reason: "a kind says what its effects mean and where its API is documented, and its Specs are well formed",
		run: func(w *World) {
			want := w.specs[len(w.specs)-1]
			if w.kind.Kind == "" || w.kind.Docs == "" || len(w.kind.Consequence) == 0 {
				w.T.Errorf("kind info lacks kind, documentation or consequences: %+v", w.kind)
			}
			_, batches := w.handler(want).(slipway.Batcher)
			if batches != w.kind.Batch {
				w.T.Errorf("the handler is a Batcher: %v, the kind says %v", batches, w.kind.Batch)
			}
			if w.Session.Handler("no.kind") != nil {
				w.T.Error("the session has a handler for a kind that is not there")
			}
			for _, name := range w.kind.Immutable {
				if _, ok := want.Params[name]; !ok {
					w.T.Errorf("immutable field %s is no param", name)
				}
			}
		},
	},
}

func (w *World) resourceType(key string) slipway.ResourceType {
	w.T.Helper()
	name := w.subject.Manifest.Resources[key].Type
	for _, rt := range w.Provider.Info().Types {
		if rt.Name == name {
			return rt
		}
	}
	w.T.Fatalf("no resource type %q", name)
	return slipway.ResourceType{}
}
