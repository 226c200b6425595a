package neonemu

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *Server) listProjectBranches(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	deleted, f := q.flag("include_deleted")
	if f != nil {
		return nil, f
	}
	by, order := or(q.param("sort_by"), "updated_at"), or(q.param("sort_order"), "desc")
	found := p.searchBranches(q, deleted)
	compare := map[string]func(a, b *branch) int{
		"name":       func(a, b *branch) int { return cmp.Compare(a.name, b.name) },
		"created_at": func(a, b *branch) int { return cmp.Compare(a.seq, b.seq) },
		"updated_at": func(a, b *branch) int { return cmp.Or(a.updated.Compare(b.updated), cmp.Compare(a.seq, b.seq)) },
	}[by]
	if compare == nil || order != "asc" && order != "desc" {
		return nil, fail(http.StatusBadRequest, "invalid sort_by or sort_order")
	}
	slices.SortFunc(found, compare)
	if order == "desc" {
		slices.Reverse(found)
	}
	found, next, f := branchPage(q, found)
	if f != nil {
		return nil, f
	}
	type cursor struct {
		Next      string `json:"next,omitempty"`
		SortBy    string `json:"sort_by"`
		SortOrder string `json:"sort_order"`
	}
	items, notes := make([]branchBody, 0, len(found)), map[string]annotationBody{}
	for _, b := range found {
		items = append(items, b.wire(q.now))
		if b.annotation != nil {
			notes[b.id] = b.annotations()
		}
	}
	return struct {
		Branches    []branchBody              `json:"branches"`
		Annotations map[string]annotationBody `json:"annotations"`
		Pagination  cursor                    `json:"pagination"`
	}{items, notes, cursor{next, by, order}}, nil
}

// branchPage cuts a page by position: this list's cursor is opaque, and absent from the last page.
func branchPage(q *request, found []*branch) (page []*branch, next string, f *failure) {
	n, f := q.limit(10000, 10000)
	if f != nil {
		return nil, "", f
	}
	start := 0
	if text := q.param("cursor"); text != "" {
		var err error
		if start, err = strconv.Atoi(text); err != nil || start < 0 {
			return nil, "", fail(http.StatusBadRequest, "invalid cursor")
		}
	}
	start = min(start, len(found))
	end := min(start+n, len(found))
	if end < len(found) {
		next = strconv.Itoa(end)
	}
	return found[start:end], next, nil
}

// searchBranches returns the branches that match the query parameter search, by creation.
func (p *project) searchBranches(q *request, deleted bool) []*branch {
	search := strings.ToLower(q.param("search"))
	var found []*branch
	for _, b := range p.branches {
		hidden := !b.alive() && !deleted || b.lost(q.now)
		if !hidden && (strings.Contains(strings.ToLower(b.name), search) || strings.Contains(b.id, search)) {
			found = append(found, b)
		}
	}
	return found
}

func (s *Server) countProjectBranches(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	return struct {
		Count int `json:"count"`
	}{len(p.searchBranches(q, false))}, nil
}
