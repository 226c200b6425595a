package byhand

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// VercelCLI stands in for Vercel's command line, version 60.1.3, where the 358 MB of it are not installed: it knows the commands that
// runbooks print, refuses any other and any option that the real one has not, and sends what the real one sends. That both come to the
// same is what the long tests show, which run the real one (TestDeployByHand, TestRefusedByUpstashThroughTheMarketplace).
func VercelCLI() Program {
	linked := "" // the project of the folder
	return Program{Stand: func(ctx context.Context, p *Person, args []string, input string) (string, error) {
		c, err := parse(args)
		if err != nil {
			return "", err
		}
		if team := c.flags["--scope"]; len(team) != 1 || team[0] != p.Values["VERCEL_TEAM_ID"] {
			return "", fmt.Errorf("vercel is not logged in to %q", team)
		}
		c.ctx, c.p, c.input, c.linked = ctx, p, input, &linked
		out, err := c.do(c)
		if err != nil {
			err = fmt.Errorf("vercel %s: %w", strings.Join(args, " "), err)
		}
		return out, err
	}}
}

// cliCommand is one of the CLI's: https://vercel.com/docs/cli
type cliCommand struct {
	words []string // its name
	args  int
	flags string // with a value end in =
	do    func(*invocation) (string, error)
}

// invocation is one command line.
type invocation struct {
	cliCommand
	ctx    context.Context
	p      *Person
	args   []string
	flags  map[string][]string
	input  string
	linked *string
}

func cliCommands() []cliCommand {
	build := "--framework= --build-command= --install-command= --output-directory= --root-directory= --node-version= --yes"
	return []cliCommand{
		{[]string{"project", "add"}, 1, "", func(c *invocation) (string, error) {
			return c.call("POST", "/v1/projects", map[string]any{"name": c.args[0]}, "")
		}},
		{[]string{"project", "update"}, 1, build, (*invocation).updateProject},
		{[]string{"project", "protection", "enable"}, 1, "--protection-bypass", func(c *invocation) (string, error) {
			return c.call("PATCH", "/v1/projects/"+c.args[0]+"/protection-bypass", map[string]any{}, "")
		}},
		{[]string{"env", "add"}, 2, "--project= --force --yes --sensitive", (*invocation).addEnv},
		{[]string{"env", "rm"}, 2, "--project= --yes", (*invocation).removeEnv},
		{[]string{"deploy"}, 0, "--yes --project= --prebuilt --prod --skip-domain --meta=", (*invocation).deploy},
		{[]string{"promote"}, 1, "--yes", func(c *invocation) (string, error) { return c.moveProduction("/v10", "promote") }},
		{[]string{"rollback"}, 1, "--yes", func(c *invocation) (string, error) { return c.moveProduction("/v9", "rollback") }},
		{[]string{"domains", "add"}, 2, "", func(c *invocation) (string, error) {
			return c.call("POST", "/projects/"+c.args[1]+"/alias", map[string]any{"target": "PRODUCTION", "domain": c.args[0]}, "")
		}},
		{[]string{"link"}, 0, "--yes --project=", (*invocation).link},
		{[]string{"integration", "add"}, 1, "--name= --no-env-pull --prefix= --environment= --metadata=", (*invocation).addIntegration},
		{[]string{"integration-resource", "remove"}, 1, "--disconnect-all --yes", (*invocation).removeResource},
	}
}

// CLIForms are the commands that the stand-in knows.
func CLIForms() (out []string) {
	for _, c := range cliCommands() {
		out = append(out, "vercel "+strings.Join(c.words, " "))
	}
	return out
}

func parse(args []string) (*invocation, error) {
	for _, known := range cliCommands() {
		if len(args) < len(known.words) || !slices.Equal(args[:len(known.words)], known.words) {
			continue
		}
		c := &invocation{cliCommand: known, flags: map[string][]string{}}
		options := append(strings.Fields(known.flags), "--scope=")
		for rest := args[len(known.words):]; len(rest) > 0; rest = rest[1:] {
			switch word := rest[0]; {
			case !strings.HasPrefix(word, "--"):
				c.args = append(c.args, word)
			case slices.Contains(options, word):
				c.flags[word] = append(c.flags[word], "")
			case slices.Contains(options, word+"=") && len(rest) > 1:
				c.flags[word] = append(c.flags[word], rest[1])
				rest = rest[1:]
			default:
				return nil, fmt.Errorf("vercel %s has no option %s", strings.Join(known.words, " "), word)
			}
		}
		if len(c.args) != known.args {
			return nil, fmt.Errorf("vercel %s takes %d arguments, not %q", strings.Join(known.words, " "), known.args, c.args)
		}
		return c, nil
	}
	return nil, fmt.Errorf("vercel has no command %q that is known here: %w", args, ErrNoWay)
}

func (c *invocation) flag(name string) string {
	if v := c.flags[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (c *invocation) has(name string) bool { return len(c.flags[name]) > 0 }

// call prints what is at path in the reply, "" for nothing.
func (c *invocation) call(method, path string, body any, prints string) (string, error) {
	reply, err := c.p.call(c.ctx, "vercel", method, path, body)
	if prints == "" {
		return "", err
	}
	return text(reply, prints), err
}

func (c *invocation) updateProject() (string, error) {
	body := map[string]any{}
	for flag, field := range map[string]string{
		"--framework": "framework", "--build-command": "buildCommand", "--install-command": "installCommand",
		"--output-directory": "outputDirectory", "--root-directory": "rootDirectory", "--node-version": "nodeVersion",
	} {
		if c.has(flag) {
			body[field] = c.flag(flag)
		}
	}
	return c.call("PATCH", "/v9/projects/"+c.args[0], body, "")
}

// project is the id of --project.
func (c *invocation) project() (string, error) {
	return c.call("GET", "/v9/projects/"+c.flag("--project"), nil, "id")
}

func (c *invocation) addEnv() (string, error) {
	id, err := c.project()
	if err != nil {
		return "", err
	}
	body := map[string]any{"key": c.args[0], "value": c.input, "type": "encrypted", "target": []string{c.args[1]}}
	if c.has("--sensitive") {
		body["type"] = "sensitive"
	}
	path := "/v10/projects/" + id + "/env"
	if c.has("--force") {
		path += "?upsert=true"
	}
	return c.call("POST", path, body, "")
}

func (c *invocation) removeEnv() (string, error) {
	if !c.has("--yes") {
		return "", fmt.Errorf("it asks")
	}
	t := &tab{ctx: c.ctx, p: c.p, spot: spot{provider: "vercel"}, at: map[string]string{"key": c.args[0], "target": c.args[1]}}
	id, err := t.variable()
	if err != nil {
		return "", err
	}
	return c.call("DELETE", "/v9/projects/"+c.flag("--project")+"/env/"+id, nil, "")
}

// deploy prints the URL. Settings go with it as the real one sends them.
func (c *invocation) deploy() (string, error) {
	files, err := c.files()
	if err != nil {
		return "", err
	}
	meta := map[string]any{}
	for _, pair := range c.flags["--meta"] {
		k, v, _ := strings.Cut(pair, "=")
		meta[k] = v
	}
	project, err := c.p.call(c.ctx, "vercel", "GET", "/v9/projects/"+c.flag("--project"), nil)
	if err != nil {
		return "", err
	}
	body := map[string]any{"name": text(project, "name"), "project": text(project, "id"), "files": files, "meta": meta}
	if c.has("--prod") {
		body["target"] = "production"
	}
	if c.has("--skip-domain") {
		body["autoAssignCustomDomains"] = false
	}
	out, err := c.call("POST", "/v13/deployments?skipAutoDetectionConfirmation=1", body, "url")
	return "https://" + strings.TrimPrefix(out, "https://"), err
}

// files are those of the folder, with their content.
func (c *invocation) files() (out []any, err error) {
	if c.p.Dir == "" {
		return nil, fmt.Errorf("there is no folder to deploy")
	}
	err = filepath.WalkDir(c.p.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(c.p.Dir, path)
		if err != nil {
			return err
		}
		out = append(out, map[string]any{"file": filepath.ToSlash(name), "data": base64.StdEncoding.EncodeToString(raw), "encoding": "base64"})
		return nil
	})
	return out, err
}

func (c *invocation) moveProduction(version, verb string) (string, error) {
	which := strings.TrimPrefix(c.args[0], "https://")
	d, err := c.p.call(c.ctx, "vercel", "GET", "/v13/deployments/"+which, nil)
	if err != nil {
		return "", err
	}
	return c.call("POST", version+"/projects/"+text(d, "projectId")+"/"+verb+"/"+text(d, "id"), map[string]any{}, "")
}

func (c *invocation) link() (string, error) {
	id, err := c.project()
	*c.linked = id
	return "", err
}

// addIntegration checks the metadata with the product's schema, as the real one does, before it buys.
func (c *invocation) addIntegration() (string, error) {
	slug, productSlug, _ := strings.Cut(c.args[0], "/")
	integration, err := c.p.call(c.ctx, "vercel", "GET", "/v2/integrations/integration/"+slug, nil)
	if err != nil {
		return "", err
	}
	product, err := among(integration, "products", func(p map[string]any) bool { return p["slug"] == productSlug })
	if err != nil {
		return "", err
	}
	metadata := map[string]any{}
	for _, pair := range c.flags["--metadata"] {
		key, v, _ := strings.Cut(pair, "=")
		if metadata[key], err = typed(text(product, "metadataSchema.properties."+key+".type"), v); err != nil {
			return "", fmt.Errorf("metadata %s: %w", key, err)
		}
	}
	store, err := c.call("POST", "/v1/integrations/integration/"+slug+"/marketplace/auto-provision/"+productSlug, map[string]any{
		"name": c.flag("--name"), "metadata": metadata, "acceptedPolicies": map[string]any{}, "source": "cli",
	}, "resource.id")
	if err != nil {
		return "", err
	}
	if *c.linked == "" {
		return "", fmt.Errorf("the folder is linked to no project")
	}
	return c.call("POST", "/v1/storage/stores/"+store+"/connections", map[string]any{
		"envVarEnvironments": c.flags["--environment"], "projectId": *c.linked, "type": "integration", "envVarPrefix": c.flag("--prefix"),
	}, "")
}

func (c *invocation) removeResource() (string, error) {
	t := &tab{ctx: c.ctx, p: c.p, spot: spot{provider: "vercel"}, at: map[string]string{"store": c.args[0]}}
	if !c.has("--yes") || !c.has("--disconnect-all") {
		return "", fmt.Errorf("it asks, or refuses")
	}
	return "", t.deleteStore()
}

// standIn runs one.
func (p *Person) standIn(ctx context.Context, program Program, w Way) error {
	args := make([]string, len(w.Command)-1)
	for i, arg := range w.Command[1:] {
		var err error
		if args[i], err = p.fill(arg); err != nil {
			return err
		}
	}
	input, err := p.fill(w.Input)
	if err != nil {
		return err
	}
	out, err := program.Stand(ctx, p, args, input)
	if err != nil {
		return err
	}
	return p.takePrinted(out, w.Prints)
}
