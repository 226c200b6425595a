package githubemu

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type hook struct {
	id               int64
	url, secret      string
	events           []string
	active           bool
	created, updated time.Time
	deliveries       []*delivery
}

type delivery struct {
	id          int64
	guid, event string
	delivered   time.Time
	took        time.Duration
	status      string // OK, or what went wrong
	code        int
}

const (
	maxHooks       = 20 // of a repository and event: https://docs.github.com/en/webhooks/about-webhooks
	maxDeliveries  = 100
	deliveryTime   = 10 * time.Second // https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks
	notThisMachine = "not delivered: the emulator reaches this machine only"
)

func hookRoutes() []route {
	const one = repoPath + "/hooks/{hook}"
	fields := []string{"name:string", "config:object", "events:array", "active:boolean"}
	return []route{
		{method: "GET", path: repoPath + "/hooks", doc: "repos/webhooks#list-repository-webhooks", do: (*Server).listHooks},
		{method: "POST", path: repoPath + "/hooks", doc: "repos/webhooks#create-a-repository-webhook", status: 201, permission: "repository_hooks", fields: fields, do: (*Server).createHook},
		{method: "GET", path: one, doc: "repos/webhooks#get-a-repository-webhook", do: (*Server).getHook},
		{method: "PATCH", path: one, doc: "repos/webhooks#update-a-repository-webhook", permission: "repository_hooks", fields: fields, do: (*Server).updateHook},
		{method: "DELETE", path: one, doc: "repos/webhooks#delete-a-repository-webhook", status: 204, permission: "repository_hooks", do: (*Server).deleteHook},
		{method: "POST", path: one + "/pings", doc: "repos/webhooks#ping-a-repository-webhook", status: 204, permission: "repository_hooks", do: (*Server).pingHook},
		{method: "GET", path: one + "/deliveries", doc: "repos/webhooks#list-deliveries-for-a-repository-webhook", do: (*Server).listDeliveries},
	}
}

func (s *Server) startWebhooks() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.client = &http.Client{
		Timeout: deliveryTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
	}
	inner := s.client.Transport
	s.client.Transport = transport(func(r *http.Request) (*http.Response, error) {
		merged, done := context.WithCancel(r.Context())
		defer context.AfterFunc(ctx, done)()
		res, err := inner.RoundTrip(r.WithContext(merged))
		if err == nil {
			res.Body.Close()
		}
		done()
		return res, err
	})
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// hookView never shows the secret: it is stars where there is one.
func (c *call) hookView(h *hook) obj {
	config := obj{"url": h.url, "content_type": "json", "insecure_ssl": "0"}
	if h.secret != "" {
		config["secret"] = "********"
	}
	last := obj{"code": nil, "status": "unused", "message": nil}
	if n := len(h.deliveries); n > 0 {
		last = obj{"code": h.deliveries[n-1].code, "status": "active", "message": h.deliveries[n-1].status}
	}
	at := c.repoURL(c.repo) + "/hooks/" + itoa(h.id)
	return obj{
		"type": "Repository", "id": h.id, "name": "web", "active": h.active, "events": h.events, "config": config, "url": at, "test_url": at + "/test",
		"ping_url": at + "/pings", "deliveries_url": at + "/deliveries", "last_response": last, "created_at": stamp(h.created), "updated_at": stamp(h.updated),
	}
}

func (s *Server) listHooks(c *call) (any, *failure) {
	if f := c.admin(); f != nil {
		return nil, f
	}
	return page(c, c.repo.hooks, c.hookView), nil
}

// admin refuses who may read a repository and not its hooks, as if there were none.
func (c *call) admin() *failure {
	if !c.owns(c.repo.owner) || c.who.ReadOnly && !c.who.FineGrained {
		return notFound()
	}
	return nil
}

// config takes the body over. content_type is json here: form is not modelled.
func (h *hook) config(c *call) *failure {
	config, _ := c.body["config"].(obj)
	if text, ok := config["url"].(string); ok {
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return invalid("Hook", "url", "custom", "url is not a valid URL") // wording [? github-hook-url]
		}
		h.url = text
	}
	if h.url == "" {
		return invalid("Hook", "url", "custom", "url cannot be blank")
	}
	if kind, ok := config["content_type"].(string); ok && kind != "json" {
		return &failure{status: http.StatusNotImplemented, message: "the emulator does not model webhooks of content_type " + kind}
	}
	if secret, ok := config["secret"].(string); ok {
		h.secret = secret
	}
	if c.has("active") {
		h.active = c.flag("active")
	}
	if events, ok := c.body["events"].([]any); ok {
		h.events = []string{}
		for _, e := range events {
			name, ok := e.(string)
			if !ok {
				return invalid("Hook", "events", "invalid", "")
			}
			h.events = append(h.events, name)
		}
	}
	return nil
}

func (s *Server) createHook(c *call) (any, *failure) {
	if name := c.or("name", "web"); name != "web" {
		return nil, invalid("Hook", "name", "custom", "name is not supported")
	}
	h := &hook{id: s.next(), events: []string{"push"}, active: true, created: c.now, updated: c.now}
	if f := h.config(c); f != nil {
		return nil, f
	}
	for _, o := range c.repo.hooks {
		if o.url == h.url && slices.Equal(o.events, h.events) {
			return nil, invalid("Hook", "", "custom", "Hook already exists on this repository")
		}
	}
	if len(c.repo.hooks) >= maxHooks {
		return nil, invalid("Hook", "", "custom", "The \"push\" event cannot have more than 20 hooks")
	}
	c.repo.hooks = append(c.repo.hooks, h)
	s.ping(c, h)
	return c.hookView(h), nil
}

func (c *call) hook() (*hook, *failure) {
	if f := c.admin(); f != nil {
		return nil, f
	}
	for _, h := range c.repo.hooks {
		if h.id == c.id("hook") {
			return h, nil
		}
	}
	return nil, notFound()
}

func (s *Server) getHook(c *call) (any, *failure) {
	h, f := c.hook()
	if f != nil {
		return nil, f
	}
	return c.hookView(h), nil
}

func (s *Server) updateHook(c *call) (any, *failure) {
	h, f := c.hook()
	if f == nil {
		f = h.config(c)
	}
	if f != nil {
		return nil, f
	}
	h.updated = c.now
	return c.hookView(h), nil
}

func (s *Server) deleteHook(c *call) (any, *failure) {
	h, f := c.hook()
	if f != nil {
		return nil, f
	}
	c.repo.hooks = slices.DeleteFunc(c.repo.hooks, func(o *hook) bool { return o == h })
	return nil, nil
}

func (s *Server) pingHook(c *call) (any, *failure) {
	h, f := c.hook()
	if f != nil {
		return nil, f
	}
	s.ping(c, h)
	return nil, nil
}

func (s *Server) listDeliveries(c *call) (any, *failure) {
	h, f := c.hook()
	if f != nil {
		return nil, f
	}
	return page(c, newest(h.deliveries), func(d *delivery) obj {
		return obj{
			"id": d.id, "guid": d.guid, "event": d.event, "action": nil, "delivered_at": stamp(d.delivered), "redelivery": false,
			"duration": d.took.Seconds(), "status": d.status, "status_code": d.code,
		}
	}), nil
}

func (s *Server) ping(c *call, h *hook) {
	s.send(h, "ping", obj{"zen": "Keep it logically awesome.", "hook_id": h.id, "hook": c.hookView(h), "repository": c.repoView(c.repo)})
}

// emit tells the repository's hooks of an event. s.mu is held.
func (s *Server) emit(c *call, event string, payload obj) {
	payload["repository"] = c.repoView(c.repo)
	payload["sender"] = userView(c, c.who.ID, c.who.Login, "User")
	for _, h := range c.repo.hooks {
		if h.active && (slices.Contains(h.events, event) || slices.Contains(h.events, "*")) {
			s.send(h, event, payload)
		}
	}
}

// send delivers off the request: https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers
func (s *Server) send(h *hook, event string, payload obj) {
	d := &delivery{id: s.next(), guid: s.RandomUUID(), event: event, delivered: s.Clock(), status: "pending"}
	h.deliveries = append(h.deliveries, d)
	if len(h.deliveries) > maxDeliveries {
		h.deliveries = h.deliveries[1:]
	}
	body, err := json.Marshal(payload)
	u, bad := url.Parse(h.url)
	if err != nil || bad != nil || !emukit.IsLoopback(u.Hostname()) {
		d.status = notThisMachine
		return
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		d.status = "the request could not be made"
		return
	}
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"GitHub-Hookshot/emulator"}, "X-GitHub-Event": {event},
		"X-GitHub-Delivery": {d.guid}, "X-GitHub-Hook-ID": {itoa(h.id)}, "X-GitHub-Hook-Installation-Target-Type": {"repository"},
	}
	if h.secret != "" {
		r.Header.Set("X-Hub-Signature-256", sign(h.secret, body))
	}
	s.out.Go(func() { s.deliver(d, r) })
}

// sign is https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (s *Server) deliver(d *delivery, r *http.Request) {
	began := time.Now()
	res, err := s.client.Do(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	d.took = time.Since(began)
	if err != nil {
		d.status = "failed to connect or to answer in time" // wording [? github-hook-unreachable]
		return
	}
	defer res.Body.Close()
	d.code, d.status = res.StatusCode, "OK"
	if res.StatusCode/100 != 2 {
		d.status = "Invalid HTTP Response: " + itoa(int64(res.StatusCode))
	}
}
