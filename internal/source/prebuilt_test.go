package source

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nodeFunction = `{"runtime":"nodejs22.x","handler":"index.js","launcherType":"Nodejs"}`

// built is an output with one function and one file, and files given beside them. A name that is "" takes one away.
func built(more map[string]string) map[string]string {
	files := map[string]string{
		"package.json": "{}", "src/page.ts": "x", ".gitignore": ".vercel\nnode_modules\n", ".vercelignore": "*\n",
		".vercel/project.json": "{}", ".vercel/output/config.json": `{"version":3}`, ".vercel/output/static/index.html": "hi",
		".vercel/output/functions/a.func/.vc-config.json": nodeFunction, ".vercel/output/functions/a.func/index.js": "x",
	}
	for name, content := range more {
		if content == "" {
			delete(files, name)
		} else {
			files[name] = content
		}
	}
	return files
}

func TestPrebuilt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links of Unix")
	}
	own := []string{".vercel/output/config.json", ".vercel/output/functions/a.func/.vc-config.json", ".vercel/output/functions/a.func/index.js", ".vercel/output/static/index.html"}
	for name, c := range map[string]struct {
		more         map[string]string
		in           Prebuilt
		want, denied []string
		reason       string
	}{
		"the output alone": {nil, Prebuilt{Target: "production"}, own, nil, "no ignore file holds in it, and nothing beside it is shipped"},
		"linked function": {
			map[string]string{".vercel/output/functions/b/c.func": "->../a.func"},
			Prebuilt{Target: "production"},
			[]string{own[0], own[1], own[2], ".vercel/output/functions/b/c.func", own[3]},
			nil, "vercel build links functions that are the same",
		},
		"packages": {
			map[string]string{".vercel/output/functions/a.func/node_modules/x/i.js": "x", ".vercel/output/functions/a.func/.next/s": "x", ".vercel/output/.git/HEAD": "x"},
			Prebuilt{Target: "production"},
			[]string{own[0], ".vercel/output/functions/a.func/.next/s", own[1], own[2], ".vercel/output/functions/a.func/node_modules/x/i.js", own[3]},
			nil, "what is ignored in a source belongs to an output",
		},
		"files outside": {
			map[string]string{
				own[1]:                `{"runtime":"nodejs22.x","handler":"i.js","filePathMap":{"node_modules/x/i.js":"node_modules/x/i.js","l":"node_modules/l","k":"certs/k.pem","e":".ssh/x","v":"keys/x","i":".vercel/output/functions/a.func/index.js"}}`,
				"node_modules/x/i.js": "x", "node_modules/l": "->x", "node_modules/y": "x", "certs/k.pem": "x", ".ssh/x": "x", "keys": "->.ssh",
			},
			Prebuilt{Target: "production"},
			append(own[:4:4], "node_modules/l", "node_modules/x/i.js"),
			[]string{".ssh/x", "certs/k.pem", "keys/x"},
			"functions name files that they share with the source; the deny list holds for them too, and past a link",
		},
		"credentials": {
			map[string]string{".vercel/output/functions/a.func/.env": "A=1", ".vercel/output/static/k.pem": "x"},
			Prebuilt{Target: "production"},
			own,
			[]string{".vercel/output/functions/a.func/.env", ".vercel/output/static/k.pem"},
			"the deny list holds in an output",
		},
		"same target": {map[string]string{".vercel/output/builds.json": `{"target":"preview","builds":[{"require":"@vercel/static"}]}`}, Prebuilt{Target: "preview"}, append([]string{".vercel/output/builds.json"}, own...), nil, "what vercel build leaves"},
		"edge":        {map[string]string{own[1]: `{"runtime":"edge","entrypoint":"index.js"}`}, Prebuilt{Target: "production"}, own, nil, "an edge function has an entrypoint and no handler"},
		"in a folder": {map[string]string{"apps/web/.vercel/output/config.json": `{"version":3}`}, Prebuilt{Root: "apps/web", Target: "production"}, []string{"apps/web/.vercel/output/config.json"}, nil, "an app of a monorepo"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, built(c.more))
			tree, err := OpenPrebuilt(t.Context(), dir, c.in)
			if err != nil {
				t.Fatal(c.reason, err)
			}
			if diff := cmp.Diff(c.want, paths(tree)); diff != "" {
				t.Errorf("%s\n%s", c.reason, diff)
			}
			if diff := cmp.Diff(c.denied, tree.Denied()); diff != "" {
				t.Errorf("%s\n%s", c.reason, diff)
			}
		})
	}
}

func TestPrebuiltRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links of Unix")
	}
	const config, function = ".vercel/output/config.json", ".vercel/output/functions/a.func/.vc-config.json"
	for name, c := range map[string]struct {
		more   map[string]string
		want   []string
		reason string
	}{
		"no output":            {map[string]string{config: ""}, []string{config + " is not there", "vercel build", "leave out source.prebuilt"}, "nothing was built"},
		"no version":           {map[string]string{config: `{"routes":[]}`}, []string{config + ": version is missing"}, "it is required"},
		"version 2":            {map[string]string{config: `{"version":2}`}, []string{config + ": version is 2", "only version 3"}, "an older API"},
		"version as text":      {map[string]string{config: `{"version":"3"}`}, []string{config + `: version is "3"`}, "Vercel compares numbers"},
		"not JSON":             {map[string]string{config: `{"version":3`}, []string{config + ": is not the JSON"}, "cut off"},
		"a list":               {map[string]string{config: `[]`}, []string{config + ": is not the JSON"}, "another shape"},
		"failed":               {map[string]string{".vercel/output/builds.json": `{"error":{"message":"boom\nhere","code":"E1"}}`}, []string{"builds.json: error says that the build failed: boom here E1"}, "vercel build leaves the output of a failure"},
		"one builder failed":   {map[string]string{".vercel/output/builds.json": `{"builds":[{"use":"a"},{"error":"no luck"}]}`}, []string{"builds.json: error", "no luck"}, "so does one of several"},
		"another target":       {map[string]string{".vercel/output/builds.json": `{"target":"preview"}`}, []string{`builds.json: target is "preview"`, "ships production", "vercel build --prod"}, "its values are another environment's"},
		"target of other type": {map[string]string{".vercel/output/builds.json": `{"target":3}`}, []string{"builds.json: target must not be a JSON number"}, "the field is named"},
		"no runtime":           {map[string]string{function: `{"handler":"i.js"}`}, []string{function + ": runtime is missing"}, "Vercel cannot run it"},
		"no handler":           {map[string]string{function: `{"runtime":"nodejs22.x"}`}, []string{function + ": handler is missing"}, "Vercel cannot run it"},
		"no entrypoint":        {map[string]string{function: `{"runtime":"edge"}`}, []string{function + ": entrypoint is missing"}, "Vercel cannot run it"},
		"no settings":          {map[string]string{function: ""}, []string{function + ": is not there"}, "a function without settings is none"},
		"settings not JSON":    {map[string]string{function: "{"}, []string{function + ": is not the JSON"}, "cut off"},
		"link to nothing":      {map[string]string{".vercel/output/functions/b.func": "->c.func"}, []string{"functions/b.func: links to no function"}, "its path would answer 404"},
		"link out of it":       {map[string]string{".vercel/output/functions/b.func": "->../../../fn", "fn/.vc-config.json": nodeFunction}, []string{"functions/b.func: links to no function"}, "what it leads to is not shipped"},
		"link out of the app":  {map[string]string{".vercel/output/static/l": "->../../../../x"}, []string{"leads outside", "copy what it points to, or build without it"}, "as in a source, but for the ignore files, which do not hold"},
		"file outside":         {map[string]string{function: `{"runtime":"nodejs22.x","handler":"i","filePathMap":{"x":"../x"}}`}, []string{function + `: filePathMap names "../x"`, "outside the source folder"}, "it is not the app's"},
		"file not there":       {map[string]string{function: `{"runtime":"nodejs22.x","handler":"i","filePathMap":{"x":"node_modules/x"}}`}, []string{function + `: filePathMap names "node_modules/x", which is not there`, "install"}, "the function would break"},
		"file that is folder":  {map[string]string{function: `{"runtime":"nodejs22.x","handler":"i","filePathMap":{"x":"src"}}`}, []string{"which is a folder"}, "its files are not named"},
		"output is a link":     {map[string]string{config: "", function: "", ".vercel/output/static/index.html": "", ".vercel/output/functions/a.func/index.js": "", ".vercel/project.json": "", ".vercel/output": "->../out", "out/config.json": `{"version":3}`}, []string{".vercel/output: is no folder"}, "names below a link cannot be shipped"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, built(c.more))
			_, err := OpenPrebuilt(t.Context(), dir, Prebuilt{Target: "production"})
			requireRefused(t, err, c.want, c.reason)
		})
	}
}

func TestPrebuiltDigestCoversTheOutput(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, built(nil))
	open := func() string {
		tree, err := OpenPrebuilt(t.Context(), dir, Prebuilt{Target: "production"})
		if err != nil {
			t.Fatal(err)
		}
		return tree.Digest()
	}
	before := open()
	write(t, dir, map[string]string{"src/page.ts": "another"})
	if open() != before {
		t.Error("the source beside the output changed the digest")
	}
	write(t, dir, map[string]string{filepath.Join(".vercel/output/static/index.html"): "another"})
	if open() == before {
		t.Error("a change of the output did not change the digest")
	}
}
