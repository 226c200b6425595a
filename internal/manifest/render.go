package manifest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Render returns the guess as YAML with a comment for each part that says why. Parse reads it without a fault.
func (g Guess) Render() []byte {
	w := &writer{why: g.Why}
	m := g.Manifest
	w.line("# slipway.yaml, written by slipway init from what lies in this folder. Look at each line that says guess.")
	w.line("# What else can stand here: slipway schema")
	w.line("")
	w.entry("", "app", "app", quote(m.App))
	g.renderVercel(w)
	g.renderResources(w)
	g.renderEnv(w)
	if len(m.Verify.Health) > 0 {
		w.line("\nverify:")
		var probes []string
		for _, p := range m.Verify.Health {
			probes = append(probes, "{path: "+quote(p.Path)+", status: "+strconv.Itoa(p.Status)+"}")
		}
		w.entry("  ", "health", "verify.health", "["+strings.Join(probes, ", ")+"]")
	}
	w.line("")
	w.entry("", "promote", "promote", "{approval: "+m.Promote.Approval+"}")
	return []byte(w.b.String())
}

func (g Guess) renderVercel(w *writer) {
	v := g.Manifest.Vercel
	var keys [][2]string
	for _, k := range [][2]string{{"framework", v.Framework}, {"install_command", v.InstallCommand}, {"node_version", v.NodeVersion}} {
		if k[1] != "" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		if why := g.Why["vercel"]; why != "" {
			w.line("")
			w.comment("", why)
		}
		return
	}
	w.line("")
	w.comment("", g.Why["vercel"])
	w.line("vercel:")
	for _, k := range keys {
		w.entry("  ", k[0], "vercel."+k[0], quote(k[1]))
	}
}

func (g Guess) renderResources(w *writer) {
	if len(g.Manifest.Resources) == 0 {
		return
	}
	w.line("\nresources:")
	for _, name := range slices.Sorted(maps.Keys(g.Manifest.Resources)) {
		r, path := g.Manifest.Resources[name], "resources."+name
		w.comment("  ", g.Why[path])
		w.line("  " + name + ":")
		w.line("    type: " + r.Type)
		for _, field := range slices.Sorted(maps.Keys(r.Fields)) {
			text := fmt.Sprint(r.Fields[field])
			if s, ok := r.Fields[field].(string); ok {
				text = quote(s)
			}
			w.entry("    ", field, path+"."+field, text)
		}
	}
}

func (g Guess) renderEnv(w *writer) {
	if len(g.Manifest.Env) == 0 {
		return
	}
	w.line("\nenv:")
	for _, name := range slices.Sorted(maps.Keys(g.Manifest.Env)) {
		e, text := g.Manifest.Env[name], ""
		switch {
		case e.From != "":
			text = "from: " + e.From
		case e.Secret != "":
			text = "secret: " + e.Secret
		default:
			text = "value: " + quote(e.Value)
		}
		w.entry("  ", name, "env."+name, "{"+text+"}")
	}
}

type writer struct {
	b    strings.Builder
	why  map[string]string
	last string // the comment that was written last, with nothing but entries after it
}

func (w *writer) line(s string) { w.last = ""; w.b.WriteString(s + "\n") }

func (w *writer) comment(indent, why string) {
	if why != "" {
		w.b.WriteString(indent + "# " + strings.Map(oneLine, why) + "\n")
	}
}

// entry writes a key with its reason above it, once for neighbours with the same reason.
func (w *writer) entry(indent, key, path, text string) {
	why := w.why[path]
	if why != w.last {
		w.comment(indent, why)
	}
	w.b.WriteString(indent + key + ": " + text + "\n")
	w.last = why
}

func oneLine(r rune) rune {
	if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
		return ' '
	}
	return r
}

var bare = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`) })

// quote writes text so that YAML reads it as the same text.
func quote(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	if bare().MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
