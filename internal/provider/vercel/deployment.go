package vercel

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway"
)

const (
	// inlineLimit is the size of a source tree, in bytes, up to which its files go inside the create.
	inlineLimit = 256 << 10
	// uploads is how many files are uploaded at a time.
	uploads = 50
	// regularFile is the mode that a file has when none is sent.
	regularFile = 0o100644
	// symbolicLink is the mode of a file whose content is where it leads.
	symbolicLink = 0o120777
)

// deployments makes vercel.deployment: a build of a source tree, found again by its meta. A production build is staged: no domain moves.
type deployments struct{ *client }

var (
	_ slipway.Handler = deployments{}
	_ slipway.Watcher = deployments{}
)

// metaKey is the name under which a param is kept in a deployment's meta: build_command is slipwayBuildCommand.
func metaKey(param string) string {
	var b strings.Builder
	b.WriteString("slipway")
	for word := range strings.SplitSeq(param, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// Observe looks for the newest deployment with want's app, input and target that did not fail; for the recorded one first. While the
// input is not known nothing can match, and nothing is asked. Without an input among the params it is the recorded one that is meant.
func (h deployments) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	const op = "vercel.deployment observe"
	in, ok := parent(want)
	input, declared := want.Params["input"]
	if !ok || declared && input == nil {
		return slipway.Observation{}, nil
	}
	if want.Known != nil && want.Known.ID != "" {
		d, err := h.getDeployment(ctx, op, want.Known.ID)
		if err == nil && d.of(in.ID) && (!declared || d.matches(want)) {
			return h.observation(d, want, in), nil
		}
		if err != nil {
			if _, err := h.nothing(ctx, op, in, err); err != nil {
				return slipway.Observation{}, err
			}
		}
	}
	if !declared {
		return slipway.Observation{}, nil
	}
	return h.search(ctx, op, want, in)
}

// search finds a deployment by its meta: the newest, or those of one run, of which there should be one.
func (h deployments) search(ctx context.Context, op string, want slipway.Spec, in slipway.Receipt) (slipway.Observation, error) {
	var found []*deployment
	meta := map[string]string{metaKey("app"): want.App, metaKey("input"): text(want.Params["input"])}
	err := h.listDeployments(ctx, op, in.ID, meta, func(d *deployment) bool {
		if d.matches(want) && !d.failed() {
			found = append(found, d)
		}
		return len(found) == 0 || want.Run != ""
	})
	if err != nil || len(found) == 0 {
		return h.nothing(ctx, op, in, err)
	}
	obs := h.observation(found[0], want, in)
	for _, d := range found {
		if len(found) > 1 {
			obs.Namesakes = append(obs.Namesakes, h.receipt(d, want, in))
		}
	}
	return obs, nil
}

func text(v any) string { s, _ := v.(string); return s }

// matches reports whether d was made by Slipway for this app, input and target: a server may not know the filters of the list. Within a
// run only that run's own deployment is meant.
func (d *deployment) matches(want slipway.Spec) bool {
	if want.Run != "" && d.Meta[metaKey("run")] != want.Run {
		return false
	}
	return d.Meta[metaKey("app")] == want.App && d.Meta[metaKey("input")] == want.Params["input"] && d.environment() == want.Address.Environment()
}

// of reports whether d is one of that project's, as far as it tells.
func (d *deployment) of(projectID string) bool {
	id := d.ProjectID
	if id == "" && d.Project != nil {
		id = d.Project.ID
	}
	return id == "" || id == projectID
}

func (d *deployment) environment() string {
	if d.Target == "" {
		return slipway.Preview
	}
	return d.Target
}

func (d *deployment) failed() bool {
	switch d.state() {
	case "ERROR", "CANCELED", "DELETED":
		return true
	}
	return d.ChecksConclusion == "failed"
}

func (d *deployment) aliased() bool {
	switch v := d.AliasAssigned.(type) {
	case bool:
		return v
	case float64:
		return v > 0
	}
	return false
}

// observation: READY is not live. Its checks have to be over, and a preview is live when its aliases are assigned; a staged production build
// has none to wait for.
func (h deployments) observation(d *deployment, want slipway.Spec, in slipway.Receipt) slipway.Observation {
	obs := slipway.Observation{Exists: true, Owned: true, Receipt: h.receipt(d, want, in), Fields: map[string]any{"target": d.environment()}}
	obs.Vintage, obs.Served = vintage(d.Meta, max(d.CreatedAt, d.Created)), d.ReadySubstate == "PROMOTED" || d.ReadySubstate == "ROLLING"
	for param := range want.Params {
		if v, ok := d.Meta[metaKey(param)]; ok {
			obs.Fields[param] = v
		}
	}
	switch {
	case d.failed():
		obs.Failed = h.buildFailed(d)
	case d.state() != "READY" || d.ChecksState == "registered" || d.ChecksState == "running":
		obs.Pending, obs.Stage = true, strings.ToLower(h.rest.Clean(d.state()))
		if d.state() == "READY" {
			obs.Stage = "checks"
		}
	case d.environment() != slipway.Production && d.AliasError != nil && !d.aliased():
		obs.Failed = slipway.Errorf(slipway.CodeUnavailable, "the deployment %s is ready, and does not have all of its aliases: %s", d.id(), h.rest.Clean(d.AliasError.Message)).
			WithHint("look at its domains in the Vercel project, then ship again")
	case d.environment() != slipway.Production:
		if obs.Pending = !d.aliased(); obs.Pending {
			obs.Stage = "aliases"
		}
	}
	return obs
}

// vintage reads when a deployment was planned from its meta; where it does not tell, it is when it was created.
func vintage(meta map[string]any, created float64) slipway.Vintage {
	planned, err := time.Parse(time.RFC3339Nano, text(meta[metaKey("planned")]))
	if err != nil {
		planned = millis(created)
	}
	return slipway.Vintage{Planned: planned}
}

func (h deployments) buildFailed(d *deployment) *slipway.Error {
	why := d.ErrorMessage
	switch {
	case d.state() == "CANCELED":
		why = "it was canceled"
	case why == "" && d.ChecksConclusion == "failed":
		why = "its checks failed"
	case why == "":
		why = d.state()
	}
	e := slipway.Errorf(slipway.CodeBuildFailed, "the deployment %s failed: %s", d.id(), h.rest.Clean(why))
	if d.InspectorURL != "" {
		e.Hint = "see " + h.rest.Clean(d.InspectorURL)
	}
	return e
}

func (h deployments) receipt(d *deployment, want slipway.Spec, in slipway.Receipt) slipway.Receipt {
	r := slipway.Receipt{
		Address: want.Address, Account: in.Account, ID: d.id(), Name: d.Name, URLs: []string{h.scheme + "://" + d.URL},
		Details: map[string]string{"project_id": in.ID}, CreatedAt: millis(max(d.CreatedAt, d.Created)),
	}
	if len(d.Regions) > 0 {
		r.Region = d.Regions[0]
	}
	return withCommit(r, d.Meta)
}

// Create posts the tree: small ones whole, others by digest, and then once more when Vercel has said which contents it lacks. Of a commit
// it posts where it is.
func (h deployments) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	const op = "vercel.deployment create"
	in, ok := parent(want)
	if !ok || want.Files == nil {
		return slipway.Receipt{}, orphan(op)
	}
	body := deploymentBody(want, in)
	if pinned, ok := want.Files.(slipway.Pinned); ok {
		body["gitSource"] = gitSource(pinned.Commit())
		d, err := h.createDeployment(ctx, op, false, body)
		if err != nil {
			return slipway.Receipt{}, err
		}
		return h.receipt(d, want, in), nil
	}
	files, inline, err := h.tree(ctx, op, want.Files)
	if err != nil {
		return slipway.Receipt{}, err
	}
	body["files"] = files
	prebuilt := text(want.Params["prebuilt"]) != ""
	d, err := h.createDeployment(ctx, op, prebuilt, body)
	if missing := (*missingFiles)(nil); errors.As(err, &missing) && !inline {
		if err := h.uploadAll(ctx, op, want.Files, missing.digests); err != nil {
			return slipway.Receipt{}, err
		}
		d, err = h.createDeployment(ctx, op, prebuilt, body)
	}
	if err != nil {
		return slipway.Receipt{}, err
	}
	return h.receipt(d, want, in), nil
}

// deploymentBody is all but the files. autoAssignCustomDomains is what the vendor's CLI sends for --skip-domain; the published document
// does not list it: https://github.com/vercel/vercel/blob/main/packages/cli/src/util/deploy/create-deploy.ts
func deploymentBody(want slipway.Spec, in slipway.Receipt) map[string]any {
	meta := map[string]string{metaKey("app"): want.App, metaKey("run"): want.Run}
	if !want.Planned.IsZero() {
		meta[metaKey("planned")] = want.Planned.UTC().Format(time.RFC3339Nano)
	}
	projectSettings := map[string]any{}
	for param, value := range want.Params {
		if s, ok := value.(string); ok {
			meta[metaKey(param)] = s
		}
	}
	if pinned, ok := want.Files.(slipway.Pinned); ok {
		maps.Copy(meta, commitMeta(pinned.Commit()))
	}
	for _, s := range settings {
		if v := want.Params[s.param]; v != nil {
			projectSettings[s.field] = v
		}
	}
	body := map[string]any{"name": want.Name, "project": in.ID, "meta": meta}
	if git := gitMetadata(want.Files); git != nil {
		body["gitMetadata"] = git
	}
	if len(projectSettings) > 0 {
		body["projectSettings"] = projectSettings
	}
	if want.Address.Environment() == slipway.Production {
		body["target"], body["autoAssignCustomDomains"] = slipway.Production, false
	}
	return body
}

// tree returns the files of a create. inline tells that their contents are inside.
func (h deployments) tree(ctx context.Context, op string, set slipway.FileSet) (out []map[string]any, inline bool, err error) {
	files := set.Files()
	inline = inlined(files)
	for _, f := range files {
		entry := map[string]any{"file": f.Path, "sha": f.SHA1, "size": f.Size}
		if inline {
			content, err := read(ctx, op, set, f)
			if err != nil {
				return nil, false, err
			}
			entry = map[string]any{"file": f.Path, "data": base64.StdEncoding.EncodeToString(content), "encoding": "base64"}
		}
		// mode is what @vercel/client sends for all files; the published document does not list it, so it goes only where it matters.
		if f.Mode != regularFile && f.Mode != 0 {
			entry["mode"] = f.Mode
		}
		out = append(out, entry)
	}
	return out, inline, nil
}

// inlined reports whether a tree goes inside the create: a small one without links, which @vercel/client never inlines either.
func inlined(files []slipway.File) bool {
	var size int64
	for _, f := range files {
		if size += f.Size; size > inlineLimit || f.Mode == symbolicLink {
			return false
		}
	}
	return true
}

func read(ctx context.Context, op string, set slipway.FileSet, f slipway.File) ([]byte, error) {
	r, err := set.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, f.Size+1))
	if own := (*slipway.Error)(nil); errors.As(err, &own) {
		return nil, err
	}
	if err != nil || int64(len(content)) != f.Size {
		e := slipway.Errorf(slipway.CodeSourceChanged, "the file %s changed while it was read", f.Path)
		e.Op = op
		return nil, e
	}
	return content, nil
}

// uploadAll uploads the contents with these digests, each once.
func (h deployments) uploadAll(ctx context.Context, op string, set slipway.FileSet, digests []string) error {
	byDigest := map[string]slipway.File{}
	for _, f := range set.Files() {
		byDigest[f.SHA1] = f
	}
	wanted := map[string]slipway.File{}
	for _, digest := range digests {
		f, ok := byDigest[strings.ToLower(digest)]
		if !ok {
			e := slipway.Errorf(slipway.CodeMalformed, "Vercel asks for a file that is not in the source tree")
			e.Op = op
			return e
		}
		wanted[f.SHA1] = f
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for _, f := range wanted {
		group.Go(func() error {
			return ofFile(f, h.upload(ctx, op, f, func() (io.ReadCloser, error) { return set.Open(ctx, f) }))
		})
	}
	return group.Wait()
}

// ofFile names the file whose upload is over a limit; any other error stays as it is.
func ofFile(f slipway.File, err error) error {
	if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Code == slipway.CodeLimit {
		e.Message = fmt.Sprintf("Vercel does not take the file %s of %d bytes: %s", f.Path, f.Size, e.Message)
		e.Hint = "add it to .vercelignore and serve it from elsewhere, or upgrade: Hobby takes 100 MB, Pro 1 GB (https://vercel.com/docs/limits)"
	}
	return err
}

func (deployments) Update(context.Context, slipway.Spec, slipway.Observation) (slipway.Receipt, error) {
	return slipway.Receipt{}, never("vercel.deployment update")
}

func (h deployments) Delete(ctx context.Context, ref slipway.Receipt) error {
	return h.deleteDeployment(ctx, "vercel.deployment delete", ref.ID)
}
