package vercelemu

import (
	"encoding/json"
	"time"
)

// encoded is a reply that is JSON already.
type encoded []byte

// listedProject is a project as a list last had it. A page of 100 takes milliseconds to encode, and most of them are asked
// for again unchanged.
type listedProject struct {
	json    []byte
	edition int       // of the state that it shows
	until   time.Time // when time alone changes it; zero: never
}

// encodeProjects is a page of projects. s.mu is held.
func (s *Server) encodeProjects(page []*project, pagination any) (any, *failure) {
	foot, err := json.Marshal(pagination)
	now, size := s.Clock(), len(foot)+64
	for _, p := range page {
		if err == nil {
			err = s.list(p, now)
		}
		size += len(p.listed.json) + 1
	}
	if err != nil {
		return nil, badRequest(err.Error())
	}
	out := make([]byte, 0, size)
	out = append(out, `{"pagination":`...)
	out = append(out, foot...)
	out = append(out, `,"projects":[`...)
	for i, p := range page {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, p.listed.json...)
	}
	return encoded(append(out, "]}"...)), nil
}

// list brings p.listed up to date.
func (s *Server) list(p *project, now time.Time) (err error) {
	l := &p.listed
	if l.json != nil && l.edition == s.edition && (l.until.IsZero() || now.Before(l.until)) {
		return nil
	}
	l.edition, l.until = s.edition, time.Time{}
	for _, d := range append(p.latest(1), s.serving(p.primary)) {
		if d == nil {
			continue
		}
		for _, stage := range d.build.Stages {
			at := d.build.Started.Add(stage.After)
			if at.After(now) && (l.until.IsZero() || at.Before(l.until)) {
				l.until = at
			}
		}
	}
	l.json, err = json.Marshal(s.projectView(p))
	return err
}
