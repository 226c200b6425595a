package vercelemu

import (
	"cmp"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

func (s *SandboxServer) list(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*sandbox
	for _, b := range s.all {
		if b.team == c.team && c.mayUse(b.project) == nil && in(c.query("project"), b.project) && strings.HasPrefix(b.name, c.query("namePrefix")) &&
			in(c.query("status"), b.current.status) && b.tagged(c.values["tags"]) {
			found = append(found, b)
		}
	}
	var order func(a, b *sandbox) int
	switch c.query("sortBy") {
	case "", "createdAt", "currentSnapshotId":
		order = func(a, b *sandbox) int { return a.created.Compare(b.created) }
	case "name":
		order = func(a, b *sandbox) int { return strings.Compare(a.name, b.name) }
	case "statusUpdatedAt":
		order = func(a, b *sandbox) int { return a.status.Compare(b.status) }
	default:
		return nil, badRequest("Invalid request: `sortBy` should be one of createdAt, name, statusUpdatedAt, currentSnapshotId.")
	}
	views, page, f := paged(c, found, order, func(b *sandbox) string { return b.project + "/" + b.name }, (*sandbox).view)
	if f != nil {
		return nil, f
	}
	return obj{"sandboxes": views, "pagination": page}, nil
}

func (s *SandboxServer) listSessions(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*session
	for _, ses := range s.sessions {
		if ses.box.team == c.team && c.mayUse(ses.box.project) == nil && in(c.query("project"), ses.box.project) && in(c.query("name"), ses.box.name) {
			found = append(found, ses)
		}
	}
	order := func(a, b *session) int { return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id)) }
	views, page, f := paged(c, found, order, func(ses *session) string { return ses.id }, (*session).view)
	if f != nil {
		return nil, f
	}
	return obj{"sessions": views, "pagination": page}, nil
}

func in(want, have string) bool { return want == "" || want == have }

// tagged reports whether b has each "key:value".
func (b *sandbox) tagged(want []string) bool {
	for _, w := range want {
		key, value, _ := strings.Cut(w, ":")
		if have, ok := b.tags[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// paged answers one page: newest first unless sortOrder=asc, 20 at most unless limit says otherwise.
func paged[T any](c *sandboxCall, items []T, order func(a, b T) int, id func(T) string, view func(T) obj) ([]obj, obj, *failure) {
	switch c.query("sortOrder") {
	case "", "desc":
		slices.SortStableFunc(items, func(a, b T) int { return order(b, a) })
	case "asc":
		slices.SortStableFunc(items, order)
	default:
		return nil, nil, badRequest("Invalid request: `sortOrder` should be asc or desc.")
	}
	limit, f := c.limit(20, 100)
	if f != nil {
		return nil, nil, f
	}
	page, next, ok := emukit.PageAfter(items, id, c.query("cursor"), limit)
	if !ok {
		return nil, nil, badRequest("Invalid request: `cursor` is not one of this list.")
	}
	views := make([]obj, 0, len(page))
	for _, it := range page {
		views = append(views, view(it))
	}
	out := obj{"count": len(page), "next": nil}
	if next != "" {
		out["next"] = next
	}
	return views, out, nil
}
