package vercelemu

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// delivery is one event as a webhook received it.
type delivery struct {
	signature, kind string
	raw             []byte
	body            map[string]any
}

// inbox takes the place of the network. It answers 500 for the first refuse deliveries.
type inbox struct {
	mu     sync.Mutex
	refuse int
	got    []delivery
}

func (i *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	d := delivery{signature: r.Header.Get("x-vercel-signature"), raw: raw}
	if err := json.Unmarshal(raw, &d.body); err != nil {
		return nil, err
	}
	d.kind, _ = d.body["type"].(string)
	i.got = append(i.got, d)
	status := 204
	if i.refuse > 0 {
		i.refuse--
		status = 500
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(nil)), Header: http.Header{}, Request: r}, nil
}

func (i *inbox) kinds() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := []string{}
	for _, d := range i.got {
		out = append(out, d.kind)
	}
	slices.Sort(out)
	return out
}

func signed(secret string, body []byte) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// listen makes a webhook for the events and returns its secret.
func (w *world) listen(url string, events ...string) (id, secret string) {
	w.t.Helper()
	a := w.want(200, "POST", "/v1/webhooks", obj{"url": url, "events": events})
	return a.str("id"), a.str("secret")
}

func TestWebhooksTellEveryEventSignedInItsTime(t *testing.T) {
	in := &inbox{}
	srv := &Server{BuildTime: time.Minute, PromoteTime: time.Minute, WebhookTransport: in}
	play(t, srv, func(w *world) {
		_, secret := w.listen("http://127.0.0.1:1/hook", "deployment.created", "deployment.ready", "deployment.succeeded", "deployment.error",
			"deployment.canceled", "deployment.promoted", "project.created", "project.removed")
		p := w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false, "meta": obj{"run": "1"}}, map[string]string{"a": "1"})
		synctest.Wait()
		steps := [][]string{in.kinds()}
		step := func(d time.Duration) { w.sleep(d); synctest.Wait(); steps = append(steps, in.kinds()) }
		step(2 * time.Minute) // and nobody looks
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+id, obj{})
		step(3 * time.Minute)
		w.deploy("shop", nil, map[string]string{"vercelemu.fail": ""})
		stopped, _ := w.deploy("shop", nil, map[string]string{"a": "1"})
		w.want(200, "PATCH", "/v12/deployments/"+stopped+"/cancel", nil)
		step(2 * time.Minute)
		w.want(204, "DELETE", "/v9/projects/"+p, nil)
		step(time.Second)
		want := [][]string{
			{"deployment.created", "project.created"},
			{"deployment.created", "deployment.ready", "deployment.succeeded", "project.created"},
			{"deployment.created", "deployment.promoted", "deployment.ready", "deployment.succeeded", "project.created"},
			{"deployment.canceled", "deployment.created", "deployment.created", "deployment.created", "deployment.error", "deployment.promoted", "deployment.ready", "deployment.succeeded", "project.created"},
			{"deployment.canceled", "deployment.created", "deployment.created", "deployment.created", "deployment.error", "deployment.promoted", "deployment.ready", "deployment.succeeded", "project.created", "project.removed"},
		}
		if diff := cmp.Diff(want, steps); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, d := range in.got {
			if d.signature != signed(secret, d.raw) {
				t.Errorf("%s is signed %s", d.kind, d.signature)
			}
			if d.kind == "deployment.ready" {
				payload := d.body["payload"].(map[string]any)
				if got := payload["deployment"].(map[string]any)["id"]; got != id || payload["target"] != "production" || payload["project"].(map[string]any)["id"] != p {
					t.Errorf("%s", d.raw)
				}
			}
		}
	})
}

func TestAWebhookSecretIsInItsCreateOnly(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		id, secret := w.listen("http://localhost:1/", "deployment.ready")
		if len(secret) < 16 {
			t.Errorf("secret of %d characters", len(secret))
		}
		for _, path := range []string{"/v1/webhooks", "/v1/webhooks/" + id} {
			if a := w.want(200, "GET", path, nil); strings.Contains(string(a.raw), secret) || strings.Contains(string(a.raw), `"secret"`) {
				t.Errorf("%s shows the secret: %s", path, a.raw)
			}
		}
		w.want(204, "DELETE", "/v1/webhooks/"+id, nil)
		w.want(404, "GET", "/v1/webhooks/"+id, nil)
		for reason, body := range map[string]obj{
			"an event that there is not":           {"url": "http://localhost:1/", "events": []string{"deployment.exploded"}},
			"no event":                             {"url": "http://localhost:1/", "events": []string{}},
			"a URL of another scheme":              {"url": "ftp://localhost/", "events": []string{"deployment.ready"}},
			"a field that the document forbids":    {"url": "http://localhost:1/", "events": []string{"deployment.ready"}, "name": "x"},
			"an empty list is not all projects":    {"url": "http://localhost:1/", "events": []string{"deployment.ready"}, "projectIds": []string{}},
			"a URL that does not say where it is.": {"url": "http://", "events": []string{"deployment.ready"}},
		} {
			if a := w.want(400, "POST", "/v1/webhooks", body); a.str("error", "code") != "bad_request" {
				t.Errorf("%s: %s", reason, a.raw)
			}
		}
	})
}

func TestWebhooksGoOnlyToWhatAskedAndNeverOffTheMachine(t *testing.T) {
	in := &inbox{}
	srv := atOnce()
	srv.WebhookTransport = in
	play(t, srv, func(w *world) {
		shop := w.project("shop")
		for _, url := range []string{"https://hooks.example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://localhost.example.com/"} {
			w.listen(url, "deployment.created")
		}
		w.want(200, "POST", "/v1/webhooks", obj{"url": "http://[::1]:1/", "events": []string{"deployment.created"}, "projectIds": []string{shop}})
		w.project("other")
		w.deploy("other", nil, map[string]string{"a": "1"})
		w.deploy("shop", nil, map[string]string{"a": "1"})
		synctest.Wait()
		if diff := cmp.Diff([]string{"deployment.created"}, in.kinds()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAWebhookThatIsNotTakenComesAgain(t *testing.T) {
	in := &inbox{refuse: 2}
	srv := atOnce()
	srv.WebhookTransport = in
	play(t, srv, func(w *world) {
		w.listen("http://localhost:1/", "project.created")
		w.project("shop")
		w.sleep(time.Minute)
		synctest.Wait()
		if len(in.got) != 3 || in.got[0].body["id"] != in.got[2].body["id"] || in.got[0].signature != in.got[2].signature {
			t.Errorf("deliveries: %v", in.kinds())
		}
	})
}

func TestWebhooksGoOnInAnotherProcess(t *testing.T) {
	first, second := &inbox{}, &inbox{}
	play(t, &Server{BuildTime: time.Hour, WebhookTransport: first}, func(w *world) {
		_, secret := w.listen("http://localhost:1/", "deployment.created", "deployment.ready", "deployment.succeeded")
		w.project("shop")
		w.deploy("shop", nil, map[string]string{"a": "1"})
		w.sleep(time.Minute)
		other := w.transfer(&Server{BuildTime: time.Hour, WebhookTransport: second})
		defer other.srv.Close()
		w.sleep(2 * time.Hour) // and nobody looks
		synctest.Wait()
		if diff := cmp.Diff([]string{"deployment.ready", "deployment.succeeded"}, second.kinds()); diff != "" {
			t.Errorf("after the load (-want +got):\n%s", diff)
		}
		for _, d := range second.got {
			if d.signature != signed(secret, d.raw) {
				t.Errorf("%s is signed with another secret", d.kind)
			}
		}
		again := other.transfer(&Server{WebhookTransport: &inbox{refuse: 1}})
		defer again.srv.Close()
		again.sleep(time.Hour)
		synctest.Wait()
		if got := again.srv.WebhookTransport.(*inbox).kinds(); len(got) != 0 {
			t.Errorf("told again: %v", got)
		}
	})
}

func TestAWebhookReachesARealListener(t *testing.T) {
	got := make(chan delivery, 1)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- delivery{signature: r.Header.Get("x-vercel-signature"), raw: raw}
	}))
	defer listener.Close()
	srv := &Server{}
	defer srv.Close()
	api := httptest.NewServer(srv)
	defer api.Close()
	post := func(path, body string) (reply struct{ Secret string }) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", api.URL+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+DefaultToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	secret := post("/v1/webhooks", `{"url":"`+listener.URL+`/hook","events":["project.created"]}`).Secret
	post("/v11/projects", `{"name":"shop"}`)
	select {
	case d := <-got:
		if d.signature != signed(secret, d.raw) {
			t.Errorf("signature %s of %s", d.signature, d.raw)
		}
	case <-t.Context().Done():
		t.Error("no delivery")
	}
}
