package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

func (a *app) emulateCommand() *cobra.Command {
	var o emulator.Options
	var files emulateFiles
	var printEnv bool
	c := a.command("emulate", "Run emulators of Vercel, Neon, Upstash and GitHub on loopback",
		"Run emulators of the providers' APIs on loopback until interrupted, and print the environment that points Slipway at them.\n"+
			"Their credentials are good for nothing else. Everything is in memory, and in --state FILE at the end.\n"+
			"While they run, /_emulator/ of each API's address changes faults and settings, releases held calls, and shows log and state.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) { return a.emulate(ctx, o, files, printEnv) })
	f := c.Flags()
	f.IntVar(&o.Port, "port", 0, "the first of the `ports`, which follow each other; 0: free ones")
	f.DurationVar(&o.Latency, "latency", 0, "added to each API reply")
	f.DurationVar(&o.NeonProjectTime, "neon-project-time", 0, "how long the operations of a new Neon project take")
	f.DurationVar(&o.NeonOpTime, "neon-op-time", 0, "how long any other Neon operation takes")
	f.DurationVar(&o.BuildTime, "build-time", 0, "how long a build takes")
	f.StringVar(&o.Faults, "faults", "", "what goes wrong: "+emukit.FaultSyntax)
	f.StringVar(&o.Postgres, "pg-bin", "auto", "the `folder` of a PostgreSQL server's programs, which makes Neon branches real; auto: look for it;\n"+
		"empty: control plane only")
	f.Lookup("pg-bin").Annotations = map[string][]string{mayBeEmpty: nil}
	f.StringVar(&files.faults, "faults-file", "", "a `file` of the same, a rule a line; a line that begins with # is a comment")
	f.Uint64Var(&o.Seed, "seed", 0, "repeats credentials, ids and the chance in faults; 0: random ones")
	f.BoolVar(&o.SandboxNetwork, "sandbox-network", false, "let functions, and sandboxes whose network policy is allow-all, use this machine's network; else functions\n"+
		"reach the emulators' data planes alone, and sandboxes nothing")
	f.StringToStringVar(&o.Settings, "set", nil, "settings of single emulators as `NAME=VALUE`, several separated by commas:\n"+aboutSettings())
	f.Lookup("set").DefValue = "" // an empty map would print as []
	f.StringVar(&o.Listen, "listen", emukit.Loopback, "the `address` to listen on; whoever reaches it and has the credentials may use the emulators")
	f.StringVar(&files.state, "state", "", "load what was made from this `file` when it is there, and save it there at the end")
	f.StringVar(&files.log, "request-log", "", "append each API call to this `file` as a line of JSON")
	f.BoolVar(&printEnv, "print-env", false, "print the environment alone, as lines for a shell")
	return c
}

// aboutSettings is a line for each setting that an emulator has of its own.
func aboutSettings() string {
	var b strings.Builder
	for _, s := range emulator.Settings() {
		fmt.Fprintf(&b, "  %s: %s\n", s.Name, s.Help)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// emulateFiles are what the emulators read and write; "" means none.
type emulateFiles struct{ faults, state, log string }

func (a *app) emulate(ctx context.Context, o emulator.Options, files emulateFiles, printEnv bool) (r result, err error) {
	if files.log != "" {
		f, err := os.OpenFile(files.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return r, slipway.Errorf(slipway.CodeInvalid, "the request log cannot be written: %v", err)
		}
		defer f.Close()
		o.RequestLog = f
	}
	if files.faults != "" {
		text, err := os.ReadFile(files.faults)
		if err != nil {
			return r, slipway.Errorf(slipway.CodeInvalid, "the faults cannot be read: %v", err)
		}
		o.Faults += "\n" + string(text)
	}
	running, err := emulator.Start(ctx, o)
	if err != nil {
		return r, slipway.Errorf(slipway.CodeInvalid, "%v", err).WithHint("look at: slipway emulate --help")
	}
	defer running.Close()
	if err := loadEmulators(running, files.state); err != nil {
		return r, err
	}
	if err := mayBeSaved(files.state); err != nil {
		return r, err
	}
	if !emukit.IsLoopback(o.Listen) {
		_, _ = fmt.Fprintf(a.err, "warning: the emulators listen on %s: whoever reaches it and has the credentials may use them\n", o.Listen)
	}
	a.announce(running, printEnv)
	<-ctx.Done()
	return result{Status: statusSucceeded}, saveEmulators(running, files.state)
}

func loadEmulators(running *emulator.Running, file string) error {
	if file == "" {
		return nil
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = running.Load(raw)
	}
	if err != nil {
		return slipway.Errorf(slipway.CodeInvalid, "the state cannot be loaded: %v", err).WithHint("without the file %s they begin anew", file)
	}
	return nil
}

// mayBeSaved tells before anything is made that it could not be kept.
func mayBeSaved(file string) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file+".new", os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(file+".new"))
	}
	if err != nil {
		return slipway.Errorf(slipway.CodeInvalid, "the state could not be saved at the end: %v", err).WithHint("name a --state file in a folder that can be written to")
	}
	return nil
}

// saveEmulators replaces the file as a whole, for its owner's eyes only: it holds the emulators' own secrets.
func saveEmulators(running *emulator.Running, file string) error {
	if file == "" {
		return nil
	}
	raw, err := running.Save()
	if err == nil {
		err = os.WriteFile(file+".new", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return slipway.Errorf(slipway.CodeInternal, "the state cannot be saved: %v", err)
	}
	return nil
}

// announce prints the environment. It passes by the redactor: these credentials open nothing but the emulators.
func (a *app) announce(running *emulator.Running, bare bool) {
	env := running.Env()
	bin, cert := running.Postgres()
	switch {
	case a.json:
		_ = json.NewEncoder(a.rawOut).Encode(map[string]any{"type": "environment", "env": env, "postgres": bin, "postgres_certificate": cert})
	case bare:
		_, _ = io.WriteString(a.rawOut, shellEnv(env))
	default:
		_, _ = fmt.Fprintf(a.rawOut, "# the emulators serve until Ctrl-C; in another terminal:\n%s%s", shellEnv(env), aboutPostgres(bin, cert))
	}
}

// aboutPostgres says as a shell's comment whether Neon's connection strings connect.
func aboutPostgres(bin, cert string) string {
	if bin == "" {
		return "# Neon: no PostgreSQL server, control plane only: no connection string connects\n"
	}
	return fmt.Sprintf("# Neon: branches are databases of %s; a client that verifies them: NODE_EXTRA_CA_CERTS=%s\n", bin, cert)
}

// shellEnv is an environment as lines that a shell reads.
func shellEnv(env map[string]string) string {
	var b strings.Builder
	for _, name := range sortedKeys(env) {
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`))
	}
	return b.String()
}
