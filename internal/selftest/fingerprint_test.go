package selftest_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/scratch"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// printWorld is a world in which the app was shipped.
type printWorld struct {
	*selftest.World
	t *testing.T
}

func newPrintWorld(t *testing.T) printWorld {
	t.Helper()
	w, err := selftest.New(t.Context(), selftest.Options{Dir: filepath.Join(scratch.Dir(t), "world"), Env: map[string]string{roleVariable: "slipway"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return printWorld{w, t}
}

// slipway returns what the program prints on stdout.
func (w printWorld) slipway(args ...string) []byte {
	w.t.Helper()
	out, err := w.Command(w.t.Context(), args...).Output()
	if err != nil {
		w.t.Fatalf("slipway %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

type envVar struct {
	ID, Key, Value, Type, Comment string
	Target                        []string
}

// vercel calls the API as somebody does who works on the project's page.
func (w printWorld) vercel(method, path string, body, into any) {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.Env["SLIPWAY_VERCEL_URL"]+path+"?teamId="+w.Env["VERCEL_TEAM_ID"], bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.Env["VERCEL_TOKEN"])
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		w.t.Fatalf("%s %s answers %d", method, path, res.StatusCode)
	}
	if into != nil {
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w printWorld) variables() []envVar {
	var list struct{ Envs []envVar }
	w.vercel(http.MethodGet, "/v10/projects/shop/env", nil, &list)
	return list.Envs
}

func (w printWorld) variable(key string) envVar {
	all := w.variables()
	i := slices.IndexFunc(all, func(v envVar) bool { return v.Key == key })
	if i < 0 {
		w.t.Fatalf("there is no variable %s", key)
	}
	return all[i]
}

func (w printWorld) edit(key string, fields map[string]any) {
	w.vercel(http.MethodPatch, "/v9/projects/shop/env/"+w.variable(key).ID, fields, nil)
}

func (w printWorld) remove(key string) envVar {
	v := w.variable(key)
	w.vercel(http.MethodDelete, "/v9/projects/shop/env/"+v.ID, nil, nil)
	return v
}

func (w printWorld) add(v envVar) {
	w.vercel(http.MethodPost, "/v10/projects/shop/env", map[string]any{"key": v.Key, "value": v.Value, "type": v.Type, "target": v.Target, "comment": v.Comment}, nil)
}

// diff is what slipway env diff says, a line for each variable.
func (w printWorld) diff() (lines []string) {
	for line := range bytes.Lines(w.slipway("env", "diff", "--json")) {
		var c struct {
			Type, Name, Op string
			Changes        []string
		}
		if err := json.Unmarshal(line, &c); err != nil {
			w.t.Fatal(err)
		}
		if c.Type == "change" {
			lines = append(lines, c.Name+" "+c.Op+": "+strings.Join(c.Changes, ", "))
		}
	}
	return lines
}

// TestWhatBecameOfAVariable: what somebody does to a variable on Vercel's page, and what becomes of the key, is told; and after the next
// ship everything is as declared, with the right value.
func TestWhatBecameOfAVariable(t *testing.T) {
	t.Parallel()
	w := newPrintWorld(t)
	w.slipway("ship", "--yes")
	shipped, err := w.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	const secret = "PAYMENT_KEY"
	var rotated []string
	for _, name := range []string{"CACHE_TOKEN", "CACHE_URL", "DATABASE_URL", "LOG_LEVEL", secret, "SEARCH_URL"} {
		rotated = append(rotated, name+" update: written under another SLIPWAY_FINGERPRINT_KEY: whether the value changed cannot be told")
	}
	value := w.Env["SELFTEST_SECRET"]
	for name, tc := range map[string]struct {
		reason string
		do     func(w printWorld)
		want   []string
	}{
		"nothing":             {"nothing differs", func(printWorld) {}, nil},
		"another value":       {"the comment still fits, and the time of the write does not", func(w printWorld) { w.edit(secret, map[string]any{"value": "another value"}) }, []string{"PAYMENT_KEY update: changed outside Slipway"}},
		"the same value":      {"it cannot be read back, so that it is not known to be the same", func(w printWorld) { w.edit(secret, map[string]any{"value": value}) }, []string{"PAYMENT_KEY update: changed outside Slipway"}},
		"our own other value": {"the fingerprint tells", func(w printWorld) { w.Env["SELFTEST_SECRET"] = "a value of tomorrow" }, []string{"PAYMENT_KEY update: secret changed"}},
		"both": {"both are told", func(w printWorld) {
			w.edit(secret, map[string]any{"value": "x"})
			w.Env["SELFTEST_SECRET"] = "a value of tomorrow"
		}, []string{"PAYMENT_KEY update: secret changed, changed outside Slipway"}},
		"deleted":               {"it is made again", func(w printWorld) { w.remove(secret) }, []string{"PAYMENT_KEY create: "}},
		"deleted and made":      {"without our comment it is not ours", func(w printWorld) { v := w.remove(secret); v.Value, v.Comment = value, ""; w.add(v) }, []string{"PAYMENT_KEY adopt: secret changed, changed outside Slipway"}},
		"made with our mark":    {"with our comment copied, it has another id", func(w printWorld) { v := w.remove(secret); v.Value = value; w.add(v) }, []string{"PAYMENT_KEY update: changed outside Slipway"}},
		"another's mark":        {"a fingerprint fits its own name alone", func(w printWorld) { w.edit(secret, map[string]any{"comment": w.variable("DATABASE_URL").Comment}) }, []string{"PAYMENT_KEY update: secret changed, changed outside Slipway"}},
		"mark taken off":        {"nothing says what it holds", func(w printWorld) { w.edit(secret, map[string]any{"comment": ""}) }, []string{"PAYMENT_KEY update: secret changed, changed outside Slipway"}},
		"type flipped":          {"a secret must not be readable", func(w printWorld) { v := w.remove(secret); v.Value, v.Type = value, "encrypted"; w.add(v) }, []string{"PAYMENT_KEY update: type: encrypted -> sensitive, changed outside Slipway"}},
		"a plain one":           {"what can be read shows what it is", func(w printWorld) { w.edit("LOG_LEVEL", map[string]any{"value": "trace"}) }, []string{"LOG_LEVEL update: value: trace -> info, changed outside Slipway"}},
		"a plain one, as it is": {"it was written by another", func(w printWorld) { w.edit("LOG_LEVEL", map[string]any{"value": "info"}) }, []string{"LOG_LEVEL update: changed outside Slipway"}},
		"key rotated":           {"no value compares", func(w printWorld) { w.Env["SLIPWAY_FINGERPRINT_KEY"] = strings.Repeat("another key ", 3) }, rotated},
		"key lost":              {"no value compares", func(w printWorld) { delete(w.Env, "SLIPWAY_FINGERPRINT_KEY") }, rotated},
		"home lost": {"the ledger and the comments are enough", func(w printWorld) {
			for range 3 { // until the providers' lists show what was made
				must(w.t, os.RemoveAll(w.Home))
				w.slipway("plan")
			}
			must(w.t, os.RemoveAll(w.Home))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := printWorld{w.World, t}
			before := w.Env["SLIPWAY_FINGERPRINT_KEY"]
			defer func() { w.Env["SELFTEST_SECRET"], w.Env["SLIPWAY_FINGERPRINT_KEY"] = value, before }()
			must(t, w.Restore(shipped))
			tc.do(w)
			if d := cmp.Diff(tc.want, w.diff()); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
			w.slipway("ship", "--yes")
			if got := w.diff(); got != nil {
				t.Errorf("after a ship there still differ %q", got)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// material is what somebody has who read the database and everything that Vercel shows, without the fingerprint key.
func (w printWorld) material() []byte {
	var all bytes.Buffer
	must(w.t, filepath.WalkDir(w.Home, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		all.Write(data)
		return err
	}))
	for _, v := range w.variables() {
		fmt.Fprintf(&all, "%s %s %s %s\n", v.ID, v.Key, v.Comment, v.Type)
		if v.Key == "SLIPWAY" {
			all.WriteString(v.Value + "\n")
		}
	}
	return all.Bytes()
}

// TestAGuessIsNotConfirmed: whoever has the database and the comments and guesses the value finds no digest of it that needs no key: none
// of the value alone, with its name, or keyed by anything that the material itself holds.
func TestAGuessIsNotConfirmed(t *testing.T) {
	t.Parallel()
	w := newPrintWorld(t)
	w.Env["SELFTEST_SECRET"] = "correct horse"
	w.slipway("ship", "--yes")
	material := w.material()
	keys := regexp.MustCompile(`[A-Za-z0-9_@.:/-]{3,80}`).FindAllString(string(material), -1)
	slices.Sort(keys)
	keys = append(slices.Compact(keys), "")
	if len(keys) < 100 {
		t.Fatalf("the material holds %d words: it was not read", len(keys))
	}
	if at := confirmed(material, w.Env["SELFTEST_SECRET"], keys); at != "" {
		t.Errorf("the right guess is confirmed by %s", at)
	}
	if confirmed(material, w.Env["SELFTEST_SECRET"], []string{w.Env["SLIPWAY_FINGERPRINT_KEY"]}) == "" {
		t.Error("with the key it is not confirmed either: this test looks at the wrong thing")
	}
}

// confirmed returns how a digest of the guess is in the material, "" when none is.
func confirmed(material []byte, guess string, keys []string) string {
	const address = "vercel.env/PAYMENT_KEY@production"
	texts := map[string]string{
		"value": guess, "name=value": "PAYMENT_KEY=" + guess, "name:value": "PAYMENT_KEY:" + guess, "address, value": address + guess,
		"parts": fmt.Sprintf("%d:%s%d:%s%d:%s", len("slipway value"), "slipway value", len(address), address, len(guess), guess),
	}
	hashes := map[string]func() hash.Hash{"MD5": md5.New, "SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-512": sha512.New}
	holds := func(sum []byte) bool {
		return bytes.Contains(material, []byte(hex.EncodeToString(sum))) || bytes.Contains(material, sum) ||
			bytes.Contains(material, []byte(base64.RawStdEncoding.EncodeToString(sum)))
	}
	for what, text := range texts {
		for name, h := range hashes {
			plain := h()
			plain.Write([]byte(text))
			if holds(plain.Sum(nil)) {
				return name + " of " + what
			}
		}
		for _, key := range keys {
			m := hmac.New(sha256.New, []byte(key))
			m.Write([]byte(text))
			if bytes.Contains(material, []byte(hex.EncodeToString(m.Sum(nil)))) {
				return "HMAC of " + what + " under " + key
			}
		}
	}
	return ""
}

// TestThePlanTellsNothingOfTheValue: two values of different length, under one key and under two, give plans that are equal but for
// fingerprints.
func TestThePlanTellsNothingOfTheValue(t *testing.T) {
	t.Parallel()
	w := newPrintWorld(t)
	plan := func(value, key string) (plain, raw string) {
		w.Env["SELFTEST_SECRET"], w.Env["SLIPWAY_FINGERPRINT_KEY"] = value, key
		must(t, os.RemoveAll(w.Home))
		raw = string(w.slipway("plan", "--json"))
		return regexp.MustCompile(`[0-9a-f]{8}:[0-9a-f]{64}|sha256:[0-9a-f]{64}`).ReplaceAllString(raw, "(a fingerprint)"), raw
	}
	const one, other = "the first key of two", "the other key of two"
	want, raw := plan("short one", one)
	if !strings.Contains(want, "(a fingerprint)") {
		t.Fatalf("the plan has no fingerprint:\n%s", want)
	}
	for reason, tc := range map[string]struct {
		value, key string
	}{
		"another value": {strings.Repeat("a long value ", 40), one},
		"another key":   {"short one", other},
	} {
		got, rawGot := plan(tc.value, tc.key)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: the plan tells it (-want +got):\n%s", reason, d)
		}
		if raw == rawGot {
			t.Errorf("%s: the fingerprint is the same", reason)
		}
	}
}
