package manual_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
)

// noting is somebody who has these means, Vercel's command line by its stand-in, and whose ways are noted.
func (l *ledger) noting(means ...byhand.Means) func(*world, *byhand.Person, slipway.Runbook) {
	return func(w *world, p *byhand.Person, book slipway.Runbook) {
		w.t.Helper()
		w.t.Cleanup(func() { l.note(book, p) }) // with what undoes it
		w.standIn(p)
		if slices.Contains(means, byhand.Pages) {
			p.Values = w.person().Values // what can be copied from a page is copied there
		}
		byJSON(means...)(w, p, book)
	}
}

// standIn gives the person what stands in for Vercel's command line, in the folder of the app's source.
func (w *world) standIn(p *byhand.Person) {
	p.Dir = filepath.Join(w.App, "site")
	p.Programs = map[string]byhand.Program{"vercel": byhand.VercelCLI()}
}

// beside are the ways that are compared with no automated one.
func (l *ledger) beside(t *testing.T) {
	for name, means := range map[string][]byhand.Means{"pages": {byhand.Pages, byhand.HTTP}, "commands": {byhand.Command, byhand.HTTP}} {
		t.Run("marketplace by "+name, func(t *testing.T) {
			t.Parallel()
			throughTheMarketplace(t, func(w *world, p *byhand.Person) {
				w.standIn(p)
				p.Means, w.noted = means, func(book slipway.Runbook) { l.note(book, p) }
			})
		})
	}
	t.Run("production by commands", func(t *testing.T) {
		t.Parallel()
		sc := scenario{reason: "a production deployment, and all that comes before and after it", only: all}
		prove(t, sc, l.noting(byhand.Command, byhand.HTTP))
	})
	t.Run("nameservers", func(t *testing.T) {
		t.Parallel()
		writeRecords(t, func(w *world, p *byhand.Person) {
			p.Means, w.noted = []byhand.Means{byhand.Pages, byhand.DNS}, func(book slipway.Runbook) { l.note(book, p) }
		})
	})
	t.Run("ids", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		deployed(w)
		p := w.person(byhand.Pages)
		deployment := w.receipts["vercel.deployment/shop@production"]
		w.shows(p, "Project ID", "vercel", w.receipts["vercel.project/shop"].ID)
		w.shows(p, "Deployment ID, dpl_…", "vercel", deployment.ID)
		w.shows(p, "Domains", "vercel", deployment.URLs[0])
		w.shows(p, "ID, br-…", "neon", w.receipts["neon.project/db"].Details["branch_id"])
		l.note(slipway.Runbook{App: w.manifest.App}, p)
	})
}

// shows checks that a place whose path ends in last shows what is recorded.
func (w *world) shows(p *byhand.Person, last, provider, want string) {
	w.t.Helper()
	for _, row := range rows() {
		if row.Path == nil || row.Path[len(row.Path)-1] != last || !strings.Contains(row.Link, provider) || slices.Contains(row.Path, "the branch") {
			continue
		}
		got, err := p.Copy(w.t.Context(), w.manifest.App, row.String())
		if err != nil || got != strings.TrimPrefix(want, "http://") {
			w.t.Errorf("%s shows %q (%v), want %q", row, got, err, want)
		}
		return
	}
	w.t.Errorf("no page of %s shows %q", provider, last)
}
