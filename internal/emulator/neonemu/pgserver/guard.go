//go:build unix

package pgserver

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner is whom the clusters run as: PostgreSQL refuses to run as root.
type owner struct {
	credential *syscall.Credential // nil: this process's own user
}

// newOwner returns this process's user, or for root one without rights: postgres, else nobody.
func newOwner() (owner, error) {
	if os.Geteuid() != 0 {
		return owner{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return owner{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return owner{}, fmt.Errorf("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// become makes c run as the owner, in the process group given.
func (o owner) become(c *exec.Cmd, group int) {
	c.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential, Setpgid: true, Pgid: group}
}

func (o owner) own(path string) error {
	if o.credential == nil {
		return nil
	}
	return os.Chown(path, int(o.credential.Uid), int(o.credential.Gid))
}

func (o owner) write(path string, content []byte, mode os.FileMode) error {
	if err := os.WriteFile(path, content, mode); err != nil {
		return err
	}
	return o.own(path)
}

func (o owner) mkdir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return o.own(path)
}

// longest is how long the folder's path may be: the system limits a socket's path to 103 bytes or a little more.
const longest = 103 - len("/run/.s.PGSQL.65535")

// folder makes the private folder where the owner can reach it: root's own temporary folder may be closed to others.
func (o owner) folder() (string, error) {
	var last error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		dir, err := os.MkdirTemp(parent, "slipway-pg-")
		if err != nil {
			last = err
			continue
		}
		if len(dir) > longest {
			last = fmt.Errorf("%s is too long a path for a socket", dir)
		} else if err := o.own(dir); err != nil {
			last = err
		} else if err := os.Chmod(dir, 0o711); err != nil {
			last = err
		} else {
			c := exec.Command("/bin/sh", "-c", `cd "$1" && test -w .`, "sh", dir)
			o.become(c, 0)
			if last = c.Run(); last == nil {
				return dir, nil
			}
		}
		_ = os.RemoveAll(dir)
	}
	return "", fmt.Errorf("no temporary folder that PostgreSQL's user can reach: %w", last)
}

// guard is the watchdog: a shell that waits for the end of its input, which comes with Close or with this process's
// death, and then ends every process of its group and removes the folder. Postmasters end their own children.
type guard struct {
	cmd   *exec.Cmd
	input io.Closer
}

const watchdog = `trap '' HUP INT QUIT TERM
cat >/dev/null
pids=$(for f in "$1"/*/postmaster.pid; do test -f "$f" && head -n 1 "$f"; done)
kill -QUIT 0
n=0
for p in $pids; do
  while kill -0 "$p" 2>/dev/null && test $n -lt 200; do n=$((n + 1)); sleep 0.02; done
done
n=0
until rm -rf "$1" 2>/dev/null || test $n -ge 50; do n=$((n + 1)); sleep 0.02; done
exit 0`

func watch(o owner, dir string) (*guard, error) {
	c := exec.Command("/bin/sh", "-c", watchdog, "sh", dir)
	c.Dir, c.Env = "/", []string{"PATH=/usr/bin:/bin"}
	o.become(c, 0)
	input, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	return &guard{c, input}, nil
}

func (g *guard) group() int { return g.cmd.Process.Pid }

// release lets the watchdog do its work and returns when it has.
func (g *guard) release() {
	_ = g.input.Close()
	_ = g.cmd.Wait()
}
