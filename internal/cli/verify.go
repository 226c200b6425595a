package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/sandbox"
)

// jobText is what a plan runs before the deployment, where, and within what.
func jobText(b *strings.Builder, c slipway.Check) {
	for _, argv := range c.Job.Commands {
		fmt.Fprintf(b, "      $ %s\n", oneLine(slipway.CommandLine(argv)))
	}
	where := "isolated on this machine"
	if c.Job.Sandbox == sandbox.Vercel {
		where = "in Vercel Sandbox (" + c.Job.Runtime + "), which is billed"
	}
	network := "no network"
	if len(c.Job.Network) > 0 {
		network = "network: " + strings.Join(c.Job.Network, ", ")
	}
	fmt.Fprintf(b, "      %s; %s; at most %v and %d MiB\n", where, network, time.Duration(c.Job.Timeout)*time.Second, c.Job.Memory)
}

// jobResultText is how a verification went, a line for each command.
func jobResultText(b *strings.Builder, s slipway.Step) {
	var r slipway.JobResult
	raw, err := json.Marshal(s.Basis)
	if err != nil || json.Unmarshal(raw, &r) != nil {
		return
	}
	for _, c := range r.Commands {
		how := fmt.Sprintf("exit code %d", c.Exit)
		if c.End != slipway.JobExited {
			how = "ended: " + string(c.End)
		}
		fmt.Fprintf(b, "  %-8s $ %s: %s, %v\n", "", oneLine(slipway.CommandLine(c.Argv)), how, time.Duration(c.Took)*time.Millisecond)
	}
	if r.Isolation.Backend != "" {
		fmt.Fprintf(b, "  %-8s by %s\n", "", r.Isolation)
	}
}

// transcript shows the end of the output of a run's verification.
func (w *workspace) transcript(ctx context.Context, run string) error {
	raw, err := w.engine.Transcript(ctx, run)
	if err != nil {
		return err
	}
	first, rest, _ := bytes.Cut(raw, []byte("\n"))
	var head struct{ Lines, Kept, Bytes int64 }
	if err := json.Unmarshal(first, &head); err != nil {
		return slipway.Errorf(slipway.CodeStore, "the transcript of run %s is damaged", run)
	}
	w.object("transcript", json.RawMessage(first))
	if head.Lines > head.Kept {
		w.say("(%d of %d lines are left out: the last %d follow)\n", head.Lines-head.Kept, head.Lines, head.Kept)
	}
	for text := range bytes.Lines(rest) {
		var l slipway.LogLine
		if err := json.Unmarshal(text, &l); err != nil {
			return slipway.Errorf(slipway.CodeStore, "the transcript of run %s is damaged", run)
		}
		w.object("output", l)
		switch l.Stream {
		case "command":
			w.say("$ %s\n", l.Text)
		case "state":
			w.say("(%s)\n", l.Text)
		default:
			w.say("%s\n", l.Text)
		}
	}
	return nil
}
