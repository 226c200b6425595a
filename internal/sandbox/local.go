package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/isolate"
)

// local runs jobs on this machine by internal/isolate, never in fewer layers than it tells.
type local struct {
	config Config

	once  sync.Once
	fault error
}

var _ slipway.Sandbox = (*local)(nil)

func (*local) Name() string { return Local }

// Ready runs a program that does nothing, once for the process.
func (l *local) Ready(_ context.Context, _ slipway.Settings, job slipway.Job) (slipway.Kind, error) {
	if len(job.Network) > 0 && !slices.Equal(job.Network, []string{slipway.NetworkAll}) {
		return "", slipway.Errorf(slipway.CodeUnsandboxed, "isolation on this machine lets through every host or none, and verify.network names some").
			WithHint("%s, which tells hosts apart; or write network: [all], or leave network out", elsewhere(job))
	}
	l.once.Do(func() { _, l.fault = isolate.Check(context.Background()) })
	if l.fault != nil {
		return "", unavailable(l.fault, job)
	}
	return "", nil
}

func unavailable(err error, job slipway.Job) error {
	return slipway.Errorf(slipway.CodeUnsandboxed, "%v", err).WithHint("%s; or %s", isolate.Remedy(), elsewhere(job))
}

// elsewhere is how job comes to run in Vercel Sandbox instead.
func elsewhere(job slipway.Job) string {
	how := "set VERCEL_OIDC_TOKEN (or VERCEL_TOKEN and VERCEL_TEAM_ID) to run the commands in Vercel Sandbox"
	if job.Sandbox == Local {
		return "leave verify.sandbox: local out of the manifest and " + how
	}
	return how
}

const (
	workInside = "/app"
	homeInside = "/home/slipway"
)

func (l *local) dir(o slipway.Order) string {
	base := l.config.Dir
	if base == "" {
		base = os.TempDir()
	}
	return filepath.Join(base, o.Name)
}

func (l *local) Run(ctx context.Context, _ slipway.Settings, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	ctx, cancel := l.config.withLimit(ctx, o, false)
	defer cancel()
	deadline := l.config.Now().Add(seconds(o.Job))
	uid, dir, out := isolate.NewUID(), l.dir(o), &outlet{emit: emit}
	if err := lay(ctx, o, dir, uid); err != nil {
		return slipway.JobResult{}, ended(ctx, err, nil)
	}
	var r slipway.JobResult
	for _, argv := range o.Commands {
		began := l.config.Now()
		out.command(argv, began)
		c := slipway.CommandResult{Argv: argv, Began: began, End: slipway.JobTime}
		if left := deadline.Sub(began); left > 0 {
			level, err := l.command(ctx, o, argv, dir, uid, left, out, &c)
			if level != nil {
				r.Isolation = *level
			}
			if err != nil {
				return r, err
			}
		}
		c.Took = l.config.Now().Sub(began).Milliseconds()
		if r.Commands = append(r.Commands, c); !c.Passed() {
			break
		}
	}
	return r, nil
}

// command runs one of the commands. What ends it is in c; an error is that it could not be run, or that ctx ended.
func (l *local) command(ctx context.Context, o slipway.Order, argv []string, dir string, uid int, left time.Duration, out *outlet, c *slipway.CommandResult) (*slipway.Isolation, error) {
	stdout, stderr := out.stream("stdout", l.config.Now), out.stream("stderr", l.config.Now)
	res, err := isolate.Run(ctx, isolate.Command{
		Argv: argv, Dir: workInside, Env: environment(), UID: uid, Network: len(o.Network) > 0,
		Mounts: []isolate.Mount{
			{Host: filepath.Join(dir, "work"), Inside: workInside, Writable: true},
			{Host: filepath.Join(dir, "home"), Inside: homeInside, Writable: true},
		},
		Limits: isolate.Limits{Time: left, CPU: 4 * left, Memory: o.Memory << 20, Output: 1 << 10},
		Stdout: stdout, Stderr: stderr,
	})
	switch {
	case err != nil && timeIsOver(ctx):
		return nil, nil // c says so
	case err != nil && ctx.Err() != nil:
		return nil, canceled(ctx)
	case errors.Is(err, isolate.ErrNoProgram):
		c.End, c.Exit = slipway.JobAbsent, 127
		return nil, nil
	case errors.Is(err, isolate.ErrUnavailable):
		return nil, unavailable(err, o.Job)
	case err != nil:
		return nil, slipway.Errorf(slipway.CodeInternal, "%s could not be run: %v", argv[0], err)
	}
	stdout.end()
	stderr.end()
	level := slipway.Isolation{Backend: res.Level.Backend, Version: res.Level.Version, Layers: res.Level.Layers}
	if res.Ended == isolate.Canceled && !timeIsOver(ctx) {
		return &level, canceled(ctx)
	}
	c.Exit = res.ExitCode
	switch res.Ended {
	case isolate.Exited:
		c.End = slipway.JobExited
	case isolate.Memory:
		c.End = slipway.JobMemory
	case isolate.CPU:
		c.End = slipway.JobCPU
	}
	return &level, nil
}

func canceled(ctx context.Context) error {
	return &slipway.Error{Code: slipway.CodeCanceled, Message: "the verification was interrupted", Cause: context.Cause(ctx)}
}

// Stop removes the job's folder. Its processes end with the one that started them.
func (l *local) Stop(_ context.Context, _ slipway.Settings, o slipway.Order) error {
	if err := os.RemoveAll(l.dir(o)); err != nil {
		return slipway.Errorf(slipway.CodeInternal, "the folder of a verification could not be removed: %v", err).WithHint("remove it by hand")
	}
	return nil
}

// lay writes the source below dir/work, and makes dir/home. dir must not be there: nobody else has prepared it.
func lay(ctx context.Context, o slipway.Order, dir string, uid int) error {
	fault := func(err error) error {
		if e := (*slipway.Error)(nil); errors.As(err, &e) || ctx.Err() != nil {
			return err
		}
		return slipway.Errorf(slipway.CodeInternal, "the source could not be laid out for verification: %v", err).
			WithHint("look at the space and the rights in %s", filepath.Dir(dir))
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fault(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fault(err)
	}
	for _, name := range []string{"work", "home"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return fault(err)
		}
	}
	root, err := os.OpenRoot(filepath.Join(dir, "work"))
	if err != nil {
		return fault(err)
	}
	defer root.Close()
	if err := copyTree(ctx, o.Files, root); err != nil {
		return fault(err)
	}
	for _, name := range []string{"work", "home"} {
		if err := isolate.Own(filepath.Join(dir, name), uid); err != nil {
			return fault(err)
		}
	}
	return nil
}

// copyTree writes files, and the links after them, so that nothing is written through a link.
func copyTree(ctx context.Context, set slipway.FileSet, root *os.Root) error {
	files := set.Files()
	slices.SortStableFunc(files, func(a, b slipway.File) int { return rank(a) - rank(b) })
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if dir := path.Dir(f.Path); dir != "." {
			if err := root.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
				return err
			}
		}
		if err := copyFile(ctx, set, f, root); err != nil {
			return err
		}
	}
	return nil
}

func rank(f slipway.File) int {
	if isLink(f) {
		return 1
	}
	return 0
}

func isLink(f slipway.File) bool { return f.Mode&0o170000 == 0o120000 }

func copyFile(ctx context.Context, set slipway.FileSet, f slipway.File, root *os.Root) error {
	name := filepath.FromSlash(f.Path)
	from, err := set.Open(ctx, f)
	if err != nil {
		return err
	}
	defer from.Close()
	if isLink(f) {
		var target strings.Builder
		if _, err := io.Copy(&target, from); err != nil {
			return err
		}
		return root.Symlink(target.String(), name)
	}
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(f.Mode&0o777))
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return to.Close()
}
