package upstashemu

import (
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// dataRequest is a call of a data plane with its body read: path is below the store, without a slash at either end.
type dataRequest struct {
	*http.Request
	path  string
	token string
	body  []byte
}

// serveData finds the store that a call is for. Errors are {error}.
func (s *Server) serveData(w http.ResponseWriter, r *http.Request) {
	q := &dataRequest{Request: r, path: strings.Trim(r.URL.EscapedPath(), "/")}
	s.mu.Lock()
	st := s.find(q)
	ready := st != nil && st.ready(s.Clock())
	s.mu.Unlock()
	if st == nil {
		dataError(w, http.StatusNotFound, "the emulator has no such database or index")
		return
	}
	if !ready {
		dataError(w, http.StatusServiceUnavailable, "being created")
		return
	}
	var err error
	if q.body, err = io.ReadAll(r.Body); err != nil {
		dataError(w, http.StatusRequestEntityTooLarge, "ERR max request size exceeded")
		return
	}
	// Redis takes its token as a query parameter too: https://upstash.com/docs/redis/features/restapi#authentication
	if q.token, _ = emukit.Bearer(r); q.token == "" {
		q.token = r.URL.Query().Get("_token")
	}
	st.serve(s, w, q)
}

// find returns the store by the request's host, else by its path, from which it takes the slug. s.mu is held.
func (s *Server) find(q *dataRequest) store {
	host, _, err := net.SplitHostPort(q.Host)
	if err != nil {
		host = q.Host
	}
	label, _, _ := strings.Cut(host, ".")
	if st := s.stores[label]; st != nil {
		return st
	}
	slug, rest, _ := strings.Cut(q.path, "/")
	q.path = rest
	return s.stores[slug]
}

func dataError(w http.ResponseWriter, status int, message string) {
	emukit.WriteJSON(w, status, map[string]string{"error": message})
}
