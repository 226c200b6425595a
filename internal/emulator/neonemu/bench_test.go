package neonemu

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestReadsDoNotGrowWithProjects: what a read does beside 1,000 projects is what it does beside 10, and a list of all
// does 100 times as much.
func TestReadsDoNotGrowWithProjects(t *testing.T) {
	work := map[string][2]float64{}
	for i, projects := range []int{10, 1000} {
		s := &Server{ProjectTime: -1}
		call := func(method, path, body string) {
			r := httptest.NewRequest(method, "/api/v2"+path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+DefaultOrgKey)
			rec := httptest.NewRecorder()
			if s.ServeHTTP(rec, r); rec.Code/100 != 2 {
				t.Fatal(rec.Body)
			}
		}
		for n := range projects {
			call(http.MethodPost, "/projects", fmt.Sprintf(`{"project":{"name":"p%d"}}`, n))
		}
		one := "/projects/" + s.order[projects/2].id
		for name, path := range map[string]string{"project": one, "branches": one + "/branches", "page": "/projects?limit=10", "search": "/projects?limit=10&search=p5"} {
			both := work[name]
			both[i] = testing.AllocsPerRun(20, func() { call(http.MethodGet, path, "") })
			work[name] = both
		}
	}
	for name, allocs := range work {
		limit := 1.2 * allocs[0]
		if name == "search" {
			limit = 100 * allocs[0]
		}
		if allocs[1] > limit {
			t.Errorf("%s: %v allocations beside 10 projects, %v beside 1,000", name, allocs[0], allocs[1])
		}
	}
}

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
