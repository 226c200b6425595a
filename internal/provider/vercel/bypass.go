package vercel

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway"
)

// bypasses makes vercel.bypass: a secret that leads automation past deployment protection. Any that the project has will do:
// https://vercel.com/docs/deployment-protection/methods-to-bypass-deployment-protection/protection-bypass-automation
type bypasses struct{ *client }

const bypassHeader = "x-vercel-protection-bypass"

var (
	_ slipway.Handler    = bypasses{}
	_ slipway.Outputter  = bypasses{}
	_ slipway.Protection = bypasses{}
)

// Observe's receipt has the project's id: the secret is the only name that a bypass has.
func (h bypasses) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	const op = "vercel.bypass observe"
	in, ok := parent(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	p, err := h.getProject(ctx, op, in.ID)
	if err != nil {
		return h.nothing(ctx, op, in, err)
	}
	if p.bypass() == "" {
		return slipway.Observation{}, nil
	}
	return slipway.Observation{Exists: true, Receipt: slipway.Receipt{Address: want.Address, Account: p.AccountID, ID: p.ID, Name: p.Name}}, nil
}

// bypass returns the oldest automation bypass, "" when there is none.
func (p *project) bypass() string {
	oldest := ""
	for secret, b := range p.ProtectionBypass {
		if b.Scope == "automation-bypass" && (oldest == "" || b.CreatedAt < p.ProtectionBypass[oldest].CreatedAt) {
			oldest = secret
		}
	}
	return oldest
}

func (h bypasses) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	const op = "vercel.bypass create"
	in, ok := parent(want)
	if !ok {
		return slipway.Receipt{}, orphan(op)
	}
	if err := h.makeBypass(ctx, op, in.ID); err != nil {
		return slipway.Receipt{}, err
	}
	return slipway.Receipt{Address: want.Address, Account: in.Account, ID: in.ID, Name: in.Name}, nil
}

// Outputs returns the header that lets a health probe in, by its name.
func (h bypasses) Outputs(ctx context.Context, want slipway.Spec, _ slipway.Observation) (map[string]slipway.Secret, error) {
	const op = "vercel.bypass outputs"
	in, ok := parent(want)
	if !ok {
		return nil, orphan(op)
	}
	p, err := h.getProject(ctx, op, in.ID)
	if err != nil {
		return nil, err
	}
	secret := p.bypass()
	if secret == "" {
		e := slipway.Errorf(slipway.CodeNotFound, "the project has no protection bypass for automation")
		e.Op = op
		return nil, e
	}
	return map[string]slipway.Secret{bypassHeader: slipway.NewSecret(secret)}, nil
}

func (bypasses) Update(context.Context, slipway.Spec, slipway.Observation) (slipway.Receipt, error) {
	return slipway.Receipt{}, never("vercel.bypass update")
}

func (bypasses) Delete(context.Context, slipway.Receipt) error { return never("vercel.bypass delete") }

// orphan is a create before the project's: a defect of the caller.
func orphan(op string) error {
	return &slipway.Error{Code: slipway.CodeInternal, Op: op, Message: "the project's receipt is missing"}
}

// Protected: Vercel Authentication answers 401 with a page that asks for it, and sets a nonce; a browser is sent to vercel.com/sso-api [?].
// https://vercel.com/docs/deployment-protection/methods-to-protect-deployments/vercel-authentication
func (bypasses) Protected(status int, header func(string) string, body []byte) bool {
	switch status {
	case http.StatusUnauthorized:
		return strings.Contains(header("Set-Cookie"), "_vercel_sso_nonce") ||
			strings.HasPrefix(header("Content-Type"), "text/html") && bytes.Contains(body, []byte("Authentication Required"))
	case http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect:
		return strings.HasPrefix(header("Location"), "https://vercel.com/sso-api")
	}
	return false
}
