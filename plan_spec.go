package slipway

import (
	"maps"
	"slices"
)

// reads are the addresses whose outputs or fingerprints s takes.
func (s Spec) reads(all []Spec) []Address {
	out := slices.Clone(s.Seals)
	for _, in := range s.Inputs {
		if in.From == nil {
			continue
		}
		for _, o := range all {
			if o.Serves == in.From.Resource {
				out = append(out, o.Address)
			}
		}
	}
	for _, a := range s.IDs {
		out = append(out, a)
	}
	slices.Sort(out)
	return out
}

// sortSpecs orders Specs so that what is needed comes first, else by address. A cycle is CodeInvalid.
func sortSpecs(specs []Spec) ([]Spec, error) {
	byAddress := map[Address]Spec{}
	for _, s := range specs {
		byAddress[s.Address] = s
	}
	var out []Spec
	state := map[Address]int{} // 1: on the way, 2: done
	var visit func(a Address) error
	visit = func(a Address) error {
		s, ok := byAddress[a]
		if !ok || state[a] == 2 {
			return nil
		}
		if state[a] == 1 {
			return Errorf(CodeInvalid, "%s depends on itself", a)
		}
		state[a] = 1
		for _, need := range slices.Concat(s.Needs, s.After, s.reads(specs)) {
			if err := visit(need); err != nil {
				return err
			}
		}
		state[a] = 2
		out = append(out, s)
		return nil
	}
	for _, a := range slices.Sorted(maps.Keys(byAddress)) {
		if err := visit(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SortSpecs orders Specs so that what is needed comes first. A cycle is CodeInvalid.
func SortSpecs(specs []Spec) ([]Spec, error) { return sortSpecs(specs) }

func secretWrites(s Spec) []SecretWrite {
	var out []SecretWrite
	for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
		in := s.Inputs[name]
		ref := in.Reference()
		if ref == "" {
			continue
		}
		fp, _ := s.Params["fingerprint"].(string)
		out = append(out, SecretWrite{Name: name, Reference: ref, Fingerprint: fp})
	}
	return out
}

// Reference tells where an input comes from: secret:NAME or resource.output; "" for what is no secret.
func (in Input) Reference() string {
	switch {
	case in.From != nil:
		return in.From.String()
	case in.Secret != "":
		return "secret:" + in.Secret
	}
	return ""
}
