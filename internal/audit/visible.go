package audit

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// visible shows what a terminal or a browser would obey or hide: control characters and line ends, marks that turn the direction of text, and
// others without a width are written as their code. Whoever makes a bundle chooses its texts, and must not draw what looks like ours.
func visible(text string) string {
	if text = strings.ToValidUTF8(text, "\ufffd"); strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if hidden(r) {
			fmt.Fprintf(&b, "<U+%04X>", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0' // the Hangul fillers
}

// show makes every text below v visible.
func show(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(visible(v.String()))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				show(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			show(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			show(v.Elem())
		}
	}
}
