package isolate

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// system is what every command sees of the machine, read-only. None of it holds anything of a person's.
var system = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store"}

// settings are the files of /etc that programs cannot do without.
var settings = []string{
	"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "ssl", "pki", "ca-certificates", "localtime",
	"nsswitch.conf", "services", "protocols", "mime.types",
}

// networkSettings are added with the network.
var networkSettings = []string{"resolv.conf", "hosts", "gai.conf"}

const (
	tmpSize = 256 << 20
	shmSize = 64 << 20
)

// what an entry of a view is.
type what string

const (
	aFolder  what = "folder"
	aFile    what = "file"    // that holds Text
	aLink    what = "link"    // to From
	shown    what = "shown"   // From of this machine, read-only
	given    what = "given"   // From of this machine, writable
	scratch  what = "scratch" // an empty file system in memory
	ofProc   what = "proc"
	ofDevice what = "dev"
)

// entry is one thing that a command sees. Both backends lay out the same entries, in order.
type entry struct {
	What what
	At   string // inside
	From string `json:",omitempty"`
	Text string `json:",omitempty"`
	Size int64  `json:",omitempty"` // of scratch, in bytes
}

// view is the file system of a command. What is not in it is read-only.
type view struct {
	entries []entry
	made    map[string]bool
}

// newView lays out the system and the mounts.
func newView(c Command, uid int) *view {
	v := &view{made: map[string]bool{"/": true}}
	for _, p := range system {
		v.show(p)
	}
	v.folder("/etc")
	v.settings(settings)
	id, home := strconv.Itoa(uid), c.Env["HOME"]
	v.add(entry{What: aFile, At: "/etc/passwd", Text: c.User + ":x:" + id + ":" + id + "::" + home + ":/bin/sh\n"})
	v.add(entry{What: aFile, At: "/etc/group", Text: c.User + ":x:" + id + ":\n"})
	if c.Network {
		v.settings(networkSettings)
	} else {
		v.add(entry{What: aFile, At: "/etc/hosts", Text: "127.0.0.1 localhost\n::1 localhost\n"})
	}
	v.add(entry{What: ofProc, At: "/proc"}, entry{What: ofDevice, At: "/dev"})
	v.scratch("/dev/shm", shmSize)
	v.scratch("/tmp", tmpSize)
	v.folder(path.Dir(home))
	v.scratch(home, tmpSize)
	for _, m := range c.Mounts {
		v.folder(path.Dir(path.Clean(m.Inside)))
		how := shown
		if m.Writable {
			how = given
		}
		v.add(entry{What: how, From: m.Host, At: path.Clean(m.Inside)})
	}
	return v
}

func (v *view) add(e ...entry) { v.entries = append(v.entries, e...) }

// settings shows those files of /etc that are there.
func (v *view) settings(names []string) {
	for _, name := range names {
		if _, err := os.Stat("/etc/" + name); err == nil {
			v.add(entry{What: shown, From: "/etc/" + name, At: "/etc/" + name})
		}
	}
}

// show binds a folder of the system, or repeats the link that it is.
func (v *view) show(p string) {
	info, err := os.Lstat(p)
	if err != nil {
		return
	}
	if to, err := os.Readlink(p); err == nil {
		v.add(entry{What: aLink, From: to, At: p})
	} else if info.IsDir() {
		v.folder(path.Dir(p))
		v.add(entry{What: shown, From: p, At: p})
	}
	v.made[p] = true
}

func (v *view) folder(p string) {
	if v.made[p] || slices.ContainsFunc(system, func(s string) bool { return strings.HasPrefix(p, s+"/") && v.made[s] }) {
		return
	}
	v.folder(path.Dir(p))
	v.made[p] = true
	v.add(entry{What: aFolder, At: p})
}

func (v *view) scratch(p string, size int64) {
	v.made[p] = true
	v.add(entry{What: scratch, At: p, Size: size})
}

// find checks that argv[0] is a program in the view, as far as it can be seen from outside.
func find(c Command, dir, search string) error {
	name := c.Argv[0]
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join(dir, name)
		}
		if exists(c, name) {
			return nil
		}
		return fmt.Errorf("%w: %s", ErrNoProgram, c.Argv[0])
	}
	for d := range strings.SplitSeq(search, ":") {
		if path.IsAbs(d) && exists(c, path.Join(d, name)) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is not on the PATH %s", ErrNoProgram, name, search)
}

// exists tells what is at an inside path. A link counts, wherever it leads.
func exists(c Command, inside string) bool {
	for _, m := range c.Mounts {
		if rest, ok := strings.CutPrefix(inside, path.Clean(m.Inside)+"/"); ok {
			return beneath(m.Host, rest)
		}
	}
	info, err := os.Stat(inside)
	return ofSystem(inside) && err == nil && !info.IsDir()
}

func ofSystem(inside string) bool {
	return slices.ContainsFunc(system, func(s string) bool { return inside == s || strings.HasPrefix(inside, s+"/") })
}

// enter checks that dir is a folder in the view, as far as it can be seen from outside.
func enter(c Command, dir string) error {
	dir = path.Clean(dir)
	for _, m := range c.Mounts {
		rest, below := strings.CutPrefix(dir+"/", path.Clean(m.Inside)+"/")
		if !below {
			continue
		}
		root, err := os.OpenRoot(m.Host)
		if err != nil {
			return fmt.Errorf("isolate: %w", err)
		}
		defer root.Close()
		info, err := root.Lstat(filepath.FromSlash(path.Clean(rest)))
		if err == nil && (info.IsDir() || info.Mode()&os.ModeSymlink != 0) {
			return nil
		}
		return fmt.Errorf("%w: %s", ErrNoFolder, dir)
	}
	if info, err := os.Stat(dir); ofSystem(dir) && (err != nil || !info.IsDir()) {
		return fmt.Errorf("%w: %s", ErrNoFolder, dir)
	}
	return nil
}

// beneath looks only below host: a link in it that leads out is not followed, and counts.
func beneath(host, rest string) bool {
	root, err := os.OpenRoot(host)
	if err != nil {
		return false
	}
	defer root.Close()
	info, err := root.Lstat(filepath.FromSlash(rest))
	return err == nil && !info.IsDir() || err != nil && !os.IsNotExist(err)
}
