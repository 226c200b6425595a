package vercel

import (
	"fmt"
	"strconv"

	"github.com/slipway-dev/slipway"
)

// link is made by the request or on the project's page; both need Vercel's GitHub app on the repository.
func (g *guide) link() {
	id, repo := g.projectID(), text(g.spec.Params["repository"])
	at := "/v9/projects/" + id
	remove := g.form("DELETE", 200, at+"/link", nil)
	g.step.Before = []string{mayDeploy, "a Vercel account that is connected with GitHub: " + pageLogins.String()}
	if g.effect.Op == slipway.OpDelete {
		g.step.Title = "Disconnect the Vercel project from its repository"
		g.step.Ways = []slipway.Way{remove, pageDisconnect.Way()}
		g.step.See, g.step.Check = "the project's page Git names no repository", "GET "+at+" shows no link"
		return
	}
	g.step.Before = append(g.step.Before, "Vercel's GitHub app, installed on "+repo+": "+pageApp.String())
	g.step.Title = fmt.Sprintf("Connect the Vercel project with the repository %s, so that no push moves production", repo)
	hold := g.form("PATCH", 200, at, map[string]any{"autoAssignCustomDomains": false})
	held := pageHold.Way(entry("Enabled", "off"))
	connect := g.form("POST", 200, at+"/link", map[string]any{"type": "github", "repo": repo})
	g.step.Ways = []slipway.Way{hold.And(connect), held.And(pageConnect.Way(entry("Repository", repo)))}
	g.step.Undo = []slipway.Way{remove, pageDisconnect.Way()}
	g.step.See = "the project's page Git names " + repo
	g.step.Check = "GET " + at + " shows the link, and autoAssignCustomDomains false"
}

// deployCommit is the way to deploy what Vercel fetches itself.
func (g *guide) deployCommit(sha string, production bool) slipway.Way {
	repo, _ := strconv.ParseInt(text(g.spec.Params["repo_id"]), 10, 64)
	body := map[string]any{
		"name": g.projectName(), "project": g.projectID(), "meta": g.meta(),
		"gitSource": gitSource(slipway.Commit{RepoID: slipway.RepoID(repo), Ref: sha, SHA: sha}),
	}
	if production {
		body["target"], body["autoAssignCustomDomains"] = slipway.Production, false
	}
	deploy := g.form("POST", 200, "/v13/deployments", body, "skipAutoDetectionConfirmation=1")
	deploy.HTTP.Take = map[string]string{deploymentName: "id", urlName: "url"}
	look := g.form("GET", 200, "/v13/deployments/<"+deploymentName+">", nil)
	look.HTTP.Until = map[string]string{"readyState": "READY"}
	return deploy.And(look)
}
