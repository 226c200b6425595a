package cli

import "testing"

// A value that anybody may read is no secret.
func TestBasisText(t *testing.T) {
	for name, tc := range map[string]struct {
		fields map[string]any
		want   string
	}{
		"a secret":      {map[string]any{"fingerprint": "k:1", "type": "sensitive"}, "[secret, type: sensitive]"},
		"nothing":       {map[string]any{"framework": nil}, "[framework: (not set)]"},
		"a plain value": {map[string]any{"fingerprint": "k:1", "type": "plain", "value": "blue"}, "[type: plain, value: blue]"},
	} {
		if got := basisText(map[string]any{"exists": true, "fields": tc.fields}); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
