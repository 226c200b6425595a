package vercelemu

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

var protectionTypes = []string{"all", "preview", "prod_deployment_urls_and_all_previews", "all_except_custom_domains"}

// bypass is a secret that opens what deployment protection covers.
type bypass struct {
	secret, note, by string
	created          int64
}

var bypassBody = object(map[string]*schema{
	"revoke":   openObject(map[string]*schema{"secret": str(0), "regenerate": boolean()}, "secret", "regenerate"),
	"generate": openObject(map[string]*schema{"secret": matching(`^[a-zA-Z0-9]{32}$`), "note": str(100)}),
})

// protection returns the deploymentType of ssoProtection, "" when there is none.
func (p *project) protection() string {
	var sso *struct{ DeploymentType string }
	if json.Unmarshal(p.settings["ssoProtection"], &sso) != nil || sso == nil {
		return ""
	}
	return sso.DeploymentType
}

func (s *Server) patchBypass(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	var body struct {
		Revoke *struct {
			Secret     string
			Regenerate bool
		}
		Generate *struct{ Secret, Note string }
	}
	if f := c.into(&body); f != nil {
		return nil, f
	}
	add := func(secret, note string) *failure {
		if secret == "" {
			secret = s.RandomString(32, emukit.Alnum)
		}
		if p.passes(secret) {
			return &failure{status: http.StatusConflict, code: "conflict", message: "The secret is already in use."}
		}
		p.bypass = append(p.bypass, bypass{secret: secret, note: note, by: c.who.User.ID, created: s.stamp()})
		return nil
	}
	if r := body.Revoke; r != nil {
		if !p.passes(r.Secret) {
			return nil, notFound("The secret was not found.")
		}
		p.bypass = slices.DeleteFunc(p.bypass, func(b bypass) bool { return b.secret == r.Secret })
		if r.Regenerate {
			f = add("", "")
		}
	}
	if g := body.Generate; g != nil {
		f = add(g.Secret, g.Note)
	} else if body.Revoke == nil { // an empty body generates one
		f = add("", "")
	}
	if f != nil {
		return nil, f
	}
	p.updated = s.stamp()
	return obj{"protectionBypass": p.bypassView()}, nil
}

func (p *project) passes(secret string) bool {
	return slices.ContainsFunc(p.bypass, func(b bypass) bool { return b.secret == secret })
}

func (p *project) bypassView() obj {
	out := obj{}
	for _, b := range p.bypass {
		v := obj{"createdAt": b.created, "createdBy": b.by, "scope": "automation-bypass"}
		if b.note != "" {
			v["note"] = b.note
		}
		out[b.secret] = v
	}
	return out
}
