package manual_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
)

// What is shown as Markdown is pasted into sh, block by block, with the values as variables.
func TestWhatIsShownCanBePasted(t *testing.T) {
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			skip(t, program+" not found: install it to paste commands")
		}
	}
	all := scenarios()
	for _, name := range []string{"first", "update", "adopt", "drifted branch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prove(t, all[name], func(w *world, p *byhand.Person, book slipway.Runbook) {
				for step := range strings.SplitSeq(manual.Markdown(book), "\n## ") {
					w.paste(p, step)
				}
			})
		})
	}
}

var (
	firstWay = regexp.MustCompile(`(?s)\nWay 1: .*?(\nWay 2: |\n- \*\*see)`)
	block    = regexp.MustCompile("(?s)```sh\n(.*?)\n```\n((?:- [^\n]*\n)*)")
	taken    = regexp.MustCompile("its `([^`]+)` is `<([A-Z0-9_]+)>`")
)

// paste does the first way of a step and takes what the page says is taken from a reply.
func (w *world) paste(p *byhand.Person, step string) {
	w.t.Helper()
	for _, m := range block.FindAllStringSubmatch(firstWay.FindString(step), -1) {
		script, after := m[1], m[2]
		for from, to := range p.Hosts {
			script = strings.ReplaceAll(script, from, to)
		}
		out := w.shell(p, script)
		var reply any
		_ = json.Unmarshal([]byte(out), &reply) // what is taken is looked for below
		for _, take := range taken.FindAllStringSubmatch(after, -1) {
			v, ok := byhand.Read(reply, take[1])
			if !ok {
				w.t.Fatalf("the reply has no %s:\n%s\n%s", take[1], script, out)
			}
			p.Values[take[2]] = v
		}
	}
}

// shell runs a script until no provider is busy with something else.
func (w *world) shell(p *byhand.Person, script string) string {
	w.t.Helper()
	for {
		c := exec.CommandContext(w.t.Context(), "sh", "-eu")
		c.Stdin = strings.NewReader(script)
		for name, v := range p.Values {
			c.Env = append(c.Env, name+"="+v)
		}
		slices.Sort(c.Env)
		c.Env = append(c.Env, "PATH=/usr/bin:/bin", "no_proxy=*")
		var errs strings.Builder
		c.Stderr = &errs
		out, err := c.Output()
		switch {
		case err == nil:
			return string(out)
		case !strings.Contains(errs.String(), "error: 423"):
			w.t.Fatal(fmt.Errorf("%w\n%s\n%s%s", err, script, out, errs.String()))
		}
		w.pause()
	}
}
