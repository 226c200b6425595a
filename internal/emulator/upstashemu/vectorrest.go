package upstashemu

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// maxPerRequest is how many vectors one call may write or read.
const maxPerRequest = 1000

// vectors is what an index holds, by namespace; "" is the default one.
type vectors struct {
	mu     sync.RWMutex
	spaces map[string]map[string]*vector
	seq    int
}

type vector struct {
	seq      int
	id       string
	values   []float64
	metadata json.RawMessage
	data     *string
}

var vectorVerbs = map[string]func(*index, string, []byte) (any, *failure){
	"upsert": (*index).upsert, "update": (*index).update, "delete": (*index).remove, "reset": (*index).reset,
	"query": (*index).query, "fetch": (*index).fetch, "range": (*index).scan, "info": (*index).info,
	"list-namespaces": (*index).listNamespaces, "delete-namespace": (*index).deleteNamespace,
}

// serve is the Vector REST API of dense indexes, https://upstash.com/docs/vector/api/get-started, with exact search.
// Filters, sparse vectors and embedding models are 501.
func (x *index) serve(s *Server, w http.ResponseWriter, q *dataRequest) {
	s.mu.Lock()
	readOnly := q.token == x.readToken
	known := readOnly || q.token == x.token
	s.mu.Unlock()
	if !known {
		vectorError(w, fail(http.StatusUnauthorized, "Unauthorized: Invalid auth token"))
		return
	}
	verb, space, _ := strings.Cut(q.path, "/")
	space, err := url.PathUnescape(space)
	run, ok := vectorVerbs[verb]
	if ok && verb == "reset" && q.URL.Query().Has("all") {
		run = (*index).resetAll
	}
	if err != nil {
		vectorError(w, fail(http.StatusBadRequest, "Invalid namespace"))
		return
	}
	if !ok || x.kind != "DENSE" {
		vectorError(w, fail(http.StatusNotImplemented, "the emulator does not model /%s of a %s index", verb, x.kind))
		return
	}
	if readOnly && slices.Contains([]string{"upsert", "update", "delete", "reset", "delete-namespace"}, verb) {
		vectorError(w, fail(http.StatusForbidden, "Forbidden: the token is read-only"))
		return
	}
	result, f := run(x, space, q.body)
	if f != nil {
		vectorError(w, f)
		return
	}
	emukit.WriteJSON(w, http.StatusOK, map[string]any{"result": result})
}

func vectorError(w http.ResponseWriter, f *failure) {
	emukit.WriteJSON(w, f.status, map[string]any{"error": f.message, "status": f.status})
}

// many reads a JSON object, or an array of them.
func many[T any](body []byte) (items []T, array bool, f *failure) {
	body = bytes.TrimSpace(body)
	array = len(body) > 0 && body[0] == '['
	var err error
	if array {
		err = json.Unmarshal(body, &items)
	} else {
		items = make([]T, 1)
		err = json.Unmarshal(body, &items[0])
	}
	if err != nil {
		return nil, array, fail(http.StatusBadRequest, "Invalid JSON body")
	}
	if len(items) > maxPerRequest {
		return nil, array, fail(http.StatusUnprocessableEntity, "at most %d items in a request", maxPerRequest)
	}
	return items, array, nil
}

// vectorID is a string or a number, kept as text.
type vectorID string

func (v *vectorID) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*v = vectorID(text)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*v = vectorID(n)
	return nil
}

func (x *index) checkDimension(values []float64) *failure {
	if len(values) != x.dimension {
		return fail(http.StatusUnprocessableEntity, "Invalid vector dimension: %d, expected: %d", len(values), x.dimension)
	}
	return nil
}

// upsert writes all of its vectors or none.
func (x *index) upsert(space string, body []byte) (any, *failure) {
	type item struct {
		ID       vectorID        `json:"id"`
		Vector   []float64       `json:"vector"`
		Metadata json.RawMessage `json:"metadata"`
		Data     *string         `json:"data"`
		Sparse   json.RawMessage `json:"sparseVector"`
	}
	items, _, f := many[item](body)
	if f != nil {
		return nil, f
	}
	for _, it := range items {
		if it.ID == "" {
			return nil, fail(http.StatusUnprocessableEntity, "Vector id is required")
		}
		if it.Sparse != nil {
			return nil, fail(http.StatusNotImplemented, "the emulator does not model sparse vectors")
		}
		if f := x.checkDimension(it.Vector); f != nil {
			return nil, f
		}
	}
	x.vectors.mu.Lock()
	defer x.vectors.mu.Unlock()
	for _, it := range items {
		x.vectors.put(space, &vector{id: string(it.ID), values: it.Vector, metadata: it.Metadata, data: it.Data})
	}
	return "Success", nil
}

func (v *vectors) put(space string, one *vector) {
	if v.spaces == nil {
		v.spaces = map[string]map[string]*vector{}
	}
	if v.spaces[space] == nil {
		v.spaces[space] = map[string]*vector{}
	}
	v.seq++
	one.seq = v.seq
	v.spaces[space][one.id] = one
}

// include says which parts of a vector a reply carries.
type include struct {
	Vectors  bool `json:"includeVectors"`
	Metadata bool `json:"includeMetadata"`
	Data     bool `json:"includeData"`
}

type vectorBody struct {
	ID       string          `json:"id"`
	Score    *float64        `json:"score,omitempty"`
	Vector   []float64       `json:"vector,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Data     *string         `json:"data,omitempty"`
}

func (v *vector) wire(in include) *vectorBody {
	b := &vectorBody{ID: v.id}
	if in.Vectors {
		b.Vector = v.values
	}
	if in.Metadata {
		b.Metadata = v.metadata
	}
	if in.Data {
		b.Data = v.data
	}
	return b
}

type vectorQuery struct {
	include
	Vector []float64 `json:"vector"`
	TopK   *int      `json:"topK"`
	Filter string    `json:"filter"`
}

// query answers one query with a list, and an array of queries with a list of lists.
func (x *index) query(space string, body []byte) (any, *failure) {
	queries, array, f := many[vectorQuery](body)
	if f != nil {
		return nil, f
	}
	out := make([][]*vectorBody, 0, len(queries))
	for _, one := range queries {
		found, f := x.nearest(space, one)
		if f != nil {
			return nil, f
		}
		out = append(out, found)
	}
	if array {
		return out, nil
	}
	return out[0], nil
}

func (x *index) nearest(space string, q vectorQuery) ([]*vectorBody, *failure) {
	top := 10
	if q.TopK != nil {
		top = *q.TopK
	}
	if top < 1 || top > maxPerRequest {
		return nil, fail(http.StatusUnprocessableEntity, "topK must be from 1 to %d", maxPerRequest)
	}
	if q.Filter != "" {
		return nil, fail(http.StatusNotImplemented, "the emulator does not model filters")
	}
	if f := x.checkDimension(q.Vector); f != nil {
		return nil, f
	}
	x.vectors.mu.RLock()
	defer x.vectors.mu.RUnlock()
	out := make([]*vectorBody, 0, len(x.vectors.spaces[space]))
	for _, v := range x.vectors.spaces[space] {
		b := v.wire(q.include)
		score := similarity(x.similarity, q.Vector, v.values)
		b.Score = &score
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *vectorBody) int { return cmp.Or(cmp.Compare(*b.Score, *a.Score), cmp.Compare(a.ID, b.ID)) })
	return out[:min(top, len(out))], nil
}

// similarity is normalised to 0..1 (1 is nearest), but for DOT_PRODUCT of vectors longer than 1:
// https://upstash.com/docs/vector/features/similarityfunctions
func similarity(function string, a, b []float64) float64 {
	var dot, aa, bb, square float64
	for i := range a {
		dot += a[i] * b[i]
		aa += a[i] * a[i]
		bb += b[i] * b[i]
		square += (a[i] - b[i]) * (a[i] - b[i])
	}
	switch function {
	case "EUCLIDEAN":
		return 1 / (1 + square)
	case "DOT_PRODUCT":
		return (1 + dot) / 2
	}
	if aa == 0 || bb == 0 {
		return 0.5
	}
	return (1 + dot/math.Sqrt(aa*bb)) / 2
}

type selection struct {
	include
	IDs    []vectorID `json:"ids"`
	Prefix string     `json:"prefix"`
	Filter string     `json:"filter"`
}

// fetch answers null for an id that is not there.
func (x *index) fetch(space string, body []byte) (any, *failure) {
	var in selection
	if json.Unmarshal(body, &in) != nil {
		return nil, fail(http.StatusBadRequest, "Invalid JSON body")
	}
	x.vectors.mu.RLock()
	defer x.vectors.mu.RUnlock()
	out := []*vectorBody{}
	for _, id := range x.vectors.pick(space, in) {
		if v := x.vectors.spaces[space][id]; v != nil {
			out = append(out, v.wire(in.include))
		} else {
			out = append(out, nil)
		}
	}
	return out, nil
}

// pick returns the ids that are asked for, or those with the prefix, by age.
func (v *vectors) pick(space string, in selection) []string {
	var ids []string
	if in.Prefix == "" {
		for _, id := range in.IDs {
			ids = append(ids, string(id))
		}
		return ids
	}
	for id := range v.spaces[space] {
		if strings.HasPrefix(id, in.Prefix) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(v.spaces[space][a].seq, v.spaces[space][b].seq) })
	return ids
}

func (x *index) remove(space string, body []byte) (any, *failure) {
	in := selection{}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		body = fmt.Appendf(nil, `{"ids":%s}`, body)
	}
	if json.Unmarshal(body, &in) != nil {
		return nil, fail(http.StatusBadRequest, "Invalid JSON body")
	}
	if in.Filter != "" {
		return nil, fail(http.StatusNotImplemented, "the emulator does not model filters")
	}
	x.vectors.mu.Lock()
	defer x.vectors.mu.Unlock()
	deleted := 0
	for _, id := range x.vectors.pick(space, in) {
		if _, ok := x.vectors.spaces[space][id]; ok {
			delete(x.vectors.spaces[space], id)
			deleted++
		}
	}
	return map[string]int{"deleted": deleted}, nil
}

func (x *index) reset(space string, _ []byte) (any, *failure) {
	x.vectors.mu.Lock()
	defer x.vectors.mu.Unlock()
	delete(x.vectors.spaces, space)
	return "Success", nil
}

type namespaceInfo struct {
	VectorCount        int `json:"vectorCount"`
	PendingVectorCount int `json:"pendingVectorCount"`
}

func (x *index) info(string, []byte) (any, *failure) {
	x.vectors.mu.RLock()
	defer x.vectors.mu.RUnlock()
	spaces, count := map[string]namespaceInfo{"": {}}, 0
	for name, held := range x.vectors.spaces {
		spaces[name] = namespaceInfo{VectorCount: len(held)}
		count += len(held)
	}
	return struct {
		VectorCount        int                      `json:"vectorCount"`
		PendingVectorCount int                      `json:"pendingVectorCount"`
		IndexSize          int                      `json:"indexSize"` // bytes
		Dimension          int                      `json:"dimension"`
		SimilarityFunction string                   `json:"similarityFunction"`
		IndexType          string                   `json:"indexType"`
		Namespaces         map[string]namespaceInfo `json:"namespaces"`
	}{count, 0, count * x.dimension * 4, x.dimension, x.similarity, x.kind, spaces}, nil
}
