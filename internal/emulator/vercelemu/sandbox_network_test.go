package vercelemu

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// python serves one word at a port of localhost, and says up when it does.
const python = `import socket
s = socket.create_server(("127.0.0.1", 8000))
print("up", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"hello")
    c.close()
`

func asking(port int) string {
	return fmt.Sprintf(`python3 -c 'import socket
try: print(socket.create_connection(("localhost", %d), 5).recv(99).decode())
except OSError as e: print(e)'`, port)
}

func TestCommandsOfASessionShareItsLoopback(t *testing.T) {
	needCommands(t)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	for name, tc := range map[string]struct{ reason, policy string }{
		"deny-all":  {"a policy that forbids all leaves localhost", "deny-all"},
		"allow-all": {"without this machine's network a policy that allows all is the same", "allow-all"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSandboxes(t, &SandboxServer{})
			name, session := w.create(obj{"networkPolicy": obj{"mode": tc.policy}})
			w.detachServer(session)
			if _, out, _ := w.sh(session, asking(8000)); out != "hello\n" {
				t.Errorf("%s: another command hears %q", tc.reason, out)
			}
			if _, out, _ := w.sh(session, asking(outside.Addr().(*net.TCPAddr).Port)); !strings.Contains(out, "refused") {
				t.Errorf("%s: this machine's loopback says %q", tc.reason, out)
			}
			_, other := w.create(nil)
			if _, out, _ := w.sh(other, asking(8000)); !strings.Contains(out, "refused") {
				t.Errorf("another sandbox hears %q", out)
			}
			w.want(200, "POST", session+"/stop", nil)
			again := "/v2/sandboxes/sessions/" + w.want(200, "GET", "/v2/sandboxes/"+name+"?resume=true&projectId=prj_1", nil).str("session", "id")
			if _, out, _ := w.sh(again, asking(8000)); !strings.Contains(out, "refused") {
				t.Errorf("the next session hears %q", out)
			}
		})
	}
}

// detachServer starts python in a command that stays, and returns when it serves.
func (w *sandboxes) detachServer(session string) {
	w.t.Helper()
	w.want(200, "POST", session+"/cmd", obj{"command": "sh", "args": []string{"-c", "exec python3 -c '" + python + "' > log"}})
	until(w.t, func() bool {
		_, out, _ := w.sh(session, "cat log 2>/dev/null")
		return strings.Contains(out, "up")
	})
}
