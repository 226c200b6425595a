package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

func (a *app) emulateCommand() *cobra.Command {
	var o emulator.Options
	var requestLog string
	var printEnv bool
	c := a.command("emulate", "Run emulators of Vercel, Neon and Upstash on loopback",
		"Run emulators of the providers' APIs on loopback until interrupted, and print the environment that points Slipway at them.\n"+
			"Their credentials are good for nothing else. Everything is in memory.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) { return a.emulate(ctx, o, requestLog, printEnv) })
	f := c.Flags()
	f.IntVar(&o.Port, "port", 0, "the first of the `ports`, which follow each other; 0: free ones")
	f.DurationVar(&o.Latency, "latency", 0, "added to each API reply")
	f.DurationVar(&o.NeonProjectTime, "neon-project-time", 0, "how long the operations of a new Neon project take")
	f.DurationVar(&o.NeonOpTime, "neon-op-time", 0, "how long any other Neon operation takes")
	f.DurationVar(&o.BuildTime, "build-time", 0, "how long a build takes")
	f.StringVar(&o.Faults, "faults", "", "what goes wrong: "+emukit.FaultSyntax)
	f.StringVar(&o.Postgres, "pg-bin", "auto", "the `folder` of a PostgreSQL server's programs, which makes Neon branches real; auto: look for it;\n"+
		"empty: control plane only")
	f.StringVar(&requestLog, "request-log", "", "append each API call to this `file` as a line of JSON")
	f.BoolVar(&printEnv, "print-env", false, "print the environment alone, as lines for a shell")
	return c
}

func (a *app) emulate(ctx context.Context, o emulator.Options, requestLog string, printEnv bool) (result, error) {
	if requestLog != "" {
		f, err := os.OpenFile(requestLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return result{}, slipway.Errorf(slipway.CodeInvalid, "the request log cannot be written: %v", err)
		}
		defer f.Close()
		o.RequestLog = f
	}
	running, err := emulator.Start(ctx, o)
	if err != nil {
		return result{}, slipway.Errorf(slipway.CodeInvalid, "%v", err).WithHint("look at: slipway emulate --help")
	}
	defer running.Close()
	a.announce(running, printEnv)
	<-ctx.Done()
	return result{Status: statusSucceeded}, nil
}

// announce prints the environment. It passes by the redactor: these credentials open nothing but the emulators.
func (a *app) announce(running *emulator.Running, bare bool) {
	env := running.Env()
	bin, cert := running.Postgres()
	switch {
	case a.json:
		a.object("environment", map[string]any{"env": env, "postgres": bin, "postgres_certificate": cert})
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
