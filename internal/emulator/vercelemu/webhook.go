package vercelemu

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// webhook is a URL that is told of events. https://vercel.com/docs/webhooks/webhooks-api
type webhook struct {
	id, url, secret    string
	events, projectIDs []string
	created, updated   int64
}

// webhookEvents are the published values of `events`. Those that happen here are deployment.created, .ready,
// .succeeded, .error, .canceled, .promoted and .check-rerequested, and project.created and .removed.
var webhookEvents = strings.Fields(`budget.reached budget.reset domain.created domain.dns.records.changed
	domain.transfer-in.started domain.transfer-in.completed domain.transfer-in.failed domain.certificate.add
	domain.certificate.add.failed domain.certificate.renew domain.certificate.renew.failed domain.certificate.deleted
	domain.renewal domain.renewal.failed domain.auto-renew.changed deployment.created deployment.cleanup deployment.error
	deployment.canceled deployment.succeeded deployment.ready deployment.check-rerequested deployment.promoted
	deployment.integration.action.start deployment.integration.action.cancel deployment.integration.action.cleanup
	deployment.checkrun.start deployment.checkrun.cancel edge-config.created edge-config.deleted edge-config.items.updated
	firewall.attack integration-configuration.permission-upgraded integration-configuration.removed
	integration-configuration.scope-change-confirmed integration-resource.project-connected
	integration-resource.project-disconnected project.created project.removed project.domain.created
	project.domain.updated project.domain.deleted project.domain.verified project.domain.unverified project.domain.moved
	project.rolling-release.started project.rolling-release.aborted project.rolling-release.completed
	project.rolling-release.approved deployment.checks.failed deployment.checks.succeeded`)

var webhookBody = object(map[string]*schema{
	"url":        matching(`^https?://`),
	"events":     {kind: "array", items: oneOf(webhookEvents...), minItems: 1},
	"projectIds": {kind: "array", items: matching(`^[a-zA-Z0-9_]+$`), minItems: 1, maxItems: 50},
}, "url", "events")

func webhookRoutes() []route {
	return []route{
		{method: "POST", versions: "v1", path: "/webhooks", doc: "webhooks/creates-a-webhook", body: webhookBody, do: (*Server).createWebhook},
		{method: "GET", versions: "v1", path: "/webhooks", doc: "webhooks/get-a-list-of-webhooks", do: (*Server).listWebhooks},
		{method: "GET", versions: "v1", path: "/webhooks/{webhook}", doc: "webhooks/get-a-webhook", do: (*Server).getWebhook},
		{method: "DELETE", versions: "v1", path: "/webhooks/{webhook}", doc: "webhooks/deletes-a-webhook", status: http.StatusNoContent, do: (*Server).deleteWebhook},
	}
}

func (h *webhook) view(sc *scope) obj {
	v := obj{"id": h.id, "url": h.url, "events": h.events, "ownerId": sc.id, "createdAt": h.created, "updatedAt": h.updated}
	if len(h.projectIDs) > 0 {
		v["projectIds"] = h.projectIDs
	}
	return v
}

func (s *Server) createWebhook(c *call) (any, *failure) {
	var in struct {
		URL                string
		Events, ProjectIDs []string
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if at, err := url.Parse(in.URL); err != nil || at.Host == "" {
		return nil, badRequest("Invalid request: `url` should match format \"uri\".")
	}
	for _, id := range in.ProjectIDs {
		if p := c.scope.project(id); p == nil || p.id != id {
			return nil, notFound("Project not found.")
		}
	}
	now := s.stamp()
	h := &webhook{
		id: "hook_" + s.RandomString(24, emukit.Alnum), secret: s.RandomString(24, emukit.Alnum), url: in.URL,
		events: in.Events, projectIDs: in.ProjectIDs, created: now, updated: now,
	}
	c.scope.webhooks = append(c.scope.webhooks, h)
	s.wake()
	v := h.view(c.scope)
	v["secret"] = h.secret
	return v, nil
}

func (s *Server) listWebhooks(c *call) (any, *failure) {
	views := []obj{}
	for _, h := range c.scope.webhooks {
		if id := c.query("projectId"); id == "" || h.about(id) {
			v := h.view(c.scope)
			v["projectsMetadata"] = h.projects(c.scope)
			views = append(views, v)
		}
	}
	return views, nil
}

// projects is projectsMetadata: null when the webhook is about all projects.
func (h *webhook) projects(sc *scope) any {
	if len(h.projectIDs) == 0 {
		return nil
	}
	out := []obj{}
	for _, id := range h.projectIDs {
		if p := sc.project(id); p != nil {
			out = append(out, obj{"id": p.id, "name": p.name})
		}
	}
	return out
}

func (h *webhook) about(projectID string) bool {
	return len(h.projectIDs) == 0 || slices.Contains(h.projectIDs, projectID)
}

func (s *Server) findWebhook(c *call) (*webhook, *failure) {
	for _, h := range c.scope.webhooks {
		if h.id == c.path("webhook") {
			return h, nil
		}
	}
	return nil, notFound("The webhook was not found.")
}

func (s *Server) getWebhook(c *call) (any, *failure) {
	h, f := s.findWebhook(c)
	if f != nil {
		return nil, f
	}
	return h.view(c.scope), nil
}

func (s *Server) deleteWebhook(c *call) (any, *failure) {
	h, f := s.findWebhook(c)
	if f != nil {
		return nil, f
	}
	c.scope.webhooks = slices.DeleteFunc(c.scope.webhooks, func(o *webhook) bool { return o == h })
	return nil, nil
}

// tell is an event of a deployment.
func (s *Server) tell(d *deployment, kind string, more obj) {
	if len(d.project.scope.webhooks) == 0 {
		return
	}
	payload := obj{
		"deployment": obj{"id": d.id, "name": d.name, "url": d.host, "meta": d.meta, "inspectorUrl": d.inspector()},
		"links":      obj{"deployment": d.inspector(), "project": d.project.dashboard()},
		"target":     nil, "plan": s.plan(), "regions": []string{"iad1"}, "project": obj{"id": d.project.id}, "name": d.name, "url": d.host,
	}
	if d.target != "" {
		payload["target"] = d.target
	}
	for k, v := range more {
		payload[k] = v
	}
	s.emit(d.project, d.creator.ID, kind, payload)
}

// tellProject is an event of a project.
func (s *Server) tellProject(p *project, userID, kind string) {
	s.emit(p, userID, kind, obj{"project": obj{"id": p.id, "name": p.name}})
}

// emit sends an event to every webhook of the project's account that asked for it. The order in which webhooks are
// told of events is not promised, as it is not by the real ones.
func (s *Server) emit(p *project, userID, kind string, payload obj) {
	for _, h := range p.scope.webhooks {
		if !slices.Contains(h.events, kind) || !h.about(p.id) {
			continue
		}
		payload["user"], payload["team"] = obj{"id": userID}, obj{"id": nil}
		if p.scope.id != userID {
			payload["team"] = obj{"id": p.scope.id}
		}
		body, err := json.Marshal(obj{"id": s.RandomString(24, emukit.Alnum), "type": kind, "createdAt": s.stamp(), "region": "sfo1", "payload": payload})
		if err == nil && loopback(h.url) && !s.closed {
			s.deliveries.Add(1)
			go func() {
				defer s.deliveries.Done()
				s.deliver(h.url, h.secret, body)
			}()
		}
	}
}

// loopback reports whether a URL leads to this machine. Nothing else is ever told of an event.
func loopback(at string) bool {
	u, err := url.Parse(at)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// deliveryTries are how often a delivery that does not get a 2xx is sent, 1 s and then twice as long apart. The real
// ones go on for 24 hours.
const deliveryTries = 4

// deliver posts an event signed: x-vercel-signature is the hex HMAC-SHA1 of the raw body.
// https://vercel.com/docs/webhooks#securing-webhooks
func (s *Server) deliver(to, secret string, body []byte) {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write(body)
	signature := hex.EncodeToString(mac.Sum(nil))
	for try := range deliveryTries {
		if try > 0 && s.WaitUntil(s.life, s.Clock().Add(time.Second<<(try-1))) != nil {
			return
		}
		if s.post(to, signature, body) {
			return
		}
	}
}

func (s *Server) post(to, signature string, body []byte) (done bool) {
	ctx, cancel := context.WithTimeout(s.life, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return true
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Vercel Webhooks")
	req.Header.Set("x-vercel-signature", signature)
	client := http.Client{Transport: s.webhookTransport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode/100 == 2
}

func (s *Server) webhookTransport() http.RoundTripper {
	if s.WebhookTransport != nil {
		return s.WebhookTransport
	}
	return s.direct
}

// wake makes what is due happen in its time even when nobody looks, which only webhooks can tell. With a clock set by
// Now they are told when somebody looks.
func (s *Server) wake() {
	s.awake = true
	for _, e := range s.due {
		s.alarm(e.at)
	}
}

func (s *Server) alarm(at time.Time) {
	if s.Now == nil {
		time.AfterFunc(at.Sub(s.Clock()), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.advance(s.Clock())
		})
	}
}
