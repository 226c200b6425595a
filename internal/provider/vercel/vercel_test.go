package vercel

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
	"github.com/slipway-dev/slipway/internal/provider/providertest"
)

const (
	token, otherToken = "vercel-canary-of-acme-0123", "vercel-canary-of-beta-0123"
	acme              = "team_acmeacmeacmeacmeacmeacme"
	fingerprint       = "0a1b2c3d:" + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// server is an emulator with two teams that share no member.
func server() *vercelemu.Server {
	return &vercelemu.Server{Tokens: map[string]vercelemu.Account{
		token:      {User: vercelemu.User{ID: "usr_a", Username: "a", Email: "a@example.com"}, Teams: []vercelemu.Team{{ID: acme, Slug: "acme", Name: "Acme"}}},
		otherToken: {User: vercelemu.User{ID: "usr_b", Username: "b", Email: "b@example.com"}, Teams: []vercelemu.Team{{ID: "team_beta", Slug: "beta", Name: "Beta"}}},
	}}
}

func emulator() providertest.Emulator {
	s := server()
	return providertest.Emulator{
		Handler: s, Kit: &s.Kit, BaseEnv: settingURL, Spec: "vercel",
		Settings: map[string]string{settingToken: token, settingTeam: "acme"},
		Other:    map[string]string{settingToken: otherToken, settingTeam: "beta"},
		Auth: func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+token)
			q := r.URL.Query()
			q.Set("teamId", acme)
			r.URL.RawQuery = q.Encode()
		},
		// autoAssignCustomDomains is what the vendor's CLI sends, and the document forbids.
		Differs: func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == "/v13/deployments" },
	}
}

func manifest() *slipway.Manifest {
	return &slipway.Manifest{
		App: "shop", Name: "shop-front", Environments: []string{"production", "preview"},
		Vercel: slipway.VercelSettings{Framework: "nextjs", BuildCommand: "npm run build", Regions: []string{"fra1"}},
		Env: map[string]slipway.EnvVar{
			"STRIPE_KEY": {Secret: "STRIPE_KEY"},
			"LOG_LEVEL":  {Value: "info", HasValue: true},
		},
		Verify: slipway.Verify{Health: []slipway.HealthProbe{{Path: "/"}}},
	}
}

func subject(a slipway.Address) providertest.Subject {
	environment := a.Environment()
	if environment == "" {
		environment = slipway.Production
	}
	return providertest.Subject{
		New: New, Emulator: emulator, Manifest: manifest(), Environment: environment, Address: a, Fill: fill,
		Codes: map[int]slipway.Code{},
	}
}

// fill stands for the engine: a fingerprint for a variable, a digest and files for a deployment.
func fill(_ *providertest.World, s *slipway.Spec) {
	switch s.Address.Kind() {
	case kindEnv:
		if s.Address.Key() != slipway.LedgerKey {
			s.Params["fingerprint"] = fingerprint
		}
	case kindDeployment:
		s.Params["input"], s.Params["tree"] = "sha256:1234", "sha256:5678"
		s.Files = tree{"index.html": "hello", "empty": "", "bin/run": "#!/bin/sh\n"}
	}
}

// tree is a source tree in memory.
type tree map[string]string

func (t tree) Digest() string { return "sha256:" + fmt.Sprint(len(t)) }

func (t tree) Files() []slipway.File {
	var out []slipway.File
	for _, path := range slices.Sorted(maps.Keys(t)) {
		sum := sha1.Sum([]byte(t[path]))
		f := slipway.File{Path: path, Mode: regularFile, Size: int64(len(t[path])), SHA1: hex.EncodeToString(sum[:])}
		if strings.HasPrefix(path, "bin/") {
			f.Mode = 0o100755
		}
		out = append(out, f)
	}
	return out
}

func (t tree) Open(_ context.Context, f slipway.File) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(t[f.Path])), nil
}

func TestProject(t *testing.T) {
	s := subject("vercel.project/shop")
	s.Field = "framework"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		w.Send("PATCH", "/v9/projects/"+have.ID, map[string]any{"framework": "vite"}, nil)
	}
	providertest.Run(t, s)
}

func TestEnv(t *testing.T) {
	for _, a := range []slipway.Address{"vercel.env/STRIPE_KEY@production", "vercel.env/LOG_LEVEL@preview"} {
		t.Run(string(a), func(t *testing.T) {
			s := subject(a)
			s.Field = "written"
			s.Drift = func(w *providertest.World, have slipway.Receipt) {
				body := map[string]any{"type": "sensitive", "value": "by somebody else"}
				if a.Key() == "LOG_LEVEL" {
					body = map[string]any{"comment": envComment + fingerprint}
				}
				w.Send("PATCH", "/v9/projects/"+have.Details["project_id"]+"/env/"+have.ID, body, nil)
			}
			providertest.Run(t, s)
		})
	}
}

func TestDeployment(t *testing.T) {
	for _, environment := range []string{slipway.Production, slipway.Preview} {
		t.Run(environment, func(t *testing.T) {
			s := subject(slipway.NewAddress(kindDeployment, "shop", environment))
			s.Crowd = func(w *providertest.World) { // the same input for the other environment
				body := map[string]any{
					"name": "shop-front", "project": w.Spec().Parents[kindProject].ID, "files": []any{map[string]any{"file": "a", "data": "a"}},
					"meta": map[string]string{"slipwayApp": "shop", "slipwayInput": "sha256:1234"},
				}
				if environment == slipway.Preview {
					body["target"] = slipway.Production
				}
				for range 100 {
					w.Send("POST", "/v13/deployments?skipAutoDetectionConfirmation=1", body, nil)
				}
			}
			providertest.Run(t, s)
		})
	}
}

func TestBypass(t *testing.T) {
	s := subject("vercel.bypass/shop")
	s.Skip = map[string]string{"deleted": "it is shared: it goes with its project only"}
	providertest.Run(t, s)
}

func TestLink(t *testing.T) {
	s := subject("vercel.link/shop")
	m := *s.Manifest
	m.Source.GitHub = "acme/shop"
	s.Manifest = &m
	s.Field = "push_moves_domains"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		w.Send("PATCH", "/v9/projects/"+have.Details["project_id"], map[string]any{"autoAssignCustomDomains": true}, nil)
	}
	s.Makes = func(c *emukit.Call) bool { return strings.HasSuffix(c.Path, "/link") } // before it domains are held, which may be done twice
	s.Skip = map[string]string{"namesakes": "a project has one link"}
	whole := s.Emulator
	s.Emulator = func() providertest.Emulator {
		e := whole()
		e.Handler.(*vercelemu.Server).Repos = func(string, string) *vercelemu.Repository { return &vercelemu.Repository{ID: 700000001} }
		// The vendor's CLI sends it, and the document does not have it.
		e.Differs = func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/link") }
		return e
	}
	providertest.Run(t, s)
}

// withDomains is a subject whose app has domains that the DNS leads to Vercel.
func withDomains(a slipway.Address) providertest.Subject {
	s := subject(a)
	m := *s.Manifest
	m.Environments = []string{slipway.Production, slipway.Preview}
	m.Vercel.Domains = []slipway.Domain{
		{Name: "shop.example.com"},
		{Name: "www.example.com", Redirect: "shop.example.com"},
		{Name: "old.example.com", Redirect: "elsewhere.example.org", Status: 301},
		{Name: "next.example.com", Branch: "next"},
	}
	s.Manifest = &m
	whole := s.Emulator
	s.Emulator = func() providertest.Emulator {
		e := whole()
		emu := e.Handler.(*vercelemu.Server)
		emu.VerifiedDomains = true
		emu.SetDNS("shop.example.com", "CNAME")
		return e
	}
	return s
}

func TestDomain(t *testing.T) {
	for a, changed := range map[slipway.Address]map[string]any{
		"vercel.domain/shop.example.com@production": {"redirect": "other.example.com"},
		"vercel.domain/www.example.com@production":  {"redirectStatusCode": 302},
		"vercel.domain/old.example.com@production":  {"redirect": nil},
		"vercel.domain/next.example.com@preview":    {"gitBranch": "other"},
	} {
		t.Run(string(a), func(t *testing.T) {
			s := withDomains(a)
			s.Field, s.Asks = "serves", 1
			s.Drift = func(w *providertest.World, have slipway.Receipt) {
				w.Send("PATCH", "/v9/projects/"+have.Details["project_id"]+"/domains/"+have.ID, changed, nil)
			}
			providertest.Run(t, s)
		})
	}
}

func TestService(t *testing.T) {
	tests := map[string]struct {
		reason     string
		from, to   service
		text, body string
	}{
		"production":    {"nothing to send", service{}, service{}, "production", `{}`},
		"redirect":      {"with its status", service{}, service{redirect: "a.com", status: 307}, "a redirect to a.com with status 307", `{"redirect":"a.com","redirectStatusCode":307}`},
		"status":        {"the two go together", service{redirect: "a.com"}, service{redirect: "a.com", status: 308}, "a redirect to a.com with status 308", `{"redirect":"a.com","redirectStatusCode":308}`},
		"bare redirect": {"somebody gave no status", service{branch: "x"}, service{redirect: "a.com"}, "a redirect to a.com", `{"gitBranch":null,"redirect":"a.com"}`},
		"branch":        {"what it redirected to goes", service{redirect: "a.com", status: 308}, service{branch: "next"}, "the branch next", `{"gitBranch":"next","redirect":null}`},
		"back":          {"all of it goes", service{redirect: "a.com", status: 308}, service{}, "production", `{"redirect":null}`},
		"environment":   {"is never declared", service{}, service{environment: "env_1"}, "the environment env_1", `{}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			raw, _ := json.Marshal(tc.to.from(tc.from))
			if got := tc.to.String(); got != tc.text || parseService(got) != tc.to || string(raw) != tc.body {
				t.Errorf("%s: %q, read as %+v, sent as %s", tc.reason, got, parseService(got), raw)
			}
		})
	}
}

func TestDNS(t *testing.T) {
	s := withDomains("vercel.dns/shop.example.com@production")
	s.Skip = map[string]string{"absent": "it is there as soon as its domain is", "namesakes": "a domain has one DNS", "two at once": "nobody makes it", "requests": "nothing is sent that domains do not send"}
	for _, name := range []string{
		"429 on a change", "refused changes", "visible late", "unreadable reply", "lost reply, connection cut", "lost reply, status 500", "cancelled", "deleted", "secrets",
	} {
		s.Skip[name] = "a person writes the records: no handler changes anything"
	}
	providertest.Run(t, s)
}

func TestProduction(t *testing.T) {
	s := subject("vercel.production/shop@production")
	s.Skip = map[string]string{
		"absent":    "production exists as soon as its project does",
		"deleted":   "it goes with its project only",
		"namesakes": "there is one production",
	}
	providertest.Run(t, s)
}

func TestExpand(t *testing.T) {
	addresses := func(m *slipway.Manifest, environment string) []slipway.Address {
		var out []slipway.Address
		for _, s := range (provider{}).Expand(m, environment) {
			out = append(out, s.Address)
		}
		slices.Sort(out)
		return out
	}
	quiet := manifest()
	quiet.Verify.Health = nil
	quiet.Env["STRIPE_KEY"] = slipway.EnvVar{Secret: "STRIPE_KEY", Targets: []string{"production"}}
	tests := map[string]struct {
		reason      string
		m           *slipway.Manifest
		environment string
		want        []slipway.Address
	}{
		"production": {"all of it", manifest(), "production", []slipway.Address{
			"vercel.bypass/shop", "vercel.deployment/shop@production",
			"vercel.env/LOG_LEVEL@production", "vercel.env/SLIPWAY", "vercel.env/STRIPE_KEY@production", "vercel.production/shop@production", "vercel.project/shop",
		}},
		"preview": {
			"a preview is never promoted, a variable keeps to its targets, and without probes there is no bypass", quiet, "preview",
			[]slipway.Address{"vercel.deployment/shop@preview", "vercel.env/LOG_LEVEL@preview", "vercel.env/SLIPWAY", "vercel.project/shop"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, addresses(tc.m, tc.environment)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestExpandEnv(t *testing.T) {
	info := "info"
	tests := map[string]struct {
		reason string
		v      slipway.EnvVar
		params map[string]any
		input  slipway.Input
	}{
		"output":  {"a value of a resource is sensitive", slipway.EnvVar{From: "db.pooled_url"}, map[string]any{"type": "sensitive", "fingerprint": nil, "written": true}, slipway.Input{From: &slipway.OutputRef{Resource: "db", Output: "pooled_url"}}},
		"secret":  {"a secret is sensitive", slipway.EnvVar{Secret: "S", AllowShort: true}, map[string]any{"type": "sensitive", "fingerprint": nil, "written": true}, slipway.Input{Secret: "S", AllowShort: true}},
		"literal": {"a literal is plain, and compared as it is", slipway.EnvVar{Value: info}, map[string]any{"type": "plain", "fingerprint": nil, "written": true, "value": info}, slipway.Input{Literal: &info}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := expandEnv("KEY", tc.v, "production", nil)
			if diff := cmp.Diff(tc.params, s.Params) + cmp.Diff(tc.input, s.Inputs["value"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		reason string
		change func(*slipway.Manifest)
		want   []string
	}{
		"good":        {"nothing to refuse", func(*slipway.Manifest) {}, nil},
		"name":        {"Vercel's names are lower case", func(m *slipway.Manifest) { m.Name = "Shop" }, []string{"name"}},
		"app":         {"the app is the name when there is none", func(m *slipway.Manifest) { m.App, m.Name = "a---b", "" }, []string{"app"}},
		"environment": {"custom environments are not there", func(m *slipway.Manifest) { m.Environments = []string{"production", "qa"} }, []string{"environments"}},
		"framework":   {"a closed list", func(m *slipway.Manifest) { m.Vercel.Framework = "rails" }, []string{"vercel/framework"}},
		"node":        {"a closed list", func(m *slipway.Manifest) { m.Vercel.NodeVersion = "22" }, []string{"vercel/node_version"}},
		"region":      {"not a region's form", func(m *slipway.Manifest) { m.Vercel.Regions = []string{"frankfurt"} }, []string{"vercel/regions"}},
		"regions":     {"one at most", func(m *slipway.Manifest) { m.Vercel.Regions = []string{"fra1", "iad1"} }, []string{"vercel/regions"}},
		"command":     {"256 characters at most", func(m *slipway.Manifest) { m.Vercel.BuildCommand = strings.Repeat("x", 257) }, []string{"vercel/build_command"}},
		"variable":    {"no digit first", func(m *slipway.Manifest) { m.Env["1A"] = slipway.EnvVar{} }, []string{"env/1A"}},
		"ledger":      {"the ledger's name is taken", func(m *slipway.Manifest) { m.Env["SLIPWAY"] = slipway.EnvVar{} }, []string{"env/SLIPWAY"}},
		"reserved":    {"Vercel sets it itself", func(m *slipway.Manifest) { m.Env["TZ"] = slipway.EnvVar{} }, []string{"env/TZ"}},
		"redirect":    {"not to itself", func(m *slipway.Manifest) { m.Vercel.Domains = []slipway.Domain{{Name: "a.com", Redirect: "a.com"}} }, []string{"vercel/domains/0/redirect"}},
		"redirects": {"not in a chain, and never in a circle", func(m *slipway.Manifest) {
			m.Vercel.Domains = []slipway.Domain{{Name: "a.com", Redirect: "b.com"}, {Name: "b.com", Redirect: "a.com"}}
		}, []string{"vercel/domains/0/redirect", "vercel/domains/1/redirect"}},
		"branch": {"a folder has none", func(m *slipway.Manifest) { m.Vercel.Domains = []slipway.Domain{{Name: "a.com", Branch: "next"}} }, []string{"vercel/domains/0/branch"}},
		"no preview": {"a branch is served by previews", func(m *slipway.Manifest) {
			m.Source.GitHub, m.Environments, m.Vercel.Domains = "a/b", []string{"production"}, []slipway.Domain{{Name: "a.com", Branch: "next"}}
		}, []string{"vercel/domains/0/branch"}},
		"no production": {"a domain serves it", func(m *slipway.Manifest) {
			m.Environments, m.Vercel.Domains = []string{"preview"}, []slipway.Domain{{Name: "a.com"}}
		}, []string{"vercel/domains/0"}},
		"large values": {"64 KB in all", func(m *slipway.Manifest) { m.Env["BIG"] = slipway.EnvVar{Value: strings.Repeat("x", 64<<10)} }, []string{"env"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := manifest()
			tc.change(m)
			var got []string
			for _, p := range (provider{}).Check(m) {
				got = append(got, strings.Join(p.Path, "/"))
				if p.Message == "" || p.Hint == "" {
					t.Errorf("%s: a problem without message or hint: %+v", tc.reason, p)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
