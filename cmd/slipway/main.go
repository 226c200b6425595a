// Command slipway takes a target app from source to verified production. See internal/cli.
package main

import (
	"os"

	"github.com/slipway-dev/slipway/internal/cli"
	"github.com/slipway-dev/slipway/internal/isolate"
)

func main() {
	isolate.Reenter()
	os.Exit(cli.Main(os.Args[1:]))
}
