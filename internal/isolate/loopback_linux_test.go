package isolate

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// serve answers one connection at localhost with "hello" once it is up.
const serve = `import socket
s = socket.create_server(("127.0.0.1", 8000))
print("up", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"hello")
    c.close()
`

// ask prints what a port of localhost says, or the error.
func ask(port int) []string {
	return []string{"python3", "-c", fmt.Sprintf(`import socket
try:
    print(socket.create_connection(("127.0.0.1", %d), 5).recv(99))
except OSError as e:
    print(e)
`, port)}
}

func TestLoopbackIsShared(t *testing.T) {
	each(t, func(t *testing.T) {
		outside, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer outside.Close()
		shared, err := NewLoopback(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer shared.Close()
		up := make(begun, 1)
		server, err := Start(t.Context(), Command{Argv: []string{"python3", "-c", serve}, Dir: "/", Loopback: shared, Stdout: up})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-up:
		case <-server.ended:
			t.Fatalf("the server ended: %v %v", server.result, server.fault)
		}
		for name, tc := range map[string]struct {
			reason string
			in     *Loopback
			port   int
			want   string
		}{
			"same":    {"what one command serves at localhost another one reaches", shared, 8000, "b'hello'"},
			"own":     {"a command with a loopback of its own does not", nil, 8000, "refused"},
			"machine": {"this machine's loopback is out of reach", shared, outside.Addr().(*net.TCPAddr).Port, "refused"},
		} {
			t.Run(name, func(t *testing.T) {
				r, err := Run(t.Context(), Command{Argv: ask(tc.port), Dir: "/", Loopback: tc.in})
				if err != nil || !strings.Contains(string(r.Stdout.Data), tc.want) {
					t.Errorf("%s: %v %v", tc.reason, r, err)
				}
			})
		}
		if c, err := net.Dial("tcp", "127.0.0.1:8000"); err == nil {
			c.Close()
			t.Error("this machine reaches the server inside")
		}
		server.Kill()
		if r, err := server.Wait(); err != nil || r.Ended != Canceled {
			t.Errorf("%v %v", r, err)
		}
	})
}

func TestLoopbackChangesNothingElse(t *testing.T) {
	each(t, func(t *testing.T) {
		shared, err := NewLoopback(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer shared.Close()
		script := "id -u; id -g; grep -h -e Cap -e NoNewPrivs -e Seccomp: /proc/self/status; ls /proc/self/fd; set -- /proc/[0-9]*; echo $#; ip -o link 2>/dev/null | wc -l"
		uid := NewUID()
		run := func(in *Loopback) string {
			r, err := Run(t.Context(), Command{Argv: []string{"/bin/sh", "-c", script}, Dir: "/", Loopback: in, UID: uid})
			if err != nil || r.ExitCode != 0 {
				t.Fatal(r, err)
			}
			return string(r.Stdout.Data)
		}
		if alone, together := run(nil), run(shared); alone != together {
			t.Errorf("a command in a shared loopback differs from one in its own:\n%s\nand its own:\n%s", together, alone)
		}
		if _, err := Run(t.Context(), Command{Argv: []string{"true"}, Dir: "/", Loopback: shared, Network: true}); err == nil {
			t.Error("a loopback and this machine's network at once were taken")
		}
	})
}
