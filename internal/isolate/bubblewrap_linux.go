package isolate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// bubblewrap is the method of the program of that name: https://github.com/containers/bubblewrap.
type bubblewrap struct{ program, version string }

var _ method = bubblewrap{}

// findBubblewrap looks for the program, and for what it needs as root.
func findBubblewrap(ctx context.Context, program string) (bubblewrap, error) {
	if program == "" {
		return bubblewrap{}, errors.New("bubblewrap is not installed")
	}
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return bubblewrap{}, fmt.Errorf("%s --version: %w", program, err)
	}
	if privileged() {
		if _, err := os.Stat(setpriv); err != nil {
			return bubblewrap{}, errors.New("as root bubblewrap needs setpriv, of util-linux")
		}
	}
	_, version, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return bubblewrap{program, version}, nil
}

const setpriv = "/usr/bin/setpriv"

func (b bubblewrap) level() Level { return Level{Backend: "bubblewrap", Version: b.version} }

// limitsInside is false: bubblewrap sets no limits.
func (bubblewrap) limitsInside() bool { return false }

func (b bubblewrap) argv(l *launch, c Command, uid int, v *view, code []byte) []string {
	args := append([]string{
		"--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
		"--hostname", hostname, "--json-status-fd", strconv.Itoa(statusFD), "--block-fd", strconv.Itoa(gateFD), "--cap-drop", "ALL",
	}, bubblewrapView(v, l.data)...)
	if !c.Network && c.Loopback == nil {
		args = append(args, "--unshare-net")
	}
	argv := c.Argv
	if privileged() {
		id := strconv.Itoa(uid)
		args = append(args, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP")
		argv = append([]string{setpriv, "--reuid=" + id, "--regid=" + id, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--"}, argv...)
	} else {
		args = append(args, "--unshare-user", "--uid", strconv.Itoa(uid), "--gid", strconv.Itoa(os.Getgid()))
	}
	args = append(args, "--seccomp", l.data(string(code)), "--clearenv", "--chdir", c.Dir)
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		args = append(args, "--setenv", name, c.Env[name])
	}
	// The environment may hold secrets and arguments may be long: neither shows in this machine's list of processes.
	list := l.data(strings.Join(args, "\x00") + "\x00")
	return append([]string{b.program, "--args", list, "--"}, argv...)
}

// bubblewrapView is a view as arguments of bubblewrap. data gives it a file of that text and returns the descriptor's number.
func bubblewrapView(v *view, data func(text string) (fd string)) (args []string) {
	for _, e := range v.entries {
		switch e.What {
		case aFolder:
			args = append(args, "--perms", "0755", "--dir", e.At)
		case aFile:
			args = append(args, "--perms", "0444", "--ro-bind-data", data(e.Text), e.At)
		case aLink:
			args = append(args, "--symlink", e.From, e.At)
		case shown:
			args = append(args, "--ro-bind", e.From, e.At)
		case given:
			args = append(args, "--bind", e.From, e.At)
		case scratch:
			args = append(args, "--perms", "1777", "--size", strconv.FormatInt(e.Size, 10), "--tmpfs", e.At)
		case ofProc:
			args = append(args, "--proc", e.At)
		case ofDevice:
			args = append(args, "--dev", e.At)
		}
	}
	return append(args, "--remount-ro", "/dev", "--remount-ro", "/")
}
