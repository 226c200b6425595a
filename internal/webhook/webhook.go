// Package webhook takes the messages in which Vercel and GitHub tell that something has happened. A message is proved by its signature, taken
// once, and believed in nothing: all that it does is to make whoever waits look now, through the provider's API. A process that owns a run
// listens with Serve; whatever has an HTTP server mounts the Handler.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

const (
	// MaxBody is how many bytes a message may have. GitHub sends up to 25 MB, none of the events that count here comes near.
	MaxBody = 1 << 20
	// MaxAge is how far a message's own time may be off.
	MaxAge = time.Hour
	// Keep is how long a message is known again. It is longer than MaxAge since not all of GitHub's messages tell a time.
	Keep = 7 * 24 * time.Hour

	// Root is the path below which each sender has its own: Root + "vercel", Root + "github".
	Root = "/webhooks/"
)

// Config is what a Handler works with.
type Config struct {
	// Secrets are those that the senders sign with, by their name. A sender without one is not there.
	Secrets map[string]slipway.Secret
	// Delivered keeps that a message came, and reports whether it came before; what came before since may be forgotten.
	Delivered func(ctx context.Context, id string, at, since time.Time) (again bool, err error)
	// Wake makes those look who wait for what the news is about. about is false where nobody does.
	Wake func(ctx context.Context, n slipway.News) (about bool, err error)
	// Told, where it is set, is called with each message that made somebody look, and each that was refused for another cause than a wrong request.
	Told func(sender, event, outcome string)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Senders are the names of those whose messages can be taken, sorted.
func Senders() []string { return []string{"github", "vercel"} }

// Variable is the environment variable that holds a sender's secret.
func Variable(sender string) string { return strings.ToUpper(sender) + "_WEBHOOK_SECRET" }

// sender is how one company signs, and how it says what has happened.
type sender struct {
	header string // of the signature
	prefix string // before its hex digits
	hash   func() hash.Hash
	// read takes a message that is proved. known is false for an event that means nothing here; at is zero where the message tells no time.
	read func(h http.Header, body []byte) (n slipway.News, at time.Time, known bool, err error)
}

var senders = map[string]sender{"vercel": vercel, "github": github}

// New returns the handler of Root. Its answers tell nothing to whoever has not signed: 404 for any path but a configured sender's, 405 for any
// method but POST, 415 for any content but JSON, 413 over MaxBody, 401 without the right signature. To the sender it answers 400 for what is no
// message of its own, 409 for one that is too old or has come before, 503 where it could not be kept, and else 200.
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	at := map[string]*receiver{}
	for name, s := range senders {
		if secret := c.Secrets[name]; secret.Reveal() != "" {
			at[Root+name] = &receiver{Config: c, sender: s, name: name, secret: secret}
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := at[r.URL.Path]; v != nil {
			v.ServeHTTP(w, r)
			return
		}
		answer(w, http.StatusNotFound, "")
	})
}

type receiver struct {
	Config
	sender sender
	name   string
	secret slipway.Secret
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if text != "" {
		_, _ = io.WriteString(w, text+"\n")
	}
}

func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		answer(w, http.StatusUnsupportedMediaType, "the content type must be application/json")
		return
	}
	signature, ok := v.signature(r.Header)
	if !ok {
		answer(w, http.StatusUnauthorized, "")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		status := http.StatusBadRequest
		if errors.As(err, new(*http.MaxBytesError)) {
			status = http.StatusRequestEntityTooLarge
		}
		answer(w, status, "")
		return
	}
	if !hmac.Equal(signature, v.sign(body)) {
		answer(w, http.StatusUnauthorized, "")
		return
	}
	status, text := v.take(r, body)
	answer(w, status, text)
}

// signature decodes the one signature that a request has. ok is false where it cannot be one, so that its body is not read.
func (v *receiver) signature(h http.Header) (_ []byte, ok bool) {
	values := h.Values(v.sender.header)
	if len(values) != 1 {
		return nil, false
	}
	digits, ok := strings.CutPrefix(values[0], v.sender.prefix)
	raw, err := hex.DecodeString(digits)
	return raw, ok && err == nil && len(raw) == v.sender.hash().Size()
}

func (v *receiver) sign(body []byte) []byte {
	mac := hmac.New(v.sender.hash, []byte(v.secret.Reveal()))
	mac.Write(body)
	return mac.Sum(nil)
}

// take does what a proved message is for. What is known again is the message itself: what GitHub calls its delivery is not signed, and whoever
// sends one again can call it anything.
func (v *receiver) take(r *http.Request, body []byte) (status int, text string) {
	n, at, known, err := v.sender.read(r.Header, body)
	switch {
	case err != nil:
		return http.StatusBadRequest, "this is no message of " + v.name + "'s"
	case !known:
		return http.StatusOK, "ignored"
	}
	now := v.Now()
	if !at.IsZero() && now.Sub(at).Abs() > MaxAge {
		v.tell(n, "too old")
		return http.StatusConflict, "its time is too far off"
	}
	sum := sha256.Sum256(body)
	again, err := v.Delivered(r.Context(), v.name+":"+hex.EncodeToString(sum[:]), now, now.Add(-Keep))
	switch {
	case err != nil:
		return http.StatusServiceUnavailable, ""
	case again:
		v.tell(n, "taken before")
		return http.StatusConflict, "it was taken before"
	}
	n.Provider = v.name
	about, err := v.Wake(r.Context(), n)
	switch {
	case err != nil: // that it was kept does not matter: who waits looks by itself
		return http.StatusServiceUnavailable, ""
	case !about:
		return http.StatusOK, "nobody waits for it"
	}
	v.tell(n, "taken")
	return http.StatusOK, "taken"
}

func (v *receiver) tell(n slipway.News, outcome string) {
	if v.Told != nil {
		v.Told(v.name, n.Event, outcome)
	}
}
