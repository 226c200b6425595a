package vercelemu

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestABlockingCheckHoldsTheAliasesBack(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, conclusion, checks string
		blocking, live             bool
	}{
		"succeeded": {"then the aliases come", "succeeded", "completed succeeded", true, true},
		"skipped":   {"skipping does not block", "skipped", "completed succeeded", true, true},
		"failed":    {"failing is the end of it", "failed", "completed failed", true, false},
		"canceled":  {"so is canceling", "canceled", "completed canceled", true, false},
		"advisory":  {"a check that does not block may fail", "failed", "completed succeeded", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &Server{BuildTime: time.Second}, func(w *world) {
				w.project("shop")
				id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
				checks := "/v1/deployments/" + id + "/checks"
				check := w.want(200, "POST", checks, obj{"name": "lint", "blocking": tc.blocking}).str("id")
				var got []string
				look := func() {
					d := w.want(200, "GET", "/v13/deployments/"+id, nil)
					conclusion, _ := d.get("checksConclusion").(string)
					got = append(got, fmt.Sprintf("%s %s %s %v", d.str("readyState"), d.str("checksState"), conclusion, d.get("aliasAssigned")))
				}
				w.want(200, "PATCH", checks+"/"+check, obj{"status": "running"})
				w.sleep(10 * time.Second)
				look()
				w.want(200, "PATCH", checks+"/"+check, obj{"status": "completed", "conclusion": tc.conclusion})
				look()
				want := []string{fmt.Sprintf("READY running  %v", !tc.blocking), fmt.Sprintf("READY %s %v", tc.checks, tc.live)}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
				}
				if served := w.visit("shop.vercel.app", "/", nil).status == 200; served != tc.live {
					t.Errorf("%s: production serves it: %v", tc.reason, served)
				}
			})
		})
	}
}

func TestARerequestedCheckCanSaveADeployment(t *testing.T) {
	play(t, &Server{BuildTime: time.Second}, func(w *world) {
		w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		checks := "/v1/deployments/" + id + "/checks"
		one := w.want(200, "POST", checks, obj{"name": "lint", "blocking": true, "rerequestable": true}).str("id")
		other := w.want(200, "POST", checks, obj{"name": "once", "blocking": false}).str("id")
		w.want(200, "PATCH", checks+"/"+other, obj{"status": "completed", "conclusion": "neutral"})
		w.want(200, "PATCH", checks+"/"+one, obj{"status": "completed", "conclusion": "failed"})
		w.sleep(5 * time.Second)
		w.want(200, "POST", checks+"/"+one+"/rerequest", nil)
		if a := w.want(200, "GET", checks+"/"+one, nil); a.str("status") != "registered" || a.get("conclusion") != nil {
			t.Errorf("%s", a.raw)
		}
		w.want(200, "PATCH", checks+"/"+one, obj{"status": "completed", "conclusion": "succeeded"})
		if d := w.want(200, "GET", "/v13/deployments/"+id, nil); d.get("aliasAssigned") != true {
			t.Errorf("%s", d.raw)
		}
		for reason, status := range map[string]int{
			"a check that cannot be asked for again":     w.do("POST", checks+"/"+other+"/rerequest", nil).status,
			"a finished deployment takes no more checks": w.do("POST", checks, obj{"name": "late", "blocking": true}).status,
			"a completed check needs a conclusion":       w.do("PATCH", checks+"/"+one, obj{"status": "completed", "conclusion": ""}).status,
		} {
			if status != 400 {
				t.Errorf("%s: %d", reason, status)
			}
		}
		w.want(404, "GET", checks+"/check_none", nil)
	})
}
