package selftest_test

import (
	"os"
	"testing"

	"github.com/slipway-dev/slipway/internal/cli"
)

// roleVariable makes the test binary play Slipway's command line.
const roleVariable = "SLIPWAY_SELFTEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "" {
		os.Exit(m.Run())
	}
	os.Exit(cli.Main(os.Args[1:]))
}
