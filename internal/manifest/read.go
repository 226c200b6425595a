package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// read checks y against n, notes what is wrong, and returns its value: string, int64, bool, []any or map[string]any; nil when something
// else stands there.
func (r *reader) read(n *node, y ast.Node, path []string) any {
	switch n.shape {
	case list:
		return r.readList(n, y, path)
	case object:
		if n.short != "" && isText(y) {
			return map[string]any{n.short: r.read(n.keyNode(n.short), y, path)}
		}
		return r.readObject(n, y, path)
	case mapping:
		return r.readMapping(n, y, path)
	case integer:
		return r.readInteger(n, y, path)
	case boolean:
		if b, ok := y.(*ast.BoolNode); ok {
			return b.Value
		}
		return r.mistyped(n, y, path, "true or false")
	case scalar:
		if _, ok := plain(y); !ok {
			return r.mistyped(n, y, path, "text, a number, or true or false")
		}
	case text:
		if !isText(y) {
			return r.mistyped(n, y, path, "text")
		}
	}
	s, _ := plain(y)
	r.follow(n, s, y, path)
	return s
}

// follow checks text against the node's rule and enum.
func (r *reader) follow(n *node, s string, y ast.Node, path []string) {
	at := start(y)
	broken := n.rule.broken(s)
	switch {
	case broken != nil:
		r.refuse(at, path, broken.hint, "must %s", broken.says)
		if broken.masked {
			r.mask(at)
		}
	case len(n.enum) > 0 && !slices.Contains(n.enum, s):
		r.refuse(at, path, suggest(s, "values", n.enum), "%s is not one of the allowed values", quoted(s))
	}
}

var decimal = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`) })

func (r *reader) readInteger(n *node, y ast.Node, path []string) any {
	if _, ok := y.(*ast.IntegerNode); !ok {
		return r.mistyped(n, y, path, "a whole number")
	}
	s := y.GetToken().Value
	if !decimal().MatchString(s) {
		r.refuse(start(y), path, "write it in plain decimal digits", "%s is not a plain whole number", quoted(s))
		return nil
	}
	v, _ := strconv.ParseInt(s, 10, 64)
	if n.max != 0 && (v < n.min || v > n.max) {
		r.refuse(start(y), path, "", "must be from %d to %d", n.min, n.max)
	}
	r.follow(n, s, y, path)
	return v
}

func (r *reader) readList(n *node, y ast.Node, path []string) any {
	seq, ok := y.(*ast.SequenceNode)
	if !ok {
		return r.mistyped(n, y, path, "a list")
	}
	r.count(n, len(seq.Values), y, path)
	out, seen := []any{}, map[string]position{}
	for i, entry := range seq.Values {
		at := append(slices.Clone(path), strconv.Itoa(i))
		r.places[pathKey(at)] = place{value: start(entry)}
		v := r.read(n.item, entry, at)
		if s, isString := n.item.named(v); isString && n.unique {
			if first, twice := seen[s]; twice {
				r.refuse(start(entry), at, fmt.Sprintf("it stands on line %d already; remove one", first.line), "%s stands there twice", quoted(s))
			}
			seen[s] = start(entry)
		}
		out = append(out, v)
	}
	return out
}

// named is the text that an entry is told from others by.
func (n *node) named(v any) (s string, ok bool) {
	if fields, isObject := v.(map[string]any); isObject && n.short != "" {
		v = fields[n.short]
	}
	s, ok = v.(string)
	return s, ok
}

func (n *node) keyNode(name string) *node {
	return n.keys[slices.IndexFunc(n.keys, func(k key) bool { return k.name == name })].node
}

func (r *reader) count(n *node, have int, y ast.Node, path []string) {
	switch {
	case int64(have) < n.min:
		r.refuse(start(y), path, "leave the key out, or name at least one", "the list is empty")
	case n.max > 0 && int64(have) > n.max:
		r.refuse(start(y), path, "", "has %d entries, and at most %d are supported", have, n.max)
	}
}

// pair is one key and its value.
type pair struct {
	name  string
	key   ast.Node
	value ast.Node
}

// pairs returns what a mapping holds, in order; false when it is none. A key that stands there twice is noted, and counts once.
func (r *reader) pairs(n *node, y ast.Node, path []string) ([]pair, bool) {
	var values []*ast.MappingValueNode
	switch y := y.(type) {
	case *ast.MappingNode:
		values = y.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{y}
	default:
		r.mistyped(n, y, path, "a mapping (key: value)")
		return nil, false
	}
	first := map[string]position{}
	var out []pair
	for _, v := range values {
		name, at := v.Key.GetToken().Value, start(v.Key)
		here := append(slices.Clone(path), name)
		if before, twice := first[name]; twice {
			r.refuse(at, here, fmt.Sprintf("it stands on line %d already; remove one", before.line), "this key stands there twice")
			continue
		}
		first[name] = at
		r.places[pathKey(here)] = place{key: at, value: start(v.Value)}
		out = append(out, pair{name, v.Key, v.Value})
	}
	return out, true
}

func (r *reader) readMapping(n *node, y ast.Node, path []string) any {
	pairs, ok := r.pairs(n, y, path)
	if !ok {
		return nil
	}
	r.count(n, len(pairs), y, path)
	out := map[string]any{}
	for _, p := range pairs {
		at := append(slices.Clone(path), p.name)
		if !n.rule.holds(p.name) {
			r.refuse(start(p.key), at, n.rule.hint, "the name must %s", n.rule.says)
		}
		out[p.name] = r.read(n.item, p.value, at)
	}
	return out
}

func (r *reader) readObject(n *node, y ast.Node, path []string) any {
	pairs, ok := r.pairs(n, y, path)
	if !ok {
		return nil
	}
	if n.kinds != nil {
		if n = r.choose(n, pairs, y, path); n == nil {
			return nil
		}
	}
	out := map[string]any{}
	for _, p := range pairs {
		at := append(slices.Clone(path), p.name)
		i := slices.IndexFunc(n.keys, func(k key) bool { return k.name == p.name })
		if i < 0 {
			r.refuse(start(p.key), at, suggest(p.name, "keys", n.keyNames()), "unknown key")
			continue
		}
		out[p.name] = r.read(n.keys[i].node, p.value, at)
	}
	r.together(n, pairs, y, path)
	n.fill(out)
	return out
}

// choose returns the node that the key type asks for, nil when there is none.
func (r *reader) choose(n *node, pairs []pair, y ast.Node, path []string) *node {
	var names []string
	for _, k := range n.kinds {
		names = append(names, k.name)
	}
	i := slices.IndexFunc(pairs, func(p pair) bool { return p.name == "type" })
	if i < 0 {
		r.refuse(r.header(path, y), path, suggest("", "types", names), "the key type is missing")
		return nil
	}
	at := append(slices.Clone(path), "type")
	name, _ := plain(pairs[i].value)
	for _, k := range n.kinds {
		if isText(pairs[i].value) && k.name == name {
			return k.node
		}
	}
	r.refuse(start(pairs[i].value), at, suggest(name, "types", names), "%s is not a type of resource", quoted(name))
	return nil
}

// together checks which keys stand beside each other.
func (r *reader) together(n *node, pairs []pair, y ast.Node, path []string) {
	have := map[string]ast.Node{}
	var alone []string
	for _, p := range pairs {
		have[p.name] = p.key
		if slices.Contains(n.alone, p.name) {
			alone = append(alone, p.name)
		}
	}
	for _, k := range n.keys {
		if k.required && have[k.name] == nil && (n.waiver == "" || have[n.waiver] == nil) {
			r.refuse(r.header(path, y), path, example(k), "the key %s is missing", k.name)
		}
	}
	switch {
	case len(alone) > 1:
		r.refuse(start(have[alone[1]]), path, "keep one of them", "%s exclude each other", strings.Join(alone, " and "))
	case n.one && len(alone) == 0:
		r.refuse(r.header(path, y), path, "for example: "+n.example, "one of %s is missing", strings.Join(n.alone, ", "))
	}
	for _, p := range pairs {
		if other := n.needs[p.name]; other != "" && have[other] == nil {
			r.refuse(start(p.key), append(slices.Clone(path), p.name), "add "+other+", or remove "+p.name, "means nothing without %s", other)
		}
	}
}

func example(k key) string {
	switch {
	case k.node.example != "":
		return "for example: " + k.name + ": " + k.node.example
	case k.node.rule != nil && strings.HasPrefix(k.node.rule.hint, "for example: "):
		return "for example: " + k.name + ": " + strings.TrimPrefix(k.node.rule.hint, "for example: ")
	case len(k.node.enum) > 0:
		return "for example: " + k.name + ": " + k.node.enum[0]
	}
	return "add it: " + k.node.help
}

// header is where a thing is introduced: its key, or its first character.
func (r *reader) header(path []string, y ast.Node) position {
	if at, ok := r.places[pathKey(path)]; ok && len(path) > 0 {
		return at.start()
	}
	return start(y)
}

// fill adds the defaults of the keys that were left out.
func (n *node) fill(out map[string]any) {
	if _, waived := out[n.waiver]; waived && n.waiver != "" {
		return
	}
	for _, k := range n.keys {
		if _, given := out[k.name]; given {
			continue
		}
		if slices.Contains(n.alone, k.name) && slices.ContainsFunc(n.alone, func(a string) bool { _, ok := out[a]; return ok }) {
			continue
		}
		if k.node.def != nil {
			out[k.name] = k.node.def
		} else if k.node.shape == object && k.node.kinds == nil && !k.node.demands() {
			inner := map[string]any{}
			k.node.fill(inner)
			out[k.name] = inner
		}
	}
}

// demands reports whether a key of n is required, so that n cannot be filled in.
func (n *node) demands() bool {
	return slices.ContainsFunc(n.keys, func(k key) bool { return k.required })
}

func (n *node) keyNames() []string {
	var names []string
	for _, k := range n.keys {
		names = append(names, k.name)
	}
	return names
}

// mistyped notes that something else than want stands at y. What stands where env wants a mapping may be a secret, and is not shown.
func (r *reader) mistyped(n *node, y ast.Node, path []string, want string) any {
	s, isPlain := plain(y)
	hint := ""
	switch {
	case y.Type() == ast.NullType:
		r.refuse(r.header(path, y), path, "give it a value, or remove the key", "is empty, and must be %s", want)
		return nil
	case n.example != "":
		hint = "for example: " + n.example
	case n.shape == text && isPlain:
		hint = "put it in quotes: " + strconv.Quote(s)
	case n.shape == integer && decimal().MatchString(s):
		hint = "write it without quotes: " + s
	case n.shape == boolean:
		hint = "write true or false, without quotes"
	}
	r.refuse(start(y), path, hint, "must be %s, not %s", want, described(y))
	if len(path) > 0 && path[0] == "env" && isPlain {
		r.mask(start(y))
	}
	return nil
}

// mask stars the rest of a line in which a value stands that may be a secret, in what was and what is still to be said of it.
func (r *reader) mask(at position) {
	hide := func(source string) string {
		line := []rune(source)
		from := min(at.column-1, len(line))
		return string(line[:from]) + stars(string(line[from:]))
	}
	r.lines[at.line-1] = hide(r.lines[at.line-1])
	for i := range r.faults {
		if f := &r.faults[i]; f.Line == at.line {
			f.Source = hide(f.Source)
		}
	}
}

// plain returns a scalar as it was written: text without its quotes, anything else letter by letter. false: it is none, or null.
func plain(y ast.Node) (string, bool) {
	switch y := y.(type) {
	case *ast.StringNode:
		return y.Value, true
	case *ast.LiteralNode:
		return y.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return y.GetToken().Value, true
	}
	return "", false
}

func isText(y ast.Node) bool { return y.Type() == ast.StringType || y.Type() == ast.LiteralType }

func described(y ast.Node) string {
	switch y.Type() {
	case ast.StringType, ast.LiteralType:
		return "text"
	case ast.IntegerType, ast.FloatType, ast.InfinityType, ast.NanType:
		return "a number"
	case ast.BoolType:
		return "true or false"
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	}
	return "this"
}

// start is where a node begins. A block mapping begins with its first key, though its token is the colon.
func start(y ast.Node) position {
	if m, ok := y.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return start(m.Values[0].Key)
	}
	if m, ok := y.(*ast.MappingValueNode); ok {
		return start(m.Key)
	}
	t := y.GetToken()
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{t.Position.Line, t.Position.Column}
}

const shown = 60

// quoted returns s for a message: in quotes, short, and without what looks like a credential.
func quoted(s string) string {
	s = credential().ReplaceAllStringFunc(s, stars)
	if utf8.RuneCountInString(s) > shown {
		s = string([]rune(s)[:shown]) + "…"
	}
	return strconv.Quote(s)
}
