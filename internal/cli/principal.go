package cli

import (
	"os/user"

	"github.com/slipway-dev/slipway"
)

// osUser is the person who runs this process: on one's own machine that is the proof of who approves.
func osUser() slipway.Principal {
	name := "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return slipway.Principal{Kind: slipway.PrincipalUser, Name: name}
}
