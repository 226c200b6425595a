package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/webhook"
)

// exitStatuses ends every help text.
const exitStatuses = `Exit status:
    0  done, or nothing to do
    1  failed
    2  usage, or an invalid manifest
    3  waits for an approval
    4  waits for a person's manual steps
    5  rejected or cancelled
    6  outcome unknown or ambiguous
    7  differences were found (with --exit-code)
  130  interrupted, or left waiting (--once); slipway resume goes on
`

// help writes a command's help to stdout.
func help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(w, "%s\n", strings.TrimSpace(text))
	if !cmd.IsAdditionalHelpTopicCommand() {
		section(w, "Usage", "  "+usageLine(cmd))
	}
	section(w, "Commands", commandList(cmd))
	section(w, "Topics", topicList(cmd))
	section(w, "Flags", cmd.LocalNonPersistentFlags().FlagUsages())
	global := cmd.InheritedFlags()
	if !cmd.HasParent() {
		global = cmd.PersistentFlags()
	}
	section(w, "Flags of every command", global.FlagUsages())
	fmt.Fprintf(w, "\n%s", exitStatuses)
}

func topicList(cmd *cobra.Command) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAdditionalHelpTopicCommand() {
			fmt.Fprintf(&b, "  %-11s %s\n", c.Name(), c.Short)
		}
	}
	return b.String()
}

// environmentTopic is help on the environment variables that are read; those of the providers are the providers' own data.
func (a *app) environmentTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Slipway reads these environment variables. For each, NAME_FILE may name a file that holds the value instead.\n" +
		"The app's own secret: values come from the variables that the manifest names, in the same way.\n\n")
	row := func(name, help string) { fmt.Fprintf(&b, "  %-24s %s\n", name, help) }
	for _, s := range declared(a.providers()) {
		help := s.Help
		if s.Required {
			help += " (required)"
		}
		if s.Default != "" {
			help += "; default " + s.Default
		}
		row(s.Env, help)
	}
	row("SLIPWAY_HOME", "folder of Slipway's state; default: the system's folder for state")
	row("SLIPWAY_SIGNING_KEY", "Ed25519 seed, 64 hex digits, that signs what you assert; default: a file in SLIPWAY_HOME")
	row("SLIPWAY_OUTPUT_*", "a value that Slipway cannot read itself, such as SLIPWAY_OUTPUT_DB_POOLED_URL for db.pooled_url")
	row("SLIPWAY_KEY_PASSPHRASE", "passphrase of the key that approve --key signs with, and of a new one; default: it is asked for")
	row("SLIPWAY_KEY_NEW_PASSPHRASE", "the passphrase that slipway key passphrase puts a key behind; default: it is asked for")
	row("SLIPWAY_AGENT", "name of the agent that runs Slipway: it may ask for everything, and approve nothing")
	row("SLIPWAY_FINGERPRINT_KEY", "key by which secrets are compared, at least 16 bytes; default: a file in SLIPWAY_HOME")
	for _, sender := range webhook.Senders() {
		row(webhook.Variable(sender), "secret of the webhook by which "+sender+" tells what happens, for --webhooks")
	}
	row("SLIPWAY_LOG", "debug: tell every request and every event on stderr, without secrets")
	row("SLIPWAY_DNS", "resolver, as HOST:PORT, by which the records of domains are looked up; default: the system's")
	row("SLIPWAY_SETTLE", "with emulators alone: how long a create is looked for whose reply was lost, such as 100ms")
	row("SLIPWAY_PATIENCE", "with emulators alone: how long a build, or a move of production, is waited for, such as 2s")
	return &cobra.Command{Use: "environment", Short: "The environment variables that Slipway reads", Long: b.String()}
}

func usageLine(cmd *cobra.Command) string {
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		line = cmd.CommandPath() + " COMMAND"
	}
	if cmd.HasAvailableLocalFlags() && !strings.Contains(line, "[flags]") {
		line += " [flags]"
	}
	return line
}

func commandList(cmd *cobra.Command) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			fmt.Fprintf(&b, "  %-11s %s\n", c.Name(), c.Short)
		}
	}
	return b.String()
}

func section(w io.Writer, title, body string) {
	if strings.TrimSpace(body) != "" {
		fmt.Fprintf(w, "\n%s:\n%s\n", title, strings.TrimRight(body, "\n"))
	}
}
