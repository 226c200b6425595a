package githubemu

import (
	"maps"
	"strings"
)

// Repository is what an app that is installed on a repository sees of it.
type Repository struct {
	ID            int64
	DefaultBranch string
	// Tree returns the files at a branch, tag or commit, and that commit's SHA. nil files mean that there is no such ref.
	Tree func(ref string) (files map[string][]byte, sha string)
}

// Repository finds a repository by its full name, owner/name. nil: there is none.
func (s *Server) Repository(fullName string) *Repository {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, name, _ := strings.Cut(fullName, "/")
	r := s.find(owner, name)
	if r == nil {
		return nil
	}
	return &Repository{ID: r.id, DefaultBranch: defaultBranch, Tree: func(ref string) (map[string][]byte, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := r.resolve(ref)
		if c == nil {
			return nil, ""
		}
		return maps.Clone(c.files), c.sha
	}}
}
