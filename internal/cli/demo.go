package cli

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/rest"
)

//go:embed all:demo
var demoFiles embed.FS

// What the demo's own page says, and what its state is called inside its folder.
const (
	demoText = "Shipped by Slipway"
	demoHome = "demo-home"
	demoEnv  = "demo.env"
	// bundleEnding makes the bundle's name from the folder's: it stays when a temporary folder goes.
	bundleEnding = ".audit.zip"
)

func (a *app) demoCommand() *cobra.Command {
	var dir string
	var keep bool
	c := a.command("demo", "Ship a sample app to emulators, from nothing to production",
		"Start the emulators, write a sample app with a manifest, and do the whole job on them: plan, approve, provision, deploy, verify,\n"+
			"promote; ship again, which changes nothing; export the audit bundle and verify it. It ends with the URL at which the app answered.\n"+
			"Needs no account and touches nothing outside this machine. The bundle is kept beside the folder.\n"+
			"On a terminal it serves the app until Ctrl-C; elsewhere it ends, unless --keep says otherwise.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			return a.demo(ctx, dir, keep || a.asks && !a.json)
		})
	c.Flags().StringVar(&dir, "dir", "", "keep app, manifest and state in this `folder`; default: a temporary one, removed at the end")
	c.Flags().BoolVar(&keep, "keep", false, "serve the app until interrupted")
	return c
}

func (a *app) demo(ctx context.Context, dir string, keep bool) (r result, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "slipway-demo-"); err != nil {
			return r, demoError(err)
		}
		defer os.RemoveAll(dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return r, demoError(err)
	}
	if err := writeDemo(dir); err != nil {
		return r, demoError(err)
	}
	running, err := emulator.Start(ctx, emulator.Options{BuildTime: time.Second})
	if err != nil {
		return r, slipway.Errorf(slipway.CodeUnavailable, "%v", err)
	}
	defer running.Close()
	d, err := a.demoApp(dir, running.Env())
	if err != nil {
		return r, demoError(err)
	}
	if r, err = d.twice(ctx); err != nil {
		return r, err
	}
	if r.Bundle, err = d.demoBundle(ctx, r.Run, dir+bundleEnding); err != nil {
		return r, err
	}
	a.say("%s\n", r.URL)
	if !keep {
		return r, nil
	}
	a.tell("\nThe app is served until Ctrl-C. Look at it:\n  %s\n  %s/api/hello\n", r.URL, r.URL)
	a.tell("Try the other commands on it in another terminal (%s holds emulator credentials alone):\n", demoEnv)
	a.tell("  . %s\n  slipway -C %s status\n  slipway -C %s ship --yes\n", filepath.Join(dir, demoEnv), dir, dir)
	a.object("serving", map[string]any{"url": r.URL, "dir": dir, "env_file": filepath.Join(dir, demoEnv)})
	<-ctx.Done()
	return r, nil
}

func demoError(err error) error {
	return slipway.Errorf(slipway.CodeInvalid, "the demo's folder cannot be used: %v", err).WithHint("name another folder with --dir")
}

// writeDemo writes what is not there yet, and clears the state of an earlier demo, whose emulators are gone.
func writeDemo(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, demoHome)); err != nil {
		return err
	}
	_, noNode := exec.LookPath("node")
	return fs.WalkDir(demoFiles, "demo", func(path string, e fs.DirEntry, err error) error {
		to := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(path, "demo")))
		switch {
		case err != nil:
			return err
		case noNode != nil && e.Name() == "api": // functions run with Node.js
			return fs.SkipDir
		case e.IsDir():
			return os.MkdirAll(to, 0o755)
		}
		content, err := demoFiles.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return errors.Join(err, f.Close())
	})
}

// demoApp returns an invocation that knows the demo's environment alone: no real credential can get into it.
func (a *app) demoApp(dir string, emulated map[string]string) (*app, error) {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	env := maps.Clone(emulated)
	env["SLIPWAY_HOME"] = filepath.Join(dir, demoHome)
	env["SESSION_KEY"] = hex.EncodeToString(random)
	if err := os.WriteFile(filepath.Join(dir, demoEnv), []byte(shellEnv(env)), 0o600); err != nil {
		return nil, err
	}
	d := *a
	d.dir, d.file, d.environment, d.asks = dir, "slipway.yaml", slipway.Production, false
	d.settings = newSettings(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, a.redactor)
	return &d, nil
}

// twice plans, ships, looks at the page, and ships again.
func (a *app) twice(ctx context.Context) (result, error) {
	a.tell("== plan\n")
	if err := a.demoPlan(ctx); err != nil {
		return result{}, err
	}
	a.tell("\n== ship, approved as you\n")
	r, err := a.demoShip(ctx)
	if err != nil {
		return r, err
	}
	if err := lookAt(ctx, r.URL); err != nil {
		return r, err
	}
	a.tell("the page says %q\n\n== ship again\n", demoText)
	before := mutations(a.calls())
	again, err := a.demoShip(ctx)
	if err != nil {
		return again, err
	}
	if n := mutations(a.calls()) - before; again.Status != statusNoChanges || n > 0 {
		return again, slipway.Errorf(slipway.CodeInternal, "the second ship should change nothing: it is %s and made %d changing calls", again.Status, n)
	}
	a.tell("no changes, and no call that could make one\n\n")
	r.Status, r.Calls = statusSucceeded, a.calls()
	return r, nil
}

func (a *app) demoPlan(ctx context.Context) error {
	w, err := a.open(ctx, need{keys: true, create: true})
	if err != nil {
		return err
	}
	defer w.close()
	p, err := w.plan(ctx)
	if err != nil {
		return err
	}
	a.tell("%s", planText(p))
	a.object("plan", map[string]any{"plan": p, "digest": p.Digest()})
	return nil
}

func (a *app) demoShip(ctx context.Context) (result, error) {
	w, err := a.open(ctx, need{own: true, keys: true, create: true})
	if err != nil {
		return result{}, err
	}
	defer w.close()
	w.started = time.Now()
	return w.ship(ctx, slipway.RunOptions{}, yesApprover{app: w.app})
}

// demoBundle exports the run's audit bundle and verifies it with nothing but its key.
func (a *app) demoBundle(ctx context.Context, run, name string) (string, error) {
	a.tell("== audit bundle\n")
	w, err := a.open(ctx, need{keys: true})
	if err != nil {
		return "", err
	}
	s, err := w.export(ctx, run, name)
	w.close()
	if err != nil {
		return "", err
	}
	r, _, err := a.verify(ctx, name, []string{s.Key})
	if err != nil {
		return "", err
	}
	a.tell("valid: %d entries, %d events, %d statements; it needs neither this folder nor the network:\n", r.Entries, r.Events, r.Statements)
	a.tell("  slipway audit verify %s --trust %s\n\n", name, s.Key)
	return name, nil
}

func mutations(calls map[string]map[string]int) int {
	n := 0
	for _, methods := range calls {
		for method, count := range methods {
			if method != http.MethodGet && method != http.MethodHead {
				n += count
			}
		}
	}
	return n
}

// lookAt checks that url answers 200 with the demo's own text.
func lookAt(ctx context.Context, url string) error {
	transport := rest.NewTransport()
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return slipway.Errorf(slipway.CodeInternal, "%q is no URL", url)
	}
	res, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return slipway.Errorf(slipway.CodeCheckFailed, "the app does not answer: %v", err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(page), demoText) {
		return slipway.Errorf(slipway.CodeCheckFailed, "%s answers %d without its text %q", url, res.StatusCode, demoText)
	}
	return nil
}
