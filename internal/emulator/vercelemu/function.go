package vercelemu

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

const (
	maxFunctions     = 8 // processes at once
	functionTimeout  = 10 * time.Second
	functionBodySize = 4608 << 10 // https://vercel.com/docs/functions/limitations: 4.5 MB
)

var errAnswerTooLarge = errors.New("the function's answer is too large")

// function returns the tree's name of the function that a URL path runs, "" when there is none.
func (at site) function(clean string) string {
	rest := strings.TrimPrefix(clean, "/")
	if rest != "api" && !strings.HasPrefix(rest, "api/") {
		return ""
	}
	for _, ext := range functionTypes {
		for _, name := range []string{rest + ext, rest + "/index" + ext} {
			if _, ok := at.d.tree[at.root+name]; ok {
				return at.root + name
			}
		}
	}
	return ""
}

var functionTypes = []string{".js", ".mjs", ".cjs"}

// hasFunctions says whether any path of the app may run one.
func (d *deployment) hasFunctions() bool {
	prefix := folder(d.setting("rootDirectory")) + "api/"
	for name := range d.tree {
		if d.prebuilt && path.Base(name) == vcConfig {
			return true
		}
		for _, ext := range functionTypes {
			if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ext) {
				return true
			}
		}
	}
	return false
}

// runFunction answers with one short-lived Node.js process that has the deployment's frozen env and nothing of ours.
// Without Node.js it is 501.
func (s *Server) runFunction(w http.ResponseWriter, r *http.Request, at site, entry string) {
	run := s.runner()
	if run.node == "" {
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
	f := function{dir: dir, root: at.root, entry: entry, env: at.d.env, ports: s.reachable(at.d.env), hostNetwork: s.HostNetwork, caFile: s.CAFile}
	conn, stop, err := run.start(ctx, f)
	if err == nil {
		err = forward(ctx, w, r, conn)
		_ = conn.Close()
		stop()
	}
	switch {
	case err == nil:
	case emukit.TooLarge(err):
		vercelError(w, http.StatusRequestEntityTooLarge, "FUNCTION_PAYLOAD_TOO_LARGE")
	case errors.Is(err, errAnswerTooLarge):
		vercelError(w, http.StatusInternalServerError, "FUNCTION_RESPONSE_PAYLOAD_TOO_LARGE")
	case ctx.Err() != nil:
		vercelError(w, http.StatusGatewayTimeout, "FUNCTION_INVOCATION_TIMEOUT")
	default:
		vercelError(w, http.StatusInternalServerError, "FUNCTION_INVOCATION_FAILED")
	}
}

// forward hands the request to the function and its answer to w. It returns an error only when nothing was written.
func forward(ctx context.Context, w http.ResponseWriter, r *http.Request, conn net.Conn) error {
	target := url.URL{Scheme: "http", Host: "function", Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	req, err := http.NewRequestWithContext(ctx, r.Method, target.String(), http.MaxBytesReader(w, r.Body, functionBodySize))
	if err != nil {
		return err
	}
	req.Header, req.Host, req.ContentLength = r.Header.Clone(), r.Host, r.ContentLength
	req.Header.Del(bypassName)
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, functionBodySize+1))
	if err != nil {
		return err
	}
	if len(body) > functionBodySize {
		return errAnswerTooLarge
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
