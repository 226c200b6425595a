//go:build unix

package audit

import (
	"os"
	"os/exec"
	"path/filepath"
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
