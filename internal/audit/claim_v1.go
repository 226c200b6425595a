package audit

import (
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// What version 1 of the format calls for, where later ones do it in another way.

// buildTypeV1 has what came out of a deployment among what went in.
const buildTypeV1 = "https://slipway.dev/build-types/deployment/v1"

func (b *reading) testClaimV1(c slipway.Check, s slipway.Step, plan string, receipts map[slipway.Address]slipway.Receipt) claim {
	tests := []string{}
	for _, p := range c.Probes {
		tests = append(tests, "GET "+p.Path)
	}
	if c.Job != nil {
		for _, argv := range c.Job.Commands {
			tests = append(tests, strings.Join(argv, " "))
		}
	}
	result, list := "PASSED", "passedTests"
	if s.State == slipway.StepFailed {
		result, list = "FAILED", "failedTests"
	}
	m := map[string]any{"result": result, "configuration": []attest.Subject{attest.About("plan", plan)}}
	if len(tests) > 0 {
		m[list] = tests
	}
	for _, name := range []string{"isolation", "probes"} {
		if v := s.Basis[name]; v != nil {
			m[name] = v
		}
	}
	if name, ok := s.Basis["transcript"].(string); ok {
		m["transcript"] = attest.About("transcript", name)
	}
	r, made := receipts[c.Address]
	switch {
	case c.Job != nil:
		return claim{attest.TestResult, m, "source tree", b.run.Source}
	case !made:
		return claim{attest.TestResult, m, string(c.Address), plan}
	}
	if len(r.URLs) > 0 {
		m["url"] = r.URLs[0]
	}
	sum, _ := valueDigest(r) // it was decoded from JSON
	return claim{attest.TestResult, m, string(c.Address), sum}
}

func (b *reading) provenanceClaimV1(x slipway.Effect, s slipway.Step, plan string) map[string]any {
	sums := map[string]string{}
	for _, f := range b.index.Files {
		sums[f.Path] = f.SHA256
	}
	dependencies := []attest.Subject{}
	if b.run.Source != "" {
		dependencies = append(dependencies, attest.About("source tree", b.run.Source))
	}
	dependencies = append(dependencies, attest.About(nameManifest, "sha256:"+sums[nameManifest]))
	if s.Receipt != nil {
		if sha := s.Receipt.Details[slipway.DetailCommit]; sha != "" {
			dependencies = append(dependencies, attest.Subject{Name: s.Receipt.Details[slipway.DetailRepository], Digest: map[string]string{"gitCommit": sha}})
		}
	}
	parameters := map[string]any{
		"app": b.run.App, "environment": b.run.Environment, "plan": plan, "kind": x.Address.Kind(), "input": s.Basis["input"],
	}
	if s.Receipt != nil {
		hosts := []string{}
		for _, u := range s.Receipt.URLs {
			hosts = append(hosts, strings.SplitN(strings.SplitN(u+"://", "://", 3)[1], "/", 2)[0])
		}
		parameters["id"], parameters["urls"], parameters["domains"] = s.Receipt.ID, s.Receipt.URLs, hosts
	}
	metadata := map[string]any{"invocationId": fmt.Sprintf("%s/%d/%s", b.run.ID, s.Revision, s.Key)}
	put(metadata, map[string]any{"startedOn": timestamp(s.IntentAt), "finishedOn": timestamp(s.EndedAt)})
	return map[string]any{
		"buildDefinition": map[string]any{"buildType": buildTypeV1, "externalParameters": parameters, "resolvedDependencies": dependencies},
		"runDetails":      map[string]any{"builder": map[string]any{"id": builderID}, "metadata": metadata},
	}
}
