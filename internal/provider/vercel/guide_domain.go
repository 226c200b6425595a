package vercel

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
)

// What Vercel recommends where its API has not told of a domain: https://vercel.com/docs/domains/set-up-custom-domain
const (
	generalA     = "76.76.21.21"
	generalCNAME = "cname.vercel-dns.com"
)

// issuer is who Vercel's certificates come from: https://vercel.com/kb/guide/domain-not-generating-ssl-certificate
const issuer = "letsencrypt.org"

func (g *guide) domain() {
	name, project := g.effect.Address.Key(), g.projectID()
	g.step.Before = []string{mayDeploy}
	all := "/v9/projects/" + project + "/domains"
	at := all + "/" + name
	remove := g.form("DELETE", 200, at, nil)
	serves := parseService(text(g.spec.Params["serves"]))
	add, fields := domainBody(g.spec), []slipway.Field{entry("Domain", name)}
	add["name"] = name
	if serves != (service{}) {
		fields = append(fields, serves.how()...)
	}
	switch g.effect.Op {
	case slipway.OpDelete:
		g.step.Title = fmt.Sprintf("Remove the domain %s from the Vercel project: it stops answering", name)
		g.step.Ways = []slipway.Way{remove, pageRemoveDomain.With("domain", name).Way()}
		g.step.Undo = []slipway.Way{g.form("POST", 200, "/v10/projects/"+project+"/domains", add), pageAddDomain.Way(fields...)}
		g.step.See, g.step.Check = "the domain is no longer in the list", "GET "+at+" answers 404"
		return
	case slipway.OpCreate, slipway.OpReplace:
		g.step.Title = fmt.Sprintf("Add the domain %s to the Vercel project", name)
		g.step.Ways = []slipway.Way{g.form("POST", 200, "/v10/projects/"+project+"/domains", add)}
		if serves == (service{}) {
			g.step.Ways = append(g.step.Ways, g.command("domains", "add", name, g.projectName())) // it has no options
		}
		g.step.Ways = append(g.step.Ways, pageAddDomain.Way(fields...))
		g.step.Undo = []slipway.Way{remove, pageRemoveDomain.With("domain", name).Way()}
	default:
		was := formerly(g.effect.Changes)
		body := serves.from(was)
		if len(body) == 0 { // nothing tells what it was
			body = map[string]any{"gitBranch": nil, "redirect": nil}
		}
		g.step.Title = fmt.Sprintf("Let the domain %s serve %s", name, serves)
		g.step.Ways = []slipway.Way{
			g.form("PATCH", 200, at, body),
			pageEditDomain.With("domain", name).Way(serves.how()...),
		}
		if before := was.from(serves); len(before) > 0 {
			g.step.Undo = []slipway.Way{g.form("PATCH", 200, at, before)}
		}
	}
	g.step.See = "the domain in the list, for " + serves.String()
	g.step.Check = "GET " + at + " shows it, and that it serves " + serves.String()
}

// formerly is what a domain served before the changes; production where nothing tells.
func formerly(changes []slipway.Change) service {
	for _, c := range changes {
		if c.Field == "serves" {
			return parseService(text(c.From))
		}
	}
	return service{}
}

func (g *guide) dns() {
	name := g.effect.Address.Key()
	known := g.spec.Parents[kindDomain].Details
	apex := cmp.Or(known[detailApex], name)
	records := domainRecords(name, known)
	g.step.Title = fmt.Sprintf("Let the DNS of %s lead to Vercel", name)
	g.step.Before = []string{"access to wherever the DNS zone of " + apex + " is served: mostly where the domain was bought"}
	if len(known) == 0 {
		g.step.Before = append(g.step.Before, "the domain on the project: Vercel then tells whether it wants a TXT record too, and this step shows it")
	}
	g.step.Ways = []slipway.Way{
		{Records: records},
		pageNameservers.With("apex", apex).Way(entry("Nameservers, at the registrar", "ns1.vercel-dns.com, ns2.vercel-dns.com")),
	}
	for _, r := range records {
		if r.Type == "TXT" { // the nameservers do not prove it
			g.step.Ways[1] = g.step.Ways[1].And(slipway.Way{Records: []slipway.DNSRecord{r}})
		}
	}
	g.step.Undo = []slipway.Way{{Records: records}}
	g.step.See = "https://" + name + " " + g.shown(known[detailServes]) + "; records take minutes to be seen everywhere, and the certificate some more"
	g.step.Check = "the DNS has these records, and Vercel counts the domain as verified (POST /v9/projects/" + g.projectID() + "/domains/" + name +
		"/verify) and as configured (GET /v6/domains/" + name + "/config)"
}

// shown says what visitors of the domain come to. serves is what its receipt tells, "" where it is not made or was made before receipts told.
func (g *guide) shown(serves string) string {
	switch s := parseService(serves); {
	case s.redirect != "":
		return "sends its visitors on to https://" + s.redirect
	case s.branch != "":
		return "shows the newest preview of the branch " + s.branch
	case serves == slipway.Production:
		return "shows what production serves"
	case g.effect.Address.Environment() == slipway.Preview: // none but domains of a branch belong there
		return "shows the newest preview of its branch"
	}
	return "serves what the manifest declares for it"
}

// domainRecords are the records that a domain needs: the address, and, where Vercel asks for it, the proof of ownership. An apex cannot have
// a CNAME. Where the DNS leads to Vercel already the proof alone is missing.
func domainRecords(name string, known map[string]string) []slipway.DNSRecord {
	list := func(detail, general string) []string { return strings.Split(cmp.Or(known[detail], general), ",") }
	r := slipway.DNSRecord{Type: "CNAME", Name: name, For: "visitors, and the certificate", Issuer: issuer}
	values := list(detailCNAME, generalCNAME)
	if apex := known[detailApex]; apex == name || apex == "" && strings.Count(name, ".") == 1 {
		r.Type, values = "A", list(detailA, generalA)
	}
	r.Value, r.Also = values[0], values[1:]
	out := []slipway.DNSRecord{r}
	if known[detailLed] != "" && known[detailTXT] != "" {
		out = nil
	}
	if at, value, asked := strings.Cut(known[detailTXT], " "); asked {
		out = append(out, slipway.DNSRecord{Type: "TXT", Name: at, Value: value, For: "the proof that the domain is yours; it may go once Vercel has seen it"})
	}
	return out
}
