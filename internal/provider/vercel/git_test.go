package vercel

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/rest"
)

func TestCommitDetails(t *testing.T) {
	ours := map[string]any{"slipwayCommit": "a", "slipwayRef": "main", "slipwayRepoId": "7", "slipwayRepository": "acme/shop"}
	pushed := map[string]any{"githubCommitSha": "b", "githubCommitRef": "main", "githubCommitRepoId": "8", "githubCommitOrg": "acme", "githubCommitRepo": "shop"}
	both := map[string]any{"githubCommitSha": "b", "slipwayCommit": "a"}
	tests := map[string]struct {
		reason string
		meta   map[string]any
		want   map[string]string
	}{
		"ours":   {"what Slipway has written", ours, map[string]string{"commit": "a", "ref": "main", "repo_id": "7", "repository": "acme/shop"}},
		"pushed": {"a push that Vercel has built by itself", pushed, map[string]string{"commit": "b", "ref": "main", "repo_id": "8", "repository": "acme/shop"}},
		"both":   {"what was pinned counts", both, map[string]string{"commit": "a"}},
		"files":  {"a folder has no commit", map[string]any{"slipwayInput": "x"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, withCommit(slipway.Receipt{}, test.meta).Details); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

// besideGit is a folder in a work tree.
type besideGit struct {
	slipway.FileSet
	at *slipway.WorkTree
}

func (b besideGit) WorkTree() (*slipway.WorkTree, string) { return b.at, "" }

// TestGitMetadata: a folder's deployment tells its commit, and nothing of author, message or remote.
func TestGitMetadata(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		files  slipway.FileSet
		want   any
	}{
		"clean":    {"commit and branch", besideGit{at: &slipway.WorkTree{Commit: "c0", Branch: "main", Clean: true}}, map[string]any{"commitSha": "c0", "commitRef": "main", "dirty": false}},
		"changed":  {"what is deployed is not the commit; no branch", besideGit{at: &slipway.WorkTree{Commit: "c0", Changed: 1}}, map[string]any{"commitSha": "c0", "dirty": true}},
		"no git":   {"nothing is said", besideGit{}, nil},
		"no files": {"nothing is said", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			body := deploymentBody(slipway.Spec{App: "shop", Address: slipway.NewAddress(kindDeployment, "shop", "preview"), Files: test.files}, slipway.Receipt{})
			if d := cmp.Diff(test.want, body["gitMetadata"]); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
}

// TestALostLink: the second of a link's two calls is the one that links. Its lost reply is ambiguous, and a look finds the link, held.
func TestALostLink(t *testing.T) {
	emu := server()
	hook, err := emukit.ParseFaults("POST /v9/projects/*/link#1=reset-after")
	if err != nil {
		t.Fatal(err)
	}
	emu.Hook = hook
	srv := httptest.NewServer(emu)
	t.Cleanup(srv.Close)
	s, err := New(rest.Config{Base: http.DefaultTransport}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
		v := map[string]string{settingToken: token, settingTeam: acme, settingURL: srv.URL}[env]
		return slipway.NewSecret(v), v != ""
	})
	if err != nil {
		t.Fatal(err)
	}
	at := slipway.NewAddress(kindProject, "shop", "")
	project, err := s.Handler(kindProject).Create(t.Context(), slipway.Spec{Address: at, Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	want := expandLink(&slipway.Manifest{App: "shop", Source: slipway.Source{GitHub: "acme/shop"}}, at)
	want.Parents = map[slipway.Kind]slipway.Receipt{kindProject: project}
	if _, err := s.Handler(kindLink).Create(t.Context(), want); slipway.RetryClass(err) != slipway.RetryAmbiguous {
		t.Errorf("the lost reply: %v", err)
	}
	obs, err := s.Handler(kindLink).Observe(t.Context(), want)
	if err != nil || !obs.Exists || obs.Fields["push_moves_domains"] != false || obs.Fields["repository"] != "acme/shop" {
		t.Errorf("the look: %+v %v", obs, err)
	}
}
