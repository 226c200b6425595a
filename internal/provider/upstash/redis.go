package upstash

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// redis is upstash.redis.
type redis struct{ client client }

var (
	_ slipway.Handler   = redis{}
	_ slipway.Outputter = redis{}
)

func (h redis) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("upstash.redis observe")
	if want.Existing {
		d, err := c.getDatabase(ctx, want.Name)
		if slipway.ErrorCode(err) == slipway.CodeNotFound {
			return slipway.Observation{}, nil
		}
		if err != nil {
			return slipway.Observation{}, err
		}
		return h.observed(c, want, d), nil
	}
	if want.Known != nil {
		d, err := c.getDatabase(ctx, want.Known.ID)
		if slipway.ErrorCode(err) == slipway.CodeNotFound {
			return h.gone(ctx, c, want)
		}
		if err == nil {
			err = c.accountIs(want.Known, c.owner(d.CustomerID))
		}
		if err != nil {
			return slipway.Observation{}, err
		}
		return h.observed(c, want, d), nil
	}
	all, err := c.databases(ctx)
	if err != nil {
		return slipway.Observation{}, err
	}
	all = slices.DeleteFunc(all, func(d databaseReply) bool { return d.DatabaseName != want.Name })
	if len(all) == 0 {
		return slipway.Observation{}, nil
	}
	obs := h.observed(c, want, all[0])
	for _, d := range all {
		if len(all) > 1 {
			obs.Namesakes = append(obs.Namesakes, h.receipt(c, want, d))
		}
	}
	return obs, nil
}

// gone says that a recorded database has vanished, or that the credential is for another account. The list tells who owns what is there.
func (h redis) gone(ctx context.Context, c client, want slipway.Spec) (slipway.Observation, error) {
	all, err := c.databases(ctx)
	if err != nil {
		return slipway.Observation{}, err
	}
	var owners []string
	for _, d := range all {
		owners = append(owners, d.CustomerID)
	}
	if err := c.accountIs(want.Known, owners...); err != nil {
		return slipway.Observation{}, err
	}
	return slipway.Observation{Vanished: true}, nil
}

// observed: state is active, suspended or passive, and modifying_state says that something is under way [?].
func (h redis) observed(c client, want slipway.Spec, d databaseReply) slipway.Observation {
	obs := slipway.Observation{Exists: true, Pending: d.ModifyingState != "", Receipt: h.receipt(c, want, d), Fields: map[string]any{
		"name": d.DatabaseName, "region": d.PrimaryRegion, "eviction": d.Eviction, "tls": d.TLS, "plan": planShown(d.Type, want.Params["plan"]),
		"read_regions": slices.Sorted(slices.Values(d.ReadRegions)),
	}}
	if d.State == "suspended" {
		obs.Failed = c.fail(slipway.CodeLimit, "the Upstash database %s is suspended", d.DatabaseID).
			WithHint("look at its budget and plan in Upstash's console")
	}
	return obs
}

// planShown returns the wanted plan when the type that a reply shows can be it: all fixed plans show as paid or pro.
func planShown(shown string, want any) any {
	plan, _ := want.(string)
	if strings.HasPrefix(plan, "fixed_") && (shown == "paid" || shown == "pro") {
		return plan
	}
	return shown
}

func (h redis) receipt(c client, want slipway.Spec, d databaseReply) slipway.Receipt {
	return slipway.Receipt{
		Address: want.Address, Account: c.owner(d.CustomerID), ID: d.DatabaseID, Name: d.DatabaseName, Region: d.PrimaryRegion,
		CreatedAt: time.Unix(d.CreationTime, 0).UTC(),
	}
}

func (h redis) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	c := h.client.as("upstash.redis create")
	region, _ := want.Params["region"].(string)
	in := databaseCreate{DatabaseName: want.Name, Platform: "aws", PrimaryRegion: region, ReadRegions: stringsOf(want.Params["read_regions"])}
	if slices.Contains(gcpRegions, region) {
		in.Platform = "gcp"
	}
	in.Plan, _ = want.Params["plan"].(string)
	if v, ok := want.Params["eviction"].(bool); ok {
		in.Eviction = &v
	}
	if v, ok := want.Params["tls"].(bool); ok {
		in.TLS = &v
	}
	made, err := c.createDatabase(ctx, in)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return h.receipt(c, want, made), nil
}

// Update sends one call for each field that differs. TLS cannot be turned off: CodeRefused.
func (h redis) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	c, r := h.client.as("upstash.redis update"), have.Receipt
	differs := func(name string) bool {
		v, declared := want.Params[name]
		return declared && v != have.Fields[name]
	}
	if differs("region") {
		return r, c.fail(slipway.CodeInternal, "the region of a database cannot be changed")
	}
	if differs("tls") && want.Params["tls"] == false {
		return r, c.fail(slipway.CodeRefused, "TLS cannot be turned off").WithHint("remove tls: false from the manifest, or use a database made without TLS")
	}
	type change struct {
		verb string
		body any
	}
	var changes []change
	if differs("name") {
		changes = append(changes, change{"rename/%s", map[string]any{"name": want.Params["name"]}})
		r.Name = want.Name
	}
	if differs("tls") {
		changes = append(changes, change{"enable-tls/%s", nil})
	}
	if differs("eviction") {
		verb := "disable-eviction/%s"
		if want.Params["eviction"] == true {
			verb = "enable-eviction/%s"
		}
		changes = append(changes, change{verb, nil})
	}
	if differs("plan") {
		changes = append(changes, change{"%s/change-plan", map[string]any{"plan_name": want.Params["plan"]}})
	}
	if regions, ok := want.Params["read_regions"]; ok && !slices.Equal(stringsOf(regions), stringsOf(have.Fields["read_regions"])) {
		changes = append(changes, change{"update-regions/%s", map[string]any{"read_regions": stringsOf(regions)}})
	}
	for _, ch := range changes {
		if err := c.changeDatabase(ctx, ch.verb, r.ID, ch.body); err != nil {
			return slipway.Receipt{}, err
		}
	}
	return r, nil
}

func (h redis) Delete(ctx context.Context, ref slipway.Receipt) error {
	return h.client.as("upstash.redis delete").deleteDatabase(ctx, ref.ID)
}

// Outputs reads the database again; within the pass of an observation by id that costs no call.
func (h redis) Outputs(ctx context.Context, _ slipway.Spec, have slipway.Observation) (map[string]slipway.Secret, error) {
	c := h.client.as("upstash.redis outputs")
	d, err := c.getDatabase(ctx, have.Receipt.ID)
	if err != nil {
		return nil, err
	}
	if d.Endpoint == "" || d.Password == "" || d.RestToken == "" || d.ReadOnlyRestToken == "" {
		return nil, c.fail(slipway.CodeMalformed, "Upstash's answer lacks the database's credentials")
	}
	host, restURL := place(d.Endpoint, "")
	u := url.URL{Scheme: "rediss", User: url.UserPassword("default", d.Password), Host: net.JoinHostPort(host, strconv.Itoa(d.Port))}
	if !d.TLS {
		u.Scheme = "redis"
	}
	return map[string]slipway.Secret{
		"rest_url": slipway.NewSecret(restURL), "rest_token": slipway.NewSecret(d.RestToken),
		"read_only_rest_token": slipway.NewSecret(d.ReadOnlyRestToken), "url": slipway.NewSecret(u.String()),
		"endpoint": slipway.NewSecret(host), "password": slipway.NewSecret(d.Password),
	}, nil
}
