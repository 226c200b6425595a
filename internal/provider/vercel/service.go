package vercel

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway"
)

// service is what a domain serves; the zero value is production. Its text is the domain's one parameter.
type service struct {
	redirect    string // the hostname that visitors are sent to
	status      int    // of the redirect; 0: Vercel's default
	branch      string
	environment string // id of a custom one, which is never declared
}

// serviceOf is what the manifest declares of a domain.
func serviceOf(d slipway.Domain) service {
	s := service{redirect: d.Redirect, branch: d.Branch}
	if s.redirect != "" {
		s.status = cmp.Or(d.Status, http.StatusPermanentRedirect)
	}
	return s
}

const (
	servesRedirect    = "a redirect to "
	servesStatus      = " with status "
	servesBranch      = "the branch "
	servesEnvironment = "the environment "
)

func (s service) String() string {
	switch {
	case s.redirect != "" && s.status != 0:
		return servesRedirect + s.redirect + servesStatus + strconv.Itoa(s.status)
	case s.redirect != "":
		return servesRedirect + s.redirect
	case s.branch != "":
		return servesBranch + s.branch
	case s.environment != "":
		return servesEnvironment + s.environment
	}
	return slipway.Production
}

// parseService reads what String wrote.
func parseService(text string) (s service) {
	if to, ok := strings.CutPrefix(text, servesRedirect); ok {
		to, status, _ := strings.Cut(to, servesStatus)
		s.redirect = to
		s.status, _ = strconv.Atoi(status) // 0 where none is told
		return s
	}
	if branch, ok := strings.CutPrefix(text, servesBranch); ok {
		s.branch = branch
		return s
	}
	s.environment, _ = strings.CutPrefix(text, servesEnvironment)
	if s.environment == text {
		s.environment = ""
	}
	return s
}

// from is the body that turns have into s: only what differs.
func (s service) from(have service) map[string]any {
	body := map[string]any{}
	switch {
	case s.redirect == "" && have.redirect != "":
		body["redirect"] = nil
	case s.redirect != "" && (s.redirect != have.redirect || s.status != have.status):
		body["redirect"] = s.redirect
		if s.status != 0 {
			body["redirectStatusCode"] = s.status
		}
	}
	switch {
	case s.branch == "" && have.branch != "":
		body["gitBranch"] = nil
	case s.branch != have.branch:
		body["gitBranch"] = s.branch
	}
	return body
}

// checkDomains refuses what the manifest's grammar does not see of its domains.
func checkDomains(m *slipway.Manifest, refuse func(message, hint string, path ...string)) {
	for i, d := range m.Vercel.Domains {
		at := []string{"vercel", "domains", strconv.Itoa(i)}
		switch {
		case d.Redirect == d.Name:
			refuse("the domain "+d.Name+" redirects to itself", "name another domain", append(at, "redirect")...)
		case d.Redirect != "" && redirects(m.Vercel.Domains, d.Redirect):
			refuse("the domain "+d.Name+" redirects to "+d.Redirect+", which redirects on", "name the domain that serves the app", append(at, "redirect")...)
		case d.Branch != "" && m.Source.GitHub == "":
			refuse("the domain "+d.Name+" serves a branch, and the source is a folder", "ship a repository (source.github), or leave the branch out", append(at, "branch")...)
		case d.Branch == "" && !slices.Contains(m.AllEnvironments(), slipway.Production):
			refuse("the domain "+d.Name+" serves production, which environments does not have", "add production to environments, or leave the domain out", at...)
		case d.Branch != "" && !slices.Contains(m.AllEnvironments(), slipway.Preview):
			refuse("the domain "+d.Name+" serves previews of a branch, and environments has no preview", "add preview to environments, or leave the branch out", append(at, "branch")...)
		}
	}
}

func redirects(all []slipway.Domain, name string) bool {
	for _, d := range all {
		if d.Name == name {
			return d.Redirect != ""
		}
	}
	return false
}

// expandDomains gives each domain of the environment, and what its DNS is to say. A redirect comes after the domain that it leads to.
func expandDomains(all []slipway.Domain, environment string, project []slipway.Address) []slipway.Spec {
	var out []slipway.Spec
	for _, d := range all {
		if (d.Branch != "") != (environment == slipway.Preview) {
			continue
		}
		at := slipway.NewAddress(kindDomain, d.Name, environment)
		own := slipway.Spec{Address: at, Name: d.Name, Needs: project, Params: map[string]any{"serves": serviceOf(d).String()}}
		for _, to := range all {
			if to.Name == d.Redirect && to.Branch == "" {
				own.After = []slipway.Address{slipway.NewAddress(kindDomain, to.Name, environment)}
			}
		}
		out = append(out, own, slipway.Spec{
			Address: slipway.NewAddress(kindDNS, d.Name, environment), Name: d.Name, Needs: append([]slipway.Address{at}, project...),
			Params: map[string]any{"verified": true, "configured": true},
		})
	}
	return out
}

// how tells a person what a domain serves, for the page that asks.
func (s service) how() []slipway.Field {
	switch {
	case s.redirect != "":
		return []slipway.Field{entry("Redirect to", s.redirect), entry("Status", fmt.Sprint(cmp.Or(s.status, http.StatusPermanentRedirect)))}
	case s.branch != "":
		return []slipway.Field{entry("Connect to an environment", "Preview"), entry("Branch", s.branch)}
	}
	return []slipway.Field{entry("Connect to an environment", "Production")}
}
