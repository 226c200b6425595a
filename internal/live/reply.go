package live

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// reply is what an API answered.
type reply struct {
	session *Session
	api     string
	what    string // POST /v11/projects
	status  int
	header  http.Header
	body    []byte
}

func (r reply) ok() bool { return r.status/100 == 2 }

// field returns the text at a path of the reply, "" when there is none: project.id.
func (r reply) field(path string) string {
	var v any
	if json.Unmarshal(r.body, &v) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		o, _ := v.(obj)
		v = o[name]
	}
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// short is the status, and of an error its code or shape.
func (r reply) short() string {
	if r.ok() {
		return strconv.Itoa(r.status)
	}
	if r.session != nil {
		r.session.said = r.session.clean(r.message())
	}
	return strings.TrimSpace(strconv.Itoa(r.status) + " " + r.code())
}

// quoted is short with an error's words.
func (r reply) quoted() string {
	text := r.message()
	if r.ok() || text == "" {
		return r.short()
	}
	return r.short() + ` "` + r.session.clean(text) + `"`
}

// failure holds the fields of the error envelopes of all vendors.
type failure struct {
	Code    string
	Message string
	Error   json.RawMessage
	Errors  []struct{ Message string }
}

func (r reply) failure() (f failure, text string, ok bool) {
	if json.Unmarshal(r.body, &text) == nil {
		return f, text, true
	}
	return f, "", json.Unmarshal(r.body, &f) == nil
}

// code is what names an error: a code where the vendor has them, else its shape.
func (r reply) code() string {
	f, text, ok := r.failure()
	switch {
	case !ok:
		return "no JSON"
	case text != "":
		return "as a string"
	}
	switch r.api {
	case "vercel", "sandbox":
		var e struct{ Code string }
		_ = json.Unmarshal(f.Error, &e)
		return r.session.clean(e.Code)
	case "neon":
		if f.Code == "" {
			return "no code"
		}
		return r.session.clean(f.Code)
	case "github":
		return ""
	}
	if f.Error != nil {
		return "as {error}"
	}
	return "as {message}"
}

// message is an error's words. They may hold a secret: clean them.
func (r reply) message() string {
	f, text, _ := r.failure()
	if text != "" {
		return text
	}
	if len(f.Errors) > 0 && f.Errors[0].Message != "" {
		return f.Errors[0].Message
	}
	if f.Error != nil {
		var e struct{ Message string }
		if json.Unmarshal(f.Error, &text) == nil {
			return text
		}
		_ = json.Unmarshal(f.Error, &e)
		return e.Message
	}
	return f.Message
}
