package isolate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// namespaces is the method that needs nothing installed: this program runs itself again, in three stages (Reenter).
type namespaces struct {
	abi     int    // of Landlock
	release string // of the kernel
}

var _ method = namespaces{}

// reenters says that this program runs its stages: Reenter was called.
var reenters atomic.Bool

// findNamespaces asks what the kernel has. Whether it lets this user have it turns out when it is tried.
func findNamespaces() (namespaces, error) {
	if !reenters.Load() {
		return namespaces{}, errors.New("this program does not run itself again")
	}
	abi, err := landlockABI()
	if err != nil {
		return namespaces{}, fmt.Errorf("the kernel has no Landlock: %w", err)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return namespaces{}, err
	}
	return namespaces{abi: abi, release: unix.ByteSliceToString(u.Release[:])}, nil
}

func (n namespaces) level() Level {
	return Level{Backend: "namespaces", Version: "Linux " + n.release, Layers: []string{"Landlock ABI " + strconv.Itoa(n.abi)}}
}

// limitsInside is true: the stages themselves are not to run under the command's limits.
func (namespaces) limitsInside() bool { return true }

// spec is what the stages are told, in a file in memory: not in arguments, which show in this machine's list of processes.
type spec struct {
	View     []entry
	Dir      string
	Argv     []string
	Env      []string // name=value
	UID, GID int      // inside; as root outside too
	Root     bool     // the user id is a real one, and there is no user namespace
	Network  bool     // a network of its own
	Limits   Limits
	Filter   []byte
	Landlock int // ABI
}

// Descriptors of the stages beside statusFD and gateFD. specFD is read from its beginning by each.
const specFD = 5

func (n namespaces) argv(l *launch, c Command, uid int, v *view, code []byte) []string {
	s := spec{
		View: v.entries, Dir: c.Dir, Argv: c.Argv, UID: uid, GID: os.Getgid(), Root: privileged(), Network: !c.Network && c.Loopback == nil,
		Limits: c.Limits, Filter: code, Landlock: n.abi,
	}
	if s.Root {
		s.GID = uid
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		s.Env = append(s.Env, name+"="+c.Env[name])
	}
	text, err := json.Marshal(s)
	if err != nil {
		l.fault = err
	}
	l.data(string(text))
	// The program by a descriptor: a shared loopback is entered by nsenter, which may not look at this process afterwards.
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		l.fault = err
		return []string{"/proc/self/exe"}
	}
	l.files = append(l.files, self)
	return []string{"/proc/self/fd/" + l.last(), stageOuter}
}
