package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestVercelReadsTheDNS: what Vercel says of a domain is what the public DNS of the emulators' world says at that moment.
func TestVercelReadsTheDNS(t *testing.T) {
	r, err := Start(t.Context(), Options{Settings: map[string]string{"vercel.taken-domains": "theirs.example.com other.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	env := r.Env()
	ask := func(method, path, body string) (int, map[string]any) {
		t.Helper()
		status, text := tell(t, env, "VERCEL", "VERCEL_TOKEN", method, path+"?teamId="+env["VERCEL_TEAM_ID"], body)
		var out map[string]any
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return status, out
	}
	zone := func(lines string) {
		t.Helper()
		if status, text := tell(t, env, "VERCEL", "VERCEL_TOKEN", http.MethodPut, "/_emulator/dns", lines); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
	}
	ask("POST", "/v11/projects", `{"name":"shop"}`)
	if status, reply := ask("POST", "/v10/projects/shop/domains", `{"name":"theirs.example.com"}`); status != http.StatusConflict || !strings.Contains(fmt.Sprint(reply), "another Vercel account") {
		t.Errorf("a taken domain: %d %v", status, reply)
	}
	_, added := ask("POST", "/v10/projects/shop/domains", `{"name":"shop.example.com"}`)
	challenge := added["verification"].([]any)[0].(map[string]any)["value"].(string)
	const right = "shop.example.com CNAME cname.vercel-dns.com"
	for name, tc := range map[string]struct {
		reason, zone  string
		verify        int
		by            any
		misconfigured bool
	}{
		"nothing":           {"no record", "", 400, nil, true},
		"another TXT":       {"not the challenge", "_vercel.example.com TXT \"vc-domain-verify=other\"", 400, nil, true},
		"another A":         {"it leads elsewhere", "shop.example.com A 192.0.2.1", 400, nil, true},
		"one A of two":      {"half of the visitors are led elsewhere", "shop.example.com A 192.0.2.1\nshop.example.com A 76.76.21.21", 400, nil, true},
		"and an AAAA":       {"so are those of IPv6", "shop.example.com A 76.76.21.21\nshop.example.com AAAA 2001:db8::1", 400, nil, true},
		"a CNAME":           {"it leads to Vercel", right, 400, "CNAME", false},
		"an A":              {"so does an address", "shop.example.com A 76.76.21.21", 400, "A", false},
		"Vercel's zone":     {"it has its records there", "example.com NS ns1.vercel-dns.com", 400, "A", false},
		"no certificate":    {"CAA of a parent forbids the issuer", right + "\nexample.com CAA 0 issue \"digicert.com\"", 400, "CNAME", true},
		"with parameters":   {"CAA may say more", right + "\nexample.com CAA 0 issue \"letsencrypt.org; validationmethods=http-01\"", 400, "CNAME", false},
		"a closer CAA":      {"the closest counts", right + "\nexample.com CAA 0 issue \"digicert.com\"\nshop.example.com CAA 0 issue \"letsencrypt.org\"", 400, "CNAME", false},
		"CAA for wildcards": {"is not about this", right + "\nexample.com CAA 0 issuewild \"digicert.com\"", 400, "CNAME", false},
	} {
		zone(tc.zone)
		status, _ := ask("POST", "/v9/projects/shop/domains/shop.example.com/verify", "")
		_, config := ask("GET", "/v6/domains/shop.example.com/config", "")
		if status != tc.verify || config["configuredBy"] != tc.by || config["misconfigured"] != tc.misconfigured {
			t.Errorf("%s: %s: verify %d, %v", name, tc.reason, status, config)
		}
	}
	zone("_vercel.example.com TXT \"vc-domain-verify=other\"\n_vercel.example.com TXT \"" + challenge + "\"")
	if status, reply := ask("POST", "/v9/projects/shop/domains/shop.example.com/verify", ""); status != http.StatusOK || reply["verified"] != true {
		t.Errorf("the challenge among others: %d %v", status, reply)
	}
}
