package neonemu

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkGet is one read beside 1,000 projects.
func BenchmarkGet(b *testing.B) {
	s := &Server{ProjectTime: -1}
	call := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/api/v2"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+DefaultOrgKey)
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		return rec
	}
	for i := range 1000 {
		if rec := call(http.MethodPost, "/projects", fmt.Sprintf(`{"project":{"name":"p%d"}}`, i)); rec.Code != http.StatusCreated {
			b.Fatal(rec.Body)
		}
	}
	one := "/projects/" + s.order[500].id
	for name, path := range map[string]string{"project": one, "branches": one + "/branches", "list400": "/projects?limit=400"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rec := call(http.MethodGet, path, ""); rec.Code != http.StatusOK {
					b.Fatal(rec.Body)
				}
			}
		})
	}
}
