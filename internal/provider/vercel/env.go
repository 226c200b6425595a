package vercel

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway"
)

// ledgerTarget is the one target of the ledger: no deployment ever sees it.
const ledgerTarget = "development"

// envComment is the comment of a variable that Slipway wrote, with the fingerprint of its value: a value that cannot be read back is
// compared by it.
const envComment = "slipway v1 "

// storeSecret is the type of the contentHint of a variable that a store of the Marketplace gives to a project: Vercel writes it.
const storeSecret = "integration-store-secret"

var fingerprinted = regexp.MustCompile(`^slipway v1 ([0-9a-f]+:[0-9a-f]{64})$`)

// envs makes vercel.env: one variable for one target. What is written applies to the next deployment.
type envs struct{ *client }

var (
	_ slipway.Handler = envs{}
	_ slipway.Batcher = envs{}
	_ slipway.Lister  = envs{}
)

// target returns the Vercel target of an address.
func target(a slipway.Address) string {
	if env := a.Environment(); env != "" {
		return env
	}
	return ledgerTarget
}

// Observe returns CodeConflict for a variable that serves more targets than the one wanted or is that of a connected store, and CodeRefused for
// a type that cannot be changed.
func (h envs) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	const op = "vercel.env observe"
	in, ok := parent(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	all, err := h.listEnv(ctx, op, in.ID)
	if err != nil {
		return h.nothing(ctx, op, in, err)
	}
	for _, v := range all {
		if v.Key != want.Address.Key() || v.GitBranch != "" || !slices.Contains(v.Target, target(want.Address)) {
			continue
		}
		if err := usable(op, want, v); err != nil {
			return slipway.Observation{}, err
		}
		return v.observation(want, in), nil
	}
	return slipway.Observation{}, nil
}

// usable says whether a write can make v what is wanted. A variable of the ledger's name has to hold this app's ledger.
func usable(op string, want slipway.Spec, v envVar) error {
	var e *slipway.Error
	switch {
	case v.ContentHint.Type == storeSecret:
		e = slipway.Errorf(slipway.CodeConflict, "the variable %s (%s) is that of the Marketplace store %s, which is connected to the Vercel project",
			v.Key, strings.Join(v.Target, ", "), v.ContentHint.StoreID).
			WithHint("in the project's Storage disconnect the store and connect it again with a custom prefix, or name the variable otherwise in the manifest")
	case len(v.Target) > 1:
		e = slipway.Errorf(slipway.CodeConflict, "the variable %s serves several targets at once: %s", v.Key, strings.Join(v.Target, ", ")).
			WithHint("split it by target in the Vercel project, or delete it there, so that %s can have its own", target(want.Address))
	case v.Type == "sensitive" && want.Params["type"] == "plain":
		e = slipway.Errorf(slipway.CodeRefused, "the variable %s (%s) is sensitive, and Vercel does not turn it into a plain one", v.Key, v.Target[0]).
			WithHint("delete it in the Vercel project and run this again, or write it with secret: in the manifest")
	case v.Key == slipway.LedgerKey:
		ledger, err := slipway.DecodeLedger(v.Value)
		if !errors.As(err, &e) && ledger.App != want.App {
			e = slipway.Errorf(slipway.CodeConflict, "the Vercel project belongs to the Slipway app %q", ledger.App).
				WithHint("name another project, under vercel.existing; where nothing stands there, give this app another name: in the manifest")
		}
	}
	if e == nil {
		return nil
	}
	e.Op = op
	return e
}

func (v envVar) observation(want slipway.Spec, in slipway.Receipt) slipway.Observation {
	obs := slipway.Observation{Exists: true, Written: millis(v.UpdatedAt), Receipt: v.receipt(want.Address, in), Fields: map[string]any{"type": v.Type, "fingerprint": ""}}
	if m := fingerprinted.FindStringSubmatch(v.Comment); m != nil {
		obs.Fields["fingerprint"], obs.Owned = m[1], true
	}
	if v.Type == "plain" {
		obs.Fields["value"] = v.Value
	}
	obs.Fields["written"] = want.Known == nil || want.Known.ID == obs.Receipt.ID && want.Known.Version == obs.Receipt.Version
	if want.Address.Key() == slipway.LedgerKey {
		obs.Owned = true // usable has looked
	}
	return obs
}

// receipt's Version is updatedAt in milliseconds; Details tells Delete the project.
func (v envVar) receipt(a slipway.Address, in slipway.Receipt) slipway.Receipt {
	return slipway.Receipt{
		Address: a, Account: in.Account, ID: v.ID, Name: v.Key, Version: strconv.FormatInt(int64(v.UpdatedAt), 10),
		Details: map[string]string{"project_id": in.ID}, CreatedAt: millis(v.CreatedAt),
	}
}

func (h envs) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	return h.write(ctx, "vercel.env create", want)
}

func (h envs) Update(ctx context.Context, want slipway.Spec, _ slipway.Observation) (slipway.Receipt, error) {
	return h.write(ctx, "vercel.env update", want)
}

func (h envs) write(ctx context.Context, op string, want slipway.Spec) (slipway.Receipt, error) {
	results, err := h.batch(ctx, op, []slipway.Spec{want})
	if err != nil {
		return slipway.Receipt{}, err
	}
	return results[0].Receipt, results[0].Err
}

// Batch writes all in one call, which Vercel carries out variable by variable.
func (h envs) Batch(ctx context.Context, wants []slipway.Spec) ([]slipway.Result, error) {
	return h.batch(ctx, "vercel.env write", wants)
}

func (h envs) batch(ctx context.Context, op string, wants []slipway.Spec) ([]slipway.Result, error) {
	if len(wants) == 0 {
		return nil, nil
	}
	in, ok := parent(wants[0])
	if !ok {
		return nil, orphan(op)
	}
	body := make([]envWrite, len(wants))
	for i, want := range wants {
		w, err := desired(op, want)
		if err != nil {
			return nil, err
		}
		body[i] = w
	}
	reply, err := h.upsertEnv(ctx, op, in.ID, body)
	if err != nil {
		return nil, err
	}
	results := make([]slipway.Result, len(wants))
	for i, want := range wants {
		results[i] = h.outcome(op, want, in, reply)
	}
	return results, nil
}

func desired(op string, want slipway.Spec) (envWrite, error) {
	w := envWrite{Key: want.Address.Key(), Type: "plain", Target: []string{target(want.Address)}, Comment: "slipway ledger: do not edit"}
	value, ok := want.Values["value"]
	if want.Address.Key() != slipway.LedgerKey {
		fingerprint, known := want.Params["fingerprint"].(string)
		w.Type, _ = want.Params["type"].(string)
		w.Comment, ok = envComment+fingerprint, ok && known
	}
	if !ok {
		return w, &slipway.Error{Code: slipway.CodeInternal, Op: op, Message: "the value or the fingerprint of " + w.Key + " is missing"}
	}
	w.Value = value.Reveal()
	return w, nil
}

// outcome finds what became of one variable in a batch's reply.
func (h envs) outcome(op string, want slipway.Spec, in slipway.Receipt, reply envWritten) slipway.Result {
	key, to := want.Address.Key(), target(want.Address)
	for _, v := range reply.Created {
		if v.Key == key && v.ID != "" && slices.Equal(v.Target, []string{to}) {
			return slipway.Result{Receipt: v.receipt(want.Address, in)}
		}
	}
	for _, f := range reply.Failed {
		if e := f.Error; (e.Key == key || e.EnvVarKey == key) && (len(e.Target) == 0 || slices.Contains(e.Target, to)) {
			return slipway.Result{Err: h.failure(op, key, to, e)}
		}
	}
	e := slipway.Errorf(slipway.CodeMalformed, "the reply says nothing of the variable %s (%s)", key, to)
	e.Op, e.Retry = op, slipway.RetryAmbiguous
	return slipway.Result{Err: e}
}

// failure maps one entry of failed. Nothing was done to that variable.
func (h envs) failure(op, key, to string, f envFailure) error {
	e := slipway.Errorf(slipway.CodeRefused, "Vercel refused the variable %s (%s): %s", key, to, h.rest.Clean(f.Message+" ("+f.Code+")"))
	e.Op = op
	switch {
	case envCode(f.Code) != "":
		e.Code, e.Hint = envCode(f.Code), "look at the project's variables of this name: one for several targets, or for a branch, stands in the way"
	case isLimit(0, f.Code):
		e.Code, e.Hint = slipway.CodeLimit, "see https://vercel.com/docs/limits"
	case isOngoing(400, f.Message):
		e.Code, e.Retry = slipway.CodeBusy, slipway.RetryLater
	}
	return e
}

func (h envs) Delete(ctx context.Context, ref slipway.Receipt) error {
	return h.deleteEnv(ctx, "vercel.env delete", ref.Details["project_id"], ref.ID)
}

// List returns the variables with our comment for want's environment alone.
func (h envs) List(ctx context.Context, want slipway.Spec) ([]slipway.Observation, error) {
	in, ok := parent(want)
	if !ok {
		return nil, nil
	}
	const op = "vercel.env list"
	all, err := h.listEnv(ctx, op, in.ID)
	if err != nil {
		_, err = h.nothing(ctx, op, in, err)
		return nil, err
	}
	var out []slipway.Observation
	environment := want.Address.Environment()
	for _, v := range all {
		if v.GitBranch != "" || !slices.Equal(v.Target, []string{environment}) || !fingerprinted.MatchString(v.Comment) {
			continue
		}
		own := slipway.Spec{Address: slipway.NewAddress(kindEnv, v.Key, environment)}
		out = append(out, v.observation(own, in))
	}
	return out, nil
}
