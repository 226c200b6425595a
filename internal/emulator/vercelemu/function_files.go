package vercelemu

import (
	"os"
	"path/filepath"
)

// layOut writes a deployment's files into a folder of its own, once. Their names were checked at create; os.Root
// keeps them inside all the same. The folder above is this user's alone; isolated functions, which may have a user id of
// their own, see theirs as another place.
func (s *Server) layOut(d *deployment) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.dir != "" {
		return d.dir, nil
	}
	if s.workDir == "" {
		dir, err := os.MkdirTemp("", "vercelemu-")
		if err != nil {
			return "", err
		}
		s.workDir = dir
	}
	dir := filepath.Join(s.workDir, d.id)
	if err := writeTree(dir, d.tree); err != nil {
		_ = os.RemoveAll(dir)
		return "", err
	}
	d.dir = dir
	return dir, nil
}

func writeTree(dir string, tree map[string][]byte) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, content := range tree {
		local := filepath.FromSlash(name)
		if err := root.MkdirAll(filepath.Dir(local), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(local, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// discard removes what layOut wrote.
func (s *Server) discard(d *deployment) {
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
		d.dir = ""
	}
}
