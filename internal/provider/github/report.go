package github

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

var _ slipway.Repositories = session{}

// reportTries is how often a report is begun whose reply was lost: each look finds what the one before has made.
const reportTries = 3

// Report sets a commit status and a deployment with its status. Each is looked for first, by its context, by the run in its payload, and
// by its state: what is there already is not sent again, also by another process. Of CommitStopped nothing is made: what this run left
// pending is ended, as the commit's status says it where that has ended already.
func (s session) Report(ctx context.Context, r slipway.CommitReport) error {
	const op = "github report"
	if s.anonymous {
		e := slipway.Errorf(slipway.CodeCredential, "%s is not set", settingToken).WithHint("set it to a token that may write commit statuses and deployments")
		e.Op = op
		return e
	}
	name, err := s.named(ctx, op, r.Commit.RepoID)
	if err != nil {
		return err
	}
	owner, short, _ := strings.Cut(name, "/")
	at := &reporting{s, op, rest.Path("/repos/%s/%s", owner, short), r.State == slipway.CommitStopped, r}
	if err := again(ctx, at.status); err != nil {
		return err
	}
	return again(ctx, at.deployment)
}

// again calls f until its outcome is known.
func again(ctx context.Context, f func(context.Context) error) (err error) {
	for range reportTries {
		if err = f(ctx); slipway.RetryClass(err) != slipway.RetryAmbiguous || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// reporting is one report to the repository at a path.
type reporting struct {
	session
	op, path string
	stops    bool // only what is pending is told
	slipway.CommitReport
}

func (r *reporting) post(ctx context.Context, path string, body map[string]any, out any) error {
	return r.rest.Do(ctx, rest.Request{Op: r.op, Method: http.MethodPost, Path: r.path + path, Body: body}, out)
}

// place names app and environment at GitHub, where other apps may have the same repository.
func (r *reporting) place() string { return r.App + "-" + r.Environment }

func (r *reporting) says() string {
	return map[slipway.CommitState]string{
		slipway.CommitRunning: "ships", slipway.CommitSucceeded: "has shipped", slipway.CommitFailed: "could not ship", slipway.CommitStopped: "was stopped and did not ship",
	}[r.State] + " this commit to " + r.Environment
}

// statusStates are a commit status's words: https://docs.github.com/en/rest/commits/statuses#create-a-commit-status
var statusStates = map[slipway.CommitState]string{
	slipway.CommitRunning: "pending", slipway.CommitSucceeded: "success", slipway.CommitFailed: "failure", slipway.CommitStopped: "error",
}

type statusReply struct {
	State       string `json:"state"`
	Context     string `json:"context"`
	Description string `json:"description"`
	TargetURL   string `json:"target_url"`
}

// status: the newest of our context says all, unless another state or another run is to be told.
// https://docs.github.com/en/rest/commits/statuses#list-commit-statuses-for-a-reference
func (r *reporting) status(ctx context.Context) error {
	want := statusReply{State: statusStates[r.State], Context: slipway.ReportName(r.App, r.Environment), Description: r.Run + " " + r.says()}
	var all []statusReply
	if err := r.get(ctx, r.op, r.path+rest.Path("/commits/%s/statuses", r.Commit.SHA), hundred, &all); err != nil {
		return err
	}
	newest := slices.IndexFunc(all, func(have statusReply) bool { return have.Context == want.Context })
	switch {
	case r.stops && (newest < 0 || !r.pending(all[newest])):
		return nil
	case newest >= 0 && all[newest].State == want.State && all[newest].Description == want.Description:
		return nil
	}
	body := map[string]any{"state": want.State, "context": want.Context, "description": want.Description}
	if r.URL != "" {
		body["target_url"] = r.URL
	}
	return r.post(ctx, rest.Path("/statuses/%s", r.Commit.SHA), body, nil)
}

// pending reports whether a status is this run's and says that it goes on. Of a run that was stopped after its status told its success,
// the rest is told as that.
func (r *reporting) pending(have statusReply) bool {
	ours := strings.HasPrefix(have.Description, r.Run+" ")
	if ours && have.State == statusStates[slipway.CommitSucceeded] {
		r.State, r.URL = slipway.CommitSucceeded, have.TargetURL
	}
	return ours && have.State == statusStates[slipway.CommitRunning]
}

var hundred = url.Values{"per_page": {"100"}}

type deploymentReply struct {
	ID      int64           `json:"id"`
	Payload json.RawMessage `json:"payload"`
}

func (r *deploymentReply) Missing() string {
	if r.ID == 0 {
		return "id"
	}
	return ""
}

// run is what we wrote into a payload; GitHub shows it as it was sent, or [?] as a text.
func (r *deploymentReply) run() string {
	var p struct {
		Run string `json:"slipway_run"`
	}
	var text string
	if json.Unmarshal(r.Payload, &text) == nil {
		r.Payload = json.RawMessage(text)
	}
	_ = json.Unmarshal(r.Payload, &p) // another's payload is anything
	return p.Run
}

// deployment: https://docs.github.com/en/rest/deployments/deployments
func (r *reporting) deployment(ctx context.Context) error {
	id, err := r.findDeployment(ctx)
	if err != nil || id == 0 && r.stops {
		return err
	}
	if id == 0 {
		var made deploymentReply
		body := map[string]any{
			"ref": r.Commit.SHA, "task": "deploy", "environment": r.place(), "description": "Slipway " + r.says(), "auto_merge": false,
			"required_contexts": []string{}, // our own status is one that is pending
			"payload":           map[string]any{"slipway_run": r.Run, "app": r.App}, "production_environment": r.Environment == slipway.Production,
			"transient_environment": false,
		}
		if err := r.post(ctx, "/deployments", body, &made); err != nil {
			return err
		}
		id = made.ID
	}
	at := rest.Path("/deployments/%s/statuses", strconv.FormatInt(id, 10))
	var states []struct {
		State slipway.CommitState `json:"state"`
	}
	if err := r.get(ctx, r.op, r.path+at, one, &states); err != nil {
		return err
	}
	if len(states) > 0 && (states[0].State == r.State || r.stops && states[0].State != slipway.CommitRunning) {
		return nil
	}
	body := map[string]any{"state": r.State, "description": r.Run + " " + r.says()}
	if r.URL != "" {
		body["environment_url"] = r.URL
	}
	return r.post(ctx, at, body, nil)
}

// findDeployment returns the id of this run's, 0 for none. A run's is among the newest hundred of its commit and environment.
func (r *reporting) findDeployment(ctx context.Context) (int64, error) {
	query := url.Values{"sha": {r.Commit.SHA}, "environment": {r.place()}, "task": {"deploy"}, "per_page": {"100"}}
	var all []deploymentReply
	if err := r.get(ctx, r.op, r.path+"/deployments", query, &all); err != nil {
		return 0, err
	}
	for i := range all {
		if all[i].run() == r.Run {
			return all[i].ID, nil
		}
	}
	return 0, nil
}
