package clienttest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// skip ends a test that cannot run here, and says why. With SLIPWAY_NO_SKIP=1
// it fails instead: what CI names must run.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// need skips the test unless program is on the PATH and every one of modules is
// installed under folder/node_modules.
func need(t *testing.T, folder, program string, modules ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		skip(t, program+" not found: install it to run the vendors' own clients")
	}
	for _, m := range modules {
		if _, err := os.Stat(filepath.Join(folder, "node_modules", filepath.FromSlash(m), "package.json")); err != nil {
			skip(t, m+" not installed: run npm ci in internal/emulator/clienttest/"+strings.TrimPrefix(folder, "."))
		}
	}
}

// environ is a child's whole environment: PATH, a home of its own, and extra
// ("NAME=value"). Nothing else of this process reaches it, no proxy and no
// credential.
func environ(t *testing.T, extra ...string) []string {
	t.Helper()
	home := t.TempDir()
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home,
		"CI=1", "NO_COLOR=1",
	}, extra...)
}

// value returns a variable of an environment, "" when it is not there.
func value(env []string, name string) string {
	for _, v := range env {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			return text
		}
	}
	return ""
}

// run runs one program to its end in dir and returns its output. A failure ends the
// test with what the program said.
func run(ctx context.Context, t *testing.T, dir string, env []string, program string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := try(ctx, dir, env, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n--- stdout\n%s\n--- stderr\n%s", program, strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout, stderr
}

// try is run for a program that may fail: the error is the exit's.
func try(ctx context.Context, dir string, env []string, program string, args ...string) (stdout, stderr string, err error) {
	var out, errs strings.Builder
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Env, c.Stdout, c.Stderr = dir, env, &out, &errs
	err = c.Run()
	if ctxErr := ctx.Err(); ctxErr != nil {
		err = errors.Join(err, ctxErr)
	}
	return out.String(), errs.String(), err
}

// script runs testdata/name under Node with the variables given. The scripts
// import their client by its package name, and exit 1 with the failed
// assertion.
func script(t *testing.T, name string, extra ...string) (stdout string) {
	t.Helper()
	stdout, _ = run(t.Context(), t, ".", environ(t, extra...), "node", filepath.Join("testdata", name))
	return stdout
}
