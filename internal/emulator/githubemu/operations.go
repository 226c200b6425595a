package githubemu

import "github.com/slipway-dev/slipway/internal/emulator/emukit"

// Operations are what the API models.
func Operations() []emukit.Operation {
	var out []emukit.Operation
	for _, rt := range routes() {
		out = append(out, emukit.Operation{Method: rt.method, Paths: []string{rt.path}, Source: "https://docs.github.com/en/rest/" + rt.doc})
	}
	return out
}
