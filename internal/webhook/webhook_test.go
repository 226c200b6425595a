package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

const vercelSecret, githubSecret = "whsec of vercel", "whsec of github"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Messages as the documents of Vercel and GitHub show them, shortened.
const (
	succeeded  = `{"id":"evt1","type":"deployment.succeeded","createdAt":1795435200000,"region":"iad1","payload":{"team":{"id":"team_1"},"project":{"id":"prj_1"},"deployment":{"id":"dpl_1","meta":{}}}}`
	checkRun   = `{"action":"completed","check_run":{"id":4,"head_sha":"ce587453ced02b1526dfb4cb910479d431683101","status":"completed","completed_at":"2026-11-23T11:59:00Z"},"repository":{"id":526,"full_name":"acme/shop"}}`
	pushed     = `{"ref":"refs/heads/main","after":"ce587453ced02b1526dfb4cb910479d431683101","repository":{"id":526,"pushed_at":1795435190}}`
	deployment = `{"deployment_status":{"state":"success","updated_at":"2026-11-23T11:00:01Z"},"deployment":{"sha":"ce58"},"repository":{"id":526}}`
)

// Signatures that were not computed by this package: GitHub's own example, and openssl dgst -sha1 -hmac.
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
const (
	githubExample = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	sha1Example   = "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9" // of "The quick brown fox jumps over the lazy dog" with the key "key"
)

func TestSignaturesOfOthers(t *testing.T) {
	v := receiver{sender: github, secret: slipway.NewSecret("It's a Secret to Everybody")}
	if got := hex.EncodeToString(v.sign([]byte("Hello, World!"))); got != githubExample {
		t.Errorf("GitHub's example: got %s", got)
	}
	v = receiver{sender: vercel, secret: slipway.NewSecret("key")}
	if got := hex.EncodeToString(v.sign([]byte("The quick brown fox jumps over the lazy dog"))); got != sha1Example {
		t.Errorf("HMAC-SHA1: got %s", got)
	}
}

// bench is a handler whose store and runs are in memory.
type bench struct {
	config Config
	kept   map[string]time.Time
	about  bool
	woken  []slipway.News
	told   []string
	broken error
}

func newBench() *bench {
	b := &bench{kept: map[string]time.Time{}, about: true}
	b.config = Config{
		Secrets: map[string]slipway.Secret{"vercel": slipway.NewSecret(vercelSecret), "github": slipway.NewSecret(githubSecret)},
		Delivered: func(_ context.Context, id string, at, _ time.Time) (bool, error) {
			_, again := b.kept[id]
			b.kept[id] = at
			return again, b.broken
		},
		Wake: func(_ context.Context, n slipway.News) (bool, error) {
			b.woken = append(b.woken, n)
			return b.about, nil
		},
		Told: func(sender, event, outcome string) { b.told = append(b.told, sender+" "+event+": "+outcome) },
		Now:  func() time.Time { return noon },
	}
	return b
}

// message is a request as the sender of path makes it, with the right signature.
func message(path, event, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "vercel") {
		mac := hmac.New(sha1.New, []byte(vercelSecret))
		mac.Write([]byte(body))
		r.Header.Set("X-Vercel-Signature", hex.EncodeToString(mac.Sum(nil)))
		return r
	}
	mac := hmac.New(sha256.New, []byte(githubSecret))
	mac.Write([]byte(body))
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	return r
}

func (b *bench) send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	New(b.config).ServeHTTP(w, r)
	body := w.Body.String()
	for _, secret := range []string{vercelSecret, githubSecret} {
		if strings.Contains(body, secret) {
			t.Errorf("the reply tells a secret: %s", body)
		}
	}
	return w.Code, strings.TrimSpace(body)
}

func TestTakesWhatIsProved(t *testing.T) {
	const sha = "ce587453ced02b1526dfb4cb910479d431683101"
	for name, tc := range map[string]struct {
		path, event, body string
		want              slipway.News
	}{
		"a deployment":          {"/webhooks/vercel", "", succeeded, slipway.News{Provider: "vercel", Event: "deployment.succeeded", IDs: []string{"dpl_1", "prj_1"}}},
		"without its project":   {"/webhooks/vercel", "", `{"type":"deployment.check-rerequested","createdAt":"2026-11-23T12:59:00Z","payload":{"deployment":{"id":"dpl_1"}}}`, slipway.News{Provider: "vercel", Event: "deployment.check-rerequested", IDs: []string{"dpl_1", ""}}},
		"a check run":           {"/webhooks/github", "check_run", checkRun, slipway.News{Provider: "github", Event: "check_run", RepoID: 526, Commit: sha}},
		"a check asked for":     {"/webhooks/github", "check_run", `{"action":"rerequested","check_run":{"head_sha":"ce58","completed_at":"2020-01-01T00:00:00Z"},"repository":{"id":526}}`, slipway.News{Provider: "github", Event: "check_run", RepoID: 526, Commit: "ce58"}},
		"a check suite":         {"/webhooks/github", "check_suite", `{"action":"completed","check_suite":{"head_sha":"ce58","updated_at":"2026-11-23T11:59:00Z"},"repository":{"id":526}}`, slipway.News{Provider: "github", Event: "check_suite", RepoID: 526, Commit: "ce58"}},
		"a status":              {"/webhooks/github", "status", `{"sha":"ce58","updated_at":"2026-11-23T12:00:01Z","repository":{"id":526}}`, slipway.News{Provider: "github", Event: "status", RepoID: 526, Commit: "ce58"}},
		"a deployment's status": {"/webhooks/github", "deployment_status", deployment, slipway.News{Provider: "github", Event: "deployment_status", RepoID: 526, Commit: "ce58"}},
		"a push of no time":     {"/webhooks/github", "push", strings.Replace(pushed, "1795435190", "null", 1), slipway.News{Provider: "github", Event: "push", RepoID: 526, Commit: sha}},
		"a status of no time":   {"/webhooks/github", "status", `{"sha":"ce58","updated_at":"","repository":{"id":526}}`, slipway.News{Provider: "github", Event: "status", RepoID: 526, Commit: "ce58"}},
		"a push":                {"/webhooks/github", "push", pushed, slipway.News{Provider: "github", Event: "push", RepoID: 526, Commit: sha}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			if status, text := b.send(t, message(tc.path, tc.event, tc.body)); status != 200 || text != "taken" {
				t.Fatalf("got %d %s", status, text)
			}
			if d := cmp.Diff([]slipway.News{tc.want}, b.woken); d != "" {
				t.Error(d)
			}
			if status, text := b.send(t, message(tc.path, tc.event, tc.body)); status != 409 || len(b.woken) != 1 {
				t.Errorf("the same again: %d %s, %d times woken", status, text, len(b.woken))
			}
		})
	}
}

// TestIgnoresEachTime: what means nothing here is no repetition when it comes again.
func TestIgnoresEachTime(t *testing.T) {
	b := newBench()
	for range 2 {
		if status, text := b.send(t, message("/webhooks/github", "ping", `{"zen":"x"}`)); status != 200 || text != "ignored" || len(b.kept) != 0 {
			t.Errorf("%d %s, %d kept", status, text, len(b.kept))
		}
	}
}

func TestRefuses(t *testing.T) {
	with := func(r *http.Request, name, value string) *http.Request { r.Header.Set(name, value); return r }
	old := strings.Replace(succeeded, "1795435200000", "1795431599999", 1)
	for name, tc := range map[string]struct {
		request *http.Request
		edit    func(*bench)
		status  int
		text    string
		told    []string
		reason  string
	}{
		"no signature":         {with(message("/webhooks/vercel", "", succeeded), "X-Vercel-Signature", ""), nil, 401, "", nil, "anyone can ask"},
		"a forged one":         {with(message("/webhooks/vercel", "", succeeded), "X-Vercel-Signature", strings.Repeat("0", 40)), nil, 401, "", nil, ""},
		"not hex":              {with(message("/webhooks/vercel", "", succeeded), "X-Vercel-Signature", strings.Repeat("x", 40)), nil, 401, "", nil, ""},
		"too short":            {with(message("/webhooks/github", "push", pushed), "X-Hub-Signature-256", "sha256="), nil, 401, "", nil, "an empty signature proves nothing"},
		"without its prefix":   {with(message("/webhooks/github", "push", pushed), "X-Hub-Signature-256", strings.Repeat("0", 64)), nil, 401, "", nil, ""},
		"right but its prefix": {with(message("/webhooks/github", "push", pushed), "X-Hub-Signature-256", strings.TrimPrefix(message("/webhooks/github", "push", pushed).Header.Get("X-Hub-Signature-256"), "sha256=")), nil, 401, "", nil, ""},
		"right, and more":      {with(message("/webhooks/vercel", "", succeeded), "X-Vercel-Signature", message("/webhooks/vercel", "", succeeded).Header.Get("X-Vercel-Signature")+"zz"), nil, 401, "", nil, "what follows the digits counts too"},
		"a broken type":        {with(message("/webhooks/github", "push", pushed), "Content-Type", "application/json; charset"), nil, 415, "the content type must be application/json", nil, ""},
		"no repository":        {message("/webhooks/github", "push", `{"after":"ce58"}`), nil, 400, "this is no message of github's", nil, "a commit is one of a repository"},
		"an old suite":         {message("/webhooks/github", "check_suite", `{"action":"completed","check_suite":{"head_sha":"ce58","updated_at":"2026-11-23T10:59:00Z"},"repository":{"id":526}}`), nil, 409, "its time is too far off", []string{"github check_suite: too old"}, ""},
		"the older signature":  {with(with(message("/webhooks/github", "push", pushed), "X-Hub-Signature-256", ""), "X-Hub-Signature", "sha1="+strings.Repeat("0", 40)), nil, 401, "", nil, "SHA-1 is not what GitHub recommends"},
		"another body":         {with(message("/webhooks/vercel", "", succeeded), "X-Vercel-Signature", message("/webhooks/vercel", "", succeeded+" ").Header.Get("X-Vercel-Signature")), nil, 401, "", nil, "the signature is over each byte"},
		"the other's secret":   {message("/webhooks/vercel", "", succeeded), func(b *bench) { b.config.Secrets["vercel"] = b.config.Secrets["github"] }, 401, "", nil, ""},
		"no secret":            {message("/webhooks/vercel", "", succeeded), func(b *bench) { delete(b.config.Secrets, "vercel") }, 404, "", nil, "a sender that is not configured is not there"},
		"an empty secret":      {message("/webhooks/vercel", "", succeeded), func(b *bench) { b.config.Secrets["vercel"] = slipway.NewSecret("") }, 404, "", nil, "an empty key signs nothing"},
		"another path":         {message("/webhooks/neon", "", succeeded), nil, 404, "", nil, ""},
		"a GET":                {httptest.NewRequest(http.MethodGet, "/webhooks/vercel", nil), nil, 405, "", nil, ""},
		"a form":               {with(message("/webhooks/github", "push", pushed), "Content-Type", "application/x-www-form-urlencoded"), nil, 415, "the content type must be application/json", nil, "GitHub's other content type"},
		"too long":             {message("/webhooks/vercel", "", strings.Repeat(" ", MaxBody)+succeeded), nil, 413, "", nil, "memory is bounded"},
		"not JSON":             {message("/webhooks/vercel", "", "deployment"), nil, 400, "this is no message of vercel's", nil, ""},
		"no type":              {message("/webhooks/vercel", "", "{}"), nil, 400, "this is no message of vercel's", nil, ""},
		"no time":              {message("/webhooks/vercel", "", `{"type":"deployment.created"}`), nil, 400, "this is no message of vercel's", nil, "what has no time could be replayed for ever"},
		"no event":             {message("/webhooks/github", "", pushed), nil, 400, "this is no message of github's", nil, ""},
		"no commit":            {message("/webhooks/github", "status", pushed), nil, 400, "this is no message of github's", nil, "a header that was changed, which is not signed"},
		"too old":              {message("/webhooks/vercel", "", old), nil, 409, "its time is too far off", []string{"vercel deployment.succeeded: too old"}, ""},
		"from the future":      {message("/webhooks/vercel", "", strings.Replace(succeeded, "1795435200000", "1795438800001", 1)), nil, 409, "its time is too far off", []string{"vercel deployment.succeeded: too old"}, ""},
		"an old check":         {message("/webhooks/github", "check_run", strings.Replace(checkRun, "T11:59", "T10:59", 1)), nil, 409, "its time is too far off", []string{"github check_run: too old"}, ""},
		"an unknown event":     {message("/webhooks/vercel", "", `{"type":"budget.reached","createdAt":1}`), nil, 200, "ignored", nil, "it means nothing here, and must not be sent again"},
		"a ping":               {message("/webhooks/github", "ping", `{"zen":"x"}`), nil, 200, "ignored", nil, ""},
		"the store is full":    {message("/webhooks/vercel", "", succeeded), func(b *bench) { b.broken = errors.New("disk full") }, 503, "", nil, "it is sent again later"},
		"nobody waits":         {message("/webhooks/vercel", "", succeeded), func(b *bench) { b.about = false }, 200, "nobody waits for it", nil, "it must not be sent again"},
		"a delivery's new name": {with(message("/webhooks/github", "push", pushed), "X-GitHub-Delivery", "another"), func(b *bench) {
			New(b.config).ServeHTTP(httptest.NewRecorder(), message("/webhooks/github", "push", pushed))
			b.woken, b.told = nil, nil
		}, 409, "it was taken before", []string{"github push: taken before"}, "the name is not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			if tc.edit != nil {
				tc.edit(b)
			}
			status, text := b.send(t, tc.request)
			if status != tc.status || text != tc.text {
				t.Errorf("got %d %q, want %d %q: %s", status, text, tc.status, tc.text, tc.reason)
			}
			if d := cmp.Diff(tc.told, b.told); d != "" {
				t.Error(d)
			}
			if len(b.woken) > 0 && b.about {
				t.Errorf("somebody was woken: %s", tc.reason)
			}
		})
	}
}

// TestForgedBodyIsNotRead: what cannot have the right signature costs no memory.
func TestForgedBodyIsNotRead(t *testing.T) {
	b := newBench()
	r := message("/webhooks/vercel", "", succeeded)
	r.Header.Set("X-Vercel-Signature", "00")
	read := &counting{Reader: r.Body}
	r.Body = io.NopCloser(read)
	if status, _ := b.send(t, r); status != 401 || read.n > 0 {
		t.Errorf("status %d after %d bytes", status, read.n)
	}
}

type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}
