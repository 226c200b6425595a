package clienttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

// vercelCLI is the vendor's CLI with a folder to work in and a home of its own.
type vercelCLI struct {
	t            *testing.T
	program, app string
	url, hosting string
	env          []string
}

func newVercelCLI(t *testing.T, srv *vercelemu.Server) *vercelCLI {
	t.Helper()
	if os.Getenv("SLIPWAY_LONG") != "1" {
		t.Skip("the vercel CLI is 358 MB: set SLIPWAY_LONG=1")
	}
	need(t, "vercelcli", "node", "vercel")
	program, err := filepath.Abs(filepath.Join("vercelcli", "node_modules", "vercel", "dist", "vc.js"))
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(t.TempDir(), "app")
	if err := os.Mkdir(app, 0o700); err != nil {
		t.Fatal(err)
	}
	served := serveVercel(t, srv)
	return &vercelCLI{
		t: t, program: program, app: app, url: value(served, "VERCEL_URL"), hosting: value(served, "HOSTING_URL"),
		env: environ(t, "VERCEL_TELEMETRY_DISABLED=1", "NO_UPDATE_NOTIFIER=1"),
	}
}

func (c *vercelCLI) args(args []string) []string {
	return append([]string{c.program, "--api", c.url, "--token", vercelemu.DefaultToken, "--scope", "acme"}, args...)
}

// run is one command that must succeed.
func (c *vercelCLI) run(args ...string) (stdout, stderr string) {
	c.t.Helper()
	return run(c.t.Context(), c.t, c.app, c.env, "node", c.args(args)...)
}

// fails is one command that must not, and must say why.
func (c *vercelCLI) fails(why string, args ...string) {
	c.t.Helper()
	stdout, stderr, err := try(c.t.Context(), c.app, c.env, "node", c.args(args)...)
	if err == nil || !strings.Contains(stdout+stderr, why) {
		c.t.Errorf("vercel %s: %v, want %q in:\n%s%s", strings.Join(args, " "), err, why, stdout, stderr)
	}
}

func (c *vercelCLI) file(name string) string {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.app, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

func (c *vercelCLI) write(name, content string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.app, name), []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// says checks that every word is in a command's output.
func (c *vercelCLI) says(out string, words ...string) {
	c.t.Helper()
	for _, word := range words {
		if !strings.Contains(out, word) {
			c.t.Errorf("%q is not in:\n%s", word, out)
		}
	}
}

func TestVercelCLI(t *testing.T) {
	srv := &vercelemu.Server{BuildTime: 200 * time.Millisecond, VerifiedDomains: true, Unprotected: true}
	c := newVercelCLI(t, srv)
	serves := func(host, want string) {
		t.Helper()
		if got := visit(t, c.hosting, host); got != want {
			t.Errorf("%s serves %q, want %q", host, got, want)
		}
	}

	_, out := c.run("project", "add", "cli-app")
	c.says(out, "Success")
	c.run("link", "--yes", "--project", "cli-app")
	c.says(c.file(".vercel/project.json"), `"projectName":"cli-app"`)
	c.says(c.file(".env.local"), "VERCEL_OIDC_TOKEN=")

	c.run("env", "add", "GREETING", "development", "--value", "for development", "--yes")
	c.run("env", "add", "GREETING", "production", "--value", "hidden-in-production", "--yes")
	c.fails("already", "env", "add", "GREETING", "production", "--value", "again", "--yes")
	stdout, listed := c.run("env", "ls")
	c.says(stdout+listed, "GREETING", "Production", "Development")
	c.run("env", "pull", ".env.pulled", "--yes")
	c.says(c.file(".env.pulled"), `GREETING="for development"`)
	c.run("env", "pull", ".env.production", "--environment", "production", "--yes")
	if pulled := c.file(".env.production"); strings.Contains(pulled, "hidden-in-production") || !strings.Contains(pulled, "GREETING=") {
		t.Errorf("a sensitive value was pulled, or its name was not:\n%s", pulled)
	}

	c.write("index.html", "one")
	first, log := c.run("deploy", "--prod", "--yes")
	c.says(log, "Building: 50%", "Aliased", "Ready")
	serves("cli-app.vercel.app", "one")
	c.write("index.html", "two")
	staged, _ := c.run("deploy", "--prod", "--skip-domain", "--yes")
	serves("cli-app.vercel.app", "one")
	_, out = c.run("promote", staged, "--yes")
	c.says(out, "Success", "was promoted")
	serves("cli-app.vercel.app", "two")
	_, out = c.run("rollback", first, "--yes")
	c.says(out, "Success", "was rolled back")
	serves("cli-app.vercel.app", "one")
	c.fails("Can't find the deployment", "rollback", "cli-app-none-acme.vercel.app", "--yes")

	// A preview is not promoted but built again for production, which after a rollback takes no domain by itself.
	c.write("index.html", "three")
	preview, _ := c.run("deploy", "--yes")
	c.run("promote", preview, "--yes")
	serves("cli-app.vercel.app", "one")

	_, out = c.run("domains", "add", "shop.example.com", "cli-app")
	c.says(out, "Success")
	serves("shop.example.com", "one")
	c.run("project", "add", "other")
	c.fails("in use", "domains", "add", "shop.example.com", "other")

	c.write("vercelemu.fail", "out of luck")
	c.fails("out of luck", "deploy", "--yes")
	for _, call := range srv.Calls() {
		if call.Status == 501 {
			t.Errorf("the CLI asked for %s %s, which is not modelled", call.Method, call.Path)
		}
	}
}
