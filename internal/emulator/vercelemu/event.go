package vercelemu

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// logLine is one build event.
type logLine struct {
	at         time.Time
	kind, text string
	state      string
}

// log returns the build's events up to now, which is all of them when the build is over, and when the next one comes.
func (d *deployment) log(now time.Time) (lines []logLine, next time.Time, over bool) {
	for _, l := range d.script() {
		if !d.canceledAt.IsZero() && l.at.After(d.canceledAt) {
			break
		}
		if l.at.After(now) {
			return lines, l.at, false
		}
		lines = append(lines, l)
	}
	if !d.canceledAt.IsZero() {
		lines = append(lines, logLine{d.canceledAt, "deployment-state", "", canceled})
	}
	return lines, time.Time{}, true
}

// script is all that the build will say, in order.
func (d *deployment) script() []logLine {
	begin, _ := d.build.Begins(building)
	end := d.build.End()
	lines := []logLine{
		{begin, "deployment-state", "", building},
		{begin, "stdout", "Running build in Washington, D.C., USA (East) – iad1", ""},
		{begin, "stdout", fmt.Sprintf("Downloading %d deployment files...", len(d.tree)), ""},
	}
	if d.warning != "" {
		lines = append(lines, logLine{begin, "stdout", d.warning, ""})
	}
	if d.prebuilt {
		lines = append(lines, logLine{begin, "stdout", "Using prebuilt build artifacts...", ""})
	} else if _, ok := d.tree["package.json"]; ok {
		lines = append(lines, logLine{begin, "command", "npm run build", ""})
	}
	for _, percent := range []int{25, 50, 75} {
		lines = append(lines, logLine{begin.Add(end.Sub(begin) * time.Duration(percent) / 100), "stdout", fmt.Sprintf("Building: %d%%", percent), ""})
	}
	if d.broken != "" {
		return append(lines, logLine{end, "stderr", "Error: " + d.broken, ""}, logLine{end, "deployment-state", "", errored})
	}
	return append(lines, logLine{end, "stdout", "Build Completed in /vercel/output", ""}, logLine{end, "deployment-state", "", ready})
}

func (d *deployment) eventView(l logLine, serial int) obj {
	ms := l.at.UnixMilli()
	info := obj{"type": "build", "name": d.buildID, "entrypoint": "."}
	if l.state != "" {
		info["readyState"] = l.state
	}
	return obj{
		"type": l.kind, "created": ms, "date": ms, "deploymentId": d.id, "id": fmt.Sprintf("%d%06d", ms, serial),
		"text": l.text, "info": info, "serial": fmt.Sprintf("%d%06d", ms, serial),
	}
}

// getEvents answers a JSON array, or with follow=1 one JSON a line as it happens until the build is over.
func (s *Server) getEvents(c *call) *failure {
	since, f := c.millis("since")
	if f != nil {
		return f
	}
	limit := -1
	if text := c.query("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil {
			return badRequest("Invalid request: `limit` should be a number.")
		}
	}
	s.mu.Lock()
	s.advance(s.Clock())
	d, f := s.findDeployment(c, c.path("deployment"))
	s.mu.Unlock()
	if f != nil {
		return f
	}
	if follow := c.query("follow"); follow == "1" || follow == "true" {
		s.follow(c, d, since)
		return nil
	}
	lines, _, _ := s.logOf(d)
	views := []obj{}
	for i, l := range lines {
		if l.at.UnixMilli() >= since {
			views = append(views, d.eventView(l, i))
		}
	}
	if strings.EqualFold(c.query("direction"), "backward") {
		slices.Reverse(views)
	}
	if limit >= 0 && len(views) > limit {
		views = views[:limit]
	}
	emukit.WriteJSON(c.w, http.StatusOK, views)
	return nil
}

func (s *Server) logOf(d *deployment) ([]logLine, time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock()
	s.advance(now)
	return d.log(now)
}

func (s *Server) follow(c *call, d *deployment, since int64) {
	ctx, stop := contextUntil(c.r.Context(), d.ended)
	defer stop()
	c.w.Header().Set("Content-Type", "application/stream+json")
	c.w.WriteHeader(http.StatusOK)
	sent, out := 0, json.NewEncoder(c.w)
	for {
		lines, next, over := s.logOf(d)
		for ; sent < len(lines); sent++ {
			if lines[sent].at.UnixMilli() < since {
				continue
			}
			if out.Encode(d.eventView(lines[sent], sent)) != nil {
				return
			}
		}
		c.w.(http.Flusher).Flush()
		if over || c.r.Context().Err() != nil {
			return
		}
		if s.WaitUntil(ctx, next) != nil && s.removed(d) {
			return
		}
	}
}

// removed reports whether the deployment is gone, after which its log says nothing more.
func (s *Server) removed(d *deployment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deployments[d.id] != d
}
