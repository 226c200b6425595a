package upstash

import "github.com/slipway-dev/slipway"

const (
	redisConsole  = "https://console.upstash.com/redis"
	vectorConsole = "https://console.upstash.com/vector"
	teamStores    = "https://vercel.com/d?to=%2F%5Bteam%5D%2F~%2Fstores"

	redisDocs       = "https://upstash.com/docs/redis/overall/getstarted"
	vectorDocs      = "https://upstash.com/docs/vector/overall/getstarted"
	marketplaceDocs = "https://upstash.com/docs/redis/howto/vercelintegration"
)

// The places of Upstash's console, and of Vercel's dashboard for stores of the Marketplace, that runbooks name. Nobody has looked at the pages
// themselves from here: a day is that of the documentation, or, where that tells none, the day on which it was read.
var (
	pageKeys = slipway.PageInfo{
		Link: "https://console.upstash.com/account/api", Path: []string{"Account", "Management API", "Create API key"},
		Checked: "2026-11-22", Source: "https://upstash.com/docs/devops/developer-api/authentication",
	}
	pageRedis       = slipway.PageInfo{Link: redisConsole, Path: []string{"Create Database"}, Checked: "2026-11-22", Source: redisDocs}
	pageRedisValue  = slipway.PageInfo{Link: redisConsole, Path: []string{"the database", "Details", "{value}"}, Checked: "2026-11-22", Source: redisDocs}
	pageRedisID     = slipway.PageInfo{Link: redisConsole, Path: []string{"the database", "its id, after /redis/ in the address"}, Checked: "2026-11-22", Source: redisDocs}
	pageRedisChange = slipway.PageInfo{Link: redisConsole + "/{id}", Path: []string{"Details", "Configuration"}, Checked: "2026-11-22", Source: redisDocs}
	pageRedisDelete = slipway.PageInfo{Link: redisConsole + "/{id}", Path: []string{"Details", "Delete this database"}, Checked: "2026-11-22", Source: redisDocs}

	pageVector       = slipway.PageInfo{Link: vectorConsole, Path: []string{"Create Index"}, Checked: "2026-11-22", Source: vectorDocs}
	pageVectorValue  = slipway.PageInfo{Link: vectorConsole, Path: []string{"the index", "Details", "{value}"}, Checked: "2026-11-22", Source: vectorDocs}
	pageVectorID     = slipway.PageInfo{Link: vectorConsole, Path: []string{"the index", "its id, after /vector/ in the address"}, Checked: "2026-11-22", Source: vectorDocs}
	pageVectorRename = slipway.PageInfo{Link: vectorConsole + "/{id}", Path: []string{"Details", "Rename"}, Checked: "2026-11-22", Source: vectorDocs}
	pageVectorDelete = slipway.PageInfo{Link: vectorConsole + "/{id}", Path: []string{"Details", "Delete this index"}, Checked: "2026-11-22", Source: vectorDocs}

	pageInstall = slipway.PageInfo{
		Link: "https://vercel.com/marketplace/upstash", Path: []string{"Install"}, Checked: "2026-11-22", Source: marketplaceDocs,
	}
	pageBuy = slipway.PageInfo{
		Link: "https://vercel.com/marketplace/upstash", Path: []string{"Install", "{product}", "Create"}, Checked: "2026-11-22", Source: marketplaceDocs,
	}
	pageConnectStore = slipway.PageInfo{
		Link: "https://vercel.com/d?to=%2F%5Bteam%5D%2F%5Bproject%5D%2Fstores", Path: []string{"Storage", "{store}", "Connect Project"},
		Checked: "2026-11-22", Source: marketplaceDocs,
	}
	pageStoreValue = slipway.PageInfo{
		Link: teamStores, Path: []string{"Storage", "{store}", ".env.local", "Show secret", "the one that ends in {variable}"},
		Checked: "2026-11-22", Source: marketplaceDocs,
	}
	pageStoreID = slipway.PageInfo{
		Link: teamStores, Path: []string{"Storage", "{store}", "Settings", "ID, store_…"}, Checked: "2026-11-22", Source: marketplaceDocs,
	}
	pageStoreChange = slipway.PageInfo{
		Link: teamStores, Path: []string{"Storage", "{store}", "Open in Upstash", "Details", "Configuration"}, Checked: "2026-11-22", Source: marketplaceDocs,
	}
	pageStoreDelete = slipway.PageInfo{
		Link: teamStores, Path: []string{"Storage", "{store}", "Settings", "Delete"}, Checked: "2026-11-22", Source: marketplaceDocs,
	}
	pageVercelToken = slipway.PageInfo{
		Link: "https://vercel.com/account/tokens", Path: []string{"Create Token"},
		Checked: "2026-09-08", Source: "https://vercel.com/docs/accounts/access-tokens",
	}
	pageVercelTeam = slipway.PageInfo{
		Link: "https://vercel.com/d?to=%2F%5Bteam%5D%2F~%2Fsettings", Path: []string{"Settings", "General", "Team ID, team_…"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/accounts",
	}
	pageVercelProject = slipway.PageInfo{
		Link: "https://vercel.com/d?to=%2F%5Bteam%5D%2F%5Bproject%5D%2Fsettings", Path: []string{"Settings", "General", "Project ID"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/project-configuration/general-settings",
	}
)

// pageCLI and pageVercelCLI are where the command lines are told of.
var (
	pageCLI       = slipway.PageInfo{Link: "https://upstash.com/docs/agent-resources/cli", Checked: "2026-11-23", Source: "https://upstash.com/docs/agent-resources/cli"}
	pageVercelCLI = slipway.PageInfo{Link: "https://vercel.com/docs/cli", Checked: "2026-11-22", Source: "https://vercel.com/docs/cli"}
)

// pages is the table that ProviderInfo shows.
func pages() []slipway.PageInfo {
	return []slipway.PageInfo{
		pageKeys, pageRedis, pageRedisID, pageRedisValue, pageRedisChange, pageRedisDelete, pageVector, pageVectorID, pageVectorValue, pageVectorRename, pageVectorDelete,
		pageInstall, pageBuy, pageConnectStore, pageStoreValue, pageStoreID, pageStoreChange, pageStoreDelete, pageVercelToken, pageVercelTeam,
		pageVercelProject, pageCLI, pageVercelCLI,
	}
}

// ofRedis and ofVector are values of a store's own page.
func ofRedis(value string) slipway.PageInfo  { return pageRedisValue.With("value", value) }
func ofVector(value string) slipway.PageInfo { return pageVectorValue.With("value", value) }
