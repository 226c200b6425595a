package selftest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Variants of the app: what is not needed for each operation.
const (
	// Its source is at GitHub, its project linked, and GitHub is told how it goes.
	githubManifest = `app: shop
source: {github: acme/shop, ref: main}
env:
  LOG_LEVEL: {value: info}
verify:
  health: [{path: /, contains: the shop}]
`
	// The same app from a folder.
	folderManifest = `app: shop
source: {dir: site}
env:
  LOG_LEVEL: {value: info}
verify:
  health: [{path: /, contains: the shop}]
`
	// It serves domains, whose records are there.
	domainsManifest = `app: shop
source: {dir: site}
vercel: {domains: [shop.example.com, example.org]}
verify:
  health: [{path: /, contains: the shop}]
`
	domainsZone = "example.org A 76.76.21.21\nshop.example.com CNAME cname.vercel-dns.com.\n"
)

// commitPage commits a page to the app's repository at GitHub.
func (w *World) commitPage(ctx context.Context) error {
	return w.send(ctx, http.MethodPut, w.Env["SLIPWAY_GITHUB_URL"]+"/repos/acme/shop/contents/index.html", `{"message":"shop","content":"PGgxPnRoZSBzaG9wPC9oMT4="}`)
}

// writeZone replaces the records of the public DNS.
func (w *World) writeZone(ctx context.Context, zone string) error {
	return w.send(ctx, http.MethodPut, w.Env["SLIPWAY_VERCEL_URL"]+"/_emulator/dns", zone)
}

// send makes a request of nobody's run to an emulator.
func (w *World) send(ctx context.Context, method, url, body string) error {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "slipway-selftest")
	r.Header.Set("Authorization", "Bearer "+w.Env["GITHUB_TOKEN"])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		return fmt.Errorf("selftest: %s %s: status %d: %s: %w", method, url, resp.StatusCode, said, err)
	}
	return nil
}
