package vercelemu

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/isolate"
)

// source is what a sandbox begins with.
type source struct {
	Type, URL, Revision, Username, Password string
	Depth                                   float64
}

// sourceTime is how long a source may take.
const sourceTime = 2 * time.Minute

// lay puts the source into the session's working directory. Only sources on this machine's loopback can be had: nothing
// here reaches further. A source that cannot be had is 400 [? sandbox-source-missing].
func (s *SandboxServer) lay(ctx context.Context, ses *session, src source) *failure {
	ctx, cancel := context.WithTimeout(ctx, sourceTime)
	defer cancel()
	u, err := url.Parse(src.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u.String()) {
		return badRequest("Invalid request: the emulator takes a source only from http:// or https:// on this machine's loopback.")
	}
	if src.Type == "git" {
		return s.clone(ctx, ses, src, u)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return badRequest("Invalid request: `source.url` is no URL.")
	}
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}, CheckRedirect: func(to *http.Request, _ []*http.Request) error {
		if !loopback(to.URL.String()) {
			return errors.New("it leads away from this machine")
		}
		return nil
	}}
	res, err := client.Do(r)
	if err != nil {
		return badRequest("Invalid request: the source cannot be fetched: " + err.Error())
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return badRequest(fmt.Sprintf("Invalid request: the source answers %d.", res.StatusCode))
	}
	return ses.box.unpack(sandboxCwd, http.MaxBytesReader(nil, res.Body, maxArchive))
}

// clone fetches one revision with git, isolated as any command but with this machine's network.
func (s *SandboxServer) clone(ctx context.Context, ses *session, src source, u *url.URL) *failure {
	env := map[string]string{"HOME": sandboxHome, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.followRedirects", "GIT_CONFIG_VALUE_0": "false"}
	if src.Username != "" || src.Password != "" {
		env["GIT_CONFIG_COUNT"], env["GIT_CONFIG_KEY_1"], env["GIT_CONFIG_VALUE_1"] = "2", "http.extraHeader", "Authorization: "+basic(src.Username, src.Password)
	}
	revision := src.Revision
	if revision == "" {
		revision = "HEAD"
	}
	if strings.HasPrefix(revision, "-") {
		return badRequest("Invalid request: `source.revision` is no revision.")
	}
	fetch := []string{"git", "fetch", "-q"}
	if src.Depth >= 1 {
		fetch = append(fetch, "--depth", strconv.Itoa(int(src.Depth)))
	}
	for _, argv := range [][]string{
		{"git", "init", "-q"},
		{"git", "remote", "add", "origin", u.String()},
		append(fetch, "origin", revision),
		{"git", "checkout", "-q", "FETCH_HEAD"},
	} {
		r, err := isolate.Run(ctx, isolate.Command{Argv: argv, Dir: sandboxCwd, Mounts: ses.box.mounts(), Env: env, User: sandboxUser, UID: ses.box.uid, Network: true})
		switch {
		case errors.Is(err, isolate.ErrUnavailable), errors.Is(err, isolate.ErrNoProgram):
			return &failure{status: http.StatusNotImplemented, code: "not_implemented", message: "the emulator cannot run git here: " + err.Error()}
		case err != nil:
			return badRequest("Invalid request: the source cannot be fetched: " + err.Error())
		case r.ExitCode != 0:
			return badRequest("Invalid request: the source cannot be fetched: " + strings.TrimSpace(string(r.Stderr.Data)))
		}
	}
	return nil
}

func basic(username, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
}
