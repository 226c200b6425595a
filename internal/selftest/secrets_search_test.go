package selftest

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"testing"
)

const awkward = `cnry"<>&%+/=\'é 漢-_~` + "7Qx2Lm9Kp4Rt"

func searched(t *testing.T, data string) []hit {
	t.Helper()
	return newSearcher([]Canary{{"planted", awkward}, {"elsewhere", "another canary that nobody planted"}}).search([]byte(data))
}

const noise = "the quick brown fox jumps over the lazy dog, and %20 &amp; \\u0041 \"0123456789abcdef\" aGVsbG8gd29ybGQ= "

// Every form is found, whole and cut in two anywhere.
func TestEachFormIsFound(t *testing.T) {
	for _, f := range forms {
		text := f.write(awkward)
		if got := searched(t, strings.Repeat(noise, 50)+text+noise); len(got) == 0 || got[0].canary != "planted" {
			t.Errorf("%s: not found", f.name)
		}
		for cut := 1; cut < len(text); cut++ {
			if got := searched(t, noise+text[:cut]+"\",\"at\":\"2026\"}\n{"+noise+text[cut:]+noise); len(got) == 0 {
				t.Errorf("%s, cut at %d of %d: not found", f.name, cut, len(text))
			}
			if got := searched(t, noise+text[cut:]+noise+text[:cut]+noise); len(got) == 0 {
				t.Errorf("%s, cut at %d of %d, in the other order: not found", f.name, cut, len(text))
			}
		}
	}
}

// Offsets and lengths that make base64 end anywhere in a group of three.
func TestEachAlignmentIsFound(t *testing.T) {
	for _, value := range []string{awkward, awkward + "x", awkward + "xy"} {
		s := newSearcher([]Canary{{"planted", value}})
		for before := range 4 {
			for after := range 4 {
				raw := []byte(strings.Repeat("b", before) + value + strings.Repeat("a", after))
				for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
					if len(s.search([]byte(e.EncodeToString(raw)))) == 0 {
						t.Errorf("%d bytes, %d before, %d after: not found", len(value), before, after)
					}
				}
			}
		}
	}
}

func TestWhatIsPackedIsFound(t *testing.T) {
	pack := func(open func(io.Writer) io.WriteCloser, text string) string {
		var b bytes.Buffer
		w := open(&b)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	gz := func(s string) string { return pack(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, s) }
	zl := func(s string) string { return pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, s) }
	zipped := func(s string) string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		f, err := z.Create("a/file")
		if err == nil {
			_, err = io.WriteString(f, s)
		}
		if err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	planted := noise + jsonText(awkward, true) + noise
	for name, text := range map[string]string{
		"gzip":                gz(planted),
		"gzip in gzip":        gz("x" + gz(planted)),
		"zlib":                zl(planted),
		"zip":                 zipped(planted),
		"gzip in base64":      base64.StdEncoding.EncodeToString([]byte(gz(planted))),
		"gzip in hex":         hex.EncodeToString([]byte(gz(planted))),
		"gzip that is cut":    gz(planted + strings.Repeat(noise, 2000))[:400],
		"base64 in lines":     wrapAt(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(awkward, 4))), 19),
		"lines in JSON":       jsonText(wrapAt(hex.EncodeToString([]byte(awkward)), 9), true),
		"a line of each byte": wrapAt(awkward, 1),
	} {
		if got := searched(t, noise+text+noise); len(got) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

// wrapAt breaks s every n characters.
func wrapAt(s string, n int) string {
	var b strings.Builder
	for i, r := range []rune(s) {
		if i > 0 && i%n == 0 {
			b.WriteString("\r\n")
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	half := len(awkward) / 2
	for reason, text := range map[string]string{
		"nothing":                     "",
		"noise":                       strings.Repeat(noise, 1000),
		"the first half alone":        noise + awkward[:half] + noise,
		"the second half alone":       noise + awkward[half:] + noise,
		"the halves far apart":        awkward[:half] + strings.Repeat("x", near+1) + awkward[half:],
		"what stands for it":          "[redacted] and [redacted]",
		"the middle missing":          awkward[:half-3] + "..." + awkward[half+3:],
		"no gzip, though it so looks": "\x1f\x8b\x08\x00 \x78\x9c PK\x03\x04 H4sI 1f8b08" + noise,
	} {
		if got := searched(t, text); len(got) != 0 {
			t.Errorf("%s: found %v", reason, got)
		}
	}
}
