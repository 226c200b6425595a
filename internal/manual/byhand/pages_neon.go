package byhand

import (
	"fmt"
	"net/url"
	"strconv"
)

const (
	neonConsole = "https://console.neon.tech/app/projects"
	neonProject = neonConsole + "/{project}"
	neonBranch  = neonProject + "/branches/{branch}"
)

// neonSpots: a new project has the role neondb_owner and the database neondb, a new branch a compute:
// https://neon.com/docs/manage/projects, https://neon.com/docs/manage/branches
func neonSpots() []spot {
	at := func(link string, path []string, fields []string, click func(*tab) error) spot {
		return spot{provider: "neon", link: link, path: path, fields: fields, click: click}
	}
	shows := func(path []string, value func(*tab) (string, error)) spot {
		return spot{provider: "neon", link: neonConsole, path: path, value: value}
	}
	out := []spot{
		at(neonConsole, []string{"New project"}, []string{"*Project name", "*Postgres version", "*Region"}, (*tab).newNeonProject),
		at(neonProject+"/settings", []string{"Settings", "General"}, []string{"*Project name"}, func(t *tab) error {
			return t.send("PATCH", t.neon(""), map[string]any{"project": map[string]any{"name": t.fields["Project name"]}})
		}),
		at(neonProject+"/settings", []string{"Settings", "Delete", "Delete project"}, nil, func(t *tab) error { return t.send("DELETE", t.neon(""), nil) }),
		at(neonProject+"/branches", []string{"Branches", "New branch"}, []string{"*Branch name", "*Parent branch", "*Include data up to"}, (*tab).newBranch),
		at(neonBranch, []string{"Branches", "{name}", "More", "Rename"}, []string{"*Branch name"}, func(t *tab) error {
			return t.send("PATCH", t.neon("/branches/"+t.at["branch"]), map[string]any{"branch": map[string]any{"name": t.fields["Branch name"]}})
		}),
		at(neonBranch, []string{"Branches", "{name}", "More", "Delete"}, nil, func(t *tab) error { return t.send("DELETE", t.neon("/branches/"+t.at["branch"]), nil) }),
		at(neonBranch, []string{"Branches", "the branch", "Computes", "Add compute, unless it has a read-write one"}, []string{"*Compute type"}, (*tab).addCompute),
		at(neonBranch, []string{"Branches", "the branch", "Computes", "Edit", "Delete compute"}, nil, (*tab).deleteCompute),
		shows([]string{"the project", "Settings", "General", "Project ID"}, (*tab).neonProjectID),
		shows([]string{"the project", "Branches", "the branch marked Default", "ID, br-…"}, (*tab).defaultBranch),
		shows([]string{"the project", "Branches", "the branch", "ID, br-…"}, func(t *tab) (string, error) { return t.branch() }),
	}
	for which, link := range map[string]string{"the branch": neonBranch, "the branch marked Default": neonProject + "/branches"} {
		roles := func(then ...string) []string {
			return append([]string{"Branches", which, "Roles & Databases"}, then...)
		}
		out = append(out,
			at(link, roles("Add role"), []string{"*Role name"}, (*tab).addRole),
			at(link, roles("Add database"), []string{"*Database name", "*Owner"}, (*tab).addDatabase),
			at(link, roles("the role {role}", "More", "Delete"), nil, func(t *tab) error { return t.inBranch("DELETE", "/roles/"+url.PathEscape(t.at["role"]), nil) }),
			at(link, roles("the database {database}", "More", "Delete"), nil, func(t *tab) error {
				return t.inBranch("DELETE", "/databases/"+url.PathEscape(t.at["database"]), nil)
			}),
			at(link, roles("the database {database}", "More", "Edit"), []string{"Database name", "Owner"}, (*tab).editDatabase),
		)
	}
	for value, of := range map[string]func(*url.URL) string{
		"Connection pooling off, Show password, Copy snippet": (*url.URL).String,
		"Connection pooling on, Show password, Copy snippet":  (*url.URL).String,
		"Connection pooling off: between @ and /":             func(u *url.URL) string { return u.Hostname() },
		"Database": func(u *url.URL) string { return u.Path[1:] },
		"Role":     func(u *url.URL) string { return u.User.Username() },
		"Show password: between : and @": func(u *url.URL) string {
			password, _ := u.User.Password()
			return password
		},
	} {
		pooled := value == "Connection pooling on, Show password, Copy snippet"
		out = append(out, shows([]string{"the project", "Connect, with branch, database and role chosen", value}, func(t *tab) (string, error) {
			u, err := t.connect(pooled)
			if err != nil {
				return "", err
			}
			return of(u), nil
		}))
	}
	return out
}

func (t *tab) neon(path string) string { return "/projects/" + t.at["project"] + path }

func (t *tab) newNeonProject() error {
	version, err := strconv.Atoi(t.fields["Postgres version"])
	if err != nil {
		return err
	}
	reply, err := t.call("POST", "/projects", map[string]any{"project": map[string]any{
		"name": t.fields["Project name"], "pg_version": version, "region_id": t.fields["Region"], "org_id": t.p.Values["NEON_ORG_ID"],
	}})
	t.keep("project", text(reply, "project.id"))
	return err
}

// neonProjectID is of the project that was opened last, else of the only one.
func (t *tab) neonProjectID() (string, error) {
	if id := t.p.made["project"]; id != "" {
		return id, nil
	}
	reply, err := t.call("GET", "/projects?org_id="+t.p.Values["NEON_ORG_ID"], nil)
	if err != nil {
		return "", err
	}
	if _, several := Read(reply, "projects.1.id"); several {
		return "", fmt.Errorf("there is more than one project")
	}
	if id := text(reply, "projects.0.id"); id != "" {
		return id, nil
	}
	return "", errNotThere
}

func (t *tab) defaultBranch() (string, error) {
	if t.at["project"] == "" {
		var err error
		if t.at["project"], err = t.neonProjectID(); err != nil {
			return "", err
		}
	}
	reply, err := t.call("GET", t.neon("/branches"), nil)
	if err != nil {
		return "", err
	}
	one, err := among(reply, "branches", func(b map[string]any) bool { return b["default"] == true })
	return text(one, "id"), err
}

// branch is the one of the link, else the one that was opened last, else the default one.
func (t *tab) branch() (string, error) {
	switch {
	case t.at["branch"] != "":
		return t.at["branch"], nil
	case t.p.made["branch"] != "" && t.spot.value != nil:
		return t.p.made["branch"], nil
	}
	return t.defaultBranch()
}

func (t *tab) newBranch() error {
	if t.fields["Parent branch"] != "the branch marked Default" {
		return fmt.Errorf("nobody knows the branch %q", t.fields["Parent branch"])
	}
	reply, err := t.call("POST", t.neon("/branches"), map[string]any{
		"branch": map[string]any{"name": t.fields["Branch name"]}, "endpoints": []any{map[string]any{"type": "read_write"}},
	})
	t.keep("project", t.at["project"])
	t.keep("branch", text(reply, "branch.id"))
	return err
}

func (t *tab) compute() (string, error) {
	reply, err := t.call("GET", t.neon("/branches/"+t.at["branch"]+"/endpoints"), nil)
	if err != nil {
		return "", err
	}
	one, err := among(reply, "endpoints", func(e map[string]any) bool { return e["type"] == "read_write" })
	return text(one, "id"), err
}

func (t *tab) addCompute() error {
	if t.fields["Compute type"] != "Read-write" {
		return fmt.Errorf("nobody knows the type %q", t.fields["Compute type"])
	}
	if _, err := t.compute(); err == nil {
		return nil
	}
	return t.send("POST", t.neon("/endpoints"), map[string]any{"endpoint": map[string]any{"branch_id": t.at["branch"], "type": "read_write"}})
}

func (t *tab) deleteCompute() error {
	id, err := t.compute()
	if err != nil {
		return err
	}
	return t.send("DELETE", t.neon("/endpoints/"+id), nil)
}

func (t *tab) inBranch(method, path string, body any) error {
	branch, err := t.branch()
	if err != nil {
		return err
	}
	t.keep("project", t.at["project"])
	t.keep("branch", branch)
	return t.send(method, t.neon("/branches/"+branch+path), body)
}

func (t *tab) addRole() error {
	return t.inBranch("POST", "/roles", map[string]any{"role": map[string]any{"name": t.fields["Role name"]}})
}

func (t *tab) addDatabase() error {
	t.keep("database", t.fields["Database name"])
	return t.inBranch("POST", "/databases", map[string]any{"database": map[string]any{"name": t.fields["Database name"], "owner_name": t.fields["Owner"]}})
}

func (t *tab) editDatabase() error {
	change := map[string]any{}
	for label, field := range map[string]string{"Database name": "name", "Owner": "owner_name"} {
		if v := t.fields[label]; v != "" {
			change[field] = v
		}
	}
	return t.inBranch("PATCH", "/databases/"+url.PathEscape(t.at["database"]), map[string]any{"database": change})
}

// connect is what the dialog shows for the database that was opened last, else for the first, and its owner.
func (t *tab) connect(pooled bool) (*url.URL, error) {
	var err error
	if t.at["project"], err = t.neonProjectID(); err != nil {
		return nil, err
	}
	branch, err := t.branch()
	if err != nil {
		return nil, err
	}
	databases, err := t.call("GET", t.neon("/branches/"+branch+"/databases"), nil)
	if err != nil {
		return nil, err
	}
	chosen, err := among(databases, "databases", func(d map[string]any) bool { return t.p.made["database"] == "" || d["name"] == t.p.made["database"] })
	if err != nil {
		return nil, err
	}
	q := url.Values{"branch_id": {branch}, "database_name": {text(chosen, "name")}, "role_name": {text(chosen, "owner_name")}, "pooled": {strconv.FormatBool(pooled)}}
	reply, err := t.call("GET", t.neon("/connection_uri?"+q.Encode()), nil)
	if err != nil {
		return nil, err
	}
	return url.Parse(text(reply, "uri"))
}
