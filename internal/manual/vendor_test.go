package manual_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
)

// clients is where the vendors' own command lines are installed for tests.
const clients = "../emulator/clienttest"

// skip ends a test that cannot run here. With SLIPWAY_NO_SKIP=1 it fails instead.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func installed(t *testing.T, folder, module, program string) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		skip(t, "node not found: install it to run the vendors' own clients")
	}
	file, err := filepath.Abs(filepath.Join(clients, folder, "node_modules", filepath.FromSlash(module), filepath.FromSlash(program)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		skip(t, module+" not installed: run npm ci in internal/emulator/clienttest/"+folder)
	}
	return file
}

// vendors gives the person the command lines of Neon and Upstash, logged in.
func (w *world) vendors(p *byhand.Person) {
	w.t.Helper()
	home := w.t.TempDir()
	env := func(more ...string) []string {
		return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "CI=1", "NO_COLOR=1"}, more...)
	}
	patch, err := filepath.Abs(filepath.Join(clients, "testdata", "upstash-fetch.mjs"))
	if err != nil {
		w.t.Fatal(err)
	}
	p.Programs = map[string]byhand.Program{
		"neon": {
			Argv: []string{"node", installed(w.t, "", "neon", "dist/cli.js"), "--api-host", w.Env["SLIPWAY_NEON_URL"], "--no-analytics", "--config-dir", home},
			Env:  env("NEON_API_KEY=" + w.Env["NEON_API_KEY"]),
		},
		"upstash": {
			Argv: []string{"node", installed(w.t, "", "@upstash/cli", "dist/cli.js")},
			Env: env("UPSTASH_URL="+w.Env["SLIPWAY_UPSTASH_URL"], "UPSTASH_EMAIL="+w.Env["UPSTASH_EMAIL"], "UPSTASH_API_KEY="+w.Env["UPSTASH_API_KEY"],
				"NODE_OPTIONS=--import "+patch),
		},
	}
}

func longOnly(t *testing.T) {
	t.Helper()
	if os.Getenv("SLIPWAY_LONG") != "1" {
		t.Skip("the vercel CLI is 358 MB: set SLIPWAY_LONG=1")
	}
}

// vercelCLI adds that of Vercel, logged in, in the folder of the app's source.
func (w *world) vercelCLI(p *byhand.Person) {
	w.t.Helper()
	w.vendors(p)
	neon := p.Programs["neon"]
	p.Dir = filepath.Join(w.App, "site")
	p.Programs["vercel"] = byhand.Program{
		Argv: []string{"node", installed(w.t, "vercelcli", "vercel", "dist/vc.js"), "--api", w.Env["SLIPWAY_VERCEL_URL"], "--token", w.Env["VERCEL_TOKEN"]},
		Env:  append(neon.Env[:len(neon.Env):len(neon.Env)], "VERCEL_TELEMETRY_DISABLED=1", "NO_UPDATE_NOTIFIER=1"),
	}
}

// What has no command is done by the API.
func TestTheVendorsCommandLinesReachTheSame(t *testing.T) {
	every := scenarios()
	for name, keep := range map[string]func(slipway.Effect) bool{
		"first":                  of("neon.project", "upstash.redis", "upstash.vector"),
		"preview":                of("neon.branch", "neon.endpoint", "neon.role", "neon.database"),
		"update":                 of("neon.project", "upstash.redis", "upstash.vector"),
		"adopt":                  of("neon.project"),
		"replace":                of("neon.project", "upstash.redis", "upstash.vector"),
		"replaced role":          of("neon.role"),
		"drifted branch":         of("neon.branch"),
		"delete within a branch": nil, "destroy": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := every[name]
			sc.only = keep
			prove(t, sc, func(w *world, p *byhand.Person, book slipway.Runbook) {
				w.vendors(p)
				byJSON(byhand.Command, byhand.HTTP)(w, p, book)
			})
		})
	}
}

// Everything by command lines, Vercel's as well.
func TestDeployByHand(t *testing.T) {
	longOnly(t)
	every := scenarios()
	everything := scenario{reason: "a production deployment by Vercel's command line, and all that comes before and after it", only: all}
	preview := every["preview"]
	preview.only = all
	run := map[string]scenario{"production": everything, "preview": preview}
	for name, keep := range map[string]func(slipway.Effect) bool{
		"adopt": of("neon.project"), "replace": of("neon.project", "upstash.redis", "upstash.vector"), "promote": every["promote"].only, "update": nil,
		"delete of a deployment": nil, "domains": of("vercel.domain"), "rollback": nil, "undeclared variable": nil, "destroy": nil,
	} {
		sc := every[name]
		sc.only = keep
		run[name] = sc
	}
	for name, sc := range run {
		t.Run(name, func(t *testing.T) {
			prove(t, sc, func(w *world, p *byhand.Person, book slipway.Runbook) {
				w.vercelCLI(p)
				byJSON(byhand.Command, byhand.HTTP)(w, p, book)
			})
		})
	}
}
