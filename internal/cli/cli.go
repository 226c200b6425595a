// Package cli is the command line: a file per noun, its flags, environment and output. It is the one place where the parts of Slipway
// are wired together (wire.go).
package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/rest"
)

// app is one invocation of the program.
type app struct {
	in       io.Reader
	out, err io.WriteCloser // redacted, whole lines
	rawOut   io.Writer      // for what must pass as it is: the emulators' own credentials
	rawErr   io.Writer      // for prompts and the live tree, which are redacted where they are made
	live     bool           // stderr is a terminal
	asks     bool           // stdin and stderr are terminals, and the output is for a person

	typed   chan string // lines from the terminal, once something was asked
	started time.Time

	seams    Seams
	settings *settings
	redactor *redact.Redactor
	counter  *rest.Counter
	base     http.RoundTripper // made when it is first needed
	ran      bool              // a command's own function was reached: an error before it is one of usage
	result   result            // of the command that ran

	dir, file, environment string
	json                   bool
}

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// Seams are where a test build looks into the program, or disturbs it. The zero value is the program as it is released: no flag and no
// variable sets them.
type Seams struct {
	// Transport wraps what sends requests to providers and to the app. nil: nothing does.
	Transport func(http.RoundTripper) http.RoundTripper
	// Driver is the database/sql driver of the app's database. "": the store's default.
	Driver string
	// Asks lets commands ask although stdin and stderr are no terminal.
	Asks bool
	// Work is log2 of what it costs to open a key that is made, as keychain.Chain has it. 0: the keychain's default.
	Work int
}

// Main runs the command line and returns the exit status. args do not hold the program's name.
func Main(args []string) int { return MainWith(args, Seams{}) }

// MainWith is Main for a test build.
func MainWith(args []string, seams Seams) int {
	redactor := redact.New()
	stderrIsTerminal := term.IsTerminal(int(os.Stderr.Fd()))
	a := &app{
		in: os.Stdin, out: redactor.NewWriter(os.Stdout), err: redactor.NewWriter(os.Stderr), rawOut: os.Stdout, rawErr: os.Stderr,
		live:     stderrIsTerminal && os.Getenv("TERM") != "dumb" && enableTerminal(os.Stderr),
		asks:     seams.Asks || stderrIsTerminal && term.IsTerminal(int(os.Stdin.Fd())),
		started:  time.Now(),
		seams:    seams,
		settings: newSettings(os.LookupEnv, redactor), redactor: redactor, counter: &rest.Counter{},
	}
	a.json = slices.ContainsFunc(args, func(s string) bool { return s == "--json" || s == "--json=true" })
	ctx, stop := interruptible()
	defer stop()
	return a.main(ctx, args)
}

// interruptible returns a context that SIGINT, SIGTERM or SIGHUP ends with errInterrupted; the second signal ends the process at once.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errInterrupted)
		<-signals
		os.Exit(slipway.ExitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

func (a *app) main(ctx context.Context, args []string) (exit int) {
	defer func() {
		if value := recover(); value != nil {
			exit = a.tellPanic(value)
		}
		_, _ = a.out.Close(), a.err.Close()
	}()
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.ran {
		err = usageError(root, cmd, args, err)
	}
	return a.finish(ctx, err)
}

// usageError is what cobra refused: an unknown command or flag, or wrong arguments.
func usageError(root, cmd *cobra.Command, args []string, err error) error {
	if errors.As(err, new(*slipway.Error)) {
		return err
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	e := slipway.Errorf(slipway.CodeInvalid, "%s", message)
	if cmd == root && strings.HasPrefix(message, "unknown command") {
		for _, arg := range args {
			if similar := root.SuggestionsFor(arg); len(similar) > 0 && !strings.HasPrefix(arg, "-") {
				return e.WithHint("did you mean: slipway %s", similar[0])
			}
		}
	}
	return e.WithHint("look at: %s --help", cmd.CommandPath())
}

// unsorted lets help list commands as they are added. The library has one setting for a whole process, and tests run many commands at once.
var unsorted = sync.OnceFunc(func() { cobra.EnableCommandSorting = false })

// root returns the tree of commands.
func (a *app) root() *cobra.Command {
	unsorted()
	root := &cobra.Command{
		Use: "slipway", Short: "From source to verified production on Vercel, Neon and Upstash",
		Long: "Slipway takes an app from source to verified production on Vercel, with its Neon database and Upstash stores.\n" +
			"It plans first, asks before it changes anything outside, and goes on from wherever it was stopped.\n\n" +
			"Try it without any account: slipway demo",
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return slipway.Errorf(slipway.CodeInvalid, "unknown command %q", args[0]).WithHint("%s", suggestion(cmd, args[0]))
			}
			a.ran = true
			return cmd.Help()
		},
	}
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.environment == "" { // as of a variable that is not set: it must not become production
			return slipway.Errorf(slipway.CodeInvalid, "the environment's name is empty").WithHint("name it with -e, or leave -e out for production")
		}
		return nil
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.dir, "directory", "C", ".", "the app's `folder`")
	flags.StringVarP(&a.file, "file", "f", "slipway.yaml", "the manifest, relative to that folder")
	flags.StringVarP(&a.environment, "environment", "e", slipway.Production, "the environment to work on: production or preview")
	flags.BoolVar(&a.json, "json", false, "one JSON object a line on stdout; the last has \"type\":\"result\"")
	root.AddCommand(a.commands()...)
	root.AddCommand(a.environmentTopic())
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	root.SetHelpFunc(help)
	root.SetUsageFunc(func(*cobra.Command) error { return nil })
	return root
}

func suggestion(root *cobra.Command, word string) string {
	if similar := root.SuggestionsFor(word); len(similar) > 0 {
		return "did you mean: slipway " + similar[0]
	}
	return "list the commands with: slipway --help"
}

// commands are all that work, in the order of help.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.demoCommand(), a.initCommand(), a.doctorCommand(),
		a.planCommand(), a.shipCommand(), a.driftCommand(), a.runsCommand(), a.statusCommand(), a.watchCommand(),
		a.approveCommand(), a.rejectCommand(), a.resumeCommand(), a.cancelCommand(), a.manualCommand(), a.rollbackCommand(), a.destroyCommand(),
		a.auditCommand(), a.policyCommand(), a.keyCommand(), a.envCommand(), a.emulateCommand(), a.selftestCommand(), a.schemaCommand(), a.versionCommand(),
	}
}

// command returns a cobra command that runs f and keeps its result.
func (a *app) command(use, short, long string, args cobra.PositionalArgs, f func(ctx context.Context, args []string) (result, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: args, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			a.ran = true
			if err = notEmpty(cmd, args); err == nil {
				a.result, err = f(cmd.Context(), args)
			}
			a.result.Command = strings.TrimPrefix(cmd.CommandPath(), "slipway ")
			return err
		},
	}
}
