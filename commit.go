package slipway

import (
	"context"
	"strconv"
)

// RepoID is a repository's number at its host. It stays when the repository is renamed or moves to another owner; 0 is none.
type RepoID int64

func (id RepoID) String() string { return strconv.FormatInt(int64(id), 10) }

// Commit is a source that is pinned: what is planned, verified and deployed is this commit, wherever its ref has moved since.
type Commit struct {
	Repository string `json:"repository"` // owner/name, as the host spells it
	RepoID     RepoID `json:"repo_id"`
	Ref        string `json:"ref"`            // the branch, the tag, or the commit itself, by which it was asked for
	SHA        string `json:"sha"`            // 40 hex digits
	Tree       string `json:"tree,omitempty"` // of its git tree, 40 hex digits; "" where a person stated the commit and nothing could look it up
	// Private repositories cannot be read without a credential.
	Private bool `json:"private,omitempty"`
}

// Digest returns sha256:… over the repository's id, the commit and its tree: the names of repository and ref may change, and mean the same.
func (c Commit) Digest() string {
	return CanonicalDigest(map[string]any{"repo_id": c.RepoID.String(), "sha": c.SHA, "tree": c.Tree})
}

// Details of the receipt of a deployment that was built from a commit, and of the receipt of what production serves.
const (
	DetailRepository = "repository" // owner/name
	DetailRepoID     = "repo_id"
	DetailRef        = "ref"
	DetailCommit     = "commit"
)

// CommitOf reads the commit from the details of a receipt. ok is false where it has none, or no repository's id.
func CommitOf(r Receipt) (c Commit, ok bool) {
	id, err := strconv.ParseInt(r.Details[DetailRepoID], 10, 64)
	c = Commit{Repository: r.Details[DetailRepository], RepoID: RepoID(id), Ref: r.Details[DetailRef], SHA: r.Details[DetailCommit]}
	return c, err == nil && id > 0 && c.SHA != ""
}

// CommitOrder is how one commit stands to another in the history of their repository.
type CommitOrder string

const (
	CommitIdentical CommitOrder = "identical"
	CommitAhead     CommitOrder = "ahead"    // it has the other among its ancestors: it is newer
	CommitBehind    CommitOrder = "behind"   // it is among the other's ancestors: it is older
	CommitDiverged  CommitOrder = "diverged" // neither holds the other
)

// Commits is a Session that knows the history of repositories.
type Commits interface {
	// Compare tells how head stands to base. CodeNotFound when the repository cannot be seen, or no longer has one of them.
	Compare(ctx context.Context, repo RepoID, base, head string) (CommitOrder, error)
}

// Repositories is a Session at which a manifest's source can be.
type Repositories interface {
	Commits
	// Resolve returns the commit that a branch, a tag or a commit's own id stands for; "" is the repository's default branch. CodeNotFound
	// when there is no such ref; CodeCredential when the repository is not there, or is one that a credential is needed for.
	Resolve(ctx context.Context, repository, ref string) (Commit, error)
	// Pin returns a commit as a source.
	Pin(c Commit) Pinned
	// Report makes the host show how a run stands, once: what it shows already is not sent again. CommitStopped is told only of what it
	// shows as going on.
	Report(ctx context.Context, r CommitReport) error
}

// Pinned is a source that is a commit: the provider of the deployment fetches it itself. Its Digest is the commit's, Files is empty, and
// nothing can be opened.
type Pinned interface {
	FileSet
	Commit() Commit
	// Checkout fetches the commit's files and proves them to be its tree. CodeSourceChanged when they are not, CodeLimit when they are too
	// many to be kept in memory.
	Checkout(ctx context.Context) (FileSet, error)
}

// CommitState is how a run that ships a commit stands.
type CommitState string

const (
	CommitRunning   CommitState = "in_progress"
	CommitSucceeded CommitState = "success"
	CommitFailed    CommitState = "failure"
	CommitStopped   CommitState = "error" // cancelled, rejected or superseded
)

// CommitReport is what a host is told of a run that ships a commit of one of its repositories.
type CommitReport struct {
	Commit      Commit
	App         string
	Environment string
	Run         string
	State       CommitState
	URL         string // where the app answers; with success alone
}

// Reporting is where a plan's run is reported, and why not.
type Reporting struct {
	To      string `json:"to"`                // the repository's name
	Skipped string `json:"skipped,omitempty"` // why nothing is reported there; outside the plan's digest
}

// Report returns whether a run can be reported to a provider of sources, by what its credential is good for. What passes by itself does not
// count: reports are tried when they are due.
func (a Access) Report(provider string) (Mode, Capability) {
	for _, c := range a {
		if c.Provider == provider && c.Cause != CauseNone && !c.Cause.Transient() {
			return ModeSkipped, c
		}
	}
	return ModeAutomated, Capability{}
}

// Source returns who finds the commit of a source at a provider. Without a credential that is Slipway where the repository is public, else a
// person, who states it.
func (a Access) Source(provider string) (Mode, Capability) {
	for _, c := range a {
		if c.Provider != provider || c.Cause == CauseNone {
			continue
		}
		if o := outcomes[c.Cause]; !o.reads || c.Cause == CauseAppNotInstalled {
			return o.inner, c
		}
	}
	return ModeAutomated, Capability{}
}

// CommitArtifact is the name under which the commit that a run ships is kept, as JSON.
func CommitArtifact(run string) string { return "commit/" + run }
