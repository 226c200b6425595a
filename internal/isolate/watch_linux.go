package isolate

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// limit sets what the kernel enforces, on a process that has not begun and whose children inherit it.
func limit(pid int, l Limits) error {
	seconds := uint64((l.CPU + time.Second - 1) / time.Second)
	for _, r := range []struct {
		which     int
		soft, max uint64
	}{
		{unix.RLIMIT_DATA, uint64(l.Memory), uint64(l.Memory)},
		{unix.RLIMIT_NPROC, uint64(l.Processes), uint64(l.Processes)},
		{unix.RLIMIT_CPU, seconds, seconds + 1},
		{unix.RLIMIT_FSIZE, uint64(l.FileSize), uint64(l.FileSize)},
		{unix.RLIMIT_NOFILE, uint64(l.OpenFiles), uint64(l.OpenFiles)},
		{unix.RLIMIT_CORE, 0, 0},
	} {
		if err := unix.Prlimit(pid, r.which, &unix.Rlimit{Cur: r.soft, Max: r.max}, nil); err != nil {
			return err
		}
	}
	return nil
}

// usage is what a tree of processes uses.
type usage struct {
	memory int64 // private, in bytes
	cpu    time.Duration
	// first is the root's oldest child: the command, under the namespace's init, which adopts others later. 0 when
	// there is none.
	first int
}

// look adds up the tree below root. A process that ends meanwhile is left out.
func look(root int) usage {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return usage{}
	}
	children, seen := map[int][]int{}, map[int]task{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if t, ok := stat(pid); ok {
			children[t.parent] = append(children[t.parent], pid)
			seen[pid] = t
		}
	}
	var u usage
	for _, pid := range children[root] {
		if u.first == 0 || seen[pid].started < seen[u.first].started {
			u.first = pid
		}
	}
	var total int64
	for todo := []int{root}; len(todo) > 0; {
		pid := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], children[pid]...)
		total += seen[pid].cpu
		u.memory += private(pid)
	}
	u.cpu = time.Duration(total) * (time.Second / 100) // USER_HZ is 100 on every architecture we run on
	return u
}

// task is a process: its parent, when it began, and the ticks used by it and by the children that it has waited for.
type task struct {
	parent       int
	started, cpu int64
}

func stat(pid int) (t task, ok bool) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return task{}, false
	}
	// The name in parentheses may hold anything.
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 20 {
		return task{}, false
	}
	t.parent, _ = strconv.Atoi(string(fields[1]))
	t.started, _ = strconv.ParseInt(string(fields[19]), 10, 64)
	for _, f := range fields[11:15] {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		t.cpu += n
	}
	return t, true
}

// private returns the bytes of memory that a process shares with no file.
func private(pid int) int64 {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	fields := bytes.Fields(raw)
	if err != nil || len(fields) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	shared, _ := strconv.ParseInt(string(fields[2]), 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}
