package audit

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/slipway-dev/slipway"
)

// hostile are texts that draw, hide, run or lead somewhere, if they are let.
var hostile = []string{
	"\x1b[2J\x1b[1;1Hvalid: run", "\x1b]8;;https://evil.example\x07here\x1b]8;;\x07", "\x9b31mred", "ok\nchecked    everything", "ok\rvalid  ", "a\bb", "tab\there", "nul\x00", "\u0085next line", "\u2028line\u2029paragraph",
	"user\u202egpj.exe", "\u2066isolate\u2069", "zero\u200bwidth\u200d\ufeff", "soft\u00adhyphen", "tag\U000e0041", "private\ue000", "\u3164", "\xff\xfe",
	"<script>alert(1)</script>", "</title><script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", `"><svg onload=alert(1)>`, "'onmouseover='alert(1)", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
	"//evil.example/x", "&lt;script&gt;", "{{.Run}}", "<!-- ", "]]>", "<base href=//evil.example>", "<meta http-equiv=refresh content=0>",
}

// fillReport puts a text into every field of a report that is one.
func fillReport(text string) *Report {
	r := &Report{}
	var put func(v reflect.Value)
	put = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString(text)
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int64:
			v.SetInt(7)
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range v.NumField() {
				put(v.Field(i))
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range v.Len() {
				put(v.Index(i))
			}
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			put(v.Elem())
		default:
			panic("a field of a kind that this test does not know: " + v.Type().String())
		}
	}
	put(reflect.ValueOf(r).Elem())
	return r
}

// TestHostileTexts: what a bundle says cannot draw on a terminal, and in the page it is text and nothing else, in every field.
func TestHostileTexts(t *testing.T) {
	harmless := shapeOf(t, fillReport("plain"))
	for _, text := range hostile {
		r := fillReport(text)
		show(reflect.ValueOf(r).Elem())
		if got, want := strings.Count(r.Text(), "\n"), strings.Count(fillReport("plain").Text(), "\n"); got != want {
			t.Errorf("%q: the text has %d lines, not %d", text, got, want)
		}
		for i, c := range r.Text() {
			if c != '\n' && hidden(c) {
				t.Errorf("%q: %U at byte %d of the text", text, c, i)
				break
			}
		}
		if got := shapeOf(t, r); got != harmless {
			t.Errorf("%q changes the page:\n%s\nnot:\n%s", text, got, harmless)
		}
	}
}

// shapeOf is what a page is made of, without its text: elements with the names of their attributes. It finds fault with what could run or load.
func shapeOf(t *testing.T, r *Report) string {
	t.Helper()
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexFunc(page.Bytes(), func(c rune) bool { return c != '\n' && hidden(c) }); i >= 0 {
		t.Errorf("the page has %q at byte %d", page.Bytes()[i:i+4], i)
	}
	var shape strings.Builder
	policy := ""
	for z := html.NewTokenizer(&page); ; {
		switch z.Next() {
		case html.ErrorToken:
			if policy != "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'" {
				t.Errorf("the page's policy is %q", policy)
			}
			return shape.String()
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			fmt.Fprintf(&shape, "<%s", token.Data)
			for _, a := range token.Attr {
				fmt.Fprintf(&shape, " %s", a.Key)
				unsafe := strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "srcset" || a.Key == "style" || a.Key == "action"
				link := a.Key == "href" && a.Val != "" && !strings.HasPrefix(a.Val, "https://") && !strings.HasPrefix(a.Val, "http://") && a.Val != "#"
				if unsafe || link {
					t.Errorf("the page has %s=%q", a.Key, a.Val)
				}
				if a.Key == "content" && strings.HasPrefix(a.Val, "default-src") {
					policy = a.Val
				}
			}
			shape.WriteString(">\n")
			switch token.Data {
			case "script", "link", "img", "iframe", "object", "embed", "base", "form", "svg", "video", "audio":
				t.Errorf("the page has a %s", token.Data)
			}
		case html.CommentToken:
			t.Error("the page has a comment")
		case html.TextToken, html.EndTagToken, html.DoctypeToken:
		}
	}
}

// TestHostileBundle: the texts come in by a run, and are seen in its report as what they are.
func TestHostileBundle(t *testing.T) {
	exported := func(end slipway.RunStatus, change func(tx slipway.Tx, run *slipway.Run) error) []byte {
		st := newStore(t, t.TempDir(), end, 0)
		err := st.Tx(t.Context(), func(tx slipway.Tx) error {
			run, err := tx.Run(runID)
			if err != nil {
				return err
			}
			return errors.Join(change(tx, &run), tx.SaveRun(run))
		})
		if err != nil {
			t.Fatal(err)
		}
		data, _ := bundle(t, exporter(t), st)
		return data
	}
	data := exported(slipway.RunSucceeded, func(tx slipway.Tx, run *slipway.Run) error {
		run.URL = "javascript:alert(1)"
		return hostileURL(tx, run)
	})
	r, err := verify(t, data, key(t, testKey))
	if err != nil {
		t.Fatal(err)
	}
	shapeOf(t, r)
	data = exported(slipway.RunCanceled, func(_ slipway.Tx, run *slipway.Run) error {
		run.Error = &slipway.RunError{Code: slipway.CodeCanceled, Message: "\x1b[2Jvalid\n<b>\u202e"}
		return nil
	})
	if r, err = verify(t, data, key(t, testKey)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Text(), "error      <U+001B>[2Jvalid<U+000A><b><U+202E>\n") {
		t.Error(r.Text())
	}
	shapeOf(t, r)
	c := takeApart(t, data)
	c.edit(t, nameSteps, `"key":"neon`, `"key":"\u001b[2J`+"\u202eneon")
	c.reindex(t, key(t, testKey), nil)
	if _, err := verify(t, c.assemble(), key(t, testKey)); err == nil || !strings.Contains(err.Error(), "<U+001B>[2J<U+202E>neon") {
		t.Errorf("a fault draws on the terminal: %q", err)
	}
}

// hostileURL lets production have answered at the run's URL.
func hostileURL(tx slipway.Tx, run *slipway.Run) error {
	steps, err := tx.Steps(run.ID, run.Revision)
	for _, s := range steps {
		if s.Key == production+"#promote" {
			s.Receipt.URLs = []string{run.URL}
			err = errors.Join(err, tx.SaveStep(s))
		}
	}
	return err
}
