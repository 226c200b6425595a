package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/connect"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/manifest"
	"github.com/slipway-dev/slipway/internal/rest"
	"github.com/slipway-dev/slipway/internal/sandbox"
	"github.com/slipway-dev/slipway/internal/store"
)

// workspace is one app as a command works with it: its manifest, its database, and the engine on both.
type workspace struct {
	*app
	manifest *slipway.Manifest
	raw      []byte
	folder   string // of the manifest
	database string
	store    *store.Store
	engine   *engine.Engine
	lock     *store.Lock // nil unless this process owns the app
	deaf     func()      // ends the taking of webhooks; nil where none are
}

// need says what a command asks of a workspace.
type need struct {
	own    bool // the right to work on runs: one process has it at a time
	keys   bool // the fingerprint key, which is made when there is none
	create bool // a database where there is none
}

// restConfig is what all HTTP calls to providers share.
func (a *app) restConfig() rest.Config {
	return rest.Config{Base: a.transport(), Redact: a.redactor.String, Counter: a.counter, UserAgent: "slipway/" + readVersion().Version}
}

// transport is what sends the requests of this invocation.
func (a *app) transport() http.RoundTripper {
	if a.base == nil {
		a.base = rest.NewTransport()
		if a.seams.Transport != nil {
			a.base = a.seams.Transport(a.base)
		}
		if log, err := a.log(); err == nil && log.Enabled(context.Background(), slog.LevelDebug) {
			a.base = logged{a.base, log}
		}
	}
	return a.base
}

// cleanLines returns a function that redacts the lines of one stream.
func (a *app) cleanLines() func(string) string { return a.redactor.NewStream().Next }

func (a *app) resourceTypes() []slipway.ResourceType {
	var types []slipway.ResourceType
	for _, p := range a.providers() {
		types = append(types, p.Info().Types...)
	}
	return types
}

// manifestPath is the manifest as it is opened, and as it is named in messages.
func (a *app) manifestPath() (path, name string) {
	if filepath.IsAbs(a.file) {
		return a.file, a.file
	}
	return filepath.Join(a.dir, a.file), a.file
}

func (a *app) readManifest() ([]byte, error) {
	path, name := a.manifestPath()
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, slipway.Errorf(slipway.CodeInvalid, "there is no %s in %s", name, a.dir).
			WithHint("write one with: slipway init; or name the app's folder with -C, the file with -f")
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeInvalid, "the manifest cannot be read: %v", err)
	}
	return raw, nil
}

// parser returns the function that reads a manifest and lets every provider check it.
func (a *app) parser(providers []slipway.Provider) func([]byte) (*slipway.Manifest, error) {
	_, name := a.manifestPath()
	types := a.resourceTypes()
	return func(raw []byte) (*slipway.Manifest, error) {
		doc, err := manifest.Parse(name, raw, types)
		if err != nil {
			return nil, err
		}
		var problems []slipway.Problem
		for _, p := range providers {
			problems = append(problems, p.Check(doc.Manifest)...)
		}
		return doc.Manifest, doc.Problems(problems)
	}
}

// open reads the manifest and opens the app's state. Whoever calls it calls close.
func (a *app) open(ctx context.Context, n need) (_ *workspace, err error) {
	raw, err := a.readManifest()
	if err != nil {
		return nil, err
	}
	path, _ := a.manifestPath()
	w := &workspace{app: a, raw: raw, folder: filepath.Dir(path)}
	providers := a.providers()
	parse := a.parser(providers)
	if w.manifest, err = parse(raw); err != nil {
		return nil, err
	}
	log, err := a.log()
	if err != nil {
		return nil, err
	}
	if err := a.settings.check(providers, w.manifest); err != nil {
		return nil, err
	}
	if _, err := a.webhookSecrets(); err != nil {
		return nil, err
	}
	if err := a.refuseSecrets(raw); err != nil {
		return nil, err
	}
	if n.own {
		if err := a.goodPolicy(); err != nil {
			return nil, err
		}
	}
	settle, err := a.settings.settle(providers)
	if err != nil {
		return nil, err
	}
	patience, err := a.settings.patience(providers)
	if err != nil {
		return nil, err
	}
	lookup, err := a.lookup()
	if err != nil {
		return nil, err
	}
	if w.database, err = a.database(w.manifest); err != nil {
		return nil, err
	}
	if err := a.tellOtherTeams(w.database, n.create); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if n.own {
		if err := w.takeLock(ctx); err != nil {
			return nil, err
		}
	}
	c := store.Config{Path: w.database, Create: n.create, Guard: a.redactor.Has, Driver: a.seams.Driver}
	if w.store, err = store.Open(ctx, c); err != nil {
		if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Code == slipway.CodeStore {
			e.Op = w.database
		}
		return nil, err
	}
	var key slipway.FingerprintKey
	if n.keys {
		if key, err = a.fingerprintKey(); err != nil {
			return nil, err
		}
	}
	w.engine = engine.New(engine.Config{
		Store: w.store, Providers: providers, Settings: a.settings.provider(providers), Secrets: a.settings.app, Parse: parse,
		Fingerprints: key, Remember: a.redactor.Add, Attest: a.attest, Redact: a.redactor.String, Lines: a.cleanLines, HTTP: a.transport(), Settle: settle, Patience: patience, Log: log,
		Connect:    connect.All(a.restConfig()),
		DNS:        lookup,
		Policy:     a.policies(),
		ReadPolicy: readInForce,
		Witness:    a.witness,
		Tool:       "slipway " + readVersion().Version,
		Sandboxes:  sandbox.All(sandbox.Config{REST: a.restConfig(), Dir: filepath.Join(filepath.Dir(w.database), "verify")}),
	})
	return w, nil
}

// lookup looks records up at SLIPWAY_DNS, else at the system's resolver.
func (a *app) lookup() (slipway.DNSLookup, error) {
	resolver, err := a.settings.get("SLIPWAY_DNS")
	if err != nil {
		return nil, err
	}
	return connect.DNS(resolver)
}

// refuseSecrets refuses a manifest in which a secret of this environment stands, pasted where an id or a literal belongs. It is kept as it is.
func (a *app) refuseSecrets(raw []byte) error {
	n := 0
	for line := range bytes.Lines(raw) {
		if n++; a.redactor.Has(line) {
			_, name := a.manifestPath()
			return slipway.Errorf(slipway.CodeInvalid, "%s, line %d: a secret of this environment stands there; nothing was kept", name, n).
				WithHint("give an id or a literal in its place, and the secret by {secret: NAME}; revoke it if the file has been shared")
		}
	}
	return nil
}

func (w *workspace) close() {
	if w.deaf != nil {
		w.deaf()
	}
	if w.store != nil {
		_ = w.store.Close() // every commit is durable by now
	}
	if w.lock != nil {
		_ = w.lock.Close()
	}
}

// sourceFolder is where the app's files are.
func (w *workspace) sourceFolder() string {
	return filepath.Join(w.folder, filepath.FromSlash(w.manifest.Source.Dir))
}

func (w *workspace) lockPath() string { return filepath.Join(filepath.Dir(w.database), "owner.lock") }

// lockTries covers a command that has the lock for an instant, to see whether anybody does.
const lockTries = 5

// takeLock makes this process the owner of the app, or fails with CodeLocked and what the owner works on.
func (w *workspace) takeLock(ctx context.Context) (err error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for try := 1; ; try++ {
		var owner *store.Owner
		if w.lock, owner, err = store.TryLock(w.lockPath()); err == nil {
			return nil
		}
		if slipway.ErrorCode(err) != slipway.CodeLocked || try == lockTries {
			return locked(owner, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func locked(o *store.Owner, err error) error {
	if o == nil || o.PID == 0 || o.Run == "" {
		return err
	}
	return slipway.Errorf(slipway.CodeLocked, "another process (pid %d) works on run %s since %s", o.PID, o.Run, o.Since.Format(time.RFC3339)).
		WithHint("follow it with: slipway watch %s", o.Run)
}

// owned reports whether another process works on the app's runs at the moment.
func (w *workspace) owned() bool {
	if w.lock != nil {
		return true
	}
	lock, _, err := store.TryLock(w.lockPath())
	if err != nil {
		return true
	}
	_ = lock.Close()
	return false
}

// run finds the run that a command is about: the one named, else the app's one unfinished run, else, where newest says so, the newest.
func (w *workspace) run(ctx context.Context, args []string, newest bool) (slipway.Run, error) {
	if len(args) > 0 {
		d, err := w.engine.Get(ctx, args[0])
		if err != nil {
			return slipway.Run{}, err
		}
		return d.Run, nil
	}
	open, err := w.engine.Runs(ctx, slipway.RunFilter{App: w.manifest.App, Unfinished: true})
	if err != nil {
		return slipway.Run{}, err
	}
	switch {
	case len(open) == 1, len(open) > 1 && newest:
		return open[0], nil
	case len(open) > 1:
		return slipway.Run{}, slipway.Errorf(slipway.CodeInvalid, "%d runs are unfinished; say which", len(open)).WithHint("list them with: slipway runs")
	}
	if newest {
		all, err := w.engine.Runs(ctx, slipway.RunFilter{App: w.manifest.App, Limit: 1})
		if err == nil && len(all) == 0 {
			err = slipway.Errorf(slipway.CodeNotFound, "%s has no run", w.manifest.App).WithHint("start one with: slipway ship")
		}
		return first(all), err
	}
	return slipway.Run{}, slipway.Errorf(slipway.CodeNotFound, "%s has no unfinished run", w.manifest.App).WithHint("list all with: slipway runs")
}

func first(runs []slipway.Run) slipway.Run {
	if len(runs) == 0 {
		return slipway.Run{}
	}
	return runs[0]
}
