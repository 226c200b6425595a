package upstashemu

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Operations are what the Developer API models.
func Operations() []emukit.Operation {
	var out []emukit.Operation
	for _, rt := range (&Server{}).routes() {
		paths := []string{rt.path}
		switch {
		case strings.HasSuffix(rt.path, "/{$}"):
			continue
		case rt.path == "/redis/{verb}/{id}":
			paths = []string{"/redis/{id}/change-plan"}
			for _, verb := range slices.Sorted(maps.Keys(databaseVerbs)) {
				paths = append(paths, "/redis/"+verb+"/{id}")
			}
		}
		for _, path := range paths {
			out = append(out, emukit.Operation{Method: rt.method, Paths: []string{"/v2" + path}, Source: "https://upstash.com/docs/devops/developer-api"})
		}
	}
	return out
}

// DataOperations are what the data planes model, at a database's or an index's endpoint.
func DataOperations() []emukit.Operation {
	const redis, vector = "https://upstash.com/docs/redis/features/restapi", "https://upstash.com/docs/vector/api/get-started"
	var out []emukit.Operation
	for _, path := range []string{"/{store}", "/{store}/pipeline", "/{store}/multi-exec", "/{store}/{command...}"} {
		out = append(out, emukit.Operation{Method: http.MethodPost, Paths: []string{path}, Source: redis})
	}
	for verb := range vectorVerbs {
		paths := []string{"/{store}/" + verb}
		if verb != "info" && verb != "list-namespaces" { // which are of all namespaces
			paths = append(paths, paths[0]+"/{namespace}")
		}
		out = append(out, emukit.Operation{Method: http.MethodPost, Paths: paths, Source: vector})
	}
	slices.SortFunc(out, func(a, b emukit.Operation) int { return strings.Compare(a.Source+a.Paths[0], b.Source+b.Paths[0]) })
	return out
}
