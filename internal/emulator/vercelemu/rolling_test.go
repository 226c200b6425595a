package vercelemu

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rolledOut is what a project tells of its production: what serves, the release's state, stage and queue, and the canary's substate.
func (w *world) rolledOut(p string) string {
	project := w.want(200, "GET", "/v9/projects/"+p, nil)
	r := w.want(200, "GET", "/v1/projects/"+p+"/rolling-release", nil)
	canary := r.str("rollingRelease", "canaryDeployment", "id")
	d := w.want(200, "GET", "/v13/deployments/"+canary, nil)
	return fmt.Sprint(
		project.str("targets", "production", "id"), " ", r.str("rollingRelease", "state"), " ", canary, " ", r.get("rollingRelease", "activeStage", "targetPercentage"),
		" ", r.get("rollingRelease", "queuedDeploymentId"), " ", d.str("readySubstate"))
}

var byHand = obj{"target": "production", "stages": []obj{{"targetPercentage": 10, "requireApproval": true}, {"targetPercentage": 50, "requireApproval": true}, {"targetPercentage": 100}}}

// releasing is a project with a release under way: what serves, the canary, and a third deployment.
func (w *world) releasing(config obj) (p string, of [3]string) {
	p = w.project("shop")
	for i := range of {
		of[i], _ = w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false}, map[string]string{"index.html": fmt.Sprint(i)})
	}
	w.sleep(3 * time.Second)
	w.want(201, "POST", "/v10/projects/"+p+"/promote/"+of[0], obj{})
	w.sleep(3 * time.Second)
	w.want(200, "PATCH", "/v1/projects/"+p+"/rolling-release/config", config)
	w.want(201, "POST", "/v10/projects/"+p+"/promote/"+of[1], obj{})
	return p, of
}

func TestAPromoteQueuesBehindARollingRelease(t *testing.T) {
	type steps []string
	for name, tc := range map[string]struct {
		reason string
		then   func(w *world, p string, of [3]string)
		want   func(of [3]string) steps
	}{
		"completed": {
			"the next one is rolled out by the same stages", func(w *world, p string, of [3]string) {
				w.want(200, "POST", "/v1/projects/"+p+"/rolling-release/complete", obj{"canaryDeploymentId": of[1]})
			}, func(of [3]string) steps { return steps{of[1] + " ACTIVE " + of[2] + " 10 <nil> ROLLING"} },
		},
		"completed, and off": {
			"what is switched off meanwhile holds for what comes next", func(w *world, p string, of [3]string) {
				w.want(200, "DELETE", "/v1/projects/"+p+"/rolling-release/config", nil)
				w.want(200, "POST", "/v1/projects/"+p+"/rolling-release/complete", obj{"canaryDeploymentId": of[1]})
			}, func(of [3]string) steps { return steps{of[2] + " COMPLETE " + of[1] + " 100 <nil> PROMOTED"} },
		},
		"approved": {
			"a stage at a time", func(w *world, p string, of [3]string) {
				w.want(400, "POST", "/v1/projects/"+p+"/rolling-release/approve-stage", obj{"nextStageIndex": 2, "canaryDeploymentId": of[1]})
				w.want(404, "POST", "/v1/projects/"+p+"/rolling-release/approve-stage", obj{"nextStageIndex": 1, "canaryDeploymentId": of[2]})
				w.want(200, "POST", "/v1/projects/"+p+"/rolling-release/approve-stage", obj{"nextStageIndex": 1, "canaryDeploymentId": of[1]})
			}, func(of [3]string) steps { return steps{of[0] + " ACTIVE " + of[1] + " 50 " + of[2] + " ROLLING"} },
		},
		"aborted": {
			"a rollback to what serves ends the release, and forgets the queue", func(w *world, p string, of [3]string) {
				w.want(201, "POST", "/v9/projects/"+p+"/rollback/"+of[0], obj{})
			}, func(of [3]string) steps { return steps{of[0] + " ABORTED " + of[1] + " <nil> <nil> STAGED"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &Server{}, func(w *world) {
				p, of := w.releasing(byHand)
				w.sleep(time.Second)
				if got, want := w.rolledOut(p), of[0]+" ACTIVE "+of[1]+" 10 <nil> ROLLING"; got != want {
					t.Errorf("a promote rolls out: %s; want %s", got, want)
				}
				w.want(409, "POST", "/v10/projects/"+p+"/promote/"+of[1], obj{})
				w.want(202, "POST", "/v10/projects/"+p+"/promote/"+of[2], obj{})
				if got, want := w.rolledOut(p), of[0]+" ACTIVE "+of[1]+" 10 "+of[2]+" ROLLING"; got != want {
					t.Errorf("a promote is queued: %s; want %s", got, want)
				}
				tc.then(w, p, of)
				w.sleep(time.Second)
				if diff := cmp.Diff(tc.want(of), steps{w.rolledOut(p)}); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
				}
			})
		})
	}
}

// Stages with a duration, in minutes, follow each other by themselves, also after the emulator was stopped.
func TestARollingReleaseGoesOnByItself(t *testing.T) {
	play(t, &Server{}, func(w *world) {
		p, of := w.releasing(obj{"stages": []obj{{"targetPercentage": 5, "duration": 5}, {"targetPercentage": 25, "duration": 10}, {"targetPercentage": 100}}})
		w.sleep(5*time.Minute + time.Second)
		raw, err := w.srv.SaveState()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.srv.LoadState(raw); err != nil {
			t.Fatal(err)
		}
		if got, want := w.rolledOut(p), of[0]+" ACTIVE "+of[1]+" 25 <nil> ROLLING"; got != want {
			t.Errorf("after 5 minutes: %s; want %s", got, want)
		}
		w.sleep(10 * time.Minute)
		if got, want := w.rolledOut(p), of[1]+" COMPLETE "+of[1]+" 100 <nil> PROMOTED"; got != want {
			t.Errorf("after 15 minutes: %s; want %s", got, want)
		}
		if r := w.want(200, "GET", "/v1/projects/"+p+"/rolling-release?state=ACTIVE", nil); r.get("rollingRelease") != nil {
			t.Errorf("none is active: %s", r.raw)
		}
	})
}

// What takes production by itself is rolled out too, or queued.
func TestADeploymentThatTakesProductionByItselfIsRolledOut(t *testing.T) {
	play(t, &Server{}, func(w *world) {
		p, of := w.releasing(byHand)
		queued, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": true}, map[string]string{"index.html": "4"})
		w.sleep(time.Second)
		if got, want := w.rolledOut(p), of[0]+" ACTIVE "+of[1]+" 10 "+queued+" ROLLING"; got != want {
			t.Errorf("while another is: %s; want %s", got, want)
		}
		w.want(200, "POST", "/v1/projects/"+p+"/rolling-release/complete", obj{"canaryDeploymentId": of[1]})
		w.sleep(time.Second)
		if got, want := w.rolledOut(p), of[1]+" ACTIVE "+queued+" 10 <nil> ROLLING"; got != want {
			t.Errorf("when that is over: %s; want %s", got, want)
		}
	})
}

func TestRollingReleaseStages(t *testing.T) {
	play(t, &Server{}, func(w *world) {
		p := w.project("shop")
		if r := w.want(200, "GET", "/v1/projects/"+p+"/rolling-release", nil); r.get("rollingRelease") != nil {
			t.Errorf("no release yet: %s", r.raw)
		}
		for reason, stages := range map[string][]obj{
			"one stage is none":       {{"targetPercentage": 100}},
			"the last is 100":         {{"targetPercentage": 10}, {"targetPercentage": 50}},
			"each is larger":          {{"targetPercentage": 50}, {"targetPercentage": 10}, {"targetPercentage": 100}},
			"a stage has a share":     {{"duration": 5}, {"targetPercentage": 100}},
			"no fields are made up":   {{"targetPercentage": 10, "size": 1}, {"targetPercentage": 100}},
			"there are two or more":   {},
			"the share is a number":   {{"targetPercentage": "10"}, {"targetPercentage": 100}},
			"the next is not smaller": {{"targetPercentage": 10}, {"targetPercentage": 10}, {"targetPercentage": 100}},
		} {
			if a := w.do("PATCH", "/v1/projects/"+p+"/rolling-release/config", obj{"stages": stages}); a.status != 400 {
				t.Errorf("%s: %d %s", reason, a.status, a.raw)
			}
		}
		if c := w.want(200, "GET", "/v1/projects/"+p+"/rolling-release/config", nil); c.get("rollingRelease") != nil {
			t.Errorf("nothing was set: %s", c.raw)
		}
	})
}
