package vercelemu

import (
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Operations are what the API models.
func Operations() []emukit.Operation {
	var out []emukit.Operation
	for _, rt := range routes() {
		op := emukit.Operation{Method: rt.method, Source: "https://vercel.com/docs/rest-api/" + rt.doc, Differs: rt.differs}
		if strings.HasPrefix(rt.doc, "https://") {
			op.Source = rt.doc
		}
		for v := range strings.FieldsSeq(rt.versions) {
			if v == "-" {
				op.Paths = append(op.Paths, rt.path)
				continue
			}
			op.Paths = append(op.Paths, "/"+v+rt.path)
		}
		out = append(out, op)
	}
	return out
}
