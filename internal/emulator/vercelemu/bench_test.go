package vercelemu

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkReply measures a reply of a server that holds 1,000 projects with 20 variables each.
func BenchmarkReply(b *testing.B) {
	srv := &Server{BuildTime: -1, AliasTime: -1, PromoteTime: -1}
	call := func(method, path, body string) int {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+DefaultToken)
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, r)
		return rec.Code
	}
	var env []string
	for i := range 20 {
		env = append(env, fmt.Sprintf(`{"key":"K%d","value":"v","type":"plain","target":["production"]}`, i))
	}
	batch := "[" + strings.Join(env, ",") + "]"
	for i := range 1000 {
		name := fmt.Sprintf("p%d", i)
		call("POST", "/v11/projects", `{"name":"`+name+`"}`)
		call("POST", "/v10/projects/"+name+"/env?upsert=true", batch)
		if code := call("POST", "/v13/deployments", `{"name":"`+name+`","target":"production","projectSettings":{},"files":[{"file":"index.html","data":"x"}]}`); code != 200 {
			b.Fatalf("deployment: %d", code)
		}
	}
	for name, c := range map[string]struct{ method, path, body string }{
		"project":        {"GET", "/v9/projects/p500", ""},
		"list-100":       {"GET", "/v10/projects?limit=100", ""},
		"env-list":       {"GET", "/v10/projects/p500/env", ""},
		"env-upsert-20":  {"POST", "/v10/projects/p500/env?upsert=true", batch},
		"deployments":    {"GET", "/v7/deployments?projectId=p500", ""},
		"project-update": {"PATCH", "/v9/projects/p500", `{"framework":"nextjs"}`},
		"user":           {"GET", "/v2/user", ""},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if code := call(c.method, c.path, c.body); code/100 != 2 {
					b.Fatalf("%d", code)
				}
			}
		})
	}
}
