// Command slipway takes a target app from source to verified production. See internal/cli.
package main

import (
	"os"

	"github.com/slipway-dev/slipway/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
