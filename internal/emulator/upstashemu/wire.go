package upstashemu

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// failure is an error reply without its shape.
type failure struct {
	status  int
	message string
}

func fail(status int, format string, args ...any) *failure {
	return &failure{status, fmt.Sprintf(format, args...)}
}

// shape is one of the three shapes that an error of the Developer API has. Which route answers in which is not
// documented [? upstash-error-shapes]: here Redis answers with a JSON string, Vector with {error}, and teams with {message}.
type shape func(message string) any

func asString(message string) any { return message }

func asError(message string) any { return map[string]string{"error": message} }

func asMessage(message string) any { return map[string]string{"message": message} }

// injected is the shape of answers that no route gave.
func injected(w http.ResponseWriter, status int, _, message string) {
	emukit.WriteJSON(w, status, asError(message))
}

// request is one authenticated call with its body read.
type request struct {
	*http.Request
	body  []byte
	email string
	now   time.Time
}

func (s *Server) mount(mux *http.ServeMux, rt route) {
	mux.HandleFunc(rt.method+" /v2"+rt.path, func(w http.ResponseWriter, r *http.Request) {
		reply, f := s.call(rt, r)
		if f != nil {
			emukit.WriteJSON(w, f.status, rt.shape(f.message))
			return
		}
		emukit.WriteJSON(w, http.StatusOK, reply)
	})
}

func (s *Server) call(rt route, r *http.Request) (any, *failure) {
	email, f := s.authenticate(r)
	if f == nil {
		f = s.mayChange(rt, r, email)
	}
	if f != nil {
		return nil, f
	}
	body, err := io.ReadAll(r.Body)
	if emukit.TooLarge(err) {
		return nil, fail(http.StatusRequestEntityTooLarge, "request body is over %d bytes", apiBodyLimit)
	}
	if err != nil {
		return nil, fail(http.StatusBadRequest, "cannot read the request body")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return rt.serve(&request{Request: r, body: body, email: email, now: s.Clock()})
}

// authenticate checks Basic email:key. Wording [? upstash-wrong-key].
func (s *Server) authenticate(r *http.Request) (email string, f *failure) {
	email, key, ok := r.BasicAuth()
	account, known := s.Accounts[email]
	if !ok || !known || subtle.ConstantTimeCompare([]byte(key), []byte(account.APIKey)) != 1 {
		return "", fail(http.StatusUnauthorized, "Unauthorized")
	}
	status, f := settingNumber(r.Context(), "refuse", 400, 599)
	if f != nil {
		return "", f
	}
	if status > 0 {
		return "", errNotNative(status)
	}
	if s.RefuseDeveloperAPI {
		status := s.RefuseStatus
		if status == 0 {
			status = http.StatusForbidden
		}
		return "", errNotNative(status)
	}
	return email, nil
}

func errNotNative(status int) *failure {
	return fail(status, "The Developer API is available for native Upstash accounts only")
}

// decode reads the body into v. Fields that the published document does not have are refused [? upstash-unknown-field].
func (q *request) decode(v any) *failure {
	err := emukit.DecodeJSON(bytes.NewReader(q.body), v)
	if errors.Is(err, io.EOF) {
		return fail(http.StatusBadRequest, "request body is required")
	}
	if err != nil {
		return fail(http.StatusBadRequest, "invalid request body: %v", err)
	}
	return nil
}

func checkName(name string) *failure {
	if name == "" || len(name) > 128 {
		return fail(http.StatusBadRequest, "invalid name: from 1 to 128 bytes")
	}
	return nil
}
