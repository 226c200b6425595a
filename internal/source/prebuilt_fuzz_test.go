package source

import (
	"bytes"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	slipway "github.com/slipway-dev/slipway"
)

// FuzzPrebuilt reads an output of which every settings file is whatever it is: what comes out is the output's own files, and those beside it
// that a function may name, or one line about what is wrong.
func FuzzPrebuilt(f *testing.F) {
	f.Add([]byte(`{"version":3}`), []byte(`{"target":"production","builds":[{"error":null}]}`), []byte(nodeFunction))
	f.Add([]byte(`{"version":3}`), []byte(`{"error":{"message":"a\nb","code":"\u001b[2J"}}`), []byte(`{}`))
	f.Add([]byte(`{"version":3}`), []byte(`{"builds":[{"error":"x"}]}`), []byte(`{"runtime":"edge","entrypoint":"index.js"}`))
	f.Add([]byte(`{"version":3}`), []byte(`{}`), []byte(`{"runtime":"n","handler":"i","filePathMap":{"a":"src/page.ts","b":"src/../.env","c":".ssh/x","d":"keys/x","e":"to/page.ts"}}`))
	f.Add([]byte(`{"version":3}`), []byte(`{}`), []byte(`{"runtime":"n","handler":"i","filePathMap":{"a":"../x","b":"/etc/hosts","c":".","d":""}}`))
	f.Add([]byte(`{"version":"3"}`), []byte(`[]`), []byte(`{"runtime":3}`))
	f.Fuzz(func(t *testing.T, config, builds, function []byte) {
		dir := t.TempDir()
		write(t, dir, built(map[string]string{
			".env": "A=1", ".ssh/x": "secret", "keys": "->.ssh", "to": "->src",
			".vercel/output/builds.json": "{}", ".vercel/output/static/.env": "A=1",
		}))
		for name, content := range map[string][]byte{"config.json": config, "builds.json": builds, "functions/a.func/.vc-config.json": function} {
			if !bytes.HasPrefix(content, []byte("->")) { // of which write makes a link
				write(t, dir, map[string]string{".vercel/output/" + name: string(content)})
			}
		}
		tree, err := OpenPrebuilt(t.Context(), dir, Prebuilt{Target: "production"})
		if err != nil {
			told := (*slipway.Error)(nil)
			if !errors.As(err, &told) || told.Code != slipway.CodeInvalid || strings.ContainsFunc(told.Message+told.Hint, unicode.IsControl) {
				t.Errorf("not one plain line: %v", err)
			}
			return
		}
		allowed := []string{".gitignore", ".vercelignore", ".vercel/project.json", "package.json", "src/page.ts", "to", "keys", "to/page.ts"}
		for _, p := range paths(tree) {
			real, err := filepath.EvalSymlinks(filepath.Join(tree.root, filepath.FromSlash(path.Dir(p))))
			if err != nil || strings.HasSuffix(real, ".ssh") || path.Base(p) == ".env" || !strings.HasPrefix(p, ".vercel/output/") && !slices.Contains(allowed, p) {
				t.Errorf("%s is shipped", p)
			}
		}
	})
}

// FuzzIgnore gives both kinds of ignore files any text: what git would be asked is answered here without it, the same each time, and a credential
// that is not ignored is held back.
func FuzzIgnore(f *testing.F) {
	f.Add([]byte("*.log\n!keep.log\n/sub/\n"), []byte("./a\n"))
	f.Add([]byte("[\n[!\n\\\n**/\n/**/x\n***\n[a-\n[[:alpha:]]\n"), []byte("!\n!!\n!/**\n"))
	f.Add([]byte("\ufeffa\r\n# b\n\\#c\n d \n"), []byte("!.venv\n!.env\n"))
	f.Fuzz(func(t *testing.T, git, vercel []byte) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a": "a", "sub/x.log": "x", "sub/.env": "A=1", "sub/deep/keep.log": "x", ".venv/x": "x"})
		write(t, dir, map[string]string{".gitignore": "\n" + string(git), ".vercelignore": "\n" + string(vercel)})
		var kept [2][]string
		for i := range kept {
			w := &walk{ctx: t.Context(), root: dir, max: limits{MaxFiles, MaxBytes}, skip: skipped, ignore: &rules{root: dir, git: newMatcher(dir), vercel: vercelPatterns(dir)}}
			must(t, w.folder(""))
			for _, f := range w.files {
				kept[i] = append(kept[i], f.Path)
			}
		}
		if !slices.Equal(kept[0], kept[1]) {
			t.Errorf("%q and then %q", kept[0], kept[1])
		}
		if slices.Contains(kept[0], "sub/.env") {
			t.Error("a credential is shipped")
		}
	})
}
