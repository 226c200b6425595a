package manual_test

import (
	"maps"
	"path/filepath"
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
		byJSON(means...)(w, p, book)
	}
}

// standIn gives the person what stands in for Vercel's command line, in the folder of the app's source.
func (w *world) standIn(p *byhand.Person) {
	p.Dir = filepath.Join(w.App, "site")
	p.Programs = map[string]byhand.Program{"vercel": byhand.VercelCLI()}
}

// Who clicks through the pages, as their documentation is read here, or types what is printed for Vercel's command line comes to what Slipway's
// own clients come to. What has no page or no command is done by the API.
func TestPagesAndCommandsReachTheSame(t *testing.T) {
	var l ledger
	every, ran := scenarios(), 0
	t.Run("do", func(t *testing.T) {
		for name, sc := range every {
			t.Run("pages/"+name, func(t *testing.T) {
				t.Parallel()
				prove(t, sc, l.noting(byhand.Pages, byhand.HTTP))
			})
		}
		commanded := maps.Clone(every)
		maps.DeleteFunc(commanded, func(name string, _ scenario) bool {
			return name != "update" && name != "undeclared variable" && name != "promote" && name != "rollback" && name != "domains" && name != "adopt"
		})
		commanded["production"] = scenario{reason: "a production deployment, and all that comes before and after it", only: all}
		for name, sc := range commanded {
			t.Run("commands/"+name, func(t *testing.T) {
				t.Parallel()
				prove(t, sc, l.noting(byhand.Command, byhand.HTTP))
			})
		}
		for name, means := range map[string][]byhand.Means{"pages": {byhand.Pages, byhand.HTTP}, "commands": {byhand.Command, byhand.HTTP}} {
			t.Run(name+"/marketplace", func(t *testing.T) {
				t.Parallel()
				throughTheMarketplace(t, func(w *world, p *byhand.Person) {
					w.standIn(p)
					p.Means, w.noted = means, func(book slipway.Runbook) { l.note(book, p) }
				})
			})
		}
		t.Run("pages/nameservers", func(t *testing.T) {
			t.Parallel()
			writeRecords(t, func(w *world, p *byhand.Person) {
				p.Means, w.noted = []byhand.Means{byhand.Pages, byhand.DNS}, func(book slipway.Runbook) { l.note(book, p) }
			})
		})
		ran = 1
	})
	if t.Failed() || ran == 0 || l.ran < len(every) { // some were not asked for
		return
	}
	l.judge(t)
	l.judgeCommands(t)
}
