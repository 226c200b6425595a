package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// manifest is the app's: a project, six environment variables, a Neon database, a Redis, a Vector.
const manifest = `app: NAME
source: {dir: app}
resources:
  db:     {type: neon.postgres, region: aws-us-east-1, version: 17}
  cache:  {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 384, metric: cosine}
env:
  DATABASE_URL:             {from: db.pooled_url}
  UPSTASH_REDIS_REST_URL:   {from: cache.rest_url}
  UPSTASH_REDIS_REST_TOKEN: {from: cache.rest_token}
  UPSTASH_VECTOR_REST_URL:  {from: search.rest_url}
  SESSION_KEY:              {secret: SESSION_KEY}
  GREETING:                 {value: hello}
verify:
  health: [{path: /, status: 200, contains: slipway-live}]
`

// Config is one run.
type Config struct {
	// Program is the slipway to ship with, Dir an empty folder for the app and for Slipway's home.
	Program, Dir string
	// Env holds Slipway's settings: credentials, VERCEL_TEAM_ID, and base URLs that replace the real ones.
	Env map[string]string
	// Path is PATH of the program.
	Path string
	// Out takes the report, JSON the same as a line of JSON an answer. JSON may be nil.
	Out, JSON io.Writer
	// Shipped is called when the app is in production, before the first question. May be nil.
	Shipped func()
}

// Run ships, asks, destroys, and reports to Out. It deletes what it made when it fails as well, and when ctx ends. An error means that it
// could not ship, could not ask some question, or could not delete something, which it has then named.
func Run(ctx context.Context, c Config) (answers []Answer, err error) {
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	s := newSession(ctx, Prefix+hex.EncodeToString(random[:4]), func(name string) string { return c.Env[name] })
	r := &run{c, s, append(c.environ(), "SLIPWAY_FINGERPRINT_KEY="+hex.EncodeToString(random), "SESSION_KEY="+hex.EncodeToString(random))}
	s.secret(hex.EncodeToString(random))
	if err := r.write(); err != nil {
		return nil, err
	}
	r.tellEarlier()
	r.say("The app is %s.", s.App)
	defer func() { err = errors.Join(err, r.clean()) }() // in a panic too
	return r.play()
}

type run struct {
	Config
	session *Session
	environ []string
}

func (c Config) environ() []string {
	out := []string{"HOME=" + c.Dir, "PATH=" + c.Path, "SLIPWAY_HOME=" + filepath.Join(c.Dir, "home")}
	for k, v := range c.Env {
		out = append(out, k+"="+v)
	}
	return out
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Out, format+"\n", args...) }

func (r *run) write() error {
	for file, text := range map[string]string{"slipway.yaml": strings.Replace(manifest, "NAME", r.session.App, 1), "app/index.html": "<h1>slipway-live</h1>\n"} {
		name := filepath.Join(r.Dir, file)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tellEarlier names what an earlier run has left. It is deleted by nobody but a person: that run may still be going on.
func (r *run) tellEarlier() {
	left, err := r.session.things(Prefix)
	if err != nil {
		r.say("What an earlier run may have left could not be listed: %v.", err)
	}
	for _, t := range left {
		r.say("An earlier run, or one that still goes on, made %s", t.remove())
	}
}

func (r *run) play() ([]Answer, error) {
	ctx := r.session.ctx
	for _, want := range []string{"succeeded", "no_changes"} {
		if err := r.slipway(ctx, want, "ship", "--yes"); err != nil {
			return nil, err
		}
	}
	if r.Shipped != nil {
		r.Shipped()
	}
	var answers []Answer
	failed := 0
	for _, q := range Questions() {
		a := r.session.answer(q)
		answers = append(answers, a)
		r.report(a)
		if a.Verdict == Failed {
			failed++
		}
	}
	r.say("%s.", Summary(answers))
	if failed > 0 {
		return answers, fmt.Errorf("%d questions have no answer", failed)
	}
	return answers, ctx.Err()
}

func (r *run) report(a Answer) {
	r.say("%s", a)
	if r.JSON != nil {
		line, _ := json.Marshal(a) // texts
		fmt.Fprintf(r.JSON, "%s\n", line)
	}
}

// destroyTime is how long the app's destroy may take.
const destroyTime = 10 * time.Minute

// clean destroys the app, and then what is left of this run. It is not cut short by an interrupt.
func (r *run) clean() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.session.ctx), destroyTime)
	defer cancel()
	destroyed := r.slipway(ctx, "succeeded", "destroy", "--all", "--yes",
		"--confirm", "vercel.project/"+r.session.App, "--confirm", "neon.project/db", "--confirm", r.session.App+"-cache", "--confirm", r.session.App+"-search")
	left, err := r.session.sweep()
	for _, t := range left {
		r.say("This run could not delete %s", t.remove())
	}
	switch {
	case err != nil:
		return errors.Join(destroyed, fmt.Errorf("what is left of %s could not be listed: %w", r.session.App, err))
	case len(left) > 0:
		return errors.Join(destroyed, fmt.Errorf("%d things of %s are left", len(left), r.session.App))
	}
	r.say("Nothing of %s is left.", r.session.App)
	return destroyed
}

// slipway runs the program. An interrupt ends it as a person's would, and then it has 30 seconds.
func (r *run) slipway(ctx context.Context, want string, args ...string) error {
	command := exec.CommandContext(ctx, r.Program, append([]string{"-C", r.Dir, "--json"}, args...)...)
	command.Env = r.environ
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 30 * time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	_ = command.Run() // the last line says more than the exit status
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var last struct {
		Status string
		Error  any
	}
	_ = json.Unmarshal([]byte(lines[len(lines)-1]), &last)
	r.say("slipway %s: %s", args[0], last.Status)
	if last.Status != want {
		text := r.session.redactor.String(fmt.Sprintf("%v\n%s", last.Error, stderr.String()))
		return fmt.Errorf("slipway %s: %s, want %s: %s", args[0], last.Status, want, text)
	}
	return nil
}
