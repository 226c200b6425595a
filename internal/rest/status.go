package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway"
)

var codes = map[int]slipway.Code{
	http.StatusBadRequest:          slipway.CodeRefused,
	http.StatusUnauthorized:        slipway.CodeUnauthorized,
	http.StatusPaymentRequired:     slipway.CodeLimit,
	http.StatusForbidden:           slipway.CodeForbidden,
	http.StatusNotFound:            slipway.CodeNotFound,
	http.StatusRequestTimeout:      slipway.CodeUnavailable,
	http.StatusConflict:            slipway.CodeConflict,
	http.StatusUnprocessableEntity: slipway.CodeRefused,
	http.StatusLocked:              slipway.CodeBusy,
	http.StatusTooManyRequests:     slipway.CodeRateLimited,
	http.StatusNotImplemented:      slipway.CodeUnsupported,
}

// CodeOf returns the code that goes with a status that is not 2xx: CodeUnavailable from 500, CodeRefused for any other.
func CodeOf(status int) slipway.Code {
	if code, ok := codes[status]; ok {
		return code
	}
	if status >= 500 {
		return slipway.CodeUnavailable
	}
	return slipway.CodeRefused
}

// Default maps a reply by its status, with the message of the envelope.
func Default(status int, body []byte) *slipway.Error {
	message := Envelope(body).Message
	if message == "" {
		message = fmt.Sprintf("status %d %s", status, http.StatusText(status))
	}
	return slipway.Errorf(CodeOf(status), "%s", strings.TrimSuffix(strings.TrimSpace(message), "."))
}

// Problem is what an error envelope says.
type Problem struct{ Code, Message string }

// Envelope reads {"error":{"code","message"}}, {"code","message"}, {"error":"…"}, a JSON string, and plain text; the zero Problem for
// HTML and anything else.
func Envelope(body []byte) Problem {
	var text string
	if json.Unmarshal(body, &text) == nil {
		return Problem{Message: text}
	}
	var outer struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		if plain := strings.TrimSpace(string(body)); !json.Valid(body) && !strings.HasPrefix(plain, "<") {
			return Problem{Message: plain}
		}
	}
	p := Problem{Code: outer.Code, Message: outer.Message}
	if len(outer.Error) > 0 {
		inner := Envelope(outer.Error)
		if inner.Code != "" {
			p.Code = inner.Code
		}
		if inner.Message != "" {
			p.Message = inner.Message
		}
	}
	return p
}
