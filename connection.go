package slipway

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// Connection is a way to try out a resource's values.
type Connection string

const (
	ConnectPostgres Connection = "postgres" // output url or pooled_url: TLS, select 1; tells database, role and owner
	ConnectRedis    Connection = "redis"    // outputs rest_url and rest_token: PING, and that the token may write; tells nothing
	ConnectVector   Connection = "vector"   // outputs rest_url and rest_token: /info; tells dimensions and metric
)

// Connector tries a resource's values out, by output: one of the Connection's Sets. facts are what it saw of the resource, under the names of
// Spec.Params: where one differs from what is declared, the values are another resource's. It fails with CodeUnauthorized, CodeUnavailable or
// CodeCheckFailed, and tells never a value.
type Connector func(ctx context.Context, values map[string]Secret) (facts map[string]any, err error)

// Sets are the sets of outputs that the connection takes, each enough by itself; none for "".
func (c Connection) Sets() [][]string {
	switch c {
	case ConnectPostgres:
		return [][]string{{"url"}, {"pooled_url"}}
	case ConnectRedis, ConnectVector:
		return [][]string{{"rest_url", "rest_token"}}
	}
	return nil
}

// Needs are the sets that hold an output that is used; where no set does, the first of them.
func (c Connection) Needs(used []string) [][]string {
	sets := c.Sets()
	needs := slices.DeleteFunc(slices.Clone(sets), func(set []string) bool {
		return !slices.ContainsFunc(set, func(o string) bool { return slices.Contains(used, o) })
	})
	if len(needs) == 0 && len(sets) > 0 {
		needs = sets[:1]
	}
	return needs
}

// Exports are the environment variables by which a person hands over what a resource's connection needs.
func (c Connection) Exports(resource string, used []string) []string {
	var out []string
	for _, set := range c.Needs(used) {
		for _, o := range set {
			out = append(out, OutputVariable(OutputRef{Resource: resource, Output: o}))
		}
	}
	return out
}

// ProbeVariable is the environment variable by which a person hands over the secret that lets health probes in, where no credential reads it, such
// as SLIPWAY_OUTPUT_VERCEL_BYPASS. It is for a kind with a Probing header.
func (k KindInfo) ProbeVariable() string { return outputPrefix + placeholderName(string(k.Kind)) }

// probeVariables are those of a provider.
func probeVariables(info ProviderInfo) []string {
	var out []string
	for _, k := range info.Kinds {
		if k.Probing != "" {
			out = append(out, k.ProbeVariable())
		}
	}
	return out
}

// exports are the environment variables by which the check of e's step takes what nothing else can tell: the values of a manifest resource, or
// what lets a probe into a deployment.
func exports(info ProviderInfo, e Effect, serves string, c Connection, used []string) []string {
	i := slices.IndexFunc(info.Kinds, func(k KindInfo) bool { return k.Kind == e.Address.Kind() })
	switch {
	case e.Op == OpDelete:
		return nil
	case i >= 0 && info.Kinds[i].Versioned:
		return probeVariables(info)
	}
	return c.Exports(serves, used)
}

// unseenCheck is how e's step is checked where no credential of its provider can look.
func unseenCheck(info ProviderInfo, e Effect, c Connection) string {
	versioned := slices.ContainsFunc(info.Kinds, func(k KindInfo) bool { return k.Kind == e.Address.Kind() && k.Versioned })
	switch {
	case e.Op == OpDelete || c == "" && !versioned:
		return "no credential here can look at it: slipway manual RUN --assert STEP --note '…' takes a person's word, signed"
	case versioned:
		return "it answers over HTTP, at the address that --url gives to slipway manual RUN --check STEP"
	}
	return "its values, exported as below, are tried out: " + map[Connection]string{
		ConnectPostgres: "TLS, the login and select 1", ConnectRedis: "PING over REST", ConnectVector: "/info over REST",
	}[c]
}

// ConnectionOf returns how a manifest resource's values are tried out, "" for not at all.
func ConnectionOf(providers []Provider, m *Manifest, resource string) Connection {
	for _, p := range providers {
		for _, t := range p.Info().Types {
			if t.Name == m.Resources[resource].Type {
				return t.Connects
			}
		}
	}
	return ""
}

// OutputsUsed are the outputs of a manifest resource that an environment's variables use, sorted.
func (m *Manifest) OutputsUsed(resource, environment string) []string {
	used := map[string]bool{}
	for _, v := range m.Env {
		if r, o, ok := strings.Cut(v.From, "."); ok && r == resource && m.AppliesTo(v, environment) {
			used[o] = true
		}
	}
	return slices.Sorted(maps.Keys(used))
}
