package vercel

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/slipway-dev/slipway"
)

// domains makes vercel.domain: a domain on the project, which serves production, a redirect or a branch. Its id is its name.
type domains struct{ *client }

var _ slipway.Handler = domains{}

// Details of a domain's receipt, from which the runbook of its records is made.
const (
	detailApex   = "apex"   // the registered name
	detailA      = "a"      // recommended addresses, the preferred first, with commas
	detailCNAME  = "cname"  // recommended names, likewise
	detailTXT    = "txt"    // NAME VALUE of the record that proves ownership; absent where none is asked for
	detailServes = "serves" // what the domain serves, as service.String says it
	detailLed    = "led"    // how the DNS leads to Vercel already; absent where it does not, or where a certificate cannot be issued
)

// Observe returns CodeConflict for a domain that was never ours and is on another project of the account.
func (h domains) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	const op = "vercel.domain observe"
	in, ok := parent(want)
	if !ok && want.Known == nil { // the project is to be made
		return h.elsewhere(ctx, op, want, in)
	}
	if !ok {
		return slipway.Observation{}, nil
	}
	d, err := h.getDomain(ctx, op, in.ID, want.Address.Key())
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		return h.elsewhere(ctx, op, want, in)
	}
	if err != nil {
		return slipway.Observation{}, err
	}
	config, err := h.domainConfig(ctx, op, d.Name)
	if err != nil {
		return slipway.Observation{}, err
	}
	return slipway.Observation{Exists: true, Receipt: d.receipt(want, in, config), Fields: map[string]any{"serves": d.serves().String()}}, nil
}

// elsewhere is the observation of a domain that is not on the project: where it leads to, as far as this account sees it.
func (h domains) elsewhere(ctx context.Context, op string, want slipway.Spec, in slipway.Receipt) (slipway.Observation, error) {
	if want.Known != nil {
		if err := h.sameAccount(ctx, op, in); err != nil {
			return slipway.Observation{}, err
		}
	}
	at, err := h.getAlias(ctx, op, want.Address.Key())
	obs := slipway.Observation{Vanished: want.Known != nil}
	switch {
	case err != nil:
		return slipway.Observation{}, err
	case at.ProjectID == "" || at.ProjectID == in.ID:
		return obs, nil
	case want.Known == nil && want.Run == "": // within a run the create is refused, and says so
		e := slipway.Errorf(slipway.CodeConflict, "the domain %s is on another project of this account, %s", want.Address.Key(), h.projectNamed(ctx, op, at.ProjectID)).
			WithHint("%s", domainHint)
		e.Op = op
		return slipway.Observation{}, e
	}
	obs.Note = "it is on the project " + h.projectNamed(ctx, op, at.ProjectID) + " now"
	return obs, nil
}

// projectNamed is a project's name and id; the id alone where the name cannot be read.
func (h domains) projectNamed(ctx context.Context, op, id string) string {
	if p, err := h.getProject(ctx, op, id); err == nil && p.Name != "" {
		return h.rest.Clean(p.Name) + " (" + id + ")"
	}
	return id
}

const domainHint = "remove the domain there (that project's Settings, Domains), and the next ship adds it here; or take it out of vercel.domains"

func (d *projectDomain) receipt(want slipway.Spec, in slipway.Receipt, config *domainConfig) slipway.Receipt {
	details := map[string]string{"project_id": in.ID, detailApex: d.ApexName, detailServes: d.serves().String()}
	if config != nil {
		details[detailA], details[detailCNAME] = strings.Join(config.addresses(), ","), strings.Join(config.names(), ",")
		if !config.Misconfigured {
			details[detailLed] = cmp.Or(config.ConfiguredBy, "yes")
		}
	}
	for _, v := range d.Verification {
		if v.Type == "TXT" && !d.Verified {
			details[detailTXT] = v.Domain + " " + v.Value
		}
	}
	return slipway.Receipt{Address: want.Address, Account: in.Account, ID: d.Name, Name: d.Name, Details: details, CreatedAt: millis(d.CreatedAt)}
}

func (h domains) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	const op = "vercel.domain create"
	in, ok := parent(want)
	if !ok {
		return slipway.Receipt{}, orphan(op)
	}
	d, err := h.addDomain(ctx, op, in.ID, domainBody(want))
	if own := (*slipway.Error)(nil); errors.As(err, &own) && own.Code == slipway.CodeConflict {
		return slipway.Receipt{}, own.WithHint("%s", domainHint)
	}
	if err != nil {
		return slipway.Receipt{}, err
	}
	return d.receipt(want, in, nil), nil
}

// domainBody is what adds a domain.
func domainBody(want slipway.Spec) map[string]any {
	body := parseService(text(want.Params["serves"])).from(service{})
	body["name"] = want.Address.Key()
	return body
}

// Update lets a domain serve what is declared. One of a custom environment is refused: nothing documented
// takes it from there.
func (h domains) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	const op = "vercel.domain update"
	in, ok := parent(want)
	if !ok {
		return slipway.Receipt{}, orphan(op)
	}
	was := parseService(text(have.Fields["serves"]))
	if was.environment != "" {
		e := slipway.Errorf(slipway.CodeRefused, "the domain %s serves %s", want.Address.Key(), was).
			WithHint("remove it from that environment in the Vercel project, then run this again")
		e.Op = op
		return slipway.Receipt{}, e
	}
	body := parseService(text(want.Params["serves"])).from(was)
	if len(body) == 0 {
		return have.Receipt, nil
	}
	d, err := h.updateDomain(ctx, op, in.ID, want.Address.Key(), body)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return d.receipt(want, in, nil), nil
}

func (h domains) Delete(ctx context.Context, ref slipway.Receipt) error {
	return h.deleteDomain(ctx, "vercel.domain delete", ref.Details["project_id"], ref.ID)
}

// names makes vercel.dns: that a domain's DNS proves its ownership and leads to Vercel. It is there as soon as the domain is on the
// project; a person writes the records.
type names struct{ *client }

var (
	_ slipway.Handler  = names{}
	_ slipway.Verifier = names{}
)

// Observe is about what Vercel sees: verified is ownership, configured that visitors come to Vercel and a certificate can be issued. A
// domain that is both and does not serve what production serves yet is pending.
func (h names) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	const op = "vercel.dns observe"
	in, ok := parent(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	d, err := h.getDomain(ctx, op, in.ID, want.Address.Key())
	if slipway.ErrorCode(err) == slipway.CodeNotFound && want.Known != nil {
		return slipway.Observation{}, h.sameAccount(ctx, op, in)
	}
	if err != nil {
		return slipway.Observation{}, gone(err)
	}
	config, err := h.domainConfig(ctx, op, d.Name)
	if err != nil {
		return slipway.Observation{}, err
	}
	obs := slipway.Observation{
		Exists: true, Owned: true, Receipt: d.receipt(want, in, config), Fields: map[string]any{"verified": d.Verified, "configured": !config.Misconfigured},
	}
	switch {
	case !d.Verified:
		obs.Note = "Vercel asks for a TXT record that proves whose it is"
	case config.ConfiguredBy == "":
		obs.Note = "its DNS does not lead to Vercel"
	case config.Misconfigured:
		obs.Note = "its DNS leads to Vercel, and no certificate can be issued for it"
	case d.serves() == service{}:
		obs.Pending, err = h.behind(ctx, op, in.ID, d.Name)
	}
	return obs, err
}

// behind reports whether production serves a deployment and the domain another or none.
func (h names) behind(ctx context.Context, op, projectID, name string) (bool, error) {
	p, err := h.getProject(ctx, op, projectID)
	if err != nil || p.serving() == "" {
		return false, err
	}
	at, err := h.getAlias(ctx, op, name)
	return at.DeploymentID != p.serving(), err
}

// Verify asks Vercel to look for the TXT record.
func (h names) Verify(ctx context.Context, want slipway.Spec) error {
	const op = "vercel.dns verify"
	in, ok := parent(want)
	if !ok {
		return nil
	}
	d, err := h.getDomain(ctx, op, in.ID, want.Address.Key())
	if err != nil || d.Verified {
		return gone(err)
	}
	err = h.verifyDomain(ctx, op, in.ID, d.Name)
	if code := slipway.ErrorCode(err); code == slipway.CodeRefused || code == slipway.CodeNotFound {
		return nil
	}
	return err
}

// Create is not called: the domain brings it.
func (names) Create(context.Context, slipway.Spec) (slipway.Receipt, error) {
	return slipway.Receipt{}, never("vercel.dns create")
}

// Update is not called: a person writes records.
func (names) Update(context.Context, slipway.Spec, slipway.Observation) (slipway.Receipt, error) {
	return slipway.Receipt{}, never("vercel.dns update")
}

func (names) Delete(context.Context, slipway.Receipt) error { return never("vercel.dns delete") }
