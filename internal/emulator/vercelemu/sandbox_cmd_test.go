package vercelemu

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

// judge says what is wrong with one line of a stream. The document has it as text: a command is judged as the document has it in the reply
// of cmd without wait, the others after what the vendor's client reads, {stream,data}.
func judge(check *speccheck.Checker, line []byte) error {
	var v struct {
		Command, Data json.RawMessage
		Stream        string
	}
	var text string
	var failure struct{ Code, Message string }
	if err := strict(line, &v); err != nil {
		return err
	}
	switch {
	case v.Command != nil && v.Data == nil && v.Stream == "":
		run := httptest.NewRequest("POST", "/v2/sandboxes/sessions/s/cmd", nil)
		return check.Response(run, 200, http.Header{"Content-Type": {"application/json"}}, line)
	case v.Command == nil && v.Stream == "error":
		if err := strict(v.Data, &failure); err != nil || failure.Code != "" && failure.Message != "" {
			return err
		}
		return errors.New("an error has a code and a message")
	case v.Command == nil && (v.Stream == "stdout" || v.Stream == "stderr"):
		return strict(v.Data, &text)
	}
	return errors.New("it is neither a command nor a stream's")
}

// strict decodes the whole of raw into v, which has all of its fields.
func strict(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

func TestEachLineOfASandboxStreamIsJudged(t *testing.T) {
	check := speccheck.Load(t, "vercel")
	command := `{"command":{"id":"cmd_1","name":"sh","args":[],"cwd":"/","sessionId":"s","exitCode":null,"startedAt":1}}`
	for name, tc := range map[string]struct {
		reason, line string
		ok           bool
	}{
		"command":      {"as the document has it", command, true},
		"no exit code": {"which a command that runs has as null", strings.Replace(command, `,"exitCode":null`, "", 1), false},
		"exit code":    {"a number or null", strings.Replace(command, "null", `"0"`, 1), false},
		"output":       {"text", `{"stream":"stdout","data":"x"}`, true},
		"no text":      {"and nothing else", `{"stream":"stderr","data":1}`, false},
		"more":         {"no other field", `{"stream":"stdout","data":"x","at":1}`, false},
		"error":        {"it aborts", `{"stream":"error","data":{"code":"sandbox_stopped","message":"m"}}`, true},
		"no code":      {"and says why", `{"stream":"error","data":{"message":"m"}}`, false},
		"other stream": {"there are three", `{"stream":"log","data":"x"}`, false},
		"two values":   {"one a line", `{"stream":"stdout","data":"x"}{}`, false},
		"nothing":      {"a line says something", `{}`, false},
	} {
		if err := judge(check, []byte(tc.line)); (err == nil) != tc.ok {
			t.Errorf("%s: %s: %v", name, tc.reason, err)
		}
	}
}

// lines reads a stream.
func (w *sandboxes) lines(a answer) (out []obj) {
	w.t.Helper()
	if kind := a.header.Get("Content-Type"); kind != "application/x-ndjson" {
		w.t.Fatalf("content type %q: %s", kind, a.raw)
	}
	for line := range bytes.Lines(a.raw) {
		var v obj
		if err := json.Unmarshal(line, &v); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		out = append(out, v)
	}
	return out
}

// sh runs a script and returns its exit code and its output.
func (w *sandboxes) sh(session, script string) (code float64, stdout, stderr string) {
	w.t.Helper()
	lines := w.lines(w.want(200, "POST", session+"/cmd", obj{"command": "sh", "args": []string{"-c", script}, "wait": true, "logs": true}))
	for _, l := range lines {
		switch l["stream"] {
		case "stdout":
			stdout += l["data"].(string)
		case "stderr":
			stderr += l["data"].(string)
		case "error":
			w.t.Fatalf("%v", l)
		}
	}
	last, _ := lines[len(lines)-1]["command"].(map[string]any)
	code, ok := last["exitCode"].(float64)
	if first, _ := lines[0]["command"].(map[string]any); !ok || first["exitCode"] != nil || first["id"] != last["id"] {
		w.t.Fatalf("first %v, last %v", lines[0], last)
	}
	return code, stdout, stderr
}

func TestManyCommandsAtOnce(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if code, out, _ := w.sh(session, fmt.Sprintf("echo %d > f%d; cat f%d; exit %d", i, i, i, i)); code != float64(i) || out != fmt.Sprintf("%d\n", i) {
				t.Errorf("command %d: exit %v, %q", i, code, out)
			}
		})
	}
	all.Wait()
	if n := w.want(200, "GET", session+"/cmd", nil).len("commands"); n != 20 {
		t.Errorf("%d commands", n)
	}
}

func TestOnlySoManyCommandsAreRemembered(t *testing.T) {
	done := make(chan struct{})
	close(done)
	ses, running := &session{}, &command{done: make(chan struct{})}
	ses.remember(running)
	for range 2 * maxCommands {
		ses.remember(&command{done: done})
	}
	if len(ses.commands) != maxCommands || ses.commands[0] != running {
		t.Errorf("%d commands are remembered", len(ses.commands))
	}
}

func TestCommandsReallyRunIsolated(t *testing.T) {
	needCommands(t)
	t.Setenv("CANARY", "canary")
	w := newSandboxes(t, &SandboxServer{HostNetwork: true})
	_, session := w.create(obj{"env": obj{"A": "sandbox", "B": "sandbox"}, "networkPolicy": obj{"mode": "deny-all"}})
	if a := w.write(session, "/", archive(t, tarEntry{name: "vercel/sandbox/run.sh", content: "#!/bin/sh\necho ran $1\n", mode: 0o755})); a.status != 200 {
		t.Fatalf("%s", a.raw)
	}
	for name, tc := range map[string]struct {
		script         string
		code           float64
		stdout, stderr string
		reason         string
	}{
		"folder":  {"pwd", 0, "/vercel/sandbox\n", "", ""},
		"user":    {"id -un; echo $HOME", 0, "vercel-sandbox\n/home/vercel-sandbox\n", "", ""},
		"written": {"./run.sh well", 0, "ran well\n", "", "a file from fs/write, with its mode"},
		"env":     {"echo $A $B ${CANARY:-none}", 0, "sandbox sandbox none\n", "", "nothing of this process"},
		"both":    {"echo out; echo err >&2; exit 3", 3, "out\n", "err\n", ""},
		"network": {"tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", 0, "lo\n", "", "deny-all"},
		"UTF-8":   {`printf 'caf\303'; sleep 0.2; printf '\251\n'`, 0, "café\n", "", "a character over two writes is whole"},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			if code, stdout, stderr := w.sh(session, tc.script); code != tc.code || stdout != tc.stdout || stderr != tc.stderr {
				t.Errorf("%s: exit %v, %q, %q", tc.reason, code, stdout, stderr)
			}
		})
	}
	w.want(400, "POST", session+"/cmd", obj{"command": "no-such-program", "wait": true})
	w.want(400, "POST", session+"/cmd", obj{"command": "true", "cwd": "absent"})
	lines := w.lines(w.want(200, "POST", session+"/cmd", obj{"command": "sh", "args": []string{"-c", "echo $A-$B; pwd; echo kept > /tmp/f"}, "env": obj{"B": "command"}, "cwd": "/tmp", "wait": true}))
	if len(lines) != 2 {
		t.Errorf("without logs a stream has the command twice: %v", lines)
	}
	id := lines[1]["command"].(map[string]any)["id"].(string)
	text := ""
	for _, l := range w.lines(w.want(200, "GET", session+"/cmd/"+id+"/logs", nil)) {
		text += l["data"].(string)
	}
	if text != "sandbox-command\n/tmp\n" {
		t.Errorf("logs: %q", text)
	}
	if code, _, _ := w.sh(session, "test -f /tmp/f"); code != 0 {
		t.Error("one command's files in /tmp are not there for the next")
	}
}

func TestCommandTimeoutEndsTheCommand(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(nil)
	lines := w.lines(w.want(200, "POST", session+"/cmd", obj{"command": "sleep", "args": []string{"1000"}, "timeout": 200, "wait": true}))
	if code := lines[1]["command"].(map[string]any)["exitCode"]; code != 137.0 {
		t.Errorf("%v", lines)
	}
}

func TestLogOfAGigabyteIsStreamedWhole(t *testing.T) {
	log := newCmdLog()
	reader, late := log.follow(), log.follow()
	late.leave()
	const chunks, size = 1 << 14, 1 << 16
	go func() {
		w, chunk := log.writer("stdout"), bytes.Repeat([]byte("x"), size)
		for range chunks {
			_, _ = w.Write(chunk)
		}
		log.end()
	}()
	total := 0
	for {
		line, ok := reader.next()
		if !ok {
			break
		}
		total += len(line.data)
		log.mu.Lock()
		if log.size > maxLog+size {
			t.Fatalf("%d bytes are held", log.size)
		}
		log.mu.Unlock()
	}
	if total != chunks*size {
		t.Errorf("%d bytes came, %d were written", total, chunks*size)
	}
	reader.leave()
	after, kept := log.follow(), 0
	for {
		line, ok := after.next()
		if !ok {
			break
		}
		kept += len(line.data)
	}
	if kept > maxEndedLog+size || kept < maxEndedLog-size {
		t.Errorf("%d bytes are kept for who comes later", kept)
	}
}

func TestSlowReaderDoesNotKeepASandboxFromStopping(t *testing.T) {
	needCommands(t)
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	_, session := w.create(nil)
	cmd := w.want(200, "POST", session+"/cmd", obj{"command": "yes"}).str("command", "id")
	srv.mu.Lock()
	log := srv.sessions[strings.TrimPrefix(session, "/v2/sandboxes/sessions/")].commands[0].log
	srv.mu.Unlock()
	reader := log.follow() // reads nothing
	defer reader.leave()
	until(t, func() bool {
		log.mu.Lock()
		defer log.mu.Unlock()
		return log.size > maxLog
	})
	w.want(200, "POST", session+"/stop", nil)
	if a := w.want(200, "GET", session+"/cmd/"+cmd, nil); a.get("command", "exitCode") != 137.0 {
		t.Errorf("%s", a.raw)
	}
}
