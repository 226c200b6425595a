package webhook

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/slipway-dev/slipway"
)

// github signs with HMAC-SHA256: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
var github = sender{header: "X-Hub-Signature-256", prefix: "sha256=", hash: sha256.New, read: readGitHub}

// checkMessage is what a check run and a check suite have in common.
type checkMessage struct {
	HeadSHA     string `json:"head_sha"`
	CompletedAt moment `json:"completed_at"`
	UpdatedAt   moment `json:"updated_at"`
}

type githubMessage struct {
	Action     string
	Repository struct {
		ID       slipway.RepoID
		PushedAt moment `json:"pushed_at"`
	}
	CheckRun         checkMessage `json:"check_run"`
	CheckSuite       checkMessage `json:"check_suite"`
	SHA              string       // of a status
	UpdatedAt        moment       `json:"updated_at"` // of a status
	After            string       // of a push
	Deployment       struct{ SHA string }
	DeploymentStatus struct {
		UpdatedAt moment `json:"updated_at"`
	} `json:"deployment_status"`
}

// readGitHub reads https://docs.github.com/en/webhooks/webhook-events-and-payloads. The name of the event stands in a header, which is not
// signed; it only chooses where the commit is looked for.
func readGitHub(h http.Header, body []byte) (n slipway.News, at time.Time, known bool, err error) {
	var in githubMessage
	if err := json.Unmarshal(body, &in); err != nil {
		return n, at, false, err
	}
	event, completed := h.Get("X-GitHub-Event"), in.Action == "completed"
	switch event {
	case "":
		return n, at, false, errors.New("it has no event")
	case "check_run":
		if n.Commit = in.CheckRun.HeadSHA; completed { // one that is asked for again still has its old times
			at = in.CheckRun.CompletedAt.Time
		}
	case "check_suite":
		if n.Commit = in.CheckSuite.HeadSHA; completed {
			at = in.CheckSuite.UpdatedAt.Time
		}
	case "status":
		n.Commit, at = in.SHA, in.UpdatedAt.Time
	case "deployment_status":
		n.Commit, at = in.Deployment.SHA, in.DeploymentStatus.UpdatedAt.Time
	case "push":
		n.Commit, at = in.After, in.Repository.PushedAt.Time
	default:
		return n, at, false, nil
	}
	if n.Commit == "" || in.Repository.ID == 0 {
		return n, at, false, errors.New("it names no commit")
	}
	n.Event, n.RepoID = event, in.Repository.ID
	return n, at, true, nil
}
