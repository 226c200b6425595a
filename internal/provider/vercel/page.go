package vercel

import "github.com/slipway-dev/slipway"

// Links of Vercel's documentation that ask which team and project.
const (
	dashboard  = "https://vercel.com/d?to="
	inProject  = dashboard + "%2F%5Bteam%5D%2F%5Bproject%5D"
	inSettings = inProject + "%2Fsettings"
)

// The places of the dashboard that runbooks name. Nobody has looked at the pages themselves from here: a day is that of the documentation,
// or, where that tells none, the day on which it was read.
var (
	pageTokens = slipway.PageInfo{
		Link: "https://vercel.com/account/tokens", Path: []string{"Create Token"},
		Checked: "2026-09-08", Source: "https://vercel.com/docs/accounts/access-tokens",
	}
	pageLogins = slipway.PageInfo{
		Link: "https://vercel.com/account/login-connections", Checked: "2026-11-22", Source: "https://vercel.com/docs/accounts",
	}
	pageApp = slipway.PageInfo{
		Link: "https://github.com/apps/vercel", Path: []string{"Install"}, Checked: "2026-11-22", Source: "https://vercel.com/docs/git/vercel-for-github",
	}
	pageCLI = slipway.PageInfo{
		Link: "https://vercel.com/docs/cli", Checked: "2026-11-22", Source: "https://vercel.com/docs/cli",
	}
	pageTeamID = slipway.PageInfo{
		Link: dashboard + "%2F%5Bteam%5D%2F~%2Fsettings", Path: []string{"Settings", "General", "Team ID, team_…"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/accounts",
	}
	pageProjectID = slipway.PageInfo{
		Link: inSettings, Path: []string{"Settings", "General", "Project ID"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/project-configuration/general-settings",
	}
	pageDeleteProject = slipway.PageInfo{
		Link: inSettings, Path: []string{"Settings", "General", "Delete Project"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/projects/managing-projects",
	}
	pageBuild = slipway.PageInfo{
		Link: inSettings + "%2Fbuild-and-deployment", Path: []string{"Settings", "Build and Deployment"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/project-configuration/general-settings",
	}
	pageFunctions = slipway.PageInfo{
		Link: inSettings + "%2Ffunctions", Path: []string{"Settings", "Functions"},
		Checked: "2026-02-27", Source: "https://vercel.com/docs/functions/configuring-functions/region",
	}
	pageBypass = slipway.PageInfo{
		Link: inSettings + "%2Fdeployment-protection", Path: []string{"Settings", "Deployment Protection", "Protection Bypass for Automation", "Add Secret"},
		Checked: "2026-02-21", Source: "https://vercel.com/docs/deployment-protection/methods-to-bypass-deployment-protection/protection-bypass-automation",
	}
	pageNoBypass = slipway.PageInfo{
		Link: inSettings + "%2Fdeployment-protection", Path: []string{"Settings", "Deployment Protection", "Protection Bypass for Automation", "…", "Delete"},
		Checked: "2026-02-21", Source: "https://vercel.com/docs/deployment-protection/methods-to-bypass-deployment-protection/protection-bypass-automation",
	}
	pageAddEnv = slipway.PageInfo{
		Link: inSettings + "%2Fenvironment-variables", Path: []string{"Settings", "Environment Variables", "Add Environment Variable"},
		Checked: "2026-10-21", Source: "https://vercel.com/kb/guide/how-to-add-vercel-environment-variables",
	}
	pageEditEnv = slipway.PageInfo{
		Link: inSettings + "%2Fenvironment-variables", Path: []string{"Settings", "Environment Variables", "{key}, {target}", "Edit"},
		Checked: "2026-10-21", Source: "https://vercel.com/kb/guide/how-to-add-vercel-environment-variables",
	}
	pageRemoveEnv = slipway.PageInfo{
		Link: inSettings + "%2Fenvironment-variables", Path: []string{"Settings", "Environment Variables", "{key}, {target}", "Remove"},
		Checked: "2026-10-21", Source: "https://vercel.com/kb/guide/how-to-add-vercel-environment-variables",
	}
	pageDeployment = slipway.PageInfo{
		Link: inProject + "%2Fdeployments", Path: []string{"Deployments", "the deployment", "Deployment ID, dpl_…"},
		Checked: "2026-08-21", Source: "https://vercel.com/docs/deployments/managing-deployments",
	}
	pageDeploymentURL = slipway.PageInfo{
		Link: inProject + "%2Fdeployments", Path: []string{"Deployments", "the deployment", "Domains"},
		Checked: "2026-08-21", Source: "https://vercel.com/docs/deployments/managing-deployments",
	}
	pageDeleteDeployment = slipway.PageInfo{
		Link: inProject + "%2Fdeployments", Path: []string{"Deployments", "{deployment}", "…", "Delete"},
		Checked: "2026-08-21", Source: "https://vercel.com/docs/deployments/managing-deployments",
	}
	pagePromote = slipway.PageInfo{
		Link: inProject + "%2Fdeployments", Path: []string{"Deployments", "{deployment}", "…", "Promote"},
		Checked: "2026-06-26", Source: "https://vercel.com/docs/deployments/promoting-a-deployment",
	}
	pageRollback = slipway.PageInfo{
		Link: inProject + "%2Fdeployments", Path: []string{"Deployments", "{deployment}", "…", "Instant Rollback"},
		Checked: "2026-02-26", Source: "https://vercel.com/docs/instant-rollback",
	}
	pageAddDomain = slipway.PageInfo{
		Link: inSettings + "%2Fdomains", Path: []string{"Settings", "Domains", "Add Domain"},
		Checked: "2026-02-24", Source: "https://vercel.com/docs/domains/set-up-custom-domain",
	}
	pageEditDomain = slipway.PageInfo{
		Link: inSettings + "%2Fdomains", Path: []string{"Settings", "Domains", "{domain}", "Edit"},
		Checked: "2026-02-24", Source: "https://vercel.com/docs/domains/set-up-custom-domain",
	}
	pageRemoveDomain = slipway.PageInfo{
		Link: inSettings + "%2Fdomains", Path: []string{"Settings", "Domains", "{domain}", "Edit", "Remove"},
		Checked: "2026-02-24", Source: "https://vercel.com/docs/domains/set-up-custom-domain",
	}
	pageNameservers = slipway.PageInfo{
		Link: dashboard + "%2F%5Bteam%5D%2F~%2Fdomains", Path: []string{"Domains", "Add Existing", "{apex}"},
		Checked: "2026-02-24", Source: "https://vercel.com/docs/domains/set-up-custom-domain",
	}
	pageHold = slipway.PageInfo{
		Link: inSettings + "%2Fenvironments", Path: []string{"Settings", "Environments", "Production", "Auto-assign Custom Production Domains"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/deployments/promoting-a-deployment",
	}
	pageConnect = slipway.PageInfo{
		Link: inSettings + "%2Fgit", Path: []string{"Settings", "Git", "Connected Git Repository", "GitHub"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/git#connecting-a-git-repository",
	}
	pageDisconnect = slipway.PageInfo{
		Link: inSettings + "%2Fgit", Path: []string{"Settings", "Git", "Disconnect"},
		Checked: "2026-11-22", Source: "https://vercel.com/docs/git#connecting-a-git-repository",
	}
)

// pages is the table that ProviderInfo shows.
func pages() []slipway.PageInfo {
	return []slipway.PageInfo{
		pageTokens, pageLogins, pageApp, pageCLI, pageTeamID, pageProjectID, pageDeleteProject, pageBuild, pageFunctions, pageBypass, pageNoBypass,
		pageAddEnv, pageEditEnv, pageRemoveEnv, pageDeployment, pageDeploymentURL, pageDeleteDeployment, pagePromote, pageRollback, pageAddDomain,
		pageEditDomain, pageRemoveDomain, pageNameservers, pageHold, pageConnect, pageDisconnect,
	}
}
