package attest

import (
	"encoding/json"
	"testing"
)

// FuzzPeek: what is read without a look at who has signed is a statement or an error, and says the same when it is written again.
func FuzzPeek(f *testing.F) {
	k, err := PublicKey("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`))
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==","signatures":[{"keyid":"21fe31dfa154a261","sig":"AA=="}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Peek(data)
		if err == nil && s.Type != StatementType {
			t.Errorf("it is no statement: %+v", s)
		}
		if _, err := json.Marshal(s); err != nil && len(s.Predicate) > 0 {
			t.Errorf("it cannot be written again: %v", err)
		}
		if _, _, err := Open(t.Context(), data, k); err == nil {
			t.Error("nobody has signed this")
		}
		_, _ = PublicKey(string(data)) // it takes any text
	})
}
