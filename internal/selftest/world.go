package selftest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// What takes time: a thing shows in the third list read after its creation, and Slipway looks three times in the settle time for a create
// whose reply was lost.
const (
	unseen = 2
	settle = 100 * time.Millisecond
	// pending is how long a build, and what Neon does, takes: longer than a process that goes on needs to look at it.
	pending = 120 * time.Millisecond
)

// Options are the settings of a World. The zero value is a new folder, and this program.
type Options struct {
	// Dir is where app and home go; it must not be there yet. Default: a temporary folder. Close removes it either way.
	Dir string
	// Program runs Slipway's command line with the arguments of World.Command. Default: this executable.
	Program string
	// Env is added to the environment of the commands.
	Env map[string]string
	// Settings are the emulators' (emulator.Settings). Default: new domains are verified, which no record has to prove.
	Settings map[string]string
}

// World is an app, what it is shipped by, and the providers that it is shipped to. One goroutine at a time uses it.
type World struct {
	// App is the app's folder, which holds slipway.yaml and site/; Home is SLIPWAY_HOME.
	App, Home string
	// Env is the whole environment of the commands: it points at the emulators, and holds the app's secret.
	Env map[string]string

	program string
	dir     string
	running *emulator.Running

	mu      sync.Mutex
	watch   func(*emukit.Call) emukit.Action
	effects []effect
	known   map[string]string // what stands for an id or a secret that was seen once
	beside  func(*emukit.Call) (map[string]string, error)
	failed  error // of what is done beside a command

	acting  sync.Mutex // what others do is done one after another
	theirs  string     // the id of a deployment that the operation did not make
	listens string     // where its commands listen for webhooks
}

// New starts the emulators and writes the app. Whoever calls it calls Close.
func New(ctx context.Context, o Options) (_ *World, err error) {
	w := &World{dir: o.Dir, program: o.Program, known: map[string]string{}}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if w.dir == "" {
		w.dir, err = os.MkdirTemp("", "slipway-selftest-")
	} else {
		err = os.Mkdir(w.dir, 0o700)
	}
	if err != nil {
		w.dir = "" // it is not ours
		return nil, fmt.Errorf("selftest: %w", err)
	}
	if w.program == "" {
		if w.program, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("selftest: %w", err)
		}
	}
	if o.Settings == nil {
		o.Settings = map[string]string{"vercel.verified-domains": "true"}
	}
	if w.running, err = emulator.Start(ctx, emulator.Options{
		NeonProjectTime: pending, NeonOpTime: pending, BuildTime: pending, Hook: w.hook,
		Settings: o.Settings,
	}); err != nil {
		return nil, fmt.Errorf("selftest: %w", err)
	}
	for _, e := range emulator.All() {
		w.running.Kit(e.Name).Tune(func(t *emukit.Tuning) { t.Settle.Reads = unseen })
	}
	w.App, w.Home = filepath.Join(w.dir, "app"), filepath.Join(w.dir, "home")
	w.Env = w.running.Env()
	w.Env["SLIPWAY_HOME"], w.Env["HOME"] = w.Home, w.dir
	w.Env["SLIPWAY_SETTLE"] = settle.String()
	w.Env["SLIPWAY_FINGERPRINT_KEY"] = "0123456789abcdef0123456789abcdef"
	w.Env[appSecret] = "sk_selftest_0123456789abcdef"
	maps.Copy(w.Env, o.Env)
	return w, w.writeApp()
}

// Close stops the emulators and removes all that the world has on disk.
func (w *World) Close() {
	if w.running != nil {
		w.running.Close()
	}
	if w.dir != "" {
		_ = os.RemoveAll(w.dir) // what stays is in the system's folder for temporary files
	}
}

// Command is Slipway with these arguments on the world's app. The end of ctx kills it.
func (w *World) Command(ctx context.Context, args ...string) *exec.Cmd {
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == webhooksAt {
			args[i] = w.listens
		}
	}
	cmd := exec.CommandContext(ctx, w.program, append([]string{"-C", w.App}, args...)...)
	cmd.Args[0] = "slipway"
	cmd.Dir = w.dir
	for _, name := range slices.Sorted(maps.Keys(w.Env)) {
		cmd.Env = append(cmd.Env, name+"="+w.Env[name])
	}
	cmd.WaitDelay = 10 * time.Second // for its own children, which hold its output
	return cmd
}

// Watch replaces what sees the calls at the emulators, and may interfere. nil lets all pass.
func (w *World) Watch(f func(*emukit.Call) emukit.Action) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = f
}

// Beside lets others act at each call of a command, until it is nil. An error of theirs is returned by Err.
func (w *World) Beside(f func(*emukit.Call) (map[string]string, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beside, w.failed = f, nil
}

// Err is why what others do beside a command could not be done.
func (w *World) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

func (w *World) hook(c *emukit.Call) (a emukit.Action) {
	if c.Header.Get("User-Agent") == somebody {
		return emukit.Action{With: atOnce(c)}
	}
	w.mu.Lock()
	if c.Phase == emukit.After && c.Status < 300 {
		w.effects = append(w.effects, effectsOf(c)...)
	}
	watch, beside := w.watch, w.beside
	w.mu.Unlock()
	if watch != nil {
		a = watch(c)
	}
	if beside == nil {
		return a
	}
	w.acting.Lock()
	defer w.acting.Unlock()
	var err error
	if a.With, err = beside(c); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failed = errors.Join(w.failed, err)
	}
	return a
}

// Snapshot is a world as it was at one moment.
type Snapshot struct {
	emulators []byte
	folder    string // holds app and home
}

// Snapshot keeps the app, the home and what the providers hold. No command may be running. It is gone when the world is closed.
func (w *World) Snapshot() (*Snapshot, error) {
	raw, err := w.running.Save()
	if err != nil {
		return nil, err
	}
	s := &Snapshot{emulators: raw}
	if s.folder, err = os.MkdirTemp(w.dir, "snapshot-"); err != nil {
		return nil, err
	}
	return s, errors.Join(copyFolder(w.App, filepath.Join(s.folder, "app")), copyFolder(w.Home, filepath.Join(s.folder, "home")))
}

// Restore makes the world what it was, and forgets the requests since.
func (w *World) Restore(s *Snapshot) error {
	if err := w.running.Load(s.emulators); err != nil {
		return err
	}
	w.mu.Lock()
	w.effects = nil
	w.mu.Unlock()
	return errors.Join(
		os.RemoveAll(w.App), os.RemoveAll(w.Home),
		copyFolder(filepath.Join(s.folder, "app"), w.App), copyFolder(filepath.Join(s.folder, "home"), w.Home),
	)
}

// copyFolder copies a folder with its files' modes. One that is not there is not made.
func copyFolder(from, to string) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if d.IsDir() {
			return os.MkdirAll(target, info.Mode().Perm())
		}
		return copyFile(path, target, info.Mode().Perm())
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
