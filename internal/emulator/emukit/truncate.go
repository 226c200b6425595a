package emukit

import (
	"bytes"
	"encoding/json"
)

// Truncate returns a Rewrite that ends a list after n items and says that this is all of it: what a server does that gives up
// half-way without an error. A list is a JSON array, or the arrays that an object holds, whose pagination then has no next page. Any
// other reply, and one that is no success, stays.
func Truncate(n int) func(status int, body []byte) (int, []byte) {
	return func(status int, body []byte) (int, []byte) {
		var whole any
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if status/100 != 2 || decoder.Decode(&whole) != nil {
			return status, body
		}
		switch of := whole.(type) {
		case []any:
			whole = of[:min(n, len(of))]
		case map[string]any:
			truncateFields(of, n)
		default:
			return status, body
		}
		short, err := json.Marshal(whole)
		if err != nil {
			return status, body
		}
		return status, short
	}
}

func truncateFields(of map[string]any, n int) {
	for name, v := range of {
		if items, ok := v.([]any); ok {
			of[name] = items[:min(n, len(items))]
		}
	}
	page, _ := of["pagination"].(map[string]any)
	delete(page, "cursor") // Neon's projects: the end is a page without one
	if _, has := page["next"]; has {
		page["next"] = nil
	}
}
