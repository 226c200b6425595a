package vercel

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// projects makes vercel.project. A project's name is unique in its account.
type projects struct{ *client }

var _ slipway.Handler = projects{}

func (h projects) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	const op = "vercel.project observe"
	id := want.Name
	if want.Known != nil && want.Known.ID != "" && !want.Existing {
		id = want.Known.ID
	}
	p, err := h.getProject(ctx, op, id)
	switch {
	case slipway.ErrorCode(err) == slipway.CodeNotFound && id != want.Name:
		return slipway.Observation{Vanished: true}, h.sameAccount(ctx, op, *want.Known)
	case slipway.ErrorCode(err) == slipway.CodeNotFound:
		return slipway.Observation{}, nil
	case err != nil:
		return slipway.Observation{}, err
	case want.Known != nil && want.Known.Account != "" && want.Known.Account != p.AccountID:
		return slipway.Observation{}, otherAccount(op, want.Known.Account)
	}
	obs := slipway.Observation{Exists: true, Receipt: p.receipt(want), Fields: p.Settings}
	if want.Existing {
		declared, says := want.Params["repository"].(string)
		obs.Fields["repository"] = declared
		if linked := p.repository(); says && !strings.EqualFold(linked, declared) {
			obs.Failed = otherRepository(op, p.Name, linked, declared)
		}
	}
	return obs, nil
}

// otherRepository refuses a project whose pushes deploy what is not this app, or that is not the one that was meant.
func otherRepository(op, project, linked, declared string) *slipway.Error {
	e := slipway.Errorf(slipway.CodeConflict, "the Vercel project %s is linked to the repository %s, not to %s", project, cmp.Or(linked, "none"), cmp.Or(declared, "none"))
	e.Op = op
	return e.WithHint("name another project; or say that this link is meant, with repository: below vercel.existing")
}

// sameAccount returns CodeAccountChanged when what was recorded belongs to another account than this credential works in: Vercel answers
// 404 for that as well.
func (c *client) sameAccount(ctx context.Context, op string, recorded slipway.Receipt) error {
	accounts, err := c.accounts(ctx, op)
	if err == nil && recorded.Account != "" && !slices.Contains(accounts, recorded.Account) {
		return otherAccount(op, recorded.Account)
	}
	return err
}

// nothing is the observation of what is inside a project when Vercel answered 404 for it.
func (c *client) nothing(ctx context.Context, op string, in slipway.Receipt, err error) (slipway.Observation, error) {
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		err = c.sameAccount(ctx, op, in)
	}
	return slipway.Observation{}, err
}

func otherAccount(op, recorded string) error {
	e := slipway.Errorf(slipway.CodeAccountChanged, "the app is in the Vercel account %s, and this credential works in another", recorded).
		WithHint("use the token and %s (or vercel.team) of that account", settingTeam)
	e.Op = op
	return e
}

func (p *project) receipt(want slipway.Spec) slipway.Receipt {
	region, _ := p.Settings["region"].(string)
	return slipway.Receipt{Address: want.Address, Account: p.AccountID, ID: p.ID, Name: p.Name, Region: region, CreatedAt: millis(p.CreatedAt)}
}

// Create plants the ledger in the call that makes the project. node_version is not among the fields that it takes.
func (h projects) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	const op = "vercel.project create"
	body := map[string]any{"name": want.Name}
	for _, s := range settings {
		if v := want.Params[s.param]; v != nil && s.create {
			body[s.field] = v
		}
	}
	if ledger, ok := want.Values["ledger"]; ok {
		body["environmentVariables"] = []envWrite{{Key: slipway.LedgerKey, Value: ledger.Reveal(), Type: "plain", Target: []string{ledgerTarget}}}
	}
	p, err := h.createProject(ctx, op, body)
	if own := (*slipway.Error)(nil); errors.As(err, &own) && own.Code == slipway.CodeConflict {
		return slipway.Receipt{}, own.WithHint("look at the project %s in Vercel: resume the run when it shows there, or give this app another name: in the manifest", want.Name)
	}
	if err != nil {
		return slipway.Receipt{}, err
	}
	return p.receipt(want), nil
}

func (h projects) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	body := map[string]any{}
	for _, s := range settings {
		if v := want.Params[s.param]; v != nil && v != have.Fields[s.param] {
			body[s.field] = v
		}
	}
	if len(body) == 0 {
		return have.Receipt, nil
	}
	p, err := h.updateProject(ctx, "vercel.project update", have.Receipt.ID, body)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return p.receipt(want), nil
}

func (h projects) Delete(ctx context.Context, ref slipway.Receipt) error {
	return h.deleteProject(ctx, "vercel.project delete", ref.ID)
}
