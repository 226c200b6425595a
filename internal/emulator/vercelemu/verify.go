package vercelemu

import (
	"net/http"
	"slices"
	"strings"
)

// What Vercel recommends: https://vercel.com/docs/domains/set-up-custom-domain
const (
	recommendedA     = "76.76.21.21"
	recommendedCNAME = "cname.vercel-dns.com"
)

// certificateIssuer is who certificates come from: https://vercel.com/docs/domains/troubleshooting
const certificateIssuer = "letsencrypt.org"

// lookup returns what the public DNS says.
func (s *Server) lookup(name, kind string) []string {
	if s.DNS == nil {
		return nil
	}
	return s.DNS(name, kind)
}

func (s *Server) verifyDomain(c *call) (any, *failure) {
	d, f := s.findDomain(c)
	if f != nil {
		return nil, f
	}
	record := "_vercel." + apex(d.name)
	found := append(slices.Clone(s.txt[record]), s.lookup(record, "TXT")...)
	switch {
	case d.verified:
	case slices.Contains(found, d.challenge):
		d.verified, d.updated = true, s.stamp()
		s.serveDomain(d)
	case len(found) > 0:
		return nil, &failure{status: http.StatusBadRequest, code: "txt_record_mismatch", message: "The TXT record on " + record + " does not match the expected challenge."} // [? vercel-domain-txt-mismatch] the code
	default:
		return nil, &failure{status: http.StatusBadRequest, code: "missing_txt_record", message: "Domain " + record + " is missing required TXT Record \"" + d.challenge + "\"."}
	}
	return d.view(), nil
}

// configuredBy tells how the DNS leads a name to Vercel, "" for not at all. A name of a zone that Vercel serves has its records there.
func (s *Server) configuredBy(name string) string {
	if by := s.dns[name]; by != "" {
		return by
	}
	if slices.Equal(s.lookup(name, "CNAME"), []string{recommendedCNAME}) {
		return "CNAME"
	}
	led := slices.Equal(s.lookup(name, "A"), []string{recommendedA}) && len(s.lookup(name, "AAAA")) == 0
	if led || slices.Contains(s.lookup(apex(name), "NS"), "ns1.vercel-dns.com") {
		return "A"
	}
	return ""
}

// mayIssue reports whether the CAA records closest to a name let its certificate be issued: https://www.rfc-editor.org/rfc/rfc8659
func (s *Server) mayIssue(name string) bool {
	for strings.Contains(name, ".") {
		var issue, allowed bool
		records := s.lookup(name, "CAA")
		for _, r := range records {
			_, rest, _ := strings.Cut(r, " ") // after the flags
			if tag, value, _ := strings.Cut(rest, " "); tag == "issue" {
				issuer, _, _ := strings.Cut(strings.Trim(value, `"`), ";")
				issue, allowed = true, allowed || strings.TrimSpace(issuer) == certificateIssuer
			}
		}
		if len(records) > 0 {
			return allowed || !issue
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return true
}

// domainConfig is about DNS, not ownership: a verified domain can be misconfigured, and the other way round.
func (s *Server) domainConfig(c *call) (any, *failure) {
	name := strings.ToLower(c.path("domain"))
	by := s.configuredBy(name)
	issues := s.mayIssue(name)
	v := obj{
		"configuredBy": nil, "acceptedChallenges": []string{}, "misconfigured": by == "" || !issues,
		"nameservers": append([]string{}, s.lookup(apex(name), "NS")...), "serviceType": "external",
		"recommendedIPv4":  []obj{{"rank": 1, "value": []string{recommendedA}}},
		"recommendedCNAME": []obj{{"rank": 1, "value": recommendedCNAME + "."}},
	}
	if by != "" {
		v["configuredBy"] = by
	}
	if by != "" && issues {
		v["acceptedChallenges"] = []string{"http-01"}
	}
	return v, nil
}
