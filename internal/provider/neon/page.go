package neon

import "github.com/slipway-dev/slipway"

const (
	console   = "https://console.neon.tech/app/projects"
	inProject = console + "/{project}"
	inBranch  = inProject + "/branches/{branch}"
)

// The places of the console that runbooks name. Nobody has looked at the pages themselves from here: a day is that of the documentation, or,
// where that tells none, the day on which it was read.
var (
	pageKeys = slipway.PageInfo{
		Link: "https://console.neon.tech", Path: []string{"the user menu", "Account settings", "API keys", "Create new API key"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/manage/api-keys",
	}
	pageOrganisation = slipway.PageInfo{
		Link: "https://console.neon.tech/app", Path: []string{"the organisation", "Settings", "Organization ID, org-…"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/manage/organizations",
	}
	pageProjectID = slipway.PageInfo{
		Link: console, Path: []string{"the project", "Settings", "General", "Project ID"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/manage/projects",
	}
	pageNewProject = slipway.PageInfo{
		Link: console, Path: []string{"New project"}, Checked: "2026-11-22", Source: "https://neon.com/docs/manage/projects",
	}
	pageLook = slipway.PageInfo{
		Link: inProject, Path: []string{"look that it is the project that the app is to use"}, Checked: "2026-11-22", Source: "https://neon.com/docs/manage/projects",
	}
	pageRenameProject = slipway.PageInfo{
		Link: inProject + "/settings", Path: []string{"Settings", "General"}, Checked: "2026-11-22", Source: "https://neon.com/docs/manage/projects",
	}
	pageDeleteProject = slipway.PageInfo{
		Link: inProject + "/settings", Path: []string{"Settings", "Delete", "Delete project"}, Checked: "2026-11-22", Source: "https://neon.com/docs/manage/projects",
	}
	pageDefaultRoles = slipway.PageInfo{
		Link: inProject + "/branches", Path: []string{"Branches", "the branch marked Default", "Roles & Databases", "{then}"},
		Checked: "2025-09-05", Source: "https://neon.com/docs/manage/roles",
	}
	pageDefaultBranch = slipway.PageInfo{
		Link: console, Path: []string{"the project", "Branches", "the branch marked Default", "ID, br-…"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/manage/branches",
	}
	pageBranchID = slipway.PageInfo{
		Link: console, Path: []string{"the project", "Branches", "the branch", "ID, br-…"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/manage/branches",
	}
	pageNewBranch = slipway.PageInfo{
		Link: inProject + "/branches", Path: []string{"Branches", "New branch"}, Checked: "2026-11-22", Source: "https://neon.com/docs/manage/branches",
	}
	pageRenameBranch = slipway.PageInfo{
		Link: inBranch, Path: []string{"Branches", "{branch}", "More", "Rename"}, Checked: "2026-11-22", Source: "https://neon.com/docs/manage/branches",
	}
	pageDeleteBranch = slipway.PageInfo{
		Link: inBranch, Path: []string{"Branches", "{name}", "More", "Delete"}, Checked: "2026-11-22", Source: "https://neon.com/docs/manage/branches",
	}
	pageAddCompute = slipway.PageInfo{
		Link: inBranch, Path: []string{"Branches", "the branch", "Computes", "Add compute, unless it has a read-write one"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/manage/computes",
	}
	pageDeleteCompute = slipway.PageInfo{
		Link: inBranch, Path: []string{"Branches", "the branch", "Computes", "Edit", "Delete compute"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/manage/computes",
	}
	pageRoles = slipway.PageInfo{
		Link: inBranch, Path: []string{"Branches", "the branch", "Roles & Databases", "{then}"},
		Checked: "2025-09-05", Source: "https://neon.com/docs/manage/roles",
	}
	pageChangeRoles = slipway.PageInfo{
		Link: inBranch, Path: []string{"Branches", "the branch", "Roles & Databases", "{what}", "More", "{then}"},
		Checked: "2025-09-05", Source: "https://neon.com/docs/manage/databases",
	}
	pageDefaultChange = slipway.PageInfo{
		Link: inProject + "/branches", Path: []string{"Branches", "the branch marked Default", "Roles & Databases", "{what}", "More", "{then}"},
		Checked: "2025-09-05", Source: "https://neon.com/docs/manage/databases",
	}
	pageConnect = slipway.PageInfo{
		Link: console, Path: []string{"the project", "Connect, with branch, database and role chosen", "{value}"},
		Checked: "2026-11-22", Source: "https://neon.com/docs/connect/connect-from-any-app",
	}
)

// pageCLI is where the command line is told of.
var pageCLI = slipway.PageInfo{Link: "https://neon.com/docs/cli/install", Checked: "2026-11-23", Source: "https://neon.com/docs/cli/install"}

// pages is the table that ProviderInfo shows.
func pages() []slipway.PageInfo {
	return []slipway.PageInfo{
		pageKeys, pageOrganisation, pageProjectID, pageNewProject, pageLook, pageRenameProject, pageDeleteProject, pageDefaultRoles,
		pageDefaultBranch, pageBranchID, pageNewBranch, pageRenameBranch, pageDeleteBranch, pageAddCompute, pageDeleteCompute, pageRoles,
		pageChangeRoles, pageDefaultChange, pageConnect, pageCLI,
	}
}

// onConnect is a value of the dialog Connect.
func onConnect(value string) slipway.PageInfo { return pageConnect.With("value", value) }
