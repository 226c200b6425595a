package sandbox

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

const (
	settingURL  = "SLIPWAY_SANDBOX_URL"
	settingOIDC = "VERCEL_OIDC_TOKEN"
	defaultURL  = "https://vercel.com/api"

	// What the token of a user needs beside it, and where it is: settings and the project of internal/provider/vercel.
	settingToken              = "VERCEL_TOKEN"
	settingTeam               = "VERCEL_TEAM_ID"
	kindProject  slipway.Kind = "vercel.project"

	// sandboxLife is how long a sandbox lives that nobody extends: what a killed process leaves is gone by then.
	sandboxLife = 5 * time.Minute

	mibPerVCPU = 2048 // https://vercel.com/docs/sandbox/pricing
	workRemote = "/vercel/sandbox"
)

// remote runs jobs in Vercel Sandbox: https://vercel.com/docs/sandbox
type remote struct {
	config Config
	life   time.Duration
}

var _ slipway.Sandbox = (*remote)(nil)

func (*remote) Name() string { return Vercel }

// access is what the API is called with.
type access struct {
	token   slipway.Secret
	scope   url.Values // the team, in every query
	project string     // id; "" where it is the app's own, which a receipt tells
}

// access takes VERCEL_OIDC_TOKEN, which names team and project itself, else VERCEL_TOKEN with a team: then the sandbox is one of the app's
// own project.
func (v *remote) access(get slipway.Settings) (access, error) {
	expired := false
	if token, ok := get(settingOIDC); ok {
		a, ends, err := readOIDC(token)
		switch {
		case err != nil:
			return access{}, err
		case v.config.Now().Before(ends):
			return a, nil
		}
		expired = true
	}
	token, hasToken := get(settingToken)
	team, hasTeam := get(settingTeam)
	if hasToken && hasTeam {
		by := "slug"
		if strings.HasPrefix(team.Reveal(), "team_") {
			by = "teamId"
		}
		return access{token: token, scope: url.Values{by: {team.Reveal()}}}, nil
	}
	what := settingOIDC + " is not set"
	if expired {
		what = settingOIDC + " has expired"
	}
	return access{}, slipway.Errorf(slipway.CodeUnsandboxed, "Vercel Sandbox has no credential: %s", what).
		WithHint("set %s to a fresh token from: vercel env pull; or set %s and %s", settingOIDC, settingToken, settingTeam)
}

// readOIDC reads owner_id, project_id and exp of a token: https://vercel.com/docs/oidc/reference. The API checks its signature.
func readOIDC(token slipway.Secret) (a access, ends time.Time, err error) {
	var claims struct {
		Owner   string `json:"owner_id"`
		Project string `json:"project_id"`
		Expires int64  `json:"exp"`
	}
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) == 3 {
		if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(raw, &claims) // what is missing shows
		}
	}
	if claims.Owner == "" || claims.Project == "" || claims.Expires == 0 {
		return a, ends, slipway.Errorf(slipway.CodeUnsandboxed, "%s is no token of Vercel: it names no team and project", settingOIDC).
			WithHint("get one with: vercel env pull; or unset it")
	}
	return access{token: token, scope: url.Values{"teamId": {claims.Owner}}, project: claims.Project}, time.Unix(claims.Expires, 0), nil
}

func (v *remote) Ready(_ context.Context, get slipway.Settings, _ slipway.Job) (slipway.Kind, error) {
	a, err := v.access(get)
	if err == nil {
		err = rest.CheckBase(base(get))
	}
	if err != nil || a.project != "" {
		return "", err
	}
	return kindProject, nil
}

func base(get slipway.Settings) string {
	if u, ok := get(settingURL); ok {
		return u.Reveal()
	}
	return defaultURL
}

// client is the API for one order.
type client struct {
	*rest.Client
	config  rest.Config
	api     rest.API
	project string
}

func (v *remote) client(get slipway.Settings, o slipway.Order) (*client, error) {
	a, err := v.access(get)
	if err != nil {
		return nil, err
	}
	if a.project == "" {
		a.project = o.Mark.Project
	}
	if a.project == "" {
		if o.Parent == nil || o.Parent.ID == "" {
			return nil, slipway.Errorf(slipway.CodeUnsandboxed, "Vercel Sandbox needs the app's project, which is not known").
				WithHint("set %s to a token from: vercel env pull", settingOIDC)
		}
		a.project = o.Parent.ID
	}
	api := rest.API{Name: "sandbox", Base: base(get), Query: a.scope, Error: mapError, Auth: func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+a.token.Reveal())
	}}
	return &client{Client: rest.New(v.config.REST, api), config: v.config.REST, api: api, project: a.project}, nil
}

// errGone is the cause of every answer that says that the sandbox has stopped.
var errGone = errors.New("the sandbox has stopped")

// mapError reads Vercel's envelope. 410 is a sandbox that has stopped; 422 with these codes is one that is about to, and is asked again.
func mapError(status int, _ http.Header, body []byte) *slipway.Error {
	e, code := rest.Default(status, body), rest.Envelope(body).Code
	var more struct {
		Error struct{ InvalidToken bool }
	}
	_ = json.Unmarshal(body, &more) // what does not fit is mapped by the status alone
	switch {
	case status == http.StatusGone:
		e.Code, e.Cause = slipway.CodeUnavailable, errGone
	case status == http.StatusUnprocessableEntity && (code == "sandbox_stopping" || code == "sandbox_snapshotting"):
		e.Code, e.Retry = slipway.CodeBusy, slipway.RetryLater
	case status == http.StatusUnauthorized || more.Error.InvalidToken:
		e.Code, e.Hint = slipway.CodeUnauthorized, "get a fresh "+settingOIDC+" with: vercel env pull"
	case status == http.StatusForbidden:
		e.Hint = "the token may not use Vercel Sandbox in this team and project"
	case status == http.StatusPaymentRequired:
		e.Code, e.Hint = slipway.CodeLimit, "a limit of the Vercel plan is reached: https://vercel.com/docs/sandbox/pricing"
	}
	return e
}

// session is what the API tells of a running sandbox. Times are milliseconds, since 1970 where they are no spans.
type session struct {
	ID                 string
	Status             string
	StartedAt, Timeout float64
	NetworkPolicy      struct{ Mode string }
}

// left is how long the session lives, whatever it was asked for; life where it does not tell.
func (s session) left(life time.Duration, now time.Time) time.Duration {
	if s.StartedAt == 0 || s.Timeout == 0 {
		return life
	}
	return min(life, time.UnixMilli(int64(s.StartedAt+s.Timeout)).Sub(now))
}

type sessionReply struct {
	Session session
	Sandbox struct{ Tags map[string]string }
}

func (r *sessionReply) Missing() string {
	if r.Session.ID == "" {
		return "session.id"
	}
	return ""
}

// ours is the tag of all sandboxes that Slipway makes.
var ours = map[string]string{"made-by": "slipway"}

// creates is how often a create is sent whose reply was lost: no two sandboxes of a project have one name [? sandbox-name-taken].
const creates = 3

// create makes the sandbox: https://vercel.com/docs/rest-api/sandboxes. What it has is gone when it stops. One of that name is the job's own
// where the request, or that of a process before this one, may have made it.
func (j *job) create(ctx context.Context, life time.Duration, resumed bool) (session, error) {
	o := j.order
	policy, _ := networkPolicy(o.Job)
	vcpus := vcpus(o.Memory)
	body := map[string]any{
		"projectId": j.project, "name": o.Name, "runtime": o.Runtime, "persistent": false, "env": environment(), "networkPolicy": policy,
		"timeout": min(life, seconds(o.Job)+time.Minute).Milliseconds(), "tags": ours,
		"resources": map[string]any{"vcpus": vcpus, "memory": vcpus * mibPerVCPU},
	}
	for n := 1; ; n++ {
		var out sessionReply
		err := j.Do(ctx, rest.Request{Op: "sandbox create", Method: http.MethodPost, Path: "/v2/sandboxes", Body: body}, &out)
		switch {
		case slipway.ErrorCode(err) == slipway.CodeConflict && (resumed || n > 1):
			return j.named(ctx)
		case slipway.RetryClass(err) != slipway.RetryAmbiguous || n == creates || ctx.Err() != nil:
			return out.Session, err
		}
	}
}

// named returns the session of the sandbox that has the job's name, errGone where it is not found.
func (j *job) named(ctx context.Context) (session, error) {
	var out sessionReply
	err := j.Do(ctx, rest.Request{
		Op: "sandbox look", Method: http.MethodGet, Path: rest.Path("/v2/sandboxes/%s", j.order.Name), Query: url.Values{"projectId": {j.project}},
	}, &out)
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	if err == nil && out.Sandbox.Tags["made-by"] != ours["made-by"] {
		err = slipway.Errorf(slipway.CodeConflict, "the sandbox %s is not Slipway's", j.order.Name).WithHint("find out who made it; then resume the run")
	}
	return out.Session, err
}

func (j *job) look(ctx context.Context, id string) (session, error) {
	var out sessionReply
	err := j.Do(ctx, rest.Request{Op: "sandbox look", Method: http.MethodGet, Path: rest.Path("/v2/sandboxes/sessions/%s", id)}, &out)
	return out.Session, err
}

// started waits until s runs. errGone says that it never will, or no more.
func (j *job) started(ctx context.Context, s session) (_ session, err error) {
	for s.Status == "pending" {
		if err := pause(ctx, time.Second); err != nil {
			return s, err
		}
		if s, err = j.look(ctx, s.ID); err != nil {
			return s, err
		}
	}
	if s.Status != "running" && s.Status != "" {
		return s, fmt.Errorf("%w: it is %s", errGone, s.Status)
	}
	if _, mode := networkPolicy(j.order.Job); s.NetworkPolicy.Mode != "" && s.NetworkPolicy.Mode != mode {
		return s, slipway.Errorf(slipway.CodeMalformed, "the sandbox has the network policy %s, not %s", s.NetworkPolicy.Mode, mode).
			WithHint("nothing was run in it; see whether the team has a policy of its own")
	}
	return s, nil
}

// networkPolicy is a job's network as the API takes it, and the mode that it then tells.
func networkPolicy(j slipway.Job) (policy map[string]any, mode string) {
	switch {
	case len(j.Network) == 0:
		return map[string]any{"mode": "deny-all"}, "deny-all"
	case slices.Contains(j.Network, slipway.NetworkAll):
		return map[string]any{"mode": "allow-all"}, "allow-all"
	}
	return map[string]any{"mode": "custom", "allowedDomains": j.Network}, "custom"
}

// vcpus is the least number that comes with so much memory: 1, or an even one.
func vcpus(mib int64) int64 {
	n := (mib + mibPerVCPU - 1) / mibPerVCPU
	if n > 1 {
		n += n % 2
	}
	return max(n, 1)
}

// Stop deletes the sandbox of that name, with all that runs in it.
func (v *remote) Stop(ctx context.Context, get slipway.Settings, o slipway.Order) error {
	c, err := v.client(get, o)
	if err != nil {
		return err
	}
	err = c.Do(ctx, rest.Request{
		Op: "sandbox delete", Method: http.MethodDelete, Path: rest.Path("/v2/sandboxes/%s", o.Name), Query: url.Values{"projectId": {c.project}}, Repeatable: true,
	}, nil)
	if slipway.ErrorCode(err) == slipway.CodeNotFound || errors.Is(err, errGone) {
		return nil
	}
	return err
}

// isolation is what Vercel documents of a sandbox, and the network policy that it told.
func isolation(o slipway.Order) slipway.Isolation {
	_, mode := networkPolicy(o.Job)
	return slipway.Isolation{Backend: "vercel-sandbox", Version: o.Runtime, Layers: []string{"microVM of its own", "network " + mode, fmt.Sprintf("%d vCPU", vcpus(o.Memory)), fmt.Sprintf("%d MiB", vcpus(o.Memory)*mibPerVCPU)}}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
