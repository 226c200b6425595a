package neonemu

import (
	"reflect"
	"runtime"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Operations are what the API models.
func Operations() []emukit.Operation {
	var out []emukit.Operation
	for _, rt := range (&Server{}).routes() {
		name := runtime.FuncForPC(reflect.ValueOf(rt.serve).Pointer()).Name()
		name = strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
		out = append(out, emukit.Operation{
			Method: rt.method, Paths: []string{"/api/v2" + rt.path}, Source: "https://api-docs.neon.tech/reference/" + strings.ToLower(name),
		})
	}
	return out
}
