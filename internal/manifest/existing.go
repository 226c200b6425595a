package manifest

import slipway "github.com/slipway-dev/slipway"

// What names something that exists already is pasted from a provider's page, where secrets and addresses stand beside it.
var (
	noSecretRule = &rule{
		forbid: credentialPattern, masked: true, says: "name what exists, and this looks like a secret",
		hint: "it was not kept; give the id or name that the provider's page shows, and if it is a real secret, revoke it",
	}
	noURLRule = &rule{
		forbid: `://`, masked: true, says: "be an id or a name, not a URL",
		hint: "give the part of that address that names the resource, or what its page shows as its id",
	}
	existingNameRule = &rule{
		pattern: nameRule.pattern, forbid: nameRule.forbid, max: nameRule.max, says: nameRule.says, masked: true, first: []*rule{noSecretRule, noURLRule},
	}
	vercelProjectRule = existingRule(`^(prj_[A-Za-z0-9]{1,64}|[a-z0-9._-]{1,100})$`, "be a project's id (prj_…) or name, without spaces")
)

// existingRule demands a provider's pattern. What does not match is not shown, as nothing tells what it is.
func existingRule(pattern, says string) *rule {
	return &rule{
		pattern: pattern, masked: true, says: says, first: []*rule{noSecretRule, noURLRule},
		hint: "copy it again from the provider's page, without spaces and quotes",
	}
}

func existingNode(keys []slipway.ExistingInfo) *node {
	n := &node{shape: object, help: "names one that exists already: it is checked and used as found, and never changed or deleted"}
	for _, k := range keys {
		r := existingNameRule
		if k.Pattern != "" {
			r = existingRule(k.Pattern, k.Says)
		}
		n.keys = append(n.keys, key{k.Name, k.Required, &node{rule: r, help: k.Help}})
	}
	n.example = "{" + n.keys[0].name + ": …}"
	return n
}

func vercelExistingNode() *node {
	return &node{
		shape: object, example: "{project: prj_…}",
		help: "names a project that exists already: it is never deleted, and only the settings that stand here are changed",
		keys: []key{
			{"project", true, &node{rule: vercelProjectRule, help: "id (prj_…) or name of the project"}},
			{"repository", false, &node{rule: repositoryRule, help: "owner/repo that the project may be linked to; default: source.github, else it may be linked to none"}},
		},
	}
}

// broken returns the first rule that s breaks, nil for none.
func (r *rule) broken(s string) *rule {
	if r == nil {
		return nil
	}
	for _, before := range r.first {
		if !before.holds(s) {
			return before
		}
	}
	if !r.holds(s) {
		return r
	}
	return nil
}
