package vercel

import (
	"cmp"
	"maps"

	"github.com/slipway-dev/slipway"
)

// commitMarks are where a deployment's meta tells its commit: what Vercel itself writes there of a deployment from GitHub, by a push or by
// gitSource [?], and what Slipway adds.
var commitMarks = map[string][2]string{
	slipway.DetailCommit: {"githubCommitSha", metaKey(slipway.DetailCommit)},
	slipway.DetailRef:    {"githubCommitRef", metaKey(slipway.DetailRef)},
	slipway.DetailRepoID: {"githubCommitRepoId", metaKey(slipway.DetailRepoID)},
}

// commitDetails are the details of a receipt that tell the commit of a deployment with this meta; empty for one of files.
func commitDetails(meta map[string]any) map[string]string {
	out := map[string]string{}
	for detail, marks := range commitMarks {
		if v := cmp.Or(text(meta[marks[1]]), text(meta[marks[0]])); v != "" {
			out[detail] = v
		}
	}
	org, repo := text(meta["githubCommitOrg"]), text(meta["githubCommitRepo"])
	if name := text(meta[metaKey(slipway.DetailRepository)]); name != "" {
		out[slipway.DetailRepository] = name
	} else if org != "" && repo != "" {
		out[slipway.DetailRepository] = org + "/" + repo
	}
	return out
}

// withCommit adds to a receipt what a deployment's meta tells of its commit.
func withCommit(r slipway.Receipt, meta map[string]any) slipway.Receipt {
	r.Details = maps.Clone(r.Details)
	if r.Details == nil {
		r.Details = map[string]string{}
	}
	maps.Copy(r.Details, commitDetails(meta))
	if len(r.Details) == 0 {
		r.Details = nil
	}
	return r
}

// gitSource is where Vercel is to fetch a commit: https://vercel.com/docs/rest-api/reference/endpoints/deployments/create-a-new-deployment
func gitSource(c slipway.Commit) map[string]any {
	return map[string]any{"type": "github", "repoId": int64(c.RepoID), "ref": c.Ref, "sha": c.SHA}
}

// commitMeta is what Slipway writes of a commit into a deployment's meta, beside its parameters: the names, which may change.
func commitMeta(c slipway.Commit) map[string]string {
	return map[string]string{metaKey(slipway.DetailRef): c.Ref, metaKey(slipway.DetailRepository): c.Repository}
}

// gitMetadata tells which commit a folder's files stand beside, as the vendor's CLI does, without author, message and remote: they are nobody's
// business, and may hold credentials. https://vercel.com/docs/rest-api/deployments/create-a-new-deployment
func gitMetadata(files slipway.FileSet) map[string]any {
	v, ok := files.(slipway.Versioned)
	if !ok {
		return nil
	}
	w, _ := v.WorkTree()
	if w == nil {
		return nil
	}
	git := map[string]any{"commitSha": w.Commit, "dirty": !w.Clean}
	if w.Branch != "" {
		git["commitRef"] = w.Branch
	}
	return git
}
