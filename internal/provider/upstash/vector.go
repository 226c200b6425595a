package upstash

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// vector is upstash.vector: a dense index.
type vector struct{ client client }

var (
	_ slipway.Handler   = vector{}
	_ slipway.Outputter = vector{}
)

func (h vector) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("upstash.vector observe")
	if want.Existing {
		x, err := c.getIndex(ctx, want.Name)
		if slipway.ErrorCode(err) == slipway.CodeNotFound {
			return slipway.Observation{}, nil
		}
		if err != nil {
			return slipway.Observation{}, err
		}
		return h.observed(c, want, x), nil
	}
	if want.Known != nil {
		x, err := c.getIndex(ctx, want.Known.ID)
		if slipway.ErrorCode(err) == slipway.CodeNotFound {
			return h.gone(ctx, c, want)
		}
		if err == nil {
			err = c.accountIs(want.Known, c.owner(x.CustomerID))
		}
		if err != nil {
			return slipway.Observation{}, err
		}
		return h.observed(c, want, x), nil
	}
	all, err := c.indexes(ctx)
	if err != nil {
		return slipway.Observation{}, err
	}
	all = slices.DeleteFunc(all, func(x indexReply) bool { return x.Name != want.Name })
	if len(all) == 0 {
		return slipway.Observation{}, nil
	}
	obs := h.observed(c, want, all[0])
	for _, x := range all {
		if len(all) > 1 {
			obs.Namesakes = append(obs.Namesakes, h.receipt(c, want, x))
		}
	}
	return obs, nil
}

// gone says that a recorded index has vanished, or that the credential is for another account. The list tells who owns what is there.
func (h vector) gone(ctx context.Context, c client, want slipway.Spec) (slipway.Observation, error) {
	all, err := c.indexes(ctx)
	if err != nil {
		return slipway.Observation{}, err
	}
	var owners []string
	for _, x := range all {
		owners = append(owners, x.CustomerID)
	}
	if err := c.accountIs(want.Known, owners...); err != nil {
		return slipway.Observation{}, err
	}
	return slipway.Observation{Vanished: true}, nil
}

func (h vector) observed(c client, want slipway.Spec, x indexReply) slipway.Observation {
	return slipway.Observation{Exists: true, Receipt: h.receipt(c, want, x), Fields: map[string]any{
		"name": x.Name, "region": x.Region, "dimensions": x.DimensionCount, "metric": strings.ToLower(x.SimilarityFunction),
	}}
}

func (h vector) receipt(c client, want slipway.Spec, x indexReply) slipway.Receipt {
	return slipway.Receipt{
		Address: want.Address, Account: c.owner(x.CustomerID), ID: x.ID, Name: x.Name, Region: x.Region,
		CreatedAt: time.Unix(x.CreationTime, 0).UTC(),
	}
}

func (h vector) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	c := h.client.as("upstash.vector create")
	in := indexCreate{Name: want.Name}
	in.Region, _ = want.Params["region"].(string)
	in.DimensionCount, _ = want.Params["dimensions"].(int64)
	metric, _ := want.Params["metric"].(string)
	in.SimilarityFunction = metrics[metric]
	made, err := c.createIndex(ctx, in)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return h.receipt(c, want, made), nil
}

// Update renames; nothing else of an index can change.
func (h vector) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	c, r := h.client.as("upstash.vector update"), have.Receipt
	for _, name := range []string{"region", "dimensions", "metric"} {
		if want.Params[name] != have.Fields[name] {
			return r, c.fail(slipway.CodeInternal, "the %s of an index cannot be changed", name)
		}
	}
	r.Name = want.Name
	return r, c.renameIndex(ctx, r.ID, want.Name)
}

func (h vector) Delete(ctx context.Context, ref slipway.Receipt) error {
	return h.client.as("upstash.vector delete").deleteIndex(ctx, ref.ID)
}

// Outputs reads the index again; within the pass of an observation by id that costs no call.
func (h vector) Outputs(ctx context.Context, _ slipway.Spec, have slipway.Observation) (map[string]slipway.Secret, error) {
	c := h.client.as("upstash.vector outputs")
	x, err := c.getIndex(ctx, have.Receipt.ID)
	if err != nil {
		return nil, err
	}
	if x.Endpoint == "" || x.Token == "" || x.ReadOnlyToken == "" {
		return nil, c.fail(slipway.CodeMalformed, "Upstash's answer lacks the index's credentials")
	}
	host, restURL := place(x.Endpoint, "-vector")
	return map[string]slipway.Secret{
		"rest_url": slipway.NewSecret(restURL), "rest_token": slipway.NewSecret(x.Token),
		"read_only_rest_token": slipway.NewSecret(x.ReadOnlyToken), "endpoint": slipway.NewSecret(host),
	}, nil
}
