package live

import (
	"slices"
	"strings"
	"testing"
)

// ask asks one question.
func (w world) ask(s *Session, id string) Answer {
	w.t.Helper()
	for _, q := range Questions() {
		if q.ID == id {
			return s.answer(q)
		}
	}
	w.t.Fatalf("there is no question %s", id)
	return Answer{}
}

// An API that answers otherwise than the emulators is reported, with what it answered.
func TestDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		reason, id, faults string
		want               string
	}{
		"another code": {
			"one of the documented three", "vercel-env-conflict", "vercel:POST */env#2=with:env-conflict:403",
			"vercel-env-conflict              differs: 403 ENV_ALREADY_EXISTS, in words: Another Environment Variable with the same Name and Environment exists in your project. " +
				"Remove it or choose a different Name or Environment. (the emulators answer 400 ENV_CONFLICT)",
		},
		"success": {
			"what should be refused is done: the name is free here", "vercel-name-taken", "",
			"vercel-name-taken                differs: 200 (the emulators answer 409 conflict)",
		},
		"a cut": {
			"a server may close the connection on a large body", "vercel-body-limit", "vercel:POST */projects#2=reset-before",
			"vercel-body-limit                differs: the connection is cut (the emulators answer 413 payload_too_large)",
		},
		"refusal": {
			"what should be taken is refused", "upstash-duplicate-name", "upstash:POST */database#2=with:unique-names:1",
			`upstash-duplicate-name           differs: 409 as a string "Database name already exists"; 200 (the emulators answer 200; 200)`,
		},
		"another wording": {
			"words are compared where they are in question", "upstash-wrong-key", "upstash:GET *=401",
			`upstash-wrong-key                differs: 401 as {error} "injected by the emulator's fault schedule" (the emulators answer 401 as a string "Unauthorized")`,
		},
		"another field": {
			"the state in a reply", "upstash-redis-creating", "upstash:POST */database=with:create-time:0s",
			`upstash-redis-creating           differs: 200, state "active", modifying_state "" (the emulators answer 200, state "passive", modifying_state "creating")`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.session(Prefix + "differs")
			w.schedule(c.faults)
			if c.id != "vercel-name-taken" {
				w.makesProject(s)
			}
			a := w.ask(s, c.id)
			if a.Verdict != Differs || a.String() != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.reason, a, c.want)
			}
			w.schedule("")
			left := slices.DeleteFunc(names(w.left()), func(n string) bool { return n == "Vercel project "+s.App && c.id != "vercel-name-taken" })
			if len(left) > 0 {
				t.Errorf("the question has left %v", left)
			}
		})
	}
}

// makesProject makes the app's Vercel project, with a variable.
func (w world) makesProject(s *Session) {
	w.t.Helper()
	if err := s.need(nil, "vercel", "POST", "/v11/projects", obj{"name": s.App}); err != nil {
		w.t.Fatal(err)
	}
	if err := s.need(nil, "vercel", "POST", "/v10/projects/"+s.App+"/env", obj{"key": "GREETING", "value": "hello", "type": "plain", "target": []string{"production"}}); err != nil {
		w.t.Fatal(err)
	}
}

// An API that does not answer is not one that answers as documented.
func TestFailed(t *testing.T) {
	w := newWorld(t)
	s := w.session(Prefix + "failed")
	w.schedule("vercel:GET /v2/user=reset-before")
	if a := w.ask(s, "vercel-no-token"); a.Verdict != Failed || a.Why != "vercel does not answer" {
		t.Errorf("got %s", a)
	}
	s.calls.Store(maxCalls)
	if a := w.ask(s, "vercel-no-token"); a.Verdict != Failed || !strings.Contains(a.Why, "makes no more") {
		t.Errorf("after the last call: %s", a)
	}
}

// What a question needs and cannot have is why it is not asked, and nothing is made.
func TestNotAsked(t *testing.T) {
	w := newWorld(t)
	env := w.Env()
	delete(env, "GITHUB_TOKEN")
	s := newSession(t.Context(), Prefix+"absent", func(name string) string { return env[name] })
	for id, why := range map[string]string{
		"github-repo-name":              "GITHUB_TOKEN is not set",
		"vercel-environment-slug-taken": `POST /v9/projects/slipway-live-absent/custom-environments is answered 404 not_found "Project not found."`,
		"neon-second-writer":            "the app's Neon project is not there",
		"vercel-unpaid":                 "it takes an account that has not paid",
	} {
		if a := w.ask(s, id); a.Verdict != NotAsked || a.Why != why {
			t.Errorf("%s: %s", id, a)
		}
	}
	if left := w.left(); len(left) > 0 {
		t.Errorf("left: %v", names(left))
	}
}

// No answer holds a secret, whatever an API says.
func TestClean(t *testing.T) {
	s := newSession(t.Context(), Prefix+"abc", func(name string) string { return map[string]string{"NEON_API_KEY": "napi_keyOfAPerson"}[name] })
	s.secret("tokenOfAnIndex")
	for name, c := range map[string]struct{ reason, text, want string }{
		"credential": {"a vendor may quote what it was sent", "the key napi_keyOfAPerson is none", "the key [redacted] is none"},
		"seen":       {"nor what it has given", "tokenOfAnIndex", "[redacted]"},
		"shape":      {"nor what looks like one", "see postgresql://u:npg_abcdefghijkl@ep-x.neon.tech/db", "see postgresql://u:[redacted]@ep-x.neon.tech/db"},
		"app":        {"the same answer for every app", "Project slipway-live-abc-other exists", "Project APP-other exists"},
		"lines":      {"one line an answer", "a\n b", "a b"},
		"long":       {"of bounded length", strings.Repeat("é", 300), strings.Repeat("é", 200) + "…"},
	} {
		if got := s.clean(c.text); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", name, c.reason, got, c.want)
		}
	}
}
