package cli

import (
	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/provider"
)

// providers are all that this program knows.
func (a *app) providers() []slipway.Provider { return provider.All(a.restConfig()) }
