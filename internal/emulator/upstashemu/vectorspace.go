package upstashemu

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// update changes what of a vector is given: https://upstash.com/docs/vector/api/endpoints/update
func (x *index) update(space string, body []byte) (any, *failure) {
	var in struct {
		ID       vectorID        `json:"id"`
		Vector   []float64       `json:"vector"`
		Metadata json.RawMessage `json:"metadata"`
		Data     *string         `json:"data"`
		Mode     string          `json:"metadataUpdateMode"`
	}
	if json.Unmarshal(body, &in) != nil {
		return nil, fail(http.StatusBadRequest, "Invalid JSON body")
	}
	if in.Mode != "" && in.Mode != "OVERWRITE" && in.Mode != "PATCH" {
		return nil, fail(http.StatusUnprocessableEntity, "Invalid metadataUpdateMode: %q", in.Mode)
	}
	if in.Vector != nil {
		if f := x.checkDimension(in.Vector); f != nil {
			return nil, f
		}
	}
	x.vectors.mu.Lock()
	defer x.vectors.mu.Unlock()
	old := x.vectors.spaces[space][string(in.ID)]
	if old == nil {
		return map[string]int{"updated": 0}, nil
	}
	next := *old
	if in.Vector != nil {
		next.values = in.Vector
	}
	if in.Data != nil {
		next.data = in.Data
	}
	if in.Metadata != nil {
		next.metadata = in.Metadata
		if in.Mode == "PATCH" {
			next.metadata = merge(old.metadata, in.Metadata)
		}
	}
	x.vectors.spaces[space][next.id] = &next
	return map[string]int{"updated": 1}, nil
}

// merge is JSON merge patch, https://www.rfc-editor.org/rfc/rfc7396
func merge(to, patch json.RawMessage) json.RawMessage {
	var changes, fields map[string]json.RawMessage
	if json.Unmarshal(patch, &changes) != nil || changes == nil {
		return patch
	}
	if json.Unmarshal(to, &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{}
	}
	for name, change := range changes {
		if string(change) == "null" {
			delete(fields, name)
		} else {
			fields[name] = merge(fields[name], change)
		}
	}
	out, _ := json.Marshal(fields) // of what was just read
	return out
}

// scan is /range: vectors by age, from the one after the cursor on.
func (x *index) scan(space string, body []byte) (any, *failure) {
	var in struct {
		include
		Cursor json.Number `json:"cursor"` // a number, or one in a string
		Limit  int         `json:"limit"`
		Prefix string      `json:"prefix"`
	}
	if json.Unmarshal(body, &in) != nil {
		return nil, fail(http.StatusBadRequest, "Invalid JSON body")
	}
	after := int64(0)
	if in.Cursor != "" {
		var err error
		if after, err = in.Cursor.Int64(); err != nil || after < 0 {
			return nil, fail(http.StatusUnprocessableEntity, "Invalid cursor")
		}
	}
	if in.Limit < 1 || in.Limit > maxPerRequest {
		return nil, fail(http.StatusUnprocessableEntity, "limit must be from 1 to %d", maxPerRequest)
	}
	x.vectors.mu.RLock()
	defer x.vectors.mu.RUnlock()
	found := slices.SortedFunc(maps.Values(x.vectors.spaces[space]), func(a, b *vector) int { return a.seq - b.seq })
	found = slices.DeleteFunc(found, func(v *vector) bool { return int64(v.seq) <= after || !strings.HasPrefix(v.id, in.Prefix) })
	out := struct {
		NextCursor string        `json:"nextCursor"` // "" after the last page
		Vectors    []*vectorBody `json:"vectors"`
	}{Vectors: []*vectorBody{}}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.NextCursor = strconv.Itoa(found[in.Limit-1].seq)
	}
	for _, v := range found {
		out.Vectors = append(out.Vectors, v.wire(in.include))
	}
	return out, nil
}

// listNamespaces always has the default one, which is called "".
func (x *index) listNamespaces(string, []byte) (any, *failure) {
	x.vectors.mu.RLock()
	defer x.vectors.mu.RUnlock()
	names := []string{""}
	for name := range x.vectors.spaces {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// deleteNamespace refuses the default one, and one that is not there with 404 [? upstash-delete-namespace].
func (x *index) deleteNamespace(space string, _ []byte) (any, *failure) {
	x.vectors.mu.Lock()
	defer x.vectors.mu.Unlock()
	if space == "" {
		return nil, fail(http.StatusUnprocessableEntity, "The default namespace cannot be deleted")
	}
	if x.vectors.spaces[space] == nil {
		return nil, fail(http.StatusNotFound, "Namespace %s not found", space)
	}
	delete(x.vectors.spaces, space)
	return "Success", nil
}

func (x *index) resetAll(string, []byte) (any, *failure) {
	x.vectors.mu.Lock()
	defer x.vectors.mu.Unlock()
	x.vectors.spaces = nil
	return "Success", nil
}
