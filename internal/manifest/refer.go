package manifest

import (
	"slices"
	"strconv"
	"strings"

	slipway "github.com/slipway-dev/slipway"
)

// refer checks what ties two places together: from names a declared resource and one of its outputs, targets are declared.
func (r *reader) refer(tree map[string]any, types []slipway.ResourceType) {
	resources, resourcesRead := tree["resources"].(map[string]any)
	_, resourcesGiven := r.places["resources"]
	environments, environmentsRead := tree["environments"].([]any)
	env, _ := tree["env"].(map[string]any)
	for name, v := range env {
		entry, _ := v.(map[string]any)
		if from, ok := entry["from"].(string); ok && (resourcesRead || !resourcesGiven) {
			r.referOutput([]string{"env", name, "from"}, from, resources, types)
		}
		targets, _ := entry["targets"].([]any)
		for i, t := range targets {
			s, ok := t.(string)
			if !ok || !environmentsRead || slices.Contains(environments, t) || !environmentRule.holds(s) {
				continue
			}
			path := []string{"env", name, "targets", strconv.Itoa(i)}
			r.refuse(r.places[pathKey(path)].value, path, "declare it, for example: environments: [production, "+s+"]", "the environment %s is not declared", quoted(s))
		}
	}
}

func (r *reader) referOutput(path []string, from string, resources map[string]any, types []slipway.ResourceType) {
	if !fromRule.holds(from) {
		return // noted
	}
	at := r.places[pathKey(path)].value
	name, output, _ := strings.Cut(from, ".")
	declared := r.declared()
	if !slices.Contains(declared, name) {
		r.refuse(at, path, suggest(name, "resources", declared), "no resource has the name %s", quoted(name))
		return
	}
	entry, _ := resources[name].(map[string]any)
	i := slices.IndexFunc(types, func(t slipway.ResourceType) bool { return t.Name == entry["type"] })
	if i < 0 {
		return // the type's own fault is noted
	}
	var outputs []string
	for _, o := range types[i].Outputs {
		outputs = append(outputs, o.Name)
	}
	if !slices.Contains(outputs, output) {
		r.refuse(at, path, suggest(output, "outputs", outputs), "%s has no output %s", types[i].Name, quoted(output))
	}
}

// declared lists the names under resources, in the order of the alphabet, whether or not they have faults.
func (r *reader) declared() []string {
	var names []string
	for k := range r.places {
		if rest, ok := strings.CutPrefix(k, "resources\x00"); ok && !strings.Contains(rest, "\x00") {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}
