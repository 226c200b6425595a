package vercel

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// links makes vercel.link: what lets Vercel fetch a project's repository. A linked project is built by every push as well; with
// autoAssignCustomDomains off a push to the production branch is staged, and production moves by a promote alone:
// https://vercel.com/docs/deployments/promoting-a-deployment#staging-and-promoting-a-production-deployment
type links struct{ *client }

var _ slipway.Handler = links{}

// expandLink is the link of the app's project. Its parameters are the repository, and that a push moves no domain.
func expandLink(m *slipway.Manifest, project slipway.Address) slipway.Spec {
	return slipway.Spec{
		Address: slipway.NewAddress(kindLink, m.App, ""), Name: m.Source.GitHub, Needs: []slipway.Address{project},
		Params: map[string]any{"repository": m.Source.GitHub, "push_moves_domains": false},
	}
}

// Observe finds any link of the project. One to another repository is CodeConflict, unless Slipway has made it. One to this repository is
// used as it is found, whoever made it: one that no receipt tells of counts as found, and is never taken away.
func (h links) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	const op = "vercel.link observe"
	in, ok := parent(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	p, err := h.getProject(ctx, op, in.ID)
	if err != nil {
		return h.nothing(ctx, op, in, err)
	}
	linked := p.repository()
	if linked == "" {
		return slipway.Observation{Vanished: want.Known != nil}, nil
	}
	obs := slipway.Observation{Exists: true, Owned: true, Receipt: p.linkReceipt(want, in), Fields: map[string]any{
		"repository": linked, "push_moves_domains": p.pushMovesDomains(),
	}}
	if want.Known == nil {
		obs.Receipt.Origin = slipway.OriginAdopted
	}
	switch declared := text(want.Params["repository"]); {
	case strings.EqualFold(linked, declared):
		obs.Fields["repository"] = declared
	case declared != "" && (want.Known == nil || want.Known.ID != obs.Receipt.ID):
		return slipway.Observation{}, otherRepository(op, p.Name, linked, declared).
			WithHint("disconnect it in the project's Settings, Git, if nobody needs that link; or give this app another name: in the manifest")
	}
	return obs, nil
}

// pushMovesDomains is what Vercel does unless it was told otherwise.
func (p *project) pushMovesDomains() bool {
	return p.AutoAssignCustomDomains == nil || *p.AutoAssignCustomDomains
}

func (p *project) linkReceipt(want slipway.Spec, in slipway.Receipt) slipway.Receipt {
	r := slipway.Receipt{Address: want.Address, Account: p.AccountID, Name: p.repository(), Details: map[string]string{"project_id": in.ID}}
	if p.Link != nil {
		r.ID = strconv.FormatInt(p.Link.RepoID, 10)
	}
	return r
}

// Create first makes that no push moves a domain, so that there is no moment in which one could.
func (h links) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	const op = "vercel.link create"
	in, ok := parent(want)
	if !ok {
		return slipway.Receipt{}, orphan(op)
	}
	p, err := h.getProject(ctx, op, in.ID)
	if err != nil {
		return slipway.Receipt{}, err
	}
	if p.pushMovesDomains() { // not held by an earlier try
		if err := h.holdDomains(ctx, op, in.ID); err != nil {
			return slipway.Receipt{}, err
		}
	}
	return h.link(ctx, op, want, in)
}

func (h links) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	const op = "vercel.link update"
	in, ok := parent(want)
	if !ok {
		return slipway.Receipt{}, orphan(op)
	}
	if have.Fields["push_moves_domains"] != want.Params["push_moves_domains"] {
		if err := h.holdDomains(ctx, op, in.ID); err != nil {
			return slipway.Receipt{}, err
		}
	}
	if have.Fields["repository"] == want.Params["repository"] {
		return have.Receipt, nil
	}
	if err := h.unlink(ctx, op, in.ID); err != nil {
		return slipway.Receipt{}, err
	}
	return h.link(ctx, op, want, in)
}

func (h links) holdDomains(ctx context.Context, op, projectID string) error {
	_, err := h.updateProject(ctx, op, projectID, map[string]any{"autoAssignCustomDomains": false})
	return err
}

// link is POST /v9/projects/{id}/link, as the vendor's CLI sends it; the published document does not have it:
// https://github.com/vercel/vercel/blob/main/packages/cli/src/util/git/connect-git-provider.ts
func (h links) link(ctx context.Context, op string, want slipway.Spec, in slipway.Receipt) (slipway.Receipt, error) {
	p := &project{}
	body := map[string]any{"type": "github", "repo": text(want.Params["repository"])}
	if err := h.call(ctx, op, http.MethodPost, rest.Path("/v9/projects/%s/link", in.ID), nil, body, p); err != nil {
		return slipway.Receipt{}, err
	}
	return p.linkReceipt(want, in), nil
}

func (h links) unlink(ctx context.Context, op, projectID string) error {
	return gone(h.call(ctx, op, http.MethodDelete, rest.Path("/v9/projects/%s/link", projectID), nil, nil, nil))
}

// Delete looks first: Vercel refuses to unlink what is not linked, and another link is not ours.
func (h links) Delete(ctx context.Context, ref slipway.Receipt) error {
	const op = "vercel.link delete"
	p, err := h.getProject(ctx, op, ref.Details["project_id"])
	if err != nil {
		return gone(err)
	}
	if p.linkReceipt(slipway.Spec{}, ref).ID != ref.ID {
		return nil
	}
	return h.unlink(ctx, op, p.ID)
}

// linkRefused maps the refusals of a link that only a person can mend, told by the action that the vendor's CLI reads: to Vercel the
// account is not connected with GitHub, or its app sees no such repository. ok is false for any other.
func linkRefused(e *slipway.Error, code, action string) bool {
	switch {
	case strings.Contains(action, "Install GitHub App"):
		e.Hint = "install Vercel's GitHub app where the repository is: https://github.com/apps/vercel"
	case strings.Contains(action, "Login Connection"):
		e.Hint = "connect your Vercel account with GitHub: https://vercel.com/account/login-connections"
	case code == "repo_not_found":
		e.Hint = "let Vercel's GitHub app see the repository: https://github.com/apps/vercel"
	default:
		return false
	}
	e.Code, e.Refusal = slipway.CodeForbidden, slipway.CauseAppNotInstalled
	return true
}
