package vercelemu

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"syscall"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/isolate"
)

var _ emukit.State = (*SandboxServer)(nil)

// maxSaved is how many bytes of files of one sandbox are saved; of one that has more none are.
const maxSaved = 32 << 20

// graph is the state of s: sandboxes, sessions and commands, without what runs, their output, and the key, which the tokens
// that this process gave out need.
func (s *SandboxServer) graph() emukit.Graph {
	return emukit.Graph{Name: "sandbox", Root: s, Kit: &s.Kit, Skip: []string{
		"SandboxServer.handler", "SandboxServer.key", "SandboxServer.closed", "sandbox.dir", "sandbox.uid",
		"session.ctx", "session.loopback", "command.process", "command.log",
	}}
}

// SaveState is of emukit.State. What runs is in it as it is now. The files of persistent sandboxes are, below their working
// directory and home, up to 32 MiB each, but no links; their /tmp is not.
func (s *SandboxServer) SaveState() ([]byte, error) {
	s.once.Do(s.init)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.all {
		if err := b.pack(); err != nil {
			return nil, fmt.Errorf("sandbox state: the files of %s: %w", b.name, err)
		}
		defer func() { b.files = nil }()
	}
	return s.graph().Save()
}

// LoadState is of emukit.State: it ends all sandboxes, and those that it loads are stopped.
func (s *SandboxServer) LoadState(raw []byte) error {
	s.once.Do(s.init)
	g, loaded := s.graph(), &SandboxServer{}
	g.Root = loaded
	if err := g.Load(raw); err != nil {
		return err
	}
	if err := s.ResetState(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range loaded.all {
		b.uid = isolate.NewUID()
		if err := s.layOut(b); err != nil {
			return fmt.Errorf("sandbox state: the files of %s: %w", b.name, err)
		}
		s.all = append(s.all, b)
	}
	for _, ses := range loaded.sessions {
		s.rest(ses)
	}
	maps.Copy(s.sessions, loaded.sessions)
	return nil
}

// rest makes a loaded session one that has stopped. s.mu is held.
func (s *SandboxServer) rest(ses *session) {
	ses.ctx, ses.cut = context.WithCancel(context.Background())
	ses.cut()
	ses.over = make(chan struct{})
	close(ses.over)
	for _, cmd := range ses.commands {
		if !cmd.ended {
			cmd.ended, cmd.stopped, cmd.code = true, true, killed
		}
		cmd.done, cmd.log = make(chan struct{}), newCmdLog()
		close(cmd.done)
		cmd.log.end()
	}
	if ses.status != "stopped" {
		now := s.Clock()
		ses.status, ses.stopAsked, ses.stopped, ses.updated, ses.box.status = "stopped", now, now, now, now
	}
}

// killed is the exit code of a command that SIGKILL ended.
const killed = 137

// kept are the folders whose files are saved.
func (b *sandbox) kept() []isolate.Mount { return b.mounts()[:2] }

// pack sets b.files, by the folder inside, for what outlives a session.
func (b *sandbox) pack() error {
	if b.dir == "" || !b.persistent {
		return nil
	}
	files := map[string][]byte{}
	left := int64(maxSaved)
	for _, m := range b.kept() {
		archive, err := pack(m.Host, &left)
		if errors.Is(err, errTooMuch) {
			return nil
		}
		if err != nil {
			return err
		}
		files[m.Inside] = archive
	}
	b.files = files
	return nil
}

// pack returns the folders and files below dir as a tar.gz. Over left bytes it is errTooMuch.
func pack(dir string, left *int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && name != "." {
			err = packEntry(archive, root, name, left)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // taken away meanwhile
		}
		return err
	})
	if err := errors.Join(err, archive.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func packEntry(archive *tar.Writer, root *os.Root, name string, left *int64) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
	if info.IsDir() {
		h.Typeflag = tar.TypeDir
		return archive.WriteHeader(h)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	content, err := readRegular(root, name, left)
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
	if err := archive.WriteHeader(h); err != nil {
		return err
	}
	_, err = archive.Write(content)
	return err
}

// readRegular reads a file that a command may be changing, or swapping for a pipe.
func readRegular(root *os.Root, name string, left *int64) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrNotExist)
	}
	content, err := io.ReadAll(io.LimitReader(f, *left+1))
	if *left -= int64(len(content)); *left < 0 {
		return nil, errTooMuch
	}
	return content, err
}

// layOut gives a loaded sandbox its files again.
func (s *SandboxServer) layOut(b *sandbox) error {
	files := b.files
	b.files = nil
	if len(files) == 0 {
		return nil
	}
	if err := s.folders(b); err != nil {
		return err
	}
	for _, m := range b.kept() {
		if f := b.unpack(m.Inside, io.LimitReader(bytes.NewReader(files[m.Inside]), maxArchive)); f != nil {
			return errors.New(f.message)
		}
	}
	return nil
}

// ResetState is of emukit.State: it ends all sandboxes and removes their folders.
func (s *SandboxServer) ResetState() error {
	s.once.Do(s.init)
	s.mu.Lock()
	var over []chan struct{}
	for len(s.all) > 0 {
		over = append(over, s.all[0].current.over)
		s.drop(s.all[0])
	}
	s.mu.Unlock()
	for _, ch := range over {
		<-ch
	}
	return nil
}
