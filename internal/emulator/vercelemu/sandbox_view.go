package vercelemu

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

func (ses *session) view() obj {
	b := ses.box
	v := obj{
		"id": ses.id, "memory": b.vcpus * memoryPerVCPU, "vcpus": b.vcpus, "region": b.region, "runtime": b.runtime, "timeout": ses.timeout.Milliseconds(),
		"status": ses.status, "requestedAt": ses.created.UnixMilli(), "startedAt": ses.created.UnixMilli(), "createdAt": ses.created.UnixMilli(),
		"updatedAt": ses.updated.UnixMilli(), "cwd": sandboxCwd, "networkPolicy": ses.policy, "projectId": b.project, "sourceSandboxName": b.name,
	}
	if !ses.stopAsked.IsZero() {
		v["requestedStopAt"] = ses.stopAsked.UnixMilli()
	}
	if !ses.stopped.IsZero() {
		v["stoppedAt"] = ses.stopped.UnixMilli()
		v["duration"] = ses.stopped.Sub(ses.created).Milliseconds()
		v["activeCpuDurationMs"] = ses.cpu.Milliseconds()
		v["networkTransfer"] = obj{"ingress": 0, "egress": 0}
	}
	return v
}

func (b *sandbox) view() obj {
	status := b.current.status
	v := obj{
		"name": b.name, "persistent": b.persistent, "region": b.region, "vcpus": b.vcpus, "memory": b.vcpus * memoryPerVCPU, "runtime": b.runtime,
		"timeout": b.timeout.Milliseconds(), "networkPolicy": withoutRules(b.policy), "createdAt": b.created.UnixMilli(), "updatedAt": b.updated.UnixMilli(),
		"currentSessionId": b.current.id, "status": status, "statusUpdatedAt": b.status.UnixMilli(), "cwd": sandboxCwd,
	}
	if b.image != "" {
		v["image"] = b.image
	}
	if b.tags != nil {
		v["tags"] = b.tags
	}
	return v
}

// routes are the hosts that would lead to the ports. Nobody serves them.
func (b *sandbox) routes() []obj {
	out := []obj{}
	for _, p := range b.ports {
		sub := fmt.Sprintf("sb-%s-%d", strings.ToLower(strings.TrimPrefix(b.current.id, "sbs_"))[:12], p)
		out = append(out, obj{"url": "https://" + sub + ".vercel.run", "subdomain": sub, "port": p})
	}
	return out
}

var (
	domainRules = list(anything())
	policyBody  = either(
		openObject(map[string]*schema{
			"mode": oneOf("allow-all", "deny-all", "custom"), "allowedDomains": list(str(0)), "allowedCIDRs": list(str(0)),
			"deniedCIDRs": list(str(0)), "injectionRules": list(openObject(map[string]*schema{"domain": str(0), "headers": mapOf(str(0))}, "domain")),
		}, "mode"),
		object(map[string]*schema{
			"allow":   either(list(str(0)), mapOf(domainRules)),
			"subnets": object(map[string]*schema{"allow": list(str(0)), "deny": list(str(0))}),
		}))
)

// policyOf reads a network policy in either of the request's forms and returns the reply's: {mode}, or mode custom with
// what is allowed and denied. Headers that a rule would inject are secrets: only their names are kept.
func policyOf(raw json.RawMessage) (obj, *failure) {
	var in struct {
		Mode                                      string
		Allow                                     json.RawMessage
		AllowedDomains, AllowedCIDRs, DeniedCIDRs []string
		InjectionRules                            []struct {
			Domain  string
			Headers map[string]string
		}
		Subnets struct{ Allow, Deny []string }
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, badRequest("Invalid request: `networkPolicy`: " + err.Error())
	}
	if in.Mode == "allow-all" || in.Mode == "deny-all" {
		return obj{"mode": in.Mode}, nil
	}
	domains, rules := in.AllowedDomains, []obj{}
	for _, r := range in.InjectionRules {
		rules = append(rules, obj{"domain": r.Domain, "headerNames": slices.Sorted(maps.Keys(r.Headers))})
	}
	var byDomain map[string][]struct {
		Transform []struct{ Headers map[string]string }
	}
	if json.Unmarshal(in.Allow, &domains) != nil && json.Unmarshal(in.Allow, &byDomain) == nil {
		for _, d := range slices.Sorted(maps.Keys(byDomain)) {
			domains = append(domains, d)
			for _, r := range byDomain[d] {
				for _, t := range r.Transform {
					rules = append(rules, obj{"domain": d, "headerNames": slices.Sorted(maps.Keys(t.Headers))})
				}
			}
		}
	}
	out := obj{"mode": "custom"}
	for name, values := range map[string][]string{
		"allowedDomains": domains, "allowedCIDRs": slices.Concat(in.AllowedCIDRs, in.Subnets.Allow),
		"deniedCIDRs": slices.Concat(in.DeniedCIDRs, in.Subnets.Deny),
	} {
		if len(values) == 0 {
			continue
		}
		for _, v := range values {
			if _, err := netip.ParsePrefix(v); err != nil && strings.HasSuffix(name, "CIDRs") {
				return nil, badRequest("Invalid request: `" + v + "` is no CIDR.")
			}
		}
		out[name] = values
	}
	if len(rules) > 0 {
		out["injectionRules"] = rules
	}
	return out, nil
}

// withoutRules is a policy as a sandbox shows it: the published document has the rules in sessions only.
func withoutRules(policy obj) obj {
	out := maps.Clone(policy)
	delete(out, "injectionRules")
	return out
}
