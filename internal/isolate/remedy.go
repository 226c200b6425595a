package isolate

import (
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
)

// Remedy says what makes isolation available on this machine: the command that installs bubblewrap on its distribution, and the settings of
// its kernel that stand against user namespaces. It is for a hint, after ErrUnavailable.
func Remedy() string {
	if runtime.GOOS != "linux" {
		return "run Slipway on Linux"
	}
	return remedy(os.DirFS("/"), os.Geteuid() == 0)
}

// installs are the commands by the ID of os-release(5), or one of ID_LIKE.
var installs = []struct {
	ids     []string
	command string
}{
	{[]string{"debian", "ubuntu"}, "apt-get install bubblewrap"},
	{[]string{"fedora", "rhel", "centos", "amzn"}, "dnf install bubblewrap"},
	{[]string{"alpine"}, "apk add bubblewrap"},
	{[]string{"arch"}, "pacman -S bubblewrap"},
	{[]string{"suse", "opensuse"}, "zypper install bubblewrap"},
	{[]string{"nixos"}, "nix-env -iA nixos.bubblewrap"},
}

func install(root fs.FS) string {
	raw, _ := fs.ReadFile(root, "etc/os-release") // without it, nothing matches
	var ids []string
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "ID" || name == "ID_LIKE" {
			ids = append(ids, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	for _, i := range installs {
		if slices.ContainsFunc(i.ids, func(id string) bool { return slices.Contains(ids, id) }) {
			return i.command
		}
	}
	return "apt-get install bubblewrap, dnf install bubblewrap, or apk add bubblewrap"
}

// settings of the kernel that keep user namespaces from users, the value that does, and what undoes it.
var obstacles = []struct{ file, value, says string }{
	{ // https://ubuntu.com/blog/ubuntu-23-10-restricted-unprivileged-user-namespaces
		"proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		"AppArmor keeps user namespaces from users: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or load a profile for bwrap " +
			"(bwrap-userns-restrict, of the package apparmor-profiles)",
	},
	{"proc/sys/kernel/unprivileged_userns_clone", "0", "user namespaces are kept from users: sysctl -w kernel.unprivileged_userns_clone=1"},
	{"proc/sys/user/max_user_namespaces", "0", "there may be no user namespaces: sysctl -w user.max_user_namespaces=15000"},
}

func remedy(root fs.FS, privileged bool) string {
	out := []string{"install bubblewrap: " + install(root)}
	if privileged { // who needs none of them
		return out[0]
	}
	for _, o := range obstacles {
		if raw, err := fs.ReadFile(root, o.file); err == nil && strings.TrimSpace(string(raw)) == o.value {
			out = append(out, o.says)
		}
	}
	return strings.Join(out, "; ")
}
