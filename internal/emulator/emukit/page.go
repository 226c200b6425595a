package emukit

import "encoding/base64"

// PageBefore is timestamp paging, newest first: it returns at most limit of items older than until (0 = from the
// newest), and the until of the next page, 0 when there is none. items must be sorted newest first by at, without
// equal stamps.
func PageBefore[T any](items []T, at func(T) int64, until int64, limit int) (page []T, next int64) {
	for i, it := range items {
		if until != 0 && at(it) >= until {
			continue
		}
		if len(page) == limit {
			return page, at(items[i-1])
		}
		page = append(page, it)
	}
	return page, 0
}

// PageAfter is cursor paging: it returns at most limit of the items that follow the one that cursor names ("" = from
// the first), and the cursor of the next page, "" when there is none. ok is false for a cursor that names nothing.
func PageAfter[T any](items []T, id func(T) string, cursor string, limit int) (page []T, next string, ok bool) {
	start := 0
	if cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", false
		}
		for start = range items {
			if id(items[start]) == string(raw) {
				break
			}
		}
		if len(items) == 0 || id(items[start]) != string(raw) {
			return nil, "", false
		}
		start++
	}
	end := min(start+limit, len(items))
	page = items[start:end]
	if end < len(items) {
		next = base64.RawURLEncoding.EncodeToString([]byte(id(items[end-1])))
	}
	return page, next, true
}
