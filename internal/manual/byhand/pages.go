package byhand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// What a click in a provider's pages does, as far as an emulator has no pages: the requests that the provider's documented API has for the
// same thing. This is our reading of the pages' documentation; nobody has looked at the pages from here. A place, a field or a button that is
// not in these tables is a page that nobody knows, and the step fails.

// spot is a place that a person is sent to, or finds a value at. In link and path, {x} stands for any text.
type spot struct {
	link     string
	path     []string
	fields   []string // that it has; those that begin with * have to be filled
	click    func(*tab) error
	value    func(*tab) (string, error) // of a place that shows one
	provider string                     // whose account is signed in
}

// tab is a visit of a spot.
type tab struct {
	ctx    context.Context
	p      *Person
	at     map[string]string // what stood for each {x}
	fields map[string]string
	spot   spot
}

func spots() []spot {
	return slices.Concat(vercelSpots(), neonSpots(), upstashSpots(), marketplaceSpots())
}

var hole = regexp.MustCompile(`\\\{(\w+)\\\}`)

// matches fills at with what stands for the holes of pattern in text.
func matches(pattern, text string, at map[string]string) bool {
	re := regexp.MustCompile("^" + hole.ReplaceAllString(regexp.QuoteMeta(pattern), "(?P<$1>.+)") + "$")
	m := re.FindStringSubmatch(text)
	for i, name := range re.SubexpNames() {
		if m != nil && name != "" {
			at[name] = m[i]
		}
	}
	return m != nil
}

func (s spot) name() string { return s.link + ": " + strings.Join(s.path, " > ") }

// find is the spot at link and path, nil for one that nobody knows.
func find(link string, path []string, ok func(spot) bool) (*spot, map[string]string) {
	for _, s := range spots() {
		at := map[string]string{}
		if ok(s) && len(s.path) == len(path) && matches(s.link, link, at) && matches(strings.Join(s.path, "\n"), strings.Join(path, "\n"), at) {
			return &s, at
		}
	}
	return nil, nil
}

// visit clicks through a page, with what it shows of the values that nobody has yet.
func (p *Person) visit(ctx context.Context, page place) error {
	texts := append([]string{page.URL}, page.Path...)
	for _, f := range page.Fields {
		texts = append(texts, f.Value)
	}
	for _, m := range placeholder.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		if err := p.copyValue(ctx, m[1]); err != nil {
			return err
		}
	}
	filled := make([]string, len(texts))
	for i, text := range texts {
		var err error
		if filled[i], err = p.fill(text); err != nil {
			return err
		}
	}
	path := filled[1 : 1+len(page.Path)]
	s, at := find(filled[0], path, func(s spot) bool { return s.click != nil })
	if s == nil {
		return fmt.Errorf("nobody knows the page %s: %s", filled[0], strings.Join(path, " > "))
	}
	t := &tab{ctx: ctx, p: p, at: at, fields: map[string]string{}, spot: *s}
	for i, f := range page.Fields {
		t.fields[f.Label] = filled[1+len(page.Path)+i]
	}
	return t.enter()
}

// enter checks the form and sends it.
func (t *tab) enter() error {
	for label := range t.fields {
		if !slices.Contains(t.spot.fields, label) && !slices.Contains(t.spot.fields, "*"+label) {
			return fmt.Errorf("%s has no field %q", t.spot.name(), label)
		}
	}
	for _, label := range t.spot.fields {
		if name, must := strings.CutPrefix(label, "*"); must && t.fields[name] == "" {
			return fmt.Errorf("%s wants %q filled", t.spot.name(), name)
		}
	}
	if err := t.spot.click(t); err != nil {
		return fmt.Errorf("%s: %w", t.spot.name(), err)
	}
	t.p.been(t.spot)
	return nil
}

// Visited are the places that were visited, as pages.go calls them.
func (p *Person) Visited() []string { return slices.Sorted(maps.Keys(p.used)) }

// Places are all that pages.go knows how to click or read.
func Places() (out []string) {
	for _, s := range spots() {
		out = append(out, s.name())
	}
	slices.Sort(out)
	return out
}

var shownAt = regexp.MustCompile(`(https://[^ ]+): (.+) \(checked [0-9-]{10}\)`)

// copyValue takes a placeholder's value from the page that its step names.
func (p *Person) copyValue(ctx context.Context, name string) error {
	if _, known := p.Values[name]; known || !p.isTold(name) {
		return nil
	}
	v, err := p.copyFrom(ctx, p.told[name])
	if err != nil {
		return fmt.Errorf("<%s>: %w", name, err)
	}
	p.Values[name] = v
	return nil
}

// patience is how often a page is loaded again that does not show yet what it is to show.
const patience = 200

// Copy is what the page shows that a text names, for an app of that name.
func (p *Person) Copy(ctx context.Context, app, from string) (string, error) {
	p.app = app
	return p.copyFrom(ctx, from)
}

func (p *Person) copyFrom(ctx context.Context, from string) (string, error) {
	m := shownAt.FindStringSubmatch(from)
	if m == nil {
		return "", fmt.Errorf("%q names no page", from)
	}
	link := m[1][strings.LastIndex(m[1], "https://"):]
	s, at := find(link, strings.Split(m[2], " > "), func(s spot) bool { return s.value != nil })
	if s == nil {
		return "", fmt.Errorf("nobody knows the page %s: %s", link, m[2])
	}
	t := &tab{ctx: ctx, p: p, at: at, spot: *s}
	v, err := s.value(t)
	for tries := 0; errors.Is(err, errNotThere) && tries < patience; tries++ { // lists lag: a person loads the page again
		if err = pause(ctx, max(p.Pause, tick)); err == nil {
			v, err = s.value(t)
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.name(), err)
	}
	p.been(*s)
	return v, nil
}

// been notes a visit.
func (p *Person) been(s spot) {
	if p.used == nil {
		p.used = map[string]bool{}
	}
	p.used[s.name()] = true
}

// keep remembers what was made.
func (t *tab) keep(kind, id string) {
	if t.p.made == nil {
		t.p.made = map[string]string{}
	}
	t.p.made[kind] = id
}

// signedIn are the headers of each provider's account, and where it answers.
func (p *Person) signedIn(provider string) (base, user string, headers map[string]string) {
	bearer := func(key string) map[string]string {
		return map[string]string{"Authorization": "Bearer " + p.Values[key]}
	}
	switch provider {
	case "vercel":
		return "https://api.vercel.com", "", bearer("VERCEL_TOKEN")
	case "neon":
		return "https://console.neon.tech/api/v2", "", bearer("NEON_API_KEY")
	}
	return "https://api.upstash.com/v2", p.Values["UPSTASH_EMAIL"] + ":" + p.Values["UPSTASH_API_KEY"], map[string]string{}
}

// call is one request in the account that is signed in. It waits while Neon is busy.
func (p *Person) call(ctx context.Context, provider, method, path string, body any) (any, error) {
	base, user, headers := p.signedIn(provider)
	if provider == "vercel" && p.Values["VERCEL_TEAM_ID"] != "" {
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "teamId=" + p.Values["VERCEL_TEAM_ID"]
	}
	if body != nil {
		headers["Content-Type"] = "application/json"
	}
	f := form{Method: method, URL: base + path, User: user, Headers: headers, Body: body, Again: http.StatusLocked}
	for {
		status, raw, err := p.send(ctx, f)
		switch {
		case err != nil:
			return nil, err
		case status == f.Again:
			if err := pause(ctx, max(p.Pause, tick)); err != nil {
				return nil, err
			}
			continue
		case status >= http.StatusBadRequest:
			return nil, fmt.Errorf("%s %s answered %d: %s", method, path, status, raw)
		}
		var reply any
		_ = json.Unmarshal(raw, &reply) // an empty reply has nothing
		return reply, nil
	}
}

func (t *tab) call(method, path string, body any) (any, error) {
	return t.p.call(t.ctx, t.spot.provider, method, path, body)
}

// send is call for what needs no reply.
func (t *tab) send(method, path string, body any) error {
	_, err := t.call(method, path, body)
	return err
}

// text reads one value of a reply.
func text(reply any, path string) string {
	v, _ := Read(reply, path)
	return v
}

var errNotThere = errors.New("it is not on the page")

// among returns the first of a list in a reply for which ok says so.
func among(reply any, path string, ok func(map[string]any) bool) (map[string]any, error) {
	if within, is := reply.(map[string]any); is && path != "" {
		reply = within[path]
	}
	list, _ := reply.([]any)
	for _, v := range list {
		if one, is := v.(map[string]any); is && ok(one) {
			return one, nil
		}
	}
	return nil, errNotThere
}
