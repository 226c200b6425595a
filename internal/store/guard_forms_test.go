package store

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/redact"
)

// TestGuardRefusesEachForm: a value that the redactor knows is refused in every form that the redactor promises to know, in every text of
// every write.
func TestGuardRefusesEachForm(t *testing.T) {
	marshal := func(s string) string { b, _ := json.Marshal(s); return string(b[1 : len(b)-1]) }
	forms := map[string]func(string) string{
		"raw": func(s string) string { return s }, "JSON": marshal, "HTML": html.EscapeString, "query": url.QueryEscape, "path": url.PathEscape,
		"hex":            func(s string) string { return hex.EncodeToString([]byte(s)) },
		"base64":         func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64, second": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("x" + s + "y")) },
		"base64, third":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte("ab" + s + "cde")) },
		"in lines":       func(s string) string { r := []rune(s); return string(r[:4]) + "\n" + string(r[4:]) },
	}
	names := make([]string, 0, len(forms))
	for name := range forms {
		names = append(names, name)
	}
	slices.Sort(names)
	writers := slices.DeleteFunc(methods(), func(m reflect.Method) bool { return slices.Contains(readers, m.Name) || texts[m.Name] == 0 })
	redactor := redact.New()
	s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), redactor.Has)
	addRuns(t, s, slipway.Run{ID: "r1"})
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.StringMatching(`[ -~]{1,3}[A-Za-z0-9"<>&%+/='é-]{10,40}[a-z]{2}`).Filter(func(s string) bool { return strings.TrimSpace(s) == s }).Draw(rt, "value")
		form := rapid.SampledFrom(names).Draw(rt, "form")
		method := rapid.SampledFrom(writers).Draw(rt, "write")
		at := rapid.IntRange(0, texts[method.Name]-1).Draw(rt, "text")
		redactor.Add(slipway.NewSecret(value))
		err := callWith(t, s, method, at, "x "+forms[form](value)+" y")
		if slipway.ErrorCode(err) != slipway.CodeSecretLeak {
			rt.Fatalf("%s, text %d, %s: got %v, want secret_leak", method.Name, at, form, err)
		}
		if strings.Contains(err.Error(), value) {
			rt.Fatalf("the error tells the value: %v", err)
		}
	})
}

func methods() (all []reflect.Method) {
	tx := reflect.TypeFor[slipway.Tx]()
	for i := range tx.NumMethod() {
		all = append(all, tx.Method(i))
	}
	return all
}
