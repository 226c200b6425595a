package vercelemu

import (
	"bufio"
	"context"
	_ "embed"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed function.js
var functionRunner string

const (
	maxFunctions     = 8 // processes at once
	functionTimeout  = 10 * time.Second
	functionBodySize = 4608 << 10 // https://vercel.com/docs/functions/limitations: 4.5 MB
)

// function returns the tree's name of the function that a URL path runs, "" when there is none.
func (at site) function(clean string) string {
	rest := strings.TrimPrefix(clean, "/")
	if rest != "api" && !strings.HasPrefix(rest, "api/") {
		return ""
	}
	for _, ext := range []string{".js", ".mjs", ".cjs"} {
		for _, name := range []string{rest + ext, rest + "/index" + ext} {
			if _, ok := at.d.tree[at.root+name]; ok {
				return at.root + name
			}
		}
	}
	return ""
}

// runFunction answers with one short-lived Node.js process that has the deployment's frozen env and nothing of ours
// but PATH. Without Node.js it is 501.
func (s *Server) runFunction(w http.ResponseWriter, r *http.Request, at site, entry string) {
	node := s.Node
	if node == "" {
		node = "node"
	}
	program, err := exec.LookPath(node)
	if err != nil {
		w.Header().Set("x-vercel-error", "FUNCTION_NOT_SUPPORTED")
		http.Error(w, "the emulator runs functions with Node.js, which is not on PATH: "+entry, http.StatusNotImplemented)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), functionTimeout)
	defer cancel()
	select {
	case s.nodeSem <- struct{}{}:
		defer func() { <-s.nodeSem }()
	case <-ctx.Done():
		vercelError(w, http.StatusServiceUnavailable, "FUNCTION_THROTTLED")
		return
	}
	dir, err := s.layOut(at.d)
	if err != nil {
		http.Error(w, "the emulator cannot write the function's files", http.StatusInternalServerError)
		return
	}
	err = invoke(ctx, w, r, program, dir, entry, at)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		vercelError(w, http.StatusGatewayTimeout, "FUNCTION_INVOCATION_TIMEOUT")
	default:
		vercelError(w, http.StatusInternalServerError, "FUNCTION_INVOCATION_FAILED")
	}
}

// invoke starts the process and hands it the request. It returns an error only when nothing was written to w.
func invoke(ctx context.Context, w http.ResponseWriter, r *http.Request, program, dir, entry string, at site) error {
	ctx, stop := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, "-e", functionRunner, "--", filepath.Join(dir, filepath.FromSlash(entry)))
	cmd.Dir, cmd.WaitDelay = filepath.Join(dir, filepath.FromSlash(at.root)), time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for k, v := range at.d.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		stop()
		return err
	}
	if err := cmd.Start(); err != nil {
		stop()
		return err
	}
	defer func() { stop(); _ = cmd.Wait() }()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	return forward(ctx, w, r, strings.TrimSpace(port))
}

func forward(ctx context.Context, w http.ResponseWriter, r *http.Request, port string) error {
	target := url.URL{Scheme: "http", Host: "127.0.0.1:" + port, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	req, err := http.NewRequestWithContext(ctx, r.Method, target.String(), http.MaxBytesReader(w, r.Body, functionBodySize))
	if err != nil {
		return err
	}
	req.Header, req.Host, req.ContentLength = r.Header.Clone(), r.Host, r.ContentLength
	req.Header.Del(bypassName)
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, functionBodySize))
	if err != nil {
		return err
	}
	for name, values := range res.Header {
		if name != "Connection" && name != "Keep-Alive" && name != "Transfer-Encoding" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(body)
	return nil
}

// layOut writes a deployment's files into a folder of its own, once. Their names were checked at create; os.Root
// keeps them inside all the same.
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
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, content := range tree {
		local := filepath.FromSlash(name)
		if err := root.MkdirAll(filepath.Dir(local), 0o700); err != nil {
			return err
		}
		if err := root.WriteFile(local, content, 0o600); err != nil {
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
