package source

import (
	"path/filepath"
	"testing"
)

func TestShips(t *testing.T) {
	const bundle = "run_01a2077a-7c55-7532-8abb-8941b20a8860.audit.zip"
	for name, tc := range map[string]struct {
		files  map[string]string
		file   string
		want   string
		reason string
	}{
		"in the folder":   {nil, "app/plan.json", "plan.json", "it is uploaded with the app"},
		"deeper":          {nil, "app/docs/plan.json", "docs/plan.json", "by its path from the folder"},
		"beside":          {nil, "plan.json", "", "it is not in the folder"},
		"ignored":         {map[string]string{"app/.vercelignore": "/plan.json\n"}, "app/plan.json", "", "somebody has said so"},
		"by git":          {map[string]string{"app/.gitignore": "*.json\n"}, "app/plan.json", "", "git's rules hold too"},
		"held back":       {nil, "app/.env.plan", "", "the deny list holds it back"},
		"ours":            {nil, "app/" + bundle, "", "the name that export gives is left out"},
		"ours, half":      {nil, "app/.slipway-123", "", "what a kill left of it"},
		"ours, published": {map[string]string{"app/.vercelignore": "!run_*.audit.zip\n"}, "app/" + bundle, bundle, "who means to ship it says so"},
		"a name of theirs": {
			nil, "app/run_report.audit.zip", "run_report.audit.zip",
			"only the very name is ours",
		},
		"cannot ship": {map[string]string{"app/bad\nname": ""}, "app/plan.json", "", "the next plan says why"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"app/index.html": "x", tc.file: "{}"}
			for k, v := range tc.files {
				files[k] = v
			}
			write(t, dir, files)
			if got := Ships(t.Context(), filepath.Join(dir, "app"), filepath.Join(dir, tc.file)); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// The line that is told leaves out the file whose name it was made of, and no other.
func TestIgnoreLine(t *testing.T) {
	for _, name := range []string{"plan.json", "a b.json", "#plan", "!plan", "p*n", "p?n", "p[a]n", "docs/plan.json"} {
		dir := t.TempDir()
		write(t, dir, map[string]string{name: "{}", "index.html": "x", "plen": "", "pan": "", ".vercelignore": IgnoreLine(name) + "\n"})
		tree, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(tree.Files()); n != 4 {
			t.Errorf("%q: %d files ship, want the 4 others", name, n)
		}
	}
}
