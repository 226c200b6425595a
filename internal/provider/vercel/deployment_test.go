package vercel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

func TestDeploymentBody(t *testing.T) {
	spec := speccheck.Load(t, "vercel")
	var b bodies
	w := start(t, manifest(), b.of("/v13/deployments", func(r *http.Request) {
		// The document forbids autoAssignCustomDomains, which the vendor's CLI sends, and mode, which @vercel/client sends.
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		delete(body, "autoAssignCustomDomains")
		for _, f := range body["files"].([]any) {
			delete(f.(map[string]any), "mode")
		}
		raw, _ := json.Marshal(body)
		bare := r.Clone(r.Context())
		bare.Body = io.NopCloser(bytes.NewReader(raw))
		if err := spec.Request(bare); err != nil {
			t.Error(err)
		}
	}))
	for _, environment := range []string{slipway.Production, slipway.Preview} {
		if _, err := w.handler(kindDeployment).Create(t.Context(), w.spec(slipway.NewAddress(kindDeployment, "shop", environment))); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]any{
		"name": "shop-front", "project": w.project.ID, "target": "production", "autoAssignCustomDomains": false,
		"meta": map[string]any{
			"slipwayApp": "shop", "slipwayRun": "run-1", "slipwayInput": "sha256:1234", "slipwayTree": "sha256:5678", "slipwayTarget": "production",
			"slipwayFramework": "nextjs", "slipwayBuildCommand": "npm run build", "slipwayRegion": "fra1",
		},
		"projectSettings": map[string]any{"framework": "nextjs", "buildCommand": "npm run build", "serverlessFunctionRegion": "fra1"},
		"files": []any{
			map[string]any{"file": "bin/run", "data": "IyEvYmluL3NoCg==", "encoding": "base64", "mode": float64(0o100755)},
			map[string]any{"file": "empty", "data": "", "encoding": "base64"},
			map[string]any{"file": "index.html", "data": "aGVsbG8=", "encoding": "base64"},
		},
	}
	if diff := cmp.Diff(want, b.sent[0]); diff != "" {
		t.Errorf("production is staged (-want +got):\n%s", diff)
	}
	delete(want, "target")
	delete(want, "autoAssignCustomDomains")
	want["meta"].(map[string]any)["slipwayTarget"] = "preview"
	if diff := cmp.Diff(want, b.sent[1]); diff != "" {
		t.Errorf("a preview has no target (-want +got):\n%s", diff)
	}
}

func TestUploadOnlyWhatIsMissing(t *testing.T) {
	var b bodies
	w := start(t, manifest(), b.of("/v13/deployments", nil))
	files := tree{"big": strings.Repeat("x", inlineLimit), "copy-1": "same", "copy-2": "same", "none": ""}
	for i := range 80 {
		files[fmt.Sprintf("page-%d", i)] = fmt.Sprintf("page %d", i)
	}
	create := func(input string) slipway.Receipt {
		s := w.spec("vercel.deployment/shop@production")
		s.Params["input"], s.Files = input, files
		r, err := w.handler(kindDeployment).Create(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := create("one")
	if n := w.count("POST", "/v2/files"); n != 83 || len(b.sent) != 2 {
		t.Errorf("%d uploads and %d creates, want one upload for each content, and a create before and after", n, len(b.sent))
	}
	files["page-0"] = "changed"
	second := create("two")
	if n := w.count("POST", "/v2/files"); n != 84 || len(b.sent) != 4 {
		t.Errorf("%d uploads and %d creates after one file changed", n, len(b.sent))
	}
	if len(first.URLs) != 1 || !strings.HasPrefix(first.URLs[0], "http://shop-front-") || first.ID == second.ID {
		t.Errorf("receipts %+v, %+v", first, second)
	}
}

func TestSourceChangedWhileUploading(t *testing.T) {
	w := start(t, manifest(), nil)
	s := w.spec("vercel.deployment/shop@production")
	for reason, files := range map[string]slipway.FileSet{
		"inline": changing{tree{"a": "x"}},
		"upload": changing{tree{"a": strings.Repeat("x", inlineLimit+1)}},
	} {
		s.Files = files
		if _, err := w.handler(kindDeployment).Create(t.Context(), s); slipway.ErrorCode(err) != slipway.CodeSourceChanged {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if obs := w.observe(s); obs.Exists {
		t.Errorf("a deployment was made: %+v", obs)
	}
}

// changing is a tree whose files are no longer those that were listed.
type changing struct{ tree }

func (changing) Open(context.Context, slipway.File) (io.ReadCloser, error) {
	return nil, slipway.Errorf(slipway.CodeSourceChanged, "the file changed")
}

func TestDeploymentFails(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.BuildFails = func(vercelemu.Build) string { return "exit 1" }
	want := w.spec("vercel.deployment/shop@production")
	r, err := w.handler(kindDeployment).Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if obs := w.observe(want); obs.Exists {
		t.Errorf("a failed build of another run is not taken up: %+v", obs)
	}
	want.Known = &r
	obs := w.observe(want)
	if obs.Failed == nil || obs.Failed.Code != slipway.CodeBuildFailed || !strings.Contains(obs.Failed.Message, "exit 1") {
		t.Errorf("the recorded one tells why it failed: %+v", obs.Failed)
	}
}

func TestDeploymentCalls(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.deployment/shop@production")
	calls := func(s slipway.Spec) int {
		before := len(w.server.Calls())
		w.observe(s)
		return len(w.server.Calls()) - before
	}
	unknown := w.spec("vercel.deployment/shop@production")
	unknown.Params["input"] = nil
	if n := calls(unknown); n != 0 {
		t.Errorf("%d calls while the input is not known", n)
	}
	r, err := w.handler(kindDeployment).Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if n := calls(want); n != 1 {
		t.Errorf("%d calls to find it by its meta", n)
	}
	want.Known = &r
	if n := calls(want); n != 1 {
		t.Errorf("%d calls to look at the recorded one", n)
	}
	bare := w.spec("vercel.deployment/shop@production")
	bare.Known, bare.Params = &r, nil
	if obs := w.observe(bare); !obs.Exists || obs.Receipt.ID != r.ID {
		t.Errorf("without an input the recorded one is meant: %+v", obs)
	}
}

func TestObservedInOnePass(t *testing.T) {
	w := start(t, manifest(), nil)
	pass := w.session.Pass()
	before := len(w.server.Calls())
	for a := range w.specs {
		s := w.spec(a)
		s.Known = nil
		if a.Kind() == kindProject {
			s.Known = &w.project
		}
		if a.Kind() == kindProduction {
			s.Params["deployment"] = nil
		}
		if _, err := pass.Handler(a.Kind()).Observe(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range w.server.Calls()[before:] {
		got = append(got, c.Method+" "+c.Route)
	}
	if len(got) != 3 { // the project, its variables, and the deployments with this input
		t.Errorf("%d calls: %v", len(got), got)
	}
}
