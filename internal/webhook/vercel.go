package webhook

import (
	"crypto/sha1"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/slipway-dev/slipway"
)

// vercel signs with HMAC-SHA1: https://vercel.com/docs/webhooks#securing-webhooks
var vercel = sender{header: "x-vercel-signature", hash: sha1.New, read: readVercel}

// vercelEvents are those of deployments, and those of a project that move or free its domains:
// https://vercel.com/docs/webhooks/webhooks-api#supported-event-types
var vercelEvents = regexp.MustCompile(`^(deployment|project)\.[a-z.-]{1,60}$`)

// readVercel reads https://vercel.com/docs/webhooks/webhooks-api#payload. Not every event of a deployment names its project.
func readVercel(_ http.Header, body []byte) (n slipway.News, at time.Time, known bool, err error) {
	var in struct {
		Type      string
		CreatedAt moment
		Payload   struct {
			Project, Deployment struct{ ID string }
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return n, at, false, err
	}
	if in.Type == "" {
		return n, at, false, errors.New("it has no type")
	}
	if !vercelEvents.MatchString(in.Type) {
		return n, at, false, nil
	}
	if in.CreatedAt.IsZero() {
		return n, at, false, errors.New("it tells no time")
	}
	n = slipway.News{Event: in.Type, IDs: []string{in.Payload.Deployment.ID, in.Payload.Project.ID}}
	return n, in.CreatedAt.Time, true, nil
}

// moment is a time in a message: milliseconds or, where it is that small, seconds since 1970; or RFC 3339.
type moment struct{ time.Time }

// seconds are below this number, and milliseconds above it, from 1973 to 5138.
const seconds = 100_000_000_000

func (m *moment) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" || string(raw) == `""` {
		return nil
	}
	if raw[0] == '"' {
		return m.Time.UnmarshalJSON(raw)
	}
	var n float64
	if err := json.Unmarshal(raw, &n); err != nil {
		return err
	}
	if n < seconds {
		n *= 1000
	}
	m.Time = time.UnixMilli(int64(n))
	return nil
}
