package neonemu

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// failure is an error reply: status and Neon's envelope without its request_id. Most of Neon's errors have an empty
// code; only limits name one.
type failure struct {
	status        int
	code, message string
	retryAfter    int // seconds; 0 = no such header
}

func fail(status int, format string, args ...any) *failure {
	return &failure{status: status, message: fmt.Sprintf(format, args...)}
}

func limit(code, format string, args ...any) *failure {
	return &failure{status: http.StatusUnprocessableEntity, code: code, message: fmt.Sprintf(format, args...)}
}

func notFound(what string) *failure { return fail(http.StatusNotFound, "%s not found", what) }

// errLocked is documented safe to retry.
var errLocked = fail(http.StatusLocked, "project already has running conflicting operations, scheduling of new ones is prohibited")

// errNotModelled answers for a part of a modelled route.
func errNotModelled(what string) *failure {
	return &failure{status: http.StatusNotImplemented, code: "not_implemented", message: "the emulator does not model " + what}
}

type errorBody struct {
	RequestID string `json:"request_id,omitempty"`
	Code      string `json:"code"`
	Message   string `json:"message"`
}

// writeError writes Neon's error envelope, {request_id, code, message}. The request id is the caller's X-Request-ID
// when it sent one.
func writeError(w http.ResponseWriter, status int, code, message string) {
	emukit.WriteJSON(w, status, errorBody{w.Header().Get(requestID), code, message})
}

const requestID = "X-Request-Id"

// request is one authenticated call with its body read.
type request struct {
	*http.Request
	body    []byte
	account Account
	now     time.Time
}

func (s *Server) mount(mux *http.ServeMux, rt route) {
	mux.HandleFunc(rt.method+" /api/v2"+rt.path, func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestID)
		if id == "" {
			id = s.Kit.RandomUUID()
		}
		w.Header().Set(requestID, id)
		reply, f := s.call(rt, r)
		switch {
		case f != nil:
			if f.retryAfter > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
			}
			writeError(w, f.status, f.code, f.message)
		case reply == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			emukit.WriteJSON(w, rt.status, reply)
		}
	})
}

func (s *Server) call(rt route, r *http.Request) (any, *failure) {
	account, f := s.authenticate(r)
	if f != nil {
		return nil, f
	}
	if account.ReadOnly && rt.method != http.MethodGet {
		return nil, fail(http.StatusForbidden, "the API key is read-only") // wording [? neon-read-only-key]
	}
	body, err := io.ReadAll(r.Body)
	if emukit.TooLarge(err) {
		return nil, fail(http.StatusRequestEntityTooLarge, "request body is over %d bytes", bodyLimit)
	}
	if err != nil {
		return nil, fail(http.StatusBadRequest, "cannot read the request body")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &request{Request: r, body: body, account: account, now: s.Kit.Clock()}
	if f := first(q.checkSettings(), s.allow(q, rt.method+" "+rt.path)); f != nil {
		return nil, f
	}
	return rt.serve(q)
}

// decode reads the body into v. Fields that the public document does not have are refused [? neon-unknown-field].
func (q *request) decode(v any) *failure {
	err := emukit.DecodeJSON(bytes.NewReader(q.body), v)
	if errors.Is(err, io.EOF) {
		return fail(http.StatusBadRequest, "request body is required")
	}
	if err != nil {
		return fail(http.StatusBadRequest, "request body has an error: %v", err)
	}
	return nil
}

// decodeOptional is decode for a route whose body may be left out.
func (q *request) decodeOptional(v any) *failure {
	if len(bytes.TrimSpace(q.body)) == 0 {
		return nil
	}
	return q.decode(v)
}

func (q *request) param(name string) string { return q.URL.Query().Get(name) }

// limit returns the query parameter limit, from 1 to max.
func (q *request) limit(def, max int) (int, *failure) {
	text := q.param("limit")
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > max {
		return 0, fail(http.StatusBadRequest, "limit must be from 1 to %d", max)
	}
	return n, nil
}

func (q *request) flag(name string) (bool, *failure) {
	text := q.param(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, fail(http.StatusBadRequest, "%s must be true or false", name)
	}
	return b, nil
}

// stamp is a time as Neon prints it: UTC, whole seconds.
type stamp time.Time

func (t stamp) MarshalText() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format(time.RFC3339)), nil
}

type pagination struct {
	Cursor string `json:"cursor"`
}

// page cuts one page out of items, newest first by seq. Neon gives a cursor with every page that is not empty, the
// last one included: its own CLI ends at a short page. The cursor is opaque, and outlives the item it was made from.
func page[T any](q *request, items []T, seq func(T) int64, def, max int) ([]T, *pagination, *failure) {
	n, f := q.limit(def, max)
	if f != nil {
		return nil, nil, f
	}
	var until int64
	if text := q.param("cursor"); text != "" {
		var err error
		if until, err = strconv.ParseInt(text, 36, 64); err != nil || until < 1 {
			return nil, nil, fail(http.StatusBadRequest, "invalid cursor")
		}
	}
	out, _ := emukit.PageBefore(items, seq, until, n)
	if len(out) == 0 {
		return []T{}, nil, nil
	}
	return out, &pagination{strconv.FormatInt(seq(out[len(out)-1]), 36)}, nil
}
