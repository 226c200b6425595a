package selftest

import (
	"net/netip"
	"testing"
)

// Where a command is to listen nobody else comes by chance, in the time in which no command does.
func TestOwnAddress(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		at := ownAddress()
		a, err := netip.ParseAddrPort(at)
		switch {
		case err != nil || !a.Addr().IsLoopback():
			t.Fatalf("%s is not this machine alone: %v", at, err)
		case a.Port() < 1024 || a.Port() >= 32768: // net.ipv4.ip_local_port_range of Linux; the others begin at 49152
			t.Errorf("%s: the system gives this port to who asks for any", at)
		case seen[at]:
			t.Errorf("%s was given twice", at)
		}
		seen[at] = true
	}
}
