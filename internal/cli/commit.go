package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// host opens the provider that source.github is at.
func (w *workspace) host(ctx context.Context) (slipway.Repositories, error) {
	providers := w.providers()
	for _, p := range providers {
		if !p.Info().Source {
			continue
		}
		s, err := p.Open(ctx, w.settings.provider(providers))
		if err != nil {
			return nil, err
		}
		if r, ok := s.(slipway.Repositories); ok {
			return r, nil
		}
	}
	return nil, slipway.Errorf(slipway.CodeInternal, "no provider has repositories")
}

// commit resolves source.github and source.ref to the commit that they stand for now.
func (w *workspace) commit(ctx context.Context) (slipway.FileSet, error) {
	host, err := w.host(ctx)
	if err != nil {
		return nil, err
	}
	from := w.manifest.Source
	c, err := host.Resolve(ctx, from.GitHub, from.Ref)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(c.Repository, from.GitHub) {
		return nil, slipway.Errorf(slipway.CodeInvalid, "the repository %s is called %s now", from.GitHub, c.Repository).
			WithHint("write it in the manifest: source: {github: %s}", c.Repository)
	}
	w.tell("source: %s\n", sourceText(c))
	return host.Pin(c), nil
}

// shipped is the source of a ship: what source names now, but for a run that goes on with what was approved.
func (w *workspace) shipped(ctx context.Context) (slipway.FileSet, error) {
	if w.manifest.Source.GitHub == "" {
		return w.files(ctx)
	}
	open, err := w.engine.Runs(ctx, slipway.RunFilter{App: w.manifest.App, Environment: cmp.Or(w.environment, slipway.Production), Unfinished: true})
	if err != nil {
		return nil, err
	}
	for _, run := range open {
		d, err := w.engine.Get(ctx, run.ID)
		if err != nil {
			return nil, err
		}
		used := slices.ContainsFunc(d.Approvals, func(a slipway.Approval) bool {
			return a.State == slipway.ApprovalApproved || a.State == slipway.ApprovalConsumed
		})
		if run.Operation == slipway.OperationShip && run.Manifest == string(w.raw) && d.Commit != nil && used {
			return w.filesOf(ctx, run)
		}
	}
	return w.files(ctx)
}

// filesOf is the source that a run has planned: the folder as it is, or its commit, wherever the ref has moved since.
func (w *workspace) filesOf(ctx context.Context, run slipway.Run) (slipway.FileSet, error) {
	d, err := w.engine.Get(ctx, run.ID)
	if err != nil || d.Commit == nil {
		if err != nil {
			return nil, err
		}
		return w.files(ctx)
	}
	host, err := w.host(ctx)
	if err != nil {
		return nil, err
	}
	c := *d.Commit
	w.tell("source: %s\n", sourceText(c))
	if now, err := host.Resolve(ctx, c.Repository, c.Ref); err == nil && now.SHA != c.SHA { // what cannot be told is not needed
		w.tell("%s is %s by now; this run ships what it planned: %s\n", c.Ref, short(now.SHA), short(c.SHA))
	}
	return host.Pin(c), nil
}

// short is as much of a commit's id as people read.
func short(sha string) string { return sha[:min(len(sha), 12)] }

// sourceText is a commit in a line.
func sourceText(c slipway.Commit) string {
	text := c.Repository + " " + c.SHA
	if c.Ref != c.SHA {
		text = c.Repository + " " + c.Ref + " at " + c.SHA
	}
	if c.Tree == "" {
		text += " (as stated: nothing here has looked it up)"
	}
	return text
}

// commitText tells what a plan ships, and where it is reported.
func commitText(b *strings.Builder, p *slipway.Plan) {
	if p.Commit == nil {
		return
	}
	fmt.Fprintf(b, "source: %s\n", sourceText(*p.Commit))
	switch {
	case p.Report == nil:
	case p.Report.Skipped != "":
		fmt.Fprintf(b, "nothing is reported to %s: %s\n", p.Report.To, oneLine(p.Report.Skipped))
	default:
		fmt.Fprintf(b, "%s is told how it goes: a status of the commit, and a deployment\n", p.Report.To)
	}
}
