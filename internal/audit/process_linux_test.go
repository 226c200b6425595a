package audit

import (
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// becomeNobody runs cmd as another user, where this one may; else it stays as it is.
func becomeNobody(t *testing.T, cmd *exec.Cmd, folder string, files ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Log("not root: the same user exports once more")
		return
	}
	const nobody = 65534
	program := filepath.Join(folder, "program") // where another user can read it
	data, err := os.ReadFile(cmd.Path)
	if err == nil {
		err = os.WriteFile(program, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = program
	for _, name := range append(files, folder) {
		if err := os.Chown(name, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for dir := filepath.Dir(folder); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// alone makes a folder all that cmd sees, with the libraries that its program is linked to and nothing else, where this one may; else it says why
// not.
func alone(t *testing.T, cmd *exec.Cmd, folder string) string {
	t.Helper()
	if os.Getuid() != 0 {
		return "not root: no machine without its files can be made"
	}
	for _, file := range libraries(t, cmd.Path) {
		if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		copyFile(t, file, filepath.Join(folder, file))
		if err := os.Chmod(filepath.Join(folder, file), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, cmd.Path, filepath.Join(folder, "program"))
	if err := os.Chmod(filepath.Join(folder, "program"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Dir = "/program", "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: folder}
	return ""
}

// libraries are the files that a program needs to start: what loads it, and what it is linked to.
func libraries(t *testing.T, path string) (files []string) {
	t.Helper()
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(p.Open())
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, strings.TrimRight(string(name), "\x00"))
		}
	}
	linked, err := program.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range linked {
		for _, folder := range []string{"/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib"} {
			if found, err := filepath.Glob(filepath.Join(folder, name)); err == nil {
				files = append(files, found...)
			}
		}
	}
	return files
}
