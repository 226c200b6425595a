package isolate

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// layout is a view under construction, in a mount namespace of its own.
type layout struct {
	root int // the new root's folder
}

// layOut makes the view this process's file system, of which nothing of the machine's is left that the view does not show. The calls are
// those of the newer mount interface (Linux 5.12; Landlock is of 5.13): a tree is taken aside and made read-only with all below it before it is put anywhere.
func layOut(s spec) error {
	defer unix.Umask(unix.Umask(0))
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	root, err := newFS("tmpfs", map[string]string{"mode": "0755", "size": "1M"}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return fmt.Errorf("a root of its own: %w", err)
	}
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("a root of its own: %w", err)
	}
	l := &layout{root: root}
	for _, e := range s.View {
		if err := l.put(e); err != nil {
			return fmt.Errorf("%s in the view: %w", e.At, err)
		}
	}
	if err := l.enter(); err != nil {
		return fmt.Errorf("a root of its own: %w", err)
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return err
	}
	if s.Network {
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("its own loopback: %w", err)
		}
	}
	return nil
}

// enter makes the new root read-only and the only one.
func (l *layout) enter() error {
	for _, at := range []string{"dev", ""} {
		dir, err := l.open(at)
		if err != nil {
			return err
		}
		if err := unix.MountSetattr(dir, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return err
		}
		_ = unix.Close(dir)
	}
	if err := unix.Fchdir(l.root); err != nil {
		return err
	}
	// Both are the same folder, as in pivot_root(2): the old root ends up over the new one, and is taken off.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return errors.Join(unix.Chdir("/"), unix.Close(l.root))
}

// open opens what is at a path below the new root, with links followed inside it.
func (l *layout) open(at string) (int, error) {
	return unix.Openat2(l.root, path.Join(".", at), &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
}

func (l *layout) put(e entry) error {
	switch e.What {
	case aFolder:
		return l.folder(e.At)
	case aFile:
		return l.file(e.At, e.Text)
	case aLink:
		return unix.Symlinkat(e.From, l.root, path.Join(".", e.At))
	case shown:
		return l.bind(e.From, e.At, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	case given:
		return l.bind(e.From, e.At, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	case scratch:
		return l.mount("tmpfs", e.At, map[string]string{"mode": "1777", "size": strconv.FormatInt(e.Size, 10)}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	case ofProc:
		return l.proc(e.At)
	case ofDevice:
		return l.devices(e.At)
	}
	return fmt.Errorf("no entry of a view: %s", e.What)
}

func (l *layout) folder(at string) error {
	if err := unix.Mkdirat(l.root, path.Join(".", at), 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

func (l *layout) file(at, text string) error {
	fd, err := unix.Openat(l.root, path.Join(".", at), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), at)
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// bind puts a tree of the machine, with all that is mounted below it, at a place of the view.
func (l *layout) bind(from, at string, attr uint64) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr, Propagation: unix.MS_PRIVATE}); err != nil {
		return err
	}
	return l.attach(tree, at)
}

// attach puts a mount at a place, which is made where it is not there.
func (l *layout) attach(mount int, at string) error {
	defer unix.Close(mount)
	to, err := l.open(at)
	if errors.Is(err, unix.ENOENT) {
		if err := l.stub(mount, at); err != nil {
			return err
		}
		to, err = l.open(at)
	}
	if err != nil {
		return err
	}
	defer unix.Close(to)
	return unix.MoveMount(mount, "", to, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// stub makes what a mount can be put on.
func (l *layout) stub(mount int, at string) error {
	var st unix.Stat_t
	if err := unix.Fstat(mount, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return l.folder(at)
	}
	return l.file(at, "")
}

// mount puts a new file system at a place.
func (l *layout) mount(kind, at string, options map[string]string, attr int) error {
	m, err := newFS(kind, options, attr)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return l.attach(m, at)
}

// newFS returns a new file system that is mounted nowhere.
func newFS(kind string, options map[string]string, attr int) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for name, value := range options {
		if err := unix.FsconfigSetString(fs, name, value); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attr)
}

// proc shows the processes of the namespace, and what of it reaches the kernel read-only.
func (l *layout) proc(at string) error {
	if err := l.mount("proc", at, nil, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC); err != nil {
		return err
	}
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus", "fs"} {
		here, err := l.open(path.Join(at, name))
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		tree, err := unix.OpenTree(here, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
		_ = unix.Close(here)
		if err != nil {
			return err
		}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return err
		}
		if err := l.attach(tree, path.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

// devices are those that bubblewrap gives: nothing of the machine can be reached by them.
func (l *layout) devices(at string) error {
	if err := l.mount("tmpfs", at, map[string]string{"mode": "0755", "size": "64k"}, unix.MOUNT_ATTR_NOSUID); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := l.bind("/dev/"+name, path.Join(at, name), unix.MOUNT_ATTR_NOSUID); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := unix.Symlinkat(to, l.root, path.Join(".", at, name)); err != nil {
			return err
		}
	}
	if err := l.folder(path.Join(at, "shm")); err != nil {
		return err
	}
	return l.mount("devpts", path.Join(at, "pts"), map[string]string{"ptmxmode": "0666", "mode": "620"}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
}

// loopbackUp brings the namespace's own loopback up: netdevice(7).
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}
