// Package speccheck judges HTTP traffic by a vendor's OpenAPI document. Only tests import it: emulators' tests check
// their replies with it, clients' tests their requests.
package speccheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Checker judges by one document. It is safe for concurrent use.
type Checker struct {
	doc    *openapi3.T
	base   string // path of the document's server, such as /api/v2
	routes []route

	mu      sync.Mutex
	covered map[string]int
	except  map[string]bool // by shape
}

type route struct {
	path     string
	segments []string
	item     *openapi3.PathItem
}

var documents = struct {
	sync.Mutex
	byName map[string]*openapi3.T
}{byName: map[string]*openapi3.T{}}

// Load returns a Checker for the document NAME.json ("vercel", "neon", "upstash") in the folder SLIPWAY_SPECS, by
// default ../shared/specs beside the repository. It skips the test when the folder is absent.
func Load(t testing.TB, name string) *Checker {
	t.Helper()
	dir := specs()
	if _, err := os.Stat(dir); err != nil {
		t.Skip("specs not found: set SLIPWAY_SPECS")
	}
	doc, err := document(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatalf("speccheck: %v", err)
	}
	c := &Checker{doc: doc, covered: map[string]int{}}
	if len(doc.Servers) > 0 {
		if u, err := url.Parse(doc.Servers[0].URL); err == nil {
			c.base = strings.TrimSuffix(u.Path, "/")
		}
	}
	for path, item := range doc.Paths.Map() {
		c.routes = append(c.routes, route{path: path, segments: strings.Split(path, "/"), item: item})
	}
	slices.SortFunc(c.routes, func(a, b route) int { return strings.Compare(a.path, b.path) })
	return c
}

func specs() string {
	if dir := os.Getenv("SLIPWAY_SPECS"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return filepath.Join(dir, "..", "shared", "specs")
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

func document(file string) (*openapi3.T, error) {
	documents.Lock()
	defer documents.Unlock()
	if doc := documents.byName[file]; doc != nil {
		return doc, nil
	}
	for _, opaque := range []string{"application/gzip", "application/octet-stream"} {
		openapi3filter.RegisterBodyDecoder(opaque, openapi3filter.FileBodyDecoder)
	}
	for _, lines := range lineStreams {
		openapi3filter.RegisterBodyDecoder(lines, openapi3filter.JSONBodyDecoder)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err == nil {
		documents.byName[file] = doc
	}
	return doc, err
}

// Operations returns the document's operations, sorted, as "METHOD /path" with the path of its server before it.
func (c *Checker) Operations() []string {
	var out []string
	for _, r := range c.routes {
		for method := range r.item.Operations() {
			out = append(out, method+" "+c.base+r.path)
		}
	}
	slices.Sort(out)
	return out
}

// Wrap serves h and reports each reply that the document does not allow: a 2xx status that is not listed, a wrong
// content type, a body that does not fit. Operations that the document does not have are not judged, nor are errors of
// which it has no schema, nor 501, which is an emulator's own.
func (c *Checker) Wrap(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		h.ServeHTTP(rec, r)
		if rec.status == 0 {
			rec.status = http.StatusOK
		}
		if rec.status == http.StatusNotImplemented {
			return
		}
		if err := c.Response(r, rec.status, w.Header(), rec.body.Bytes()); err != nil {
			t.Errorf("reply of %s %s: %v\n%s", r.Method, r.URL.Path, err, cut(rec.body.String(), 4000))
		}
	})
}

// Except takes operations, "METHOD /path", out of the judgement of replies: the document is known to be wrong about
// them. Parameters may have any name.
func (c *Checker) Except(operations ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.except == nil {
		c.except = map[string]bool{}
	}
	for _, op := range operations {
		c.except[shape(op)] = true
	}
}

// shape is an operation without its parameters' names.
func shape(op string) string {
	parts := strings.Split(op, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

// Response judges one reply to r. It returns nil for an operation that the document does not have or Except named.
func (c *Checker) Response(r *http.Request, status int, header http.Header, body []byte) error {
	in := c.input(r)
	if in == nil {
		return nil
	}
	c.mu.Lock()
	excepted := c.except[shape(r.Method+" "+in.Route.Path)]
	c.mu.Unlock()
	if excepted {
		return nil
	}
	op := in.Route.Operation
	if status/100 == 2 {
		if op.Responses.Status(status) == nil {
			return fmt.Errorf("status %d is not in the document", status)
		}
		c.mu.Lock()
		c.covered[r.Method+" "+in.Route.Path]++
		c.mu.Unlock()
	}
	parts := [][]byte{body}
	if slices.Contains(lineStreams, header.Get("Content-Type")) {
		parts = bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	}
	for _, part := range parts {
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header, Options: in.Options}
		if err := openapi3filter.ValidateResponse(context.Background(), out.SetBodyBytes(part)); err != nil {
			return short(err)
		}
	}
	return nil
}

// lineStreams are one JSON value a line, each judged by the schema.
var lineStreams = []string{"application/x-ndjson", "application/stream+json"}

// Lists reports whether the document names the status for the operation that answers at a path, or a default for all.
// Most documents say of an error no more than that.
func (c *Checker) Lists(method, path string, status int) bool {
	in := c.input(&http.Request{Method: method, URL: &url.URL{Path: path}})
	return in != nil && (in.Route.Operation.Responses.Status(status) != nil || in.Route.Operation.Responses.Default() != nil)
}

// Request judges one request, whose body it reads and puts back. It is an error to ask for an operation that the
// document does not have.
func (c *Checker) Request(r *http.Request) error {
	in := c.input(r)
	if in == nil {
		return fmt.Errorf("%s %s is not in the document", r.Method, r.URL.Path)
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	err := openapi3filter.ValidateRequest(context.Background(), in)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return short(err)
}

// Covered returns the operations whose 2xx replies were judged, sorted, as "METHOD path".
func (c *Checker) Covered() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]string, 0, len(c.covered))
	for op := range c.covered {
		out = append(out, op)
	}
	slices.Sort(out)
	return out
}

func (c *Checker) input(r *http.Request) *openapi3filter.RequestValidationInput {
	rest, ok := strings.CutPrefix(r.URL.Path, c.base)
	if !ok {
		return nil
	}
	var best *route
	var params map[string]string
	for i, cand := range c.routes {
		if p, ok := match(cand.segments, strings.Split(rest, "/")); ok && cand.item.GetOperation(r.Method) != nil {
			if best == nil || len(p) < len(params) {
				best, params = &c.routes[i], p
			}
		}
	}
	if best == nil {
		return nil
	}
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, QueryParams: r.URL.Query(),
		Route: &routers.Route{Spec: c.doc, Path: best.path, PathItem: best.item, Method: r.Method, Operation: best.item.GetOperation(r.Method)},
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true,
			SkipSettingDefaults: true, ExcludeWriteOnlyValidations: true, ExcludeReadOnlyValidations: true,
		},
	}
}

func match(pattern, path []string) (map[string]string, bool) {
	if len(pattern) != len(path) {
		return nil, false
	}
	params := map[string]string{}
	for i, p := range pattern {
		if strings.HasPrefix(p, "{") && path[i] != "" {
			params[strings.Trim(p, "{}")] = path[i]
		} else if p != path[i] {
			return nil, false
		}
	}
	return params, true
}

// short leaves out the schema that kin-openapi prints with each finding.
func short(err error) error {
	if err == nil {
		return nil
	}
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if strings.HasPrefix(line, "Schema:") {
			lines = append(lines, "...")
			break
		}
		lines = append(lines, line)
	}
	return errors.New(cut(strings.Join(lines, "\n"), 2000))
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// Flush passes a stream on.
func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
