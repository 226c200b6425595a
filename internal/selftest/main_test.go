package selftest_test

import (
	"os"
	"testing"

	"github.com/slipway-dev/slipway/internal/cli"
)

// roleVariable makes the test binary play Slipway's command line: "slipway" as it is released, "mortal" as one that crashVariables kill, "panics…" as one that panics,
// "profiled" under the profiler.
const roleVariable = "SLIPWAY_SELFTEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "slipway":
		os.Exit(cli.MainWith(os.Args[1:], cli.Seams{Work: 8})) // a key's passphrase costs a second of work for each use, which tells nothing here
	case "faulty":
		os.Exit(faulty(os.Args[1:]))
	case "cramped":
		os.Exit(cramped(os.Args[1:]))
	case "mortal":
		os.Exit(mortal(os.Args[1:]))
	case "profiled":
		os.Exit(profiled(os.Args[1:]))
	case "panics", "panics-late":
		os.Exit(panicking(os.Getenv(roleVariable), os.Args[1:]))
	}
	os.Exit(m.Run())
}
