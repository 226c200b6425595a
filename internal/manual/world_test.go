package manual_test

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// world is an app on emulators with Slipway's own providers: the automated way, which the manual way is compared with.
type world struct {
	*selftest.World
	t           *testing.T
	providers   []slipway.Provider
	kinds       map[slipway.Kind]slipway.KindInfo
	sessions    map[string]slipway.Session
	manifest    *slipway.Manifest
	environment string
	secrets     map[string]string
	receipts    map[slipway.Address]slipway.Receipt
	page        site // the app's source
	noted       func(slipway.Runbook)
	back        string // the deployment that production is to go back to; "" for forward, to the newest
}

func newWorld(t *testing.T) *world {
	t.Helper()
	emulated, err := selftest.New(t.Context(), selftest.Options{Settings: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(emulated.Close)
	transport := rest.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	w := &world{
		World: emulated, t: t, providers: provider.All(rest.Config{Base: transport}), kinds: map[slipway.Kind]slipway.KindInfo{},
		sessions: map[string]slipway.Session{}, manifest: shop(), environment: slipway.Production,
		secrets: map[string]string{"PAYMENT_KEY": `sk_"live"_\0123456789`}, receipts: map[slipway.Address]slipway.Receipt{},
		page: "<h1>the shop</h1>\n",
	}
	for _, p := range w.providers {
		for _, k := range p.Info().Kinds {
			w.kinds[k.Kind] = k
		}
		session, err := p.Open(t.Context(), func(env string) (slipway.Secret, bool) {
			v, ok := w.Env[env]
			return slipway.NewSecret(v), ok
		})
		if err != nil {
			t.Fatal(err)
		}
		w.sessions[p.Info().Name] = session
	}
	return w
}

// shop is an app with every kind of resource and every sort of variable.
func shop() *slipway.Manifest {
	return &slipway.Manifest{
		App: "shop", Environments: []string{slipway.Production, slipway.Preview},
		Vercel: slipway.VercelSettings{Framework: "nextjs", BuildCommand: "npm run build", NodeVersion: "20.x", Regions: []string{"fra1"}},
		Resources: map[string]slipway.ManifestResource{
			"db":     {Type: "neon.postgres", Fields: map[string]any{"region": "aws-eu-central-1", "version": int64(16)}},
			"cache":  {Type: "upstash.redis", Fields: map[string]any{"region": "eu-west-1", "eviction": true}},
			"search": {Type: "upstash.vector", Fields: map[string]any{"region": "us-east-1", "dimensions": int64(3), "metric": "cosine"}},
		},
		Env: map[string]slipway.EnvVar{
			"DATABASE_URL": {From: "db.pooled_url"}, "DATABASE_DIRECT": {From: "db.url"}, "DATABASE_PASSWORD": {From: "db.password"},
			"CACHE_URL": {From: "cache.rest_url"}, "CACHE_TOKEN": {From: "cache.rest_token"}, "SEARCH_URL": {From: "search.rest_url"},
			"PAYMENT_KEY": {Secret: "PAYMENT_KEY"}, "GREETING": {Value: `it's "quoted" \ & $HOME <HTML> {b}`, HasValue: true},
		},
		Verify: slipway.Verify{Health: []slipway.HealthProbe{{Path: "/"}}},
	}
}

// site is the app's source: one page.
type site string

func (s site) Digest() string { return "sha256:" + hash(string(s)) }

func (s site) Files() []slipway.File {
	sum := sha1.Sum([]byte(s))
	return []slipway.File{{Path: "index.html", Mode: 0o100644, Size: int64(len(s)), SHA1: hex.EncodeToString(sum[:])}}
}

func (s site) Open(context.Context, slipway.File) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(s))), nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// sight is what one look saw.
type sight struct {
	specs    []slipway.Spec // filled
	observed map[slipway.Address]slipway.Observation
	listed   []slipway.Observation
}

func (s sight) spec(a slipway.Address) slipway.Spec {
	for _, spec := range s.specs {
		if spec.Address == a {
			return spec
		}
	}
	return slipway.Spec{Address: a, App: "shop"}
}

// look observes all that the manifest wants, parents first.
func (w *world) look() sight {
	w.t.Helper()
	var specs []slipway.Spec
	for _, p := range w.providers {
		specs = append(specs, p.Expand(w.manifest, w.environment)...)
	}
	specs, err := slipway.SortSpecs(specs)
	if err != nil {
		w.t.Fatal(err)
	}
	s := sight{observed: map[slipway.Address]slipway.Observation{}}
	for _, spec := range specs {
		if spec.Address.Key() == slipway.LedgerKey {
			continue // nobody keeps it by hand
		}
		spec = w.fill(spec, &s)
		obs, err := w.handler(spec.Address).Observe(w.t.Context(), spec)
		if err != nil {
			w.t.Fatalf("observe %s: %v", spec.Address, err)
		}
		if lister, ok := w.handler(spec.Address).(slipway.Lister); ok && len(s.listed) == 0 {
			if s.listed, err = lister.List(w.t.Context(), spec); err != nil {
				w.t.Fatal(err)
			}
		}
		obs.Receipt.Address, obs.Receipt.Needs = spec.Address, spec.Needs
		s.observed[spec.Address] = obs
		s.specs = append(s.specs, spec)
	}
	return s
}

func (w *world) handler(a slipway.Address) slipway.Handler {
	w.t.Helper()
	h := w.sessions[a.Kind().Provider()].Handler(a.Kind())
	if h == nil {
		w.t.Fatalf("no handler for %s", a)
	}
	return h
}

// fill completes a Spec with what is recorded and what s saw, as the engine does.
func (w *world) fill(spec slipway.Spec, s *sight) slipway.Spec {
	spec.App, spec.Run, spec.Params = w.manifest.App, "run-1", maps.Clone(spec.Params)
	spec.Parents, spec.Values = map[slipway.Kind]slipway.Receipt{}, map[string]slipway.Secret{}
	if r, ok := w.receipts[spec.Address]; ok {
		spec.Known = &r
	}
	for _, need := range spec.Needs {
		if obs := s.observed[need]; obs.Exists {
			spec.Parents[need.Kind()] = obs.Receipt
		}
	}
	for name, in := range spec.Inputs {
		if v, ok := w.value(in, s); ok {
			spec.Values[name] = v
		}
	}
	if _, has := spec.Params["fingerprint"]; has {
		if v, ok := spec.Values["value"]; ok {
			spec.Params["fingerprint"] = "0a1b2c3d:" + hash(string(spec.Address)+v.Reveal())
		}
	}
	if w.kinds[spec.Address.Kind()].Versioned {
		spec.Files, spec.Params["tree"] = w.page, w.page.Digest()
		spec.Params["input"] = slipway.CanonicalDigest(map[string]any{"tree": w.page.Digest(), "env": spec.Seals})
	}
	for name, of := range spec.IDs {
		if obs := s.observed[of]; obs.Exists {
			spec.Params[name] = obs.Receipt.ID
		}
		if w.back != "" {
			spec.Params[name] = w.back
		}
	}
	return spec
}

// value is an input as far as it can be known now.
func (w *world) value(in slipway.Input, s *sight) (slipway.Secret, bool) {
	switch {
	case in.Literal != nil:
		return slipway.NewSecret(*in.Literal), true
	case in.Secret != "":
		v, ok := w.secrets[in.Secret]
		return slipway.NewSecret(v), ok
	case in.From != nil:
		v, ok := w.outputs(in.From.Resource, s)[in.From.Output]
		return v, ok
	}
	return slipway.Secret{}, false // the ledger
}

// outputs are the values of a manifest resource, nil while it is not usable.
func (w *world) outputs(resource string, s *sight) map[string]slipway.Secret {
	for _, spec := range s.specs {
		obs := s.observed[spec.Address]
		if spec.Serves != resource || !obs.Exists || obs.Pending {
			continue
		}
		out, err := w.handler(spec.Address).(slipway.Outputter).Outputs(w.t.Context(), spec, obs)
		if err != nil && slipway.ErrorCode(err) != slipway.CodeNotFound { // what it is about is missing, and planned for
			w.t.Fatal(err)
		}
		return out
	}
	return nil
}

// plan plans from what is seen now. access is what speaks against doing it.
func (w *world) plan(s sight, access slipway.Access) *slipway.Plan {
	w.t.Helper()
	in := slipway.PlanInput{
		Operation: slipway.OperationShip, App: w.manifest.App, Environment: w.environment, Specs: s.specs, Kinds: w.kinds, Observed: s.observed,
		Owned: map[slipway.Address]bool{}, Receipts: w.receipts, Listed: s.listed, Access: access,
	}
	for a, obs := range s.observed {
		_, recorded := w.receipts[a]
		in.Owned[a] = recorded || w.kinds[a.Kind()].Versioned
		_ = obs
	}
	plan, err := slipway.MakePlan(in)
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

// inOrder are the effects of a plan, what is needed first.
func inOrder(plan *slipway.Plan) []slipway.Effect {
	every := *plan
	every.Effects = slices.Clone(plan.Effects)
	for i := range every.Effects {
		every.Effects[i].Mode = slipway.ModeManual
	}
	var out []slipway.Effect
	for _, step := range slipway.MakeRunbook(&every, func(slipway.Effect) slipway.ManualStep { return slipway.ManualStep{} }).Steps {
		out = append(out, *plan.Effect(step.Key))
	}
	return out
}

// automate makes the effects true by Slipway's own clients.
func (w *world) automate(plan *slipway.Plan) {
	w.t.Helper()
	for _, e := range inOrder(plan) {
		s := w.look()
		spec, obs := s.spec(e.Address), s.observed[e.Address]
		if e.Op == slipway.OpDelete {
			spec.Known = nil
			if _, declared := s.observed[e.Address]; !declared {
				obs = w.gone(e, s)
			}
		}
		h := w.handler(e.Address)
		var r slipway.Receipt
		err := errors.New("not tried")
		for range 200 { // Neon is busy while its operations run
			r, err = w.send(h, e, spec, obs)
			if code := slipway.ErrorCode(err); code != slipway.CodeBusy {
				break
			}
			w.pause()
		}
		if err != nil {
			w.t.Fatalf("%s: %v", e.Key, err)
		}
		if delete(w.receipts, e.Address); e.Op == slipway.OpDelete {
			continue
		}
		r.Address, r.Needs, r.Origin = e.Address, spec.Needs, slipway.OriginCreated
		w.receipts[e.Address] = r
		w.settle(e.Address)
		w.complete(e.Address)
	}
}

// complete changes what a create could not yet make as declared.
func (w *world) complete(a slipway.Address) {
	w.t.Helper()
	s := w.look()
	spec, obs := s.spec(a), s.observed[a]
	for name, v := range spec.Params {
		if a.Kind() == "vercel.project" && v != nil && obs.Fields[name] != v {
			if _, err := w.handler(a).Update(w.t.Context(), spec, obs); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
}

// gone is the observation of something that the manifest no longer declares.
func (w *world) gone(e slipway.Effect, s sight) slipway.Observation {
	for _, obs := range s.listed {
		if obs.Receipt.Address == e.Address {
			return obs
		}
	}
	return slipway.Observation{Exists: true, Receipt: w.receipts[e.Address]}
}

func (w *world) send(h slipway.Handler, e slipway.Effect, spec slipway.Spec, obs slipway.Observation) (slipway.Receipt, error) {
	ctx := w.t.Context()
	spec.Op = e.Op
	switch {
	case e.Op == slipway.OpDelete:
		return obs.Receipt, h.Delete(ctx, obs.Receipt)
	case e.Op == slipway.OpReplace:
		if obs.Exists {
			if err := h.Delete(ctx, obs.Receipt); err != nil {
				return slipway.Receipt{}, err
			}
		}
		spec.Known = nil
		return h.Create(ctx, spec)
	case obs.Exists && e.Op != slipway.OpDeploy:
		return h.Update(ctx, spec, obs)
	}
	return h.Create(ctx, spec)
}

// settle looks until what is at a is there and usable.
func (w *world) settle(a slipway.Address) {
	w.t.Helper()
	for {
		s := w.look()
		if obs := s.observed[a]; obs.Exists && !obs.Pending {
			if obs.Failed != nil {
				w.t.Fatal(obs.Failed)
			}
			origin := w.receipts[a].Origin
			w.receipts[a] = obs.Receipt
			r := w.receipts[a]
			r.Origin = origin
			w.receipts[a] = r
			return
		}
		w.pause()
	}
}

// pause waits a little, or ends the test when its time is over.
func (w *world) pause() {
	w.t.Helper()
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.t.Context().Done():
		w.t.Fatal(w.t.Context().Err())
	}
}

// person is somebody with the credentials and nothing else.
func (w *world) person(means ...byhand.Means) *byhand.Person {
	return &byhand.Person{
		Means: means,
		Zone:  w.Env["SLIPWAY_VERCEL_URL"] + "/_emulator/dns",
		Values: map[string]string{
			"VERCEL_TOKEN": w.Env["VERCEL_TOKEN"], "VERCEL_TEAM_ID": w.Env["VERCEL_TEAM_ID"], "NEON_API_KEY": w.Env["NEON_API_KEY"],
			"NEON_ORG_ID": w.Env["NEON_ORG_ID"], "UPSTASH_EMAIL": w.Env["UPSTASH_EMAIL"], "UPSTASH_API_KEY": w.Env["UPSTASH_API_KEY"],
			"PAYMENT_KEY": w.secrets["PAYMENT_KEY"],
		},
		Hosts: map[string]string{
			"https://api.vercel.com": w.Env["SLIPWAY_VERCEL_URL"], "https://console.neon.tech/api/v2": w.Env["SLIPWAY_NEON_URL"],
			"https://api.upstash.com": w.Env["SLIPWAY_UPSTASH_URL"],
		},
	}
}
