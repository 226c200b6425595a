package webhook

import (
	"net/http"
	"testing"
)

// FuzzMessage signs whatever it is given as each sender would: it is answered by one of the documented words, and who is made to look is told
// what to look for.
func FuzzMessage(f *testing.F) {
	for _, seed := range []struct{ event, body string }{
		{"", succeeded},
		{"check_run", checkRun},
		{"push", pushed},
		{"deployment_status", deployment},
		{"status", `{"sha":"ce58","updated_at":1795435200,"repository":{"id":526}}`},
		{"check_suite", `{"action":"completed","check_suite":{"head_sha":"ce58","updated_at":-1e300},"repository":{"id":1e3}}`},
		{"ping", `{"createdAt":"","type":"deployment.\u0000"}`},
		{"push", `{"after":null,"repository":[]}`},
	} {
		f.Add(seed.event, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		for _, path := range []string{"/webhooks/vercel", "/webhooks/github"} {
			b := newBench()
			status, text := b.send(t, message(path, event, string(body)))
			said := map[string]int{
				"taken": http.StatusOK, "ignored": http.StatusOK, "its time is too far off": http.StatusConflict,
				"this is no message of vercel's": http.StatusBadRequest, "this is no message of github's": http.StatusBadRequest,
			}
			if want, known := said[text]; !known || want != status {
				t.Errorf("%s: %d %q", path, status, text)
			}
			if (text == "taken") != (len(b.woken) == 1) || (text == "taken") != (len(b.kept) == 1) {
				t.Errorf("%s: %q, woken %v, kept %v", path, text, b.woken, b.kept)
			}
			for _, n := range b.woken {
				if n.Event == "" || n.Commit == "" && n.RepoID == 0 && len(n.IDs) == 0 {
					t.Errorf("%s: nothing is told: %+v", path, n)
				}
			}
			unsigned := message(path, event, string(body)+" ")
			unsigned.Header = message(path, event, string(body)).Header
			if status, _ := b.send(t, unsigned); status != http.StatusUnauthorized || len(b.woken) > 1 {
				t.Errorf("%s: another body under the same signature: %d", path, status)
			}
			if text == "taken" {
				if again, _ := b.send(t, message(path, event, string(body))); again != http.StatusConflict || len(b.woken) != 1 {
					t.Errorf("%s: the same again: %d", path, again)
				}
			}
		}
	})
}
