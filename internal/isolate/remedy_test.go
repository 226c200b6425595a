package isolate

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestRemedy(t *testing.T) {
	for name, tc := range map[string]struct {
		files      map[string]string
		privileged bool
		says, not  string
		reason     string
	}{
		"Debian":          {map[string]string{"etc/os-release": "NAME=x\nID=debian\n"}, false, "apt-get install bubblewrap", "dnf", ""},
		"Ubuntu":          {map[string]string{"etc/os-release": "ID=ubuntu\nID_LIKE=debian\n"}, false, "apt-get install bubblewrap", ";", ""},
		"Ubuntu 24.04":    {map[string]string{"etc/os-release": "ID=ubuntu\n", "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, false, "; AppArmor keeps user namespaces from users: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", "", "an installed bubblewrap is not enough there"},
		"as root":         {map[string]string{"etc/os-release": "ID=ubuntu\n", "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, true, "apt-get", "AppArmor", "root needs no user namespace"},
		"lifted":          {map[string]string{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0\n"}, false, "install", "AppArmor", ""},
		"Rocky":           {map[string]string{"etc/os-release": "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"}, false, "dnf install bubblewrap", "apt", "by what it is like"},
		"Alpine":          {map[string]string{"etc/os-release": "ID=alpine\n"}, false, "apk add bubblewrap", "apt", ""},
		"Arch":            {map[string]string{"etc/os-release": "ID=arch\n"}, false, "pacman -S bubblewrap", "apt", ""},
		"openSUSE":        {map[string]string{"etc/os-release": "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"}, false, "zypper install bubblewrap", "apt", ""},
		"something else":  {map[string]string{"etc/os-release": "ID=own\n"}, false, "apt-get install bubblewrap, dnf", "", "all of them, rather than a wrong one"},
		"nothing":         {nil, false, "apt-get install bubblewrap, dnf", "sysctl", ""},
		"older Debian":    {map[string]string{"proc/sys/kernel/unprivileged_userns_clone": "0\n"}, false, "sysctl -w kernel.unprivileged_userns_clone=1", "", ""},
		"none at all":     {map[string]string{"proc/sys/user/max_user_namespaces": "0\n"}, false, "sysctl -w user.max_user_namespaces=", "", ""},
		"none, but there": {map[string]string{"proc/sys/user/max_user_namespaces": "0\n", "etc/os-release": "ID=alpine\n"}, false, "apk add bubblewrap; there may be", "", "both are to be done"},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for at, text := range tc.files {
				root[at] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := remedy(root, tc.privileged); !strings.Contains(got, tc.says) || tc.not != "" && strings.Contains(got, tc.not) {
				t.Errorf("%s: %s", tc.reason, got)
			}
		})
	}
}
