package neon

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

var _ slipway.Guide = provider{}

// Guide is pure. Names, regions and versions are those that the client sends.
func (provider) Guide(e slipway.Effect, s slipway.Spec) slipway.ManualStep {
	g := &guide{effect: e, spec: s, key: e.Address.Key()}
	switch e.Address.Kind() {
	case kindProject:
		g.project()
	case kindBranch:
		g.branch()
	case kindEndpoint:
		g.endpoint()
	case kindRole:
		g.role()
	case kindDatabase:
		g.database()
	}
	g.step.Logged("neon", "for the command line: Neon's CLI, logged in by neon auth or with NEON_API_KEY exported: "+pageCLI.String())
	return g.step
}

// guide writes one step.
type guide struct {
	effect slipway.Effect
	spec   slipway.Spec
	key    string // of the manifest's resource
	step   slipway.ManualStep
}

// id is the recorded id of what the effect is on, else the one that the plan saw; "" for none.
func (g *guide) id() string {
	if g.spec.Known != nil {
		return g.spec.Known.ID
	}
	return str(g.effect.Basis["id"])
}

// replacing reports whether something has to go before the new one is made.
func (g *guide) replacing() bool {
	return g.effect.Op == slipway.OpReplace && g.effect.Basis["exists"] == true && g.id() != ""
}

// named is the placeholder's name for an id that Neon gives to what belongs to this manifest resource.
func (g *guide) named(what string) string {
	return slipway.PlaceholderFor(slipway.OutputRef{Resource: g.key, Output: "neon_" + what + "_id"})
}

func (g *guide) output(name string) string {
	return slipway.PlaceholderFor(slipway.OutputRef{Resource: g.key, Output: name})
}

// projectID is exact where it is recorded.
func (g *guide) projectID() string {
	if p, ok := g.spec.Parents[kindProject]; ok && p.ID != "" {
		return p.ID
	}
	if id, _ := cut(g.id()); id != "" && !(g.effect.Address.Kind() == kindProject && g.making()) {
		return id
	}
	return g.step.Ask(slipway.Placeholder{
		Name: g.named("project"), From: "Neon's reply when the project was made, or " + pageProjectID.String(), To: "the requests of this step",
	})
}

func (g *guide) making() bool {
	return g.effect.Op == slipway.OpCreate || g.effect.Op == slipway.OpReplace
}

// branchID is exact where it is recorded.
func (g *guide) branchID() string {
	if b, ok := g.spec.Parents[kindBranch]; ok && b.ID != "" {
		_, id := cut(b.ID)
		return id
	}
	if parts := strings.Split(g.id(), "/"); len(parts) == 3 {
		return parts[1]
	}
	return g.step.Ask(slipway.Placeholder{
		Name: g.named("branch"), From: "Neon's reply when the branch was made, or " + pageBranchID.String(), To: "the requests of this step",
	})
}

// form is a request of the API: https://api-docs.neon.tech/reference/getting-started-with-neon-api. 423 says that another change runs.
func (g *guide) form(method string, status int, path string, body any) slipway.Way {
	key := g.step.Ask(slipway.Placeholder{
		Name: "NEON_API_KEY", From: pageKeys.String(), To: "the header Authorization", Secret: true,
	})
	f := &slipway.HTTPForm{
		Method: method, URL: defaultURL + path, Headers: map[string]string{"Accept": "application/json", "Authorization": "Bearer " + key},
		Body: body, Status: status, Again: 423,
	}
	if body != nil {
		f.Headers["Content-Type"] = "application/json"
	}
	return slipway.Way{HTTP: f}
}

func taking(w slipway.Way, take map[string]string) slipway.Way {
	w.HTTP.Take = take
	return w
}

// command is one of Neon's CLI: https://neon.com/docs/reference/neon-cli
func command(args ...string) slipway.Way {
	return slipway.Way{Command: append([]string{"neon"}, args...)}
}

// offer adds ways; before each stands, in its own form, what takes away the old.
func (g *guide) offer(before []slipway.Way, ways ...slipway.Way) {
	for i, w := range ways {
		if i < len(before) {
			w = before[i].And(w)
		}
		g.step.Ways = append(g.step.Ways, w)
	}
}

const mayChange = "a Neon account that may change the project: its owner, or a member of its organisation"

func (g *guide) project() {
	g.step.Before = []string{mayChange}
	p := g.spec.Params
	switch name := cmp.Or(g.spec.Name, g.effect.Name); {
	case g.effect.Op == slipway.OpDelete:
		g.step.Title = fmt.Sprintf("Delete the Neon project %q with all that is in it", name)
		g.step.Ways = g.deleteProject()
		g.step.See = "the project is no longer in Neon's list of projects"
		g.step.Check = "GET /projects/" + g.id() + " answers 404"
	case g.making():
		g.step.Title = fmt.Sprintf("Create the Neon project %q", name)
		var before []slipway.Way
		if g.replacing() {
			g.step.Title = fmt.Sprintf("Delete the Neon project %q with all that is in it, and create it anew", name)
			before = g.deleteProject()
		}
		g.step.Before = []string{"a Neon account that may make projects in the organisation"}
		g.offer(before, g.createProject(name)...)
		g.step.See = fmt.Sprintf("the project %q in %s with PostgreSQL %v, its database %q and its role %q", name, p["region"], p["version"], p["database"], p["role"])
		g.step.Check = "GET /projects finds one project of this name, and Neon gives a connection string for its database and role"
		g.step.Undo = []slipway.Way{g.form("DELETE", 200, "/projects/"+g.projectID(), nil), command("projects", "delete", g.projectID()), pageDeleteProject.With("project", g.projectID()).Way()}
	default:
		g.changeProject(name)
	}
}

func (g *guide) deleteProject() []slipway.Way {
	id := g.id()
	return []slipway.Way{
		g.form("DELETE", 200, rest.Path("/projects/%s", id), nil),
		command("projects", "delete", id),
		pageDeleteProject.With("project", id).Way(),
	}
}

func (g *guide) createProject(name string) []slipway.Way {
	p := g.spec.Params
	region, version := str(p["region"]), fmt.Sprint(p["version"])
	role, database := str(p["role"]), str(p["database"])
	org := g.step.Ask(slipway.Placeholder{Name: "NEON_ORG_ID", From: pageOrganisation.String(), To: "the project's owner"})
	id := g.step.Ask(slipway.Placeholder{Name: g.named("project"), From: "the reply to the first request or command, project.id, or " + pageProjectID.String(), To: "what follows"})
	body := map[string]any{"project": map[string]any{
		"name": name, "region_id": region, "pg_version": p["version"], "org_id": org,
		"branch": map[string]any{"role_name": role, "database_name": database},
	}}
	take := map[string]string{g.named("project"): "project.id"}
	const parameters = "connection_uris.0.connection_parameters."
	for name, from := range map[string]string{"host": "host", "database": "database", "user": "role", "password": "password"} {
		take[g.output(name)] = parameters + from
	}
	create := taking(g.form("POST", 201, "/projects", body), take)
	cli := command("projects", "create", "--name", name, "--region-id", region, "--pg-version", version, "--database", database, "--role", role, "--org-id", org, "--output", "json")
	cli.Prints = take // it prints as much of the same reply
	return []slipway.Way{
		create.And(g.connections(id, "", database, role)...),
		cli.And(g.printConnections(id, "", database, role)...),
		pageNewProject.Way(entry("Project name", name), entry("Postgres version", version), entry("Region", region)).And(withinNew(id, database, role)...),
	}
}

func entry(label, value string) slipway.Field { return slipway.Field{Label: label, Value: value} }

// connections are the requests that give the outputs url and pooled_url: https://api-docs.neon.tech/reference/getconnectionuri
func (g *guide) connections(project, branch, database, role string) []slipway.Way {
	q := url.Values{"database_name": {database}, "role_name": {role}}
	query := q.Encode()
	if branch != "" {
		query = "branch_id=" + branch + "&" + query // a placeholder stays as it is
	}
	at := "/projects/" + project + "/connection_uri?" + query
	return []slipway.Way{
		taking(g.form("GET", 200, at, nil), map[string]string{g.output("url"): "uri"}),
		taking(g.form("GET", 200, at+"&pooled=true", nil), map[string]string{g.output("pooled_url"): "uri"}),
	}
}

func (g *guide) printConnections(project, branch, database, role string) []slipway.Way {
	args := []string{"connection-string"}
	if branch != "" {
		args = append(args, branch)
	}
	args = append(args, "--project-id", project, "--database-name", database, "--role-name", role)
	direct, pooled := command(args...), command(append(slices.Clip(args), "--pooled")...)
	direct.Prints, pooled.Prints = map[string]string{g.output("url"): ""}, map[string]string{g.output("pooled_url"): ""}
	return []slipway.Way{direct, pooled}
}

// changeProject is update and adopt: what differs, as Changes says, and nothing else.
func (g *guide) changeProject(name string) {
	id, p := g.projectID(), g.spec.Params
	role, database := str(p["role"]), str(p["database"])
	var forms, commands, pages []slipway.Way
	add := func(f, c, p slipway.Way) {
		forms, commands, pages = append(forms, f), append(commands, c), append(pages, p)
	}
	for _, c := range g.effect.Changes {
		if c.Field != "name" {
			continue
		}
		rename := func(to any) slipway.Way {
			return g.form("PATCH", 200, rest.Path("/projects/%s", id), map[string]any{"project": map[string]any{"name": to}})
		}
		add(rename(name), command("projects", "update", id, "--name", name), pageRenameProject.With("project", id).Way(entry("Project name", name)))
		g.step.Undo = []slipway.Way{rename(c.From)}
	}
	for _, c := range g.effect.Changes {
		if c.Field == "role" {
			f, cmd, pg := g.addRole(id, g.defaultBranch(), role)
			add(f, cmd, pg)
		}
	}
	for _, c := range g.effect.Changes {
		if c.Field == "database" {
			f, cmd, pg := g.addDatabase(id, g.defaultBranch(), database, role)
			add(f, cmd, pg)
		}
	}
	if slices.ContainsFunc(g.effect.Changes, func(c slipway.Change) bool { return c.Field == "role" || c.Field == "database" }) {
		forms = append(forms, g.connections(id, "", database, role)...)
		commands = append(commands, g.printConnections(id, "", database, role)...)
	}
	g.step.Title = fmt.Sprintf("Change the Neon project %q", name)
	if len(forms) > 0 {
		g.step.Ways = []slipway.Way{forms[0].And(forms[1:]...), commands[0].And(commands[1:]...), pages[0].And(pages[1:]...)}
	} else {
		g.step.Ways = []slipway.Way{pageLook.With("project", id).Way()}
	}
	g.step.See = fmt.Sprintf("the project is named %q, and its default branch has the role %q and the database %q", name, role, database)
	g.step.Check = "GET /projects/" + id + " shows the name, and Neon gives a connection string for the database and the role"
}

// defaultBranch is exact where the look that planned this saw it.
func (g *guide) defaultBranch() string {
	if k := g.spec.Known; k != nil && k.Details["branch_id"] != "" {
		return k.Details["branch_id"]
	}
	return g.step.Ask(slipway.Placeholder{
		Name: g.named("branch"), From: pageDefaultBranch.String(), To: "the requests of this step",
	})
}

func (g *guide) branch() {
	project, name := g.projectID(), cmp.Or(g.spec.Name, g.effect.Name)
	_, id := cut(g.id())
	fresh, of := pageNewBranch.With("project", project), []string{"project", project, "branch", id, "name", name}
	remove := []slipway.Way{
		g.form("DELETE", 200, "/projects/"+project+"/branches/"+id, nil),
		command("branches", "delete", id, "--project-id", project),
		pageDeleteBranch.With(of...).Way(),
	}
	g.step.Before = []string{mayChange}
	body := map[string]any{"branch": map[string]any{"name": name}}
	switch {
	case g.effect.Op == slipway.OpDelete:
		g.step.Title = fmt.Sprintf("Delete the Neon branch %q with its compute and its data", name)
		g.step.Ways = remove
		g.step.See, g.step.Check = "the branch is no longer among the project's branches", "GET /projects/"+project+"/branches/"+id+" answers 404"
		return
	case g.making():
		g.step.Title = fmt.Sprintf("Create the Neon branch %q from the default branch", name)
		var before []slipway.Way
		if g.replacing() {
			g.step.Title = fmt.Sprintf("Delete the Neon branch %q, and create it anew from the default branch", name)
			before = remove
		}
		cli := command("branches", "create", "--project-id", project, "--name", name, "--no-compute", "--output", "json")
		cli.Prints = map[string]string{g.named("branch"): "id"} // without a compute it prints the branch alone
		g.offer(before,
			taking(g.form("POST", 201, "/projects/"+project+"/branches", body), map[string]string{g.named("branch"): "branch.id"}), cli,
			fresh.Way(entry("Branch name", name), entry("Parent branch", "the branch marked Default"), entry("Include data up to", "Current point in time")))
		made := g.step.Ask(slipway.Placeholder{Name: g.named("branch"), From: "the reply to the request, branch.id, or what the command prints, id, or " + pageBranchID.String(), To: "what undoes it"})
		g.step.Undo = []slipway.Way{g.form("DELETE", 200, "/projects/"+project+"/branches/"+made, nil), command("branches", "delete", name, "--project-id", project), pageDeleteBranch.With("project", project, "branch", made, "name", name).Way()}
	default:
		g.step.Title = fmt.Sprintf("Rename the Neon branch to %q", name)
		g.step.Ways = []slipway.Way{
			g.form("PATCH", 200, "/projects/"+project+"/branches/"+id, body),
			command("branches", "rename", id, name, "--project-id", project),
			pageRenameBranch.With(of...).Way(entry("Branch name", name)),
		}
		for _, c := range g.effect.Changes {
			g.step.Undo = append(g.step.Undo, g.form("PATCH", 200, "/projects/"+project+"/branches/"+id, map[string]any{"branch": map[string]any{"name": c.From}}))
		}
	}
	g.step.See = fmt.Sprintf("the branch %q among the project's branches, and no operation that still runs", name)
	g.step.Check = "GET /projects/" + project + "/branches finds the branch of this name, and its operations have finished"
}

func (g *guide) endpoint() {
	project, branch := g.projectID(), g.branchID()
	_, id := cut(g.id())
	of := []string{"project", project, "branch", branch}
	g.step.Before = []string{mayChange}
	remove := []slipway.Way{
		g.form("DELETE", 200, "/projects/"+project+"/endpoints/"+id, nil),
		pageDeleteCompute.With(of...).Way(),
	}
	switch {
	case g.effect.Op == slipway.OpDelete:
		g.step.Title = "Delete the compute " + id + " of the Neon branch"
		g.step.Ways = remove
		g.step.See, g.step.Check = "the branch has no compute", "GET /projects/"+project+"/endpoints/"+id+" answers 404"
		return
	case g.making():
		g.step.Title = fmt.Sprintf("Add a read-write compute to the Neon branch %q", cmp.Or(g.spec.Name, g.effect.Name))
		create := g.form("POST", 201, "/projects/"+project+"/endpoints", map[string]any{"endpoint": map[string]any{"branch_id": branch, "type": readWrite}})
		cli := command("branches", "add-compute", branch, "--project-id", project, "--type", readWrite, "--output", "json")
		cli.Prints = map[string]string{g.output("host"): "host", g.named("endpoint"): "id"}
		var before []slipway.Way
		if g.replacing() {
			g.step.Title = "Delete the compute " + id + " of the Neon branch, and add a new one"
			before = []slipway.Way{remove[0], remove[0], remove[1]}
		}
		made := g.step.Ask(slipway.Placeholder{Name: g.named("endpoint"), From: "the reply to the request, endpoint.id, or what the command prints, id", To: "what undoes it"})
		g.step.Undo = []slipway.Way{g.form("DELETE", 200, "/projects/"+project+"/endpoints/"+made, nil), pageDeleteCompute.With(of...).Way()}
		g.offer(before, taking(create, map[string]string{g.output("host"): "endpoint.host", g.named("endpoint"): "endpoint.id"}), cli,
			pageAddCompute.With(of...).Way(entry("Compute type", "Read-write")))
	default:
		g.step.Title = "Enable the compute " + id + " of the Neon branch"
		set := func(disabled bool) slipway.Way {
			return g.form("PATCH", 200, "/projects/"+project+"/endpoints/"+id, map[string]any{"endpoint": map[string]any{"disabled": disabled}})
		}
		g.step.Ways, g.step.Undo = []slipway.Way{set(false)}, []slipway.Way{set(true)}
	}
	g.step.See = "the branch's compute is Active or Idle"
	g.step.Check = "the branch has a read-write compute that is not disabled, and its operations have finished"
}

func (g *guide) role() {
	project, branch, name := g.projectID(), g.branchID(), cmp.Or(g.spec.Name, g.effect.Name)
	old := name
	if parts := strings.Split(g.id(), "/"); len(parts) == 3 {
		old = parts[2]
	}
	g.step.Before = []string{mayChange}
	remove := []slipway.Way{
		g.form("DELETE", 200, "/projects/"+project+"/branches/"+branch+rest.Path("/roles/%s", old), nil),
		command("roles", "delete", old, "--project-id", project, "--branch", branch),
		changeRoles(project, branch, "the role "+old, "Delete"),
	}
	if g.effect.Op == slipway.OpDelete {
		g.step.Title = fmt.Sprintf("Delete the role %q of the Neon branch", old)
		g.step.Ways = remove
		g.step.See, g.step.Check = "the role is no longer among the branch's roles", "GET /projects/"+project+"/branches/"+branch+"/roles/"+old+" answers 404"
		return
	}
	g.step.Title = fmt.Sprintf("Add the role %q to the Neon branch", name)
	var before []slipway.Way
	if g.replacing() {
		g.step.Title = fmt.Sprintf("Delete the role %q of the Neon branch, and add the role %q", old, name)
		before = remove
	}
	f, c, p := g.addRole(project, branch, name)
	g.offer(before, f, c, p)
	g.step.See = fmt.Sprintf("the role %q among the branch's roles", name)
	g.step.Check = "GET /projects/" + project + "/branches/" + branch + "/roles/" + name + " finds it, and its operations have finished"
	g.step.Undo = []slipway.Way{
		g.form("DELETE", 200, "/projects/"+project+"/branches/"+branch+rest.Path("/roles/%s", name), nil),
		command("roles", "delete", name, "--project-id", project, "--branch", branch), changeRoles(project, branch, "the role "+name, "Delete"),
	}
}

func changeRoles(project, branch, what, then string) slipway.Way {
	return pageChangeRoles.With("project", project, "branch", branch, "what", what, "then", then).Way()
}

func addRoles(project, branch, then string, fields ...slipway.Field) slipway.Way {
	return pageRoles.With("project", project, "branch", branch, "then", then).Way(fields...)
}

// What the console makes in each new project: https://neon.com/docs/manage/projects
const (
	consoleRole     = "neondb_owner"
	consoleDatabase = "neondb"
)

// withinNew turns the role and the database of a project that the console made into those that are declared.
func withinNew(project, database, role string) (ways []slipway.Way) {
	add := func(then string, fields ...slipway.Field) {
		ways = append(ways, pageDefaultRoles.With("project", project, "then", then).Way(fields...))
	}
	remove := func(what string) {
		ways = append(ways, pageDefaultChange.With("project", project, "what", what, "then", "Delete").Way())
	}
	if role != consoleRole {
		add("Add role", entry("Role name", role))
	}
	if database != consoleDatabase {
		add("Add database", entry("Database name", database), entry("Owner", role))
		remove("the database " + consoleDatabase)
	} else if role != consoleRole {
		change := pageDefaultChange.With("project", project, "what", "the database "+consoleDatabase, "then", "Edit")
		ways = append(ways, change.Way(entry("Owner", role)))
	}
	if role != consoleRole {
		remove("the role " + consoleRole)
	}
	return ways
}

func (g *guide) addRole(project, branch, name string) (form, cli, pages slipway.Way) {
	form = g.form("POST", 201, "/projects/"+project+"/branches/"+branch+"/roles", map[string]any{"role": map[string]any{"name": name}})
	form.HTTP.Take = map[string]string{g.output("user"): "role.name", g.output("password"): "role.password"}
	cli = command("roles", "create", "--project-id", project, "--branch", branch, "--name", name, "--output", "json")
	cli.Prints = map[string]string{g.output("user"): "name", g.output("password"): "password"}
	pages = addRoles(project, branch, "Add role", entry("Role name", name))
	return form, cli, pages
}

func (g *guide) addDatabase(project, branch, name, owner string) (form, cli, pages slipway.Way) {
	form = g.form("POST", 201, "/projects/"+project+"/branches/"+branch+"/databases", map[string]any{"database": map[string]any{"name": name, "owner_name": owner}})
	form.HTTP.Take = map[string]string{g.output("database"): "database.name"}
	cli = command("databases", "create", "--project-id", project, "--branch", branch, "--name", name, "--owner-name", owner, "--output", "json")
	cli.Prints = map[string]string{g.output("database"): "name"}
	pages = addRoles(project, branch, "Add database", entry("Database name", name), entry("Owner", owner))
	return form, cli, pages
}

func (g *guide) database() {
	project, branch, name := g.projectID(), g.branchID(), cmp.Or(g.spec.Name, g.effect.Name)
	owner, old := str(g.spec.Params["owner"]), name
	if parts := strings.Split(g.id(), "/"); len(parts) == 3 {
		old = parts[2]
	}
	g.step.Before = []string{mayChange}
	at := "/projects/" + project + "/branches/" + branch + rest.Path("/databases/%s", old)
	remove := []slipway.Way{
		g.form("DELETE", 200, at, nil), command("databases", "delete", old, "--project-id", project, "--branch", branch),
		changeRoles(project, branch, "the database "+old, "Delete"),
	}
	switch {
	case g.effect.Op == slipway.OpDelete:
		g.step.Title = fmt.Sprintf("Delete the database %q of the Neon branch with all data in it", old)
		g.step.Ways = remove
		g.step.See, g.step.Check = "the database is no longer among the branch's databases", "GET "+at+" answers 404"
		return
	case g.making():
		g.step.Title = fmt.Sprintf("Add the database %q to the Neon branch", name)
		var before []slipway.Way
		if g.replacing() {
			g.step.Title = fmt.Sprintf("Delete the database %q of the Neon branch with all data in it, and add the database %q", old, name)
			before = remove
		}
		f, c, p := g.addDatabase(project, branch, name, owner)
		g.offer(before, f.And(g.connections(project, branch, name, owner)...),
			c.And(g.printConnections(project, branch, name, owner)...), p)
		g.step.Undo = []slipway.Way{
			g.form("DELETE", 200, "/projects/"+project+"/branches/"+branch+rest.Path("/databases/%s", name), nil),
			command("databases", "delete", name, "--project-id", project, "--branch", branch), changeRoles(project, branch, "the database "+name, "Delete"),
		}
	default:
		g.changeDatabase(at, project, branch, old)
	}
	g.step.See = fmt.Sprintf("the database %q with the owner %q among the branch's databases", name, owner)
	g.step.Check = "Neon gives a connection string for this database and role, and its operations have finished"
}

// changeDatabase renames it and gives it its owner back.
func (g *guide) changeDatabase(at, project, branch, old string) {
	now, before := map[string]any{}, map[string]any{}
	p := changeRoles(project, branch, "the database "+old, "Edit")
	for _, c := range g.effect.Changes {
		sent := map[string]string{"name": "name", "owner": "owner_name"}[c.Field]
		now[sent], before[sent] = g.spec.Params[c.Field], c.From
		p.Page.Fields = append(p.Page.Fields, entry(map[string]string{"name": "Database name", "owner": "Owner"}[c.Field], str(g.spec.Params[c.Field])))
	}
	g.step.Title = fmt.Sprintf("Change the database %q of the Neon branch", old)
	g.step.Ways = []slipway.Way{g.form("PATCH", 200, at, map[string]any{"database": now}), p}
	back := strings.TrimSuffix(at, url.PathEscape(old)) + url.PathEscape(cmp.Or(str(now["name"]), old))
	g.step.Undo = []slipway.Way{g.form("PATCH", 200, back, map[string]any{"database": before})}
}
