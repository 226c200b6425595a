//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A policy that is there and is no file of text allows nothing: it is neither the default, nor waited for, nor read without an end.
func TestPolicyThatIsNoFile(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		make   func(path string) error
	}{
		"link to nothing": {"what it names was moved: that loosens nothing", func(path string) error { return os.Symlink("nowhere", path) }},
		"endless":         {"it has no size", func(path string) error { return os.Symlink("/dev/zero", path) }},
		"pipe":            {"nobody may ever write to it", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
		"folder":          {"it has no text", func(path string) error { return os.Mkdir(path, 0o700) }},
	} {
		path := filepath.Join(t.TempDir(), "slipway.policy")
		if err := tc.make(path); err != nil {
			t.Fatal(err)
		}
		if p := readPolicy(path, "slipway.policy", &policyCache{}); p.Err() == nil {
			t.Errorf("%s: %s is in force: %s", name, p.Name(), tc.reason)
		}
	}
	path := filepath.Join(t.TempDir(), "slipway.policy")
	if err := os.WriteFile(path+".text", []byte("permit (principal, action, resource);"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".text", path); err != nil {
		t.Fatal(err)
	}
	if p := readPolicy(path, "slipway.policy", &policyCache{}); p.Err() != nil || p.Name() != "slipway.policy" {
		t.Errorf("a link to a file is read: %v", p.Err())
	}
}
