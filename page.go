package slipway

import "strings"

// PageInfo is a place in a provider's pages, as a row of the provider's table (ProviderInfo.Pages): whatever a runbook says of a page comes
// from there. Link and Path may have holes, such as {project}.
type PageInfo struct {
	Link    string   // deep link; "" where the path alone leads to it
	Path    []string // what to click, in order
	Checked string   // the day on which somebody last looked at what Source says, YYYY-MM-DD
	Source  string   // URL of the documentation that it was taken from
}

// With fills holes: name, value, name, value. A hole that stays is a defect, which the runbooks' tests find.
func (p PageInfo) With(holes ...string) PageInfo {
	pairs := make([]string, 0, len(holes))
	for i, h := range holes {
		if i%2 == 0 {
			h = "{" + h + "}"
		}
		pairs = append(pairs, h)
	}
	fill := strings.NewReplacer(pairs...)
	path := make([]string, len(p.Path))
	for i, part := range p.Path {
		path[i] = fill.Replace(part)
	}
	p.Link, p.Path = fill.Replace(p.Link), path
	return p
}

// Way is to go there and enter fields.
func (p PageInfo) Way(fields ...Field) Way {
	return Way{Page: &Page{URL: p.Link, Path: p.Path, Fields: fields, Checked: p.Checked}}
}

// String names the place within a sentence, with its day.
func (p PageInfo) String() string {
	path := strings.Join(p.Path, " > ")
	if p.Link != "" && path != "" {
		path = p.Link + ": " + path
	} else if path == "" {
		path = p.Link
	}
	return path + " (checked " + p.Checked + ")"
}
