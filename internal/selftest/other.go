package selftest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// somebody is the user agent of what is not done by Slipway: it is not counted, and nothing is killed for it.
const somebody = "slipway-selftest"

// other makes a request as somebody else, of an API by its name in an emulator's log, and decodes the reply into out; nil drops it.
func (w *World) other(ctx context.Context, api, method, path, body string, out any) error {
	address, token := w.Env["SLIPWAY_VERCEL_URL"], w.Env["VERCEL_TOKEN"]
	query := "?" + url.Values{"teamId": {w.Env["VERCEL_TEAM_ID"]}}.Encode()
	if api == "github" {
		address, token, query = w.Env["SLIPWAY_GITHUB_URL"], w.Env["GITHUB_TOKEN"], ""
	}
	r, err := http.NewRequestWithContext(ctx, method, address+path+query, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", somebody)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		return fmt.Errorf("selftest: %s %s: status %d: %s: %w", method, path, resp.StatusCode, said, err)
	}
	if out != nil {
		if err := json.NewDecoder(bytes.NewReader(said)).Decode(out); err != nil {
			return fmt.Errorf("selftest: %s %s: %w", method, path, err)
		}
	}
	return nil
}

// commitPage commits a page to the app's repository at GitHub.
func (w *World) commitPage(ctx context.Context) error {
	return w.other(ctx, "github", http.MethodPut, "/repos/acme/shop/contents/index.html", `{"message":"shop","content":"PGgxPnRoZSBzaG9wPC9oMT4="}`, nil)
}

// writeZone replaces the records of the public DNS.
func (w *World) writeZone(ctx context.Context, zone string) error {
	return w.other(ctx, "vercel", http.MethodPut, "/_emulator/dns", zone, nil)
}

// foreign deploys to production past Slipway, without moving it there, and keeps the deployment's id in theirs.
func (w *World) foreign(ctx context.Context) error {
	d := struct{ ID, ReadyState string }{}
	err := w.other(ctx, "vercel", http.MethodPost, "/v13/deployments",
		`{"name":"shop","target":"production","autoAssignCustomDomains":false,"files":[{"file":"index.html","data":"theirs"}]}`, &d)
	tick := time.NewTicker(pending / 4)
	defer tick.Stop()
	for err == nil && d.ReadyState != "READY" {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			err = w.other(ctx, "vercel", http.MethodGet, "/v13/deployments/"+d.ID, "", &d)
		}
	}
	w.theirs = d.ID
	return err
}
