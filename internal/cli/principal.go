package cli

import (
	"os/user"

	"github.com/slipway-dev/slipway"
)

// actor is who asks for something: the agent that SLIPWAY_AGENT names, else the person who runs this process.
func (a *app) actor() slipway.Principal {
	if name, _ := a.settings.lookup("SLIPWAY_AGENT"); name != "" {
		return slipway.Principal{Kind: slipway.PrincipalAgent, Name: name}
	}
	return osUser()
}

// approverHere is the actor as somebody who may decide; how is what they did. CodeForbidden for an agent.
func (a *app) approverHere(how string) (slipway.Approver, error) {
	return slipway.PersonApprover(a.actor(), slipway.ProofOSUser, how)
}

// osUser is the person who runs this process: on one's own machine that is the proof of who approves.
func osUser() slipway.Principal {
	name := "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return slipway.Principal{Kind: slipway.PrincipalUser, Name: name}
}
