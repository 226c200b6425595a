package selftest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// secretsCase is something that is done with the program while the canaries are about.
type secretsCase struct {
	name string
	do   func(context.Context) error
}

// exempt are the commands that the suite does not run, and why.
var exempt = map[string]string{
	"demo":             "it ships with credentials and a secret of its own making, by the code of ship",
	"emulate":          "it prints the credentials of its own emulators, which open nothing else",
	"help":             "it is told nothing but the command line",
	"env":              "it is a group of commands",
	"completion":       "it is a group of commands",
	"selftest":         "it is a group of commands",
	"audit":            "it is a group of commands",
	"policy":           "it is a group of commands",
	"key":              "it is a group of commands",
	"selftest crash":   "it has a world of its own, with other credentials",
	"selftest secrets": "it is this",
}

// neverTold are the types of events that need not occur, and why.
var neverTold = map[string]string{
	"gate.voided": "it needs somebody else who changes what was planned, and tells what differs: never a value",
	"note":        "it needs an interrupted run that another takes over, and tells ids",
}

// cases are done one after the other on one app.
func (s *secrets) cases() []secretsCase {
	all := []secretsCase{
		{"before anything was shipped", s.looking},
		{"ship, with an approval in another process", s.approving},
		{"look at what was shipped", s.lookingBack},
		{"ship again, with another value", s.changing},
		{"preview", func(ctx context.Context) error { return s.all(ctx, "ship -e preview --yes --json") }},
		{"reject and cancel", s.refusing},
		{"keys and policies", s.signing},
		{"what a person does without a credential", s.byHand},
		{"a build that prints every secret in every form", s.talkingBuild},
		{"a build that fails with a secret", s.failingBuild},
		{"a probe whose answer is a secret", s.failingProbe},
		{"webhooks, true and forged", s.webhooks},
	}
	for _, l := range s.leaks() {
		all = append(all, secretsCase{"an answer that tells a secret: " + l.name, func(ctx context.Context) error { return s.leak(ctx, l) }})
	}
	all = append(all,
		secretsCase{"killed at some request", s.killed},
		secretsCase{"every goroutine's stack, on SIGQUIT", s.quit},
		secretsCase{"a panic", s.panicking},
		secretsCase{"a key of Slipway's own making", s.ownKey},
		secretsCase{"a source at GitHub", s.fromGitHub},
		secretsCase{"the audit bundle of every run", s.bundles},
		secretsCase{"destroy", func(ctx context.Context) error {
			return s.all(ctx, "destroy --all --yes --confirm vercel.project/shop --confirm neon.project/db --confirm shop-cache --confirm shop-search --confirm shop-more --json")
		}},
	)
	return all
}

// all runs the program once for each line of arguments, whatever its exit status.
func (s *secrets) all(ctx context.Context, lines ...string) error {
	for _, l := range lines {
		if err := s.slipway(ctx, strings.Fields(l)...); err != nil {
			return err
		}
	}
	return nil
}

// more is all, and when everything is tried also those lines that show what others show.
func (s *secrets) more(ctx context.Context, lines []string, also ...string) error {
	if s.options.Whole {
		lines = append(lines, also...)
	}
	return s.all(ctx, lines...)
}

// slipway runs the program and looks at what it prints. Its exit status may be any.
func (s *secrets) slipway(ctx context.Context, args ...string) error {
	cmd := s.Command(ctx, args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	s.printed(args, out.Bytes(), log.Bytes())
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	return ctx.Err()
}

// printed takes what a run of the program has printed.
func (s *secrets) printed(args []string, out, log []byte) {
	s.runs++
	words := args
	for i, a := range args {
		if strings.HasPrefix(a, "-") {
			words = args[:i]
			break
		}
	}
	for i := range words { // "env diff", and "completion bash" for completion
		s.ran[strings.Join(words[:i+1], " ")] = true
	}
	line := "slipway " + strings.Join(args, " ")
	sink := sinkStdout
	if strings.Contains(line, "--json") {
		sink = sinkJSON
	}
	s.look(sink, line, out)
	sink = sinkStderr
	if s.Env["SLIPWAY_LOG"] == "debug" {
		sink = sinkDebug
	}
	s.look(sink, line, log)
}

// debugging does f with the debug log on.
func (s *secrets) debugging(f func() error) error {
	s.Env["SLIPWAY_LOG"] = "debug"
	defer delete(s.Env, "SLIPWAY_LOG")
	return f()
}

func (s *secrets) looking(ctx context.Context) error {
	if err := s.more(ctx, []string{
		"version", "schema", "completion bash", "completion zsh", "completion fish", "completion powershell", "env example", "doctor", "plan --json",
		"env diff", "runs",
	}, "version --json", "env example --json", "doctor --json", "plan", "env diff --json", "runs --json", "status", "no-such-command", "ship --no-such-flag"); err != nil {
		return err
	}
	fresh := filepath.Join(s.dir, "fresh")
	if err := os.WriteFile(filepath.Join(fresh, "index.html"), []byte(appPage), 0o600); err != nil {
		return err
	}
	return s.slipway(ctx, "init", "-C", fresh)
}

func (s *secrets) approving(ctx context.Context) error {
	return s.debugging(func() error {
		return s.all(ctx, "ship", "status", "status --json", "approve --json", "resume --json", "approve", "resume --yes")
	})
}

func (s *secrets) lookingBack(ctx context.Context) error {
	return s.more(ctx, []string{"status", "status --json", "watch", "drift --json", "ship --yes --json"}, "runs", "runs --json", "watch --json", "plan", "plan --json", "env diff", "doctor", "drift")
}

// fromGitHub ships a commit, and tells GitHub how it goes.
func (s *secrets) fromGitHub(ctx context.Context) error {
	file, err := json.Marshal(map[string]string{"message": "the shop", "content": base64.StdEncoding.EncodeToString([]byte(appPage))})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, s.Env["SLIPWAY_GITHUB_URL"]+"/repos/acme/shop/contents/index.html", bytes.NewReader(file))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.Env["GITHUB_TOKEN"])
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("a file at GitHub: status %d", res.StatusCode)
	}
	if err := s.WriteManifest(strings.Replace(secretsManifest, "source: {dir: site}", "source: {github: acme/shop}", 1)); err != nil {
		return err
	}
	return errors.Join(s.debugging(func() error { return s.all(ctx, "ship --yes --json") }), s.WriteManifest(secretsManifest))
}

// bundles exports all that the app has done by now, and shows the newest.
func (s *secrets) bundles(ctx context.Context) error {
	cmd := s.Command(ctx, "runs", "--json")
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var names []string
	for line := range bytes.Lines(out) {
		var run struct{ Type, ID string }
		if err := json.Unmarshal(line, &run); err != nil {
			return err
		}
		if run.Type == "run" {
			names = append(names, run.ID)
		}
	}
	folder := filepath.Join(s.dir, "bundles")
	for _, run := range names {
		file := filepath.Join(folder, run+".zip")
		if err := s.slipway(ctx, "audit", "export", run, "-o", file, "--html", file+".html", "--json"); err != nil {
			return err
		}
		args := []string{"audit", "verify", file, "--json"}
		verify := s.Command(ctx, args...)
		out, err := verify.Output()
		if err != nil {
			s.gap("the audit bundle of %s is not valid (%v): %s", run, err, out)
		}
		s.printed(args, out, nil)
	}
	file := filepath.Join(folder, names[0]+".zip")
	if err := s.slipway(ctx, "audit", "show", file); err != nil {
		return err
	}
	return s.slipway(ctx, "audit", "show", file, "--json")
}

// changing gives one secret another value. The one before stays a canary.
func (s *secrets) changing(ctx context.Context) error {
	s.canaries[awkwardOne+", the one before"] = s.canaries[awkwardOne]
	s.canaries[awkwardOne] = s.word() + "\"<>&%+/=\\'ß " + s.word()
	s.Env["SELFTEST_AWKWARD"] = s.canaries[awkwardOne]
	return s.more(ctx, []string{"env diff --json", "ship --yes", "rollback --yes --json", "ship --yes"}, "env diff", "plan", "rollback --yes")
}

// edit makes the next ship deploy.
func (s *secrets) edit(text string) error {
	return s.WritePage(appPage + "<p>" + s.word() + "</p>" + text)
}

func (s *secrets) refusing(ctx context.Context) error {
	if err := s.edit(""); err != nil {
		return err
	}
	return s.all(ctx, "ship", "reject --reason no --json", "ship --json", "cancel --json")
}

// byHand ships without Upstash's credential, so that a person is asked to make a store, and answers with secrets.
func (s *secrets) byHand(ctx context.Context) error {
	key := s.Env["UPSTASH_API_KEY"]
	delete(s.Env, "UPSTASH_API_KEY")
	manifest := strings.Replace(secretsManifest, "env:\n", "  more:   {type: upstash.redis, region: us-east-1}\nenv:\n  MORE_URL:     {from: more.rest_url}\n", 1)
	if err := s.WriteManifest(manifest); err != nil {
		return err
	}
	s.canaries["password typed in a URL"], s.canaries["token handed over"] = s.word(), s.word()
	s.Env["SLIPWAY_OUTPUT_MORE_REST_URL"], s.Env["SLIPWAY_OUTPUT_MORE_REST_TOKEN"] = s.Env["SLIPWAY_UPSTASH_URL"], s.canaries["token handed over"]
	defer delete(s.Env, "SLIPWAY_OUTPUT_MORE_REST_TOKEN")
	url := "https://person:" + s.canaries["password typed in a URL"] + "@store.example.com/"
	err := s.all(ctx, "ship --yes", "manual", "manual --json", "manual --markdown", "manual --take 1", "manual --release 1", "manual --check 1 --json",
		"manual --check 1 --id "+s.canaries["credential VERCEL_TOKEN"], "manual --check 1 --url "+url,
		"manual --assert 1 --id x --note "+url, "status --json", "resume --yes", "cancel --json")
	s.Env["UPSTASH_API_KEY"] = key
	return errors.Join(err, s.WriteManifest(secretsManifest))
}

// talkingBuild answers for the build's log: every canary in every form, whole, in two lines, and over several.
func (s *secrets) talkingBuild(ctx context.Context) error {
	if err := s.edit(""); err != nil {
		return err
	}
	log := s.buildLog()
	return s.watching(func(c *emukit.Call) emukit.Action {
		if c.Phase == emukit.Before && c.API == "vercel" && strings.HasSuffix(c.Route, "/events") {
			return emukit.Action{Status: 200, Header: map[string][]string{"Content-Type": {"application/stream+json"}}, Body: log}
		}
		return emukit.Action{}
	}, func() error {
		return s.debugging(func() error {
			return s.more(ctx, []string{"ship --yes", "watch --json"}, "ship -e preview --yes --json")
		})
	})
}

func (s *secrets) buildLog() []byte {
	var b bytes.Buffer
	n := 0
	line := func(text string) {
		n++
		fmt.Fprintf(&b, `{"type":"stdout","created":%d,"date":%[1]d,"id":"%[2]d","serial":"%[2]d","text":"%[3]s","info":{}}`+"\n", 1_700_000_000_000+n, n, jsonText(text, false))
	}
	for _, value := range s.values() {
		for _, f := range forms {
			text := f.write(value)
			line("x " + text + " y")
			line("x=" + text)
			cuts := secondLines(f, value)
			s.random.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
			for _, cut := range append(cuts[:min(len(cuts), 3)], 1+s.random.IntN(len(text)-1)) {
				line("begins " + text[:cut])
				line(text[cut:] + " ends")
			}
			if len(text) > 76 {
				line(wrapped(text))
			}
		}
	}
	n++
	fmt.Fprintf(&b, `{"type":"deployment-state","created":%d,"id":"%[2]d","serial":"%[2]d","text":"","info":{"readyState":"READY"}}`+"\n", 1_700_000_000_000+n, n)
	return b.Bytes()
}

// secondLines returns the places within the first character of each further line of value, as f writes it: what went before is a secret
// as well.
func secondLines(f form, value string) (cuts []int) {
	text := f.write(value)
	for i := range len(value) {
		if value[i] != '\n' {
			continue
		}
		if before := f.write(value[:i+1]); strings.HasPrefix(text, before) && len(before)+1 < len(text) {
			cuts = append(cuts, len(before)+1)
		}
	}
	return cuts
}

// wrapped breaks text after each 76 bytes, as base64 does.
func wrapped(text string) string {
	var b strings.Builder
	for len(text) > 76 {
		b.WriteString(strings.ToValidUTF8(text[:76], "") + "\n")
		text = text[76:]
	}
	return b.String() + strings.ToValidUTF8(text, "")
}

// values are the canaries that Slipway has been told by now.
func (s *secrets) values() []string {
	var out []string
	for name, v := range s.canaries {
		if strings.HasPrefix(name, "generated") || strings.Contains(name, "GITHUB") || strings.HasPrefix(name, "password") || strings.HasPrefix(name, madeKey) || strings.HasSuffix(name, "before") || strings.HasSuffix(name, "handed over") {
			continue // not told, or a part of what it was told
		}
		out = append(out, v)
	}
	return out
}

func (s *secrets) failingBuild(ctx context.Context) error {
	name := filepath.Join(s.App, "site", "vercelemu.fail")
	secret := s.canaries[awkwardOne]
	text := "cannot connect with " + secret + " nor " + jsonText(secret, true) + " nor " + coreOf(base64.RawStdEncoding, secret, 0)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return err
	}
	if err := s.all(ctx, "ship --yes", "status", "status --json", "resume --yes --json"); err != nil {
		return err
	}
	return os.Remove(name)
}

func (s *secrets) failingProbe(ctx context.Context) error {
	if err := s.WritePage("not the page: " + s.canaries[awkwardOne]); err != nil {
		return err
	}
	if err := s.all(ctx, "ship --yes --json", "status --json"); err != nil {
		return err
	}
	return s.edit("")
}

func (s *secrets) killed(ctx context.Context) error {
	kills := 1
	if s.options.Whole {
		kills = 12
	}
	for range kills {
		if err := s.edit(""); err != nil {
			return err
		}
		if err := s.interrupt(ctx, 3+s.random.IntN(20), func(p *os.Process) { _ = p.Kill() }, "ship", "--yes", "--json"); err != nil {
			return err
		}
		if err := s.files(); err != nil { // as it was left
			return err
		}
		if err := s.all(ctx, "resume --yes"); err != nil {
			return err
		}
	}
	return nil
}

// interrupt runs the program and does f to it at its nth request, which is then held until the program has ended.
func (s *secrets) interrupt(ctx context.Context, nth int, f func(*os.Process), args ...string) error {
	cmd := s.Command(ctx, args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	ended, calls := make(chan struct{}), 0
	err := s.watching(func(c *emukit.Call) emukit.Action {
		if c.Phase == emukit.Before {
			if calls++; calls == nth {
				f(cmd.Process)
				return emukit.Action{Hold: ended, Drop: true}
			}
		}
		return emukit.Action{}
	}, func() error {
		err := cmd.Run()
		close(ended)
		return err
	})
	s.printed(args, out.Bytes(), nil)
	sink := sinkStderr
	if bytes.Contains(log.Bytes(), []byte("goroutine ")) {
		sink = sinkCrash
	}
	s.look(sink, "slipway "+strings.Join(args, " ")+", interrupted", log.Bytes())
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	return ctx.Err()
}

func (s *secrets) panicking(ctx context.Context) error {
	if s.options.Crash == nil {
		return nil
	}
	if err := s.edit(""); err != nil {
		return err
	}
	out, err := s.options.Crash(ctx, s.World)
	s.look(sinkCrash, "a panic", out)
	if err != nil {
		return err
	}
	return s.all(ctx, "ship --yes")
}

// ownKey ships without SLIPWAY_FINGERPRINT_KEY, so that Slipway makes a key and keeps it in its home.
func (s *secrets) ownKey(ctx context.Context) error {
	key := s.Env["SLIPWAY_FINGERPRINT_KEY"]
	delete(s.Env, "SLIPWAY_FINGERPRINT_KEY")
	defer func() { s.Env["SLIPWAY_FINGERPRINT_KEY"] = key }()
	if err := s.all(ctx, "plan", "ship --yes --json"); err != nil {
		return err
	}
	for name, file := range map[string]string{madeKey: "fingerprint.key", madeKey + ", signing": "signing.key"} {
		made, err := os.ReadFile(filepath.Join(s.Home, file))
		if err == nil {
			s.canaries[name] = strings.TrimSpace(string(made))
		} else if name == madeKey || !errors.Is(err, fs.ErrNotExist) { // it signs what a person asserts, and nobody may have
			return err
		}
	}
	return nil
}

// watching lets f see the calls while do runs.
func (s *secrets) watching(f func(*emukit.Call) emukit.Action, do func() error) error {
	s.Watch(func(c *emukit.Call) emukit.Action {
		s.watchCalls(c)
		return s.locked(func() emukit.Action { return f(c) })
	})
	defer s.Watch(s.watchCalls)
	return do()
}

func (s *secrets) locked(f func() emukit.Action) emukit.Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f()
}

// watchCalls looks at the address of each request.
func (s *secrets) watchCalls(c *emukit.Call) emukit.Action {
	if c.Phase == emukit.Before {
		s.look(sinkRequests, c.API, []byte(c.Method+" "+c.Path+"?"+c.Query.Encode()))
	}
	return emukit.Action{}
}
