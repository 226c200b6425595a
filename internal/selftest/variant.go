package selftest

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
