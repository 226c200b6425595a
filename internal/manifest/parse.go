package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	slipway "github.com/slipway-dev/slipway"
)

// MaxBytes is the greatest size of a manifest.
const MaxBytes = 1 << 20

// Document is a manifest with the position of everything in it.
type Document struct {
	Manifest *slipway.Manifest // defaults are filled in

	file   string
	lines  []string
	places map[string]place // by pathKey
}

// place is where a key and its value start. An entry of a list has no key of its own.
type place struct{ key, value position }

type position struct{ line, column int }

// Parse reads a manifest. file is its name in the errors; types are what may stand as type: of a resource. The error is Errors.
func Parse(file string, src []byte, types []slipway.ResourceType) (*Document, error) {
	r := &reader{Document: Document{file: file, places: map[string]place{"": {value: position{1, 1}}}}}
	body := r.load(src)
	if body == nil {
		return nil, r.faults.sorted()
	}
	tree, _ := r.read(table(types), body, nil).(map[string]any)
	r.refer(tree, types)
	r.checkVerify(tree)
	r.checkPrebuilt(tree)
	if err := r.faults.sorted(); err != nil {
		return nil, err
	}
	m, err := decode(tree)
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeInternal, "%s: the table of keys does not fit the manifest's type: %v", file, err)
	}
	r.Manifest = m
	return &r.Document, nil
}

// Problems turns what a rule found (the providers' Check) into Errors with positions. nil for none.
func (d *Document) Problems(problems []slipway.Problem) error {
	var faults Errors
	for _, p := range problems {
		faults = append(faults, d.fault(d.locate(p.Path), p.Path, p.Message, p.Hint))
	}
	return faults.sorted()
}

// locate returns where the value at path starts; for what is not there, the key of the nearest thing around it.
func (d *Document) locate(path []string) position {
	if at, ok := d.places[pathKey(path)]; ok {
		return at.value
	}
	for n := len(path) - 1; n > 0; n-- {
		if at, ok := d.places[pathKey(path[:n])]; ok {
			return at.start()
		}
	}
	return position{1, 1}
}

func (p place) start() position {
	if p.key.line > 0 {
		return p.key
	}
	return p.value
}

func (d *Document) fault(at position, path []string, message, hint string) Fault {
	f := Fault{File: d.file, Line: at.line, Column: at.column, Path: strings.Join(path, "."), Message: message, Hint: hint}
	if at.line >= 1 && at.line <= len(d.lines) {
		f.Source = printable(d.lines[at.line-1])
	}
	return f
}

func pathKey(path []string) string { return strings.Join(path, "\x00") }

// reader collects the faults of one document.
type reader struct {
	Document
	faults Errors
}

func (r *reader) refuse(at position, path []string, hint, format string, args ...any) {
	r.faults = append(r.faults, r.fault(at, path, fmt.Sprintf(format, args...), hint))
}

// load returns the document's body, nil when there is none or the text is not the YAML that is accepted here.
func (r *reader) load(src []byte) ast.Node {
	first := position{1, 1}
	if len(src) > MaxBytes {
		r.refuse(first, nil, "a manifest has at most a few hundred lines; is this the right file?", "the file has %d bytes, and at most %d are read", len(src), MaxBytes)
		return nil
	}
	content := strings.TrimPrefix(string(src), "\ufeff")
	content = strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\r", "\n")
	r.lines = strings.Split(content, "\n")
	if !r.checkCharacters() {
		return nil
	}
	tokens := r.tokens(content)
	if len(r.faults) > 0 || !r.checkTokens(tokens) {
		return nil
	}
	docs := r.parseYAML(tokens)
	if len(r.faults) > 0 {
		return nil
	}
	if len(docs) == 0 {
		r.refuse(first, nil, "run slipway init to write one, or start with: app: my-app", "the manifest is empty")
		return nil
	}
	return docs[0].Body
}

// checkCharacters refuses what YAML does not allow in a file: bytes that are no UTF-8, and control characters.
func (r *reader) checkCharacters() bool {
	for i, line := range r.lines {
		column := 0
		for at, c := range line {
			column++
			here := position{i + 1, column}
			if c == utf8.RuneError && !strings.HasPrefix(line[at:], "\ufffd") {
				r.refuse(here, nil, "save the file as UTF-8", "this is not UTF-8")
				return false
			}
			if c != '\t' && (c < 0x20 || c == 0x7f) {
				r.refuse(here, nil, `remove it; in double quotes write it as an escape, such as \x1b`, "the control character %U is not allowed", c)
				return false
			}
		}
	}
	return true
}

// Reading costs memory for each mark and, in one mapping, time by the square of its keys: both are bounded far above any real manifest.
const (
	marks     = ",:-?[]{}'\"#&*!|>%@`"
	maxMarks  = 50_000
	maxTokens = 20_000
)

// tokens splits content. A file that is too long to be a manifest is refused where that shows.
func (r *reader) tokens(content string) token.Tokens {
	const message, hint = "the file is too long to be a manifest", "a manifest has at most a few hundred lines; is this the right file?"
	count := 0
	for i, line := range r.lines {
		count++
		for _, c := range []byte(line) {
			if strings.IndexByte(marks, c) >= 0 {
				count++
			}
		}
		if count > maxMarks {
			r.refuse(position{i + 1, 1}, nil, hint, "%s", message)
			return nil
		}
	}
	tokens := lexer.Tokenize(content)
	if len(tokens) > maxTokens {
		at := tokens[maxTokens].Position
		r.refuse(position{at.Line, at.Column}, nil, hint, "%s", message)
		return nil
	}
	return tokens
}

// refused are the parts of YAML that a manifest does without: they hide what is meant, or blow up.
var refused = map[token.Type]string{
	token.AnchorType:     "anchors (&name) are not supported",
	token.AliasType:      "aliases (*name) are not supported",
	token.MergeKeyType:   "merge keys (<<) are not supported",
	token.TagType:        "tags (!name) are not supported",
	token.DirectiveType:  "directives (%) are not supported",
	token.MappingKeyType: "keys that start with ? are not supported",
}

const maxDepth = 32

// checkTokens refuses what is not supported, and nesting that is so deep that reading it would cost too much.
func (r *reader) checkTokens(tokens token.Tokens) bool {
	depth, dashes, line, documents, content, ended := 0, 0, 0, 0, false, false
	for _, t := range tokens {
		at := position{t.Position.Line, t.Position.Column}
		if at.line != line {
			line, dashes = at.line, 0
		}
		if message, ok := refused[t.Type]; ok {
			r.refuse(at, nil, "write it out in full; put text that starts with & * ! % or ? in quotes", "%s", message)
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth = max(0, depth-1)
		case token.SequenceEntryType:
			dashes++
		case token.DocumentHeaderType:
			if documents++; documents > 1 || content {
				r.refuse(at, nil, "keep one app per file", "a second document is not supported")
				return false
			}
		case token.DocumentEndType:
			ended = true
		case token.CommentType:
		default:
			if ended {
				r.refuse(at, nil, "keep one app per file", "a second document is not supported")
				return false
			}
			content = true
		}
		if depth+dashes > maxDepth {
			r.refuse(at, nil, "a manifest needs four levels", "this is nested more than %d levels deep", maxDepth)
			return false
		}
	}
	return len(r.faults) == 0
}

// parseYAML returns the documents that have content. The parser is not ours: should it panic, the file counts as unreadable.
func (r *reader) parseYAML(tokens token.Tokens) (docs []*ast.DocumentNode) {
	defer func() {
		if recover() != nil {
			docs = nil
			r.refuse(position{1, 1}, nil, "write the file in plain block style, and in quotes what is unusual", "this YAML cannot be read")
		}
	}()
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are reported with all other faults
	if syntax := (*yaml.SyntaxError)(nil); errors.As(err, &syntax) {
		at := position{1, 1}
		if t := syntax.GetToken(); t != nil {
			at = position{t.Position.Line, t.Position.Column}
		}
		r.refuse(at, nil, syntaxHint(syntax.Message), "%s", syntaxMessage(syntax.Message))
		return nil
	} else if err != nil {
		r.refuse(position{1, 1}, nil, "", "this YAML cannot be read")
		return nil
	}
	for _, d := range f.Docs {
		if d.Body != nil {
			docs = append(docs, d)
		}
	}
	return docs
}

func syntaxMessage(message string) string {
	if strings.Contains(message, "character '\t'") {
		return "a tab cannot indent"
	}
	return strings.TrimSuffix(message, ".")
}

func syntaxHint(message string) string {
	for _, h := range []struct{ part, hint string }{
		{"'\t'", "indent with spaces"},
		{"reserved character", "put the text in quotes"},
		{"quoted text", "close the quote"},
		{"must be specified", "close the bracket, or put the entries on one line"},
		{"end token", "close the bracket"},
		{"not allowed in this context", `check the indentation, and put text that holds ": " in quotes`},
	} {
		if strings.Contains(message, h.part) {
			return h.hint
		}
	}
	return "check indentation, quotes and brackets on this line and the one before"
}

// decode turns what the table let through into the domain's type. The names of keys are the JSON names of the fields.
func decode(tree map[string]any) (*slipway.Manifest, error) {
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	m := &slipway.Manifest{}
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, err
	}
	resources, _ := tree["resources"].(map[string]any)
	for name, v := range resources {
		entry, _ := v.(map[string]any)
		res := m.Resources[name]
		res.Existing, _ = entry["existing"].(map[string]any) // as read: JSON would make every number a float
		for k, v := range entry {
			if slices.Contains([]string{"type", "name", "existing", "per_environment"}, k) {
				continue
			}
			if res.Fields == nil {
				res.Fields = map[string]any{}
			}
			res.Fields[k] = fieldValue(v)
		}
		m.Resources[name] = res
	}
	env, _ := tree["env"].(map[string]any)
	for name, v := range env {
		entry, _ := v.(map[string]any)
		e := m.Env[name]
		_, e.HasValue = entry["value"]
		m.Env[name] = e
	}
	return m, nil
}

// fieldValue makes a list of text a []string.
func fieldValue(v any) any {
	entries, ok := v.([]any)
	if !ok {
		return v
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i], _ = e.(string)
	}
	return out
}
