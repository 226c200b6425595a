package vercelemu

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

var (
	envField      = mapOf(str(0))
	tagsField     = mapOf(str(256))
	settingFields = map[string]*schema{
		"ports": list(number()), "timeout": number(), "persistent": boolean(), "tags": tagsField, "env": envField, "region": str(0),
		"resources": openObject(map[string]*schema{"vcpus": number(), "memory": number()}), "networkPolicy": policyBody,
	}
	sourceField = either(
		openObject(map[string]*schema{"type": oneOf("git"), "url": str(0), "depth": number(), "revision": str(0), "username": str(0), "password": str(0)}, "type", "url"),
		openObject(map[string]*schema{"type": oneOf("tarball"), "url": str(0)}, "type", "url"),
		openObject(map[string]*schema{"type": oneOf("snapshot"), "snapshotId": str(0)}, "type", "snapshotId"))

	createV3   = openObject(with(settingFields, map[string]*schema{"projectId": str(0), "name": str(128), "source": sourceField, "image": str(0)}), "projectId")
	createV2   = openObject(with(createV3.fields, map[string]*schema{"runtime": oneOf("node22", "node24", "node26", "python3.13", "python3.14")}), "projectId")
	patchBody  = openObject(settingFields)
	extendBody = openObject(map[string]*schema{"duration": number()}, "duration")
)

func with(a, b map[string]*schema) map[string]*schema {
	out := map[string]*schema{}
	for _, m := range []map[string]*schema{a, b} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// settings are what create and PATCH have in common. nil is left as it is.
type settings struct {
	Ports         []int
	Timeout       *float64
	Persistent    *bool
	Tags, Env     map[string]string
	Region        *string
	Resources     *struct{ VCPUs, Memory *float64 }
	NetworkPolicy json.RawMessage
	Mounts        map[string]any
	NetworkID     *string
}

// apply changes b. s.mu is held.
func (s *SandboxServer) apply(b *sandbox, in settings) *failure {
	if len(in.Mounts) > 0 || in.NetworkID != nil {
		return &failure{status: http.StatusNotImplemented, code: "not_implemented", message: "the emulator does not model drives and secure compute"}
	}
	if len(in.Ports) > maxPorts || slices.ContainsFunc(in.Ports, func(p int) bool { return p < 1 || p > 65535 }) {
		return badRequest("Invalid request: `ports` should be at most 15 numbers from 1 to 65535.")
	}
	timeout := b.timeout
	if in.Timeout != nil {
		timeout = time.Duration(*in.Timeout) * time.Millisecond
		if *in.Timeout < 1 || *in.Timeout > float64(s.maxLife()/time.Millisecond) {
			return badRequest("Invalid request: `timeout` should be at least 1 and at most your plan's maximum.")
		}
	}
	vcpus := b.vcpus
	if in.Resources != nil && in.Resources.VCPUs != nil {
		v := *in.Resources.VCPUs
		if vcpus = int(v); float64(vcpus) != v || vcpus < 1 || vcpus > maxVCPUs || vcpus > 1 && vcpus%2 != 0 {
			return badRequest("Invalid request: `resources.vcpus` should be 1 or an even number up to 32.")
		}
	}
	if m := in.Resources; m != nil && m.Memory != nil && *m.Memory != float64(vcpus*memoryPerVCPU) {
		return badRequest("Invalid request: `resources.memory` should be 2048 for each vCPU.")
	}
	if in.NetworkPolicy != nil {
		policy, f := policyOf(in.NetworkPolicy)
		if f != nil {
			return f
		}
		b.policy = policy
	}
	b.timeout, b.vcpus = timeout, vcpus
	if in.Ports != nil {
		b.ports = in.Ports
	}
	if in.Persistent != nil {
		b.persistent = *in.Persistent
	}
	if in.Tags != nil {
		b.tags = in.Tags
	}
	if in.Env != nil {
		b.env = in.Env
	}
	if in.Region != nil {
		b.region = *in.Region
	}
	return nil
}

func (s *SandboxServer) maxLife() time.Duration { return span(s.MaxLife, 45*time.Minute) }
