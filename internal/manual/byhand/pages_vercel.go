package byhand

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	dashboard  = "https://vercel.com/d?to="
	inProject  = dashboard + "%2F%5Bteam%5D%2F%5Bproject%5D"
	inSettings = inProject + "%2Fsettings"
)

// settings are the labels of a project's build settings: https://vercel.com/docs/rest-api/projects/update-an-existing-project
var settings = map[string]string{
	"Framework Preset": "framework", "Build Command": "buildCommand", "Install Command": "installCommand", "Output Directory": "outputDirectory",
	"Root Directory": "rootDirectory", "Node.js Version": "nodeVersion", "Function Region": "serverlessFunctionRegion",
}

// vercelSpots: the link asks which project; the person takes the one that is called as the runbook's app.
func vercelSpots() []spot {
	at := func(link string, path []string, fields []string, click func(*tab) error) spot {
		return spot{provider: "vercel", link: link, path: path, fields: fields, click: click}
	}
	variables, deployments, domains := inSettings+"%2Fenvironment-variables", inProject+"%2Fdeployments", inSettings+"%2Fdomains"
	protection := []string{"Settings", "Deployment Protection", "Protection Bypass for Automation"}
	variable := []string{"Settings", "Environment Variables", "{key}, {target}"}
	serving := []string{"Connect to an environment", "Branch", "Redirect to", "Status"}
	build := []string{"Framework Preset", "Build Command", "Install Command", "Output Directory", "Root Directory", "Node.js Version"}
	return []spot{
		at(inSettings, []string{"Settings", "General", "Delete Project"}, []string{"*Project name"}, (*tab).deleteProject),
		at(inSettings+"%2Fbuild-and-deployment", []string{"Settings", "Build and Deployment"}, build, (*tab).saveSettings),
		at(inSettings+"%2Ffunctions", []string{"Settings", "Functions"}, []string{"Function Region"}, (*tab).saveSettings),
		at(inSettings+"%2Fdeployment-protection", append(slices.Clone(protection), "Add Secret"), nil, (*tab).addBypass),
		at(inSettings+"%2Fdeployment-protection", append(slices.Clone(protection), "…", "Delete"), nil, (*tab).deleteBypass),
		at(variables, []string{"Settings", "Environment Variables", "Add Environment Variable"}, []string{"*Key", "*Value", "*Environments", "Sensitive", "Note"}, (*tab).addVariable),
		at(variables, append(slices.Clone(variable), "Edit"), []string{"*Key", "*Value", "*Environments", "Sensitive", "Note"}, (*tab).editVariable),
		at(variables, append(slices.Clone(variable), "Remove"), nil, (*tab).removeVariable),
		at(deployments, []string{"Deployments", "{deployment}", "…", "Delete"}, nil, (*tab).deleteDeployment),
		at(deployments, []string{"Deployments", "{deployment}", "…", "Promote"}, nil, func(t *tab) error { return t.moveProduction("/v10", "promote") }),
		at(deployments, []string{"Deployments", "{deployment}", "…", "Instant Rollback"}, nil, func(t *tab) error { return t.moveProduction("/v1", "rollback") }),
		at(domains, []string{"Settings", "Domains", "Add Domain"}, append([]string{"*Domain"}, serving...), (*tab).addDomain),
		at(domains, []string{"Settings", "Domains", "{domain}", "Edit"}, serving, (*tab).editDomain),
		at(domains, []string{"Settings", "Domains", "{domain}", "Edit", "Remove"}, nil, func(t *tab) error {
			return t.inProject("DELETE", "/v9", "/domains/"+t.at["domain"], nil)
		}),
		at(dashboard+"%2F%5Bteam%5D%2F~%2Fdomains", []string{"Domains", "Add Existing", "{apex}"}, []string{"*Nameservers, at the registrar"}, (*tab).delegate),
		at(inSettings+"%2Fenvironments", []string{"Settings", "Environments", "Production", "Auto-assign Custom Production Domains"}, []string{"*Enabled"}, func(t *tab) error {
			return t.inProject("PATCH", "/v9", "", map[string]any{"autoAssignCustomDomains": t.fields["Enabled"] == "on"})
		}),
		at(inSettings+"%2Fgit", []string{"Settings", "Git", "Connected Git Repository", "GitHub"}, []string{"*Repository"}, func(t *tab) error {
			return t.inProject("POST", "/v9", "/link", map[string]any{"type": "github", "repo": t.fields["Repository"]})
		}),
		at(inSettings+"%2Fgit", []string{"Settings", "Git", "Disconnect"}, nil, func(t *tab) error { return t.inProject("DELETE", "/v9", "/link", nil) }),
		{provider: "vercel", link: inSettings, path: []string{"Settings", "General", "Project ID"}, value: (*tab).projectID},
		{provider: "vercel", link: deployments, path: []string{"Deployments", "the deployment", "Deployment ID, dpl_…"}, value: func(t *tab) (string, error) { return t.latest("uid") }},
		{provider: "vercel", link: deployments, path: []string{"Deployments", "the deployment", "Domains"}, value: func(t *tab) (string, error) { return t.latest("url") }},
	}
}

func (t *tab) projectID() (string, error) {
	reply, err := t.p.call(t.ctx, "vercel", "GET", "/v9/projects/"+t.p.app, nil)
	return text(reply, "id"), err
}

func (t *tab) inProject(method, version, path string, body any) error {
	id, err := t.projectID()
	if err != nil {
		return err
	}
	return t.send(method, version+"/projects/"+id+path, body)
}

// deleteProject wants the project's name typed.
func (t *tab) deleteProject() error {
	if t.fields["Project name"] != t.p.app {
		return fmt.Errorf("%q is not the project's name", t.fields["Project name"])
	}
	return t.inProject("DELETE", "/v9", "", nil)
}

func (t *tab) saveSettings() error {
	body := map[string]any{}
	for label, v := range t.fields {
		body[settings[label]] = v
	}
	return t.inProject("PATCH", "/v9", "", body)
}

func (t *tab) addBypass() error {
	return t.inProject("PATCH", "/v1", "/protection-bypass", map[string]any{})
}

func (t *tab) deleteBypass() error {
	reply, err := t.p.call(t.ctx, "vercel", "GET", "/v9/projects/"+t.p.app, nil)
	if err != nil {
		return err
	}
	secrets, _ := reply.(map[string]any)["protectionBypass"].(map[string]any)
	for secret := range secrets {
		return t.inProject("PATCH", "/v1", "/protection-bypass", map[string]any{"revoke": map[string]any{"secret": secret, "regenerate": false}})
	}
	return errNotThere
}

// envBody is what the form holds.
func (t *tab) envBody() map[string]any {
	body := map[string]any{"key": t.fields["Key"], "value": t.fields["Value"], "type": "encrypted", "target": strings.Split(t.fields["Environments"], ", ")}
	if t.fields["Sensitive"] == "on" {
		body["type"] = "sensitive"
	}
	if note := t.fields["Note"]; note != "" {
		body["comment"] = note
	}
	return body
}

func (t *tab) addVariable() error { return t.inProject("POST", "/v10", "/env", t.envBody()) }

func (t *tab) editVariable() error {
	id, err := t.variable()
	if err != nil {
		return err
	}
	return t.inProject("PATCH", "/v9", "/env/"+id, t.envBody())
}

func (t *tab) removeVariable() error {
	id, err := t.variable()
	if err != nil {
		return err
	}
	return t.inProject("DELETE", "/v9", "/env/"+id, nil)
}

// variable is the id of the line in the list.
func (t *tab) variable() (string, error) {
	project, err := t.projectID()
	if err != nil {
		return "", err
	}
	reply, err := t.call("GET", "/v10/projects/"+project+"/env", nil)
	if err != nil {
		return "", err
	}
	one, err := among(reply, "envs", func(e map[string]any) bool {
		targets, _ := e["target"].([]any)
		return e["key"] == t.at["key"] && slices.Contains(targets, any(t.at["target"]))
	})
	return text(one, "id"), err
}

// deployment is the id of a line in the list, which shows ids and addresses.
func (t *tab) deployment() (string, error) {
	reply, err := t.call("GET", "/v13/deployments/"+strings.TrimPrefix(t.at["deployment"], "https://"), nil)
	return text(reply, "id"), err
}

// latest is of the newest deployment.
func (t *tab) latest(what string) (string, error) {
	project, err := t.projectID()
	if err != nil {
		return "", err
	}
	reply, err := t.call("GET", "/v6/deployments?limit=1&projectId="+project, nil)
	v, there := Read(reply, "deployments.0."+what)
	if err == nil && !there {
		err = errNotThere
	}
	return v, err
}

func (t *tab) deleteDeployment() error {
	id, err := t.deployment()
	if err != nil {
		return err
	}
	return t.send("DELETE", "/v13/deployments/"+id, nil)
}

func (t *tab) moveProduction(version, verb string) error {
	id, err := t.deployment()
	if err != nil {
		return err
	}
	return t.inProject("POST", version, "/"+verb+"/"+id, map[string]any{})
}

// serves is what the form makes of a domain: what is not chosen is taken away.
func (t *tab) serves() (map[string]any, error) {
	body := map[string]any{"gitBranch": nil, "redirect": nil}
	switch env, to := t.fields["Connect to an environment"], t.fields["Redirect to"]; {
	case to != "" && env == "":
		status, err := strconv.Atoi(t.fields["Status"])
		body["redirect"], body["redirectStatusCode"] = to, status
		return body, err
	case env == "Preview" && t.fields["Branch"] != "":
		body["gitBranch"] = t.fields["Branch"]
	case env != "Production":
		return nil, fmt.Errorf("there is no environment %q", env)
	}
	return body, nil
}

func (t *tab) addDomain() error {
	body := map[string]any{}
	if len(t.fields) > 1 { // by itself it serves production
		var err error
		if body, err = t.serves(); err != nil {
			return err
		}
		maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	}
	body["name"] = t.fields["Domain"]
	return t.inProject("POST", "/v10", "/domains", body)
}

func (t *tab) editDomain() error {
	body, err := t.serves()
	if err != nil {
		return err
	}
	return t.inProject("PATCH", "/v9", "/domains/"+t.at["domain"], body)
}

// delegate is done at the registrar.
func (t *tab) delegate() error {
	var records []record
	for ns := range strings.SplitSeq(t.fields["Nameservers, at the registrar"], ", ") {
		records = append(records, record{Type: "NS", Name: t.at["apex"], Value: ns})
	}
	return t.p.write(t.ctx, records)
}
