package selftest

import (
	"os"
	"path/filepath"
)

// appSecret is the variable that the app's manifest takes a secret from.
const appSecret = "SELFTEST_SECRET"

// The app that is shipped: every kind of resource, and every sort of variable.
const (
	appManifest = `app: shop
source: {dir: site}
resources:
  db:     {type: neon.postgres, region: aws-us-east-1, version: 17}
  cache:  {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 3, metric: cosine}
env:
  DATABASE_URL: {from: db.pooled_url}
  CACHE_URL:    {from: cache.rest_url}
  CACHE_TOKEN:  {from: cache.rest_token}
  SEARCH_URL:   {from: search.rest_url}
  PAYMENT_KEY:  {secret: SELFTEST_SECRET}
  LOG_LEVEL:    {value: info}
verify:
  health: [{path: /, contains: the shop}]
`
	appPage = "<h1>the shop</h1>\n"

	// A value of another, a variable less, and a store more with its variable.
	changedManifest = `app: shop
source: {dir: site}
resources:
  db:     {type: neon.postgres, region: aws-us-east-1, version: 17}
  cache:  {type: upstash.redis, region: us-east-1}
  more:   {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 3, metric: cosine}
env:
  DATABASE_URL: {from: db.pooled_url}
  CACHE_URL:    {from: cache.rest_url}
  CACHE_TOKEN:  {from: cache.rest_token}
  MORE_URL:     {from: more.rest_url}
  PAYMENT_KEY:  {secret: SELFTEST_SECRET}
  LOG_LEVEL:    {value: debug}
verify:
  health: [{path: /, contains: the shop}]
`

	// Another environment: a branch of the database, and values of its own.
	previewManifest = appManifest + "environments: [production, preview]\n"

	// Production is never well once it has moved, and goes back by itself.
	watchedManifest = appManifest + "promote: {rollback: automatic, health: [{path: /, contains: open on Mondays, retries: 0}]}\n"

	// Commands run in Vercel Sandbox before anything is deployed.
	verifiedManifest = appManifest + `  commands: [[cat, index.html], ["true"]]
  sandbox: vercel
  memory: 2048
`

	changedPage = "<h1>the shop</h1><p>open on Sundays</p>\n"
)

func (w *World) writeApp() error {
	if err := os.MkdirAll(filepath.Join(w.App, "site"), 0o755); err != nil {
		return err
	}
	if err := w.WriteManifest(appManifest); err != nil {
		return err
	}
	return w.WritePage(appPage)
}

// WriteManifest replaces slipway.yaml.
func (w *World) WriteManifest(text string) error {
	return os.WriteFile(filepath.Join(w.App, "slipway.yaml"), []byte(text), 0o644)
}

// WritePage replaces the app's one page.
func (w *World) WritePage(text string) error {
	return os.WriteFile(filepath.Join(w.App, "site", "index.html"), []byte(text), 0o644)
}
