// Package provider lists the providers that Slipway can work with. Each is a package of its own below this one.
package provider

import (
	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/provider/github"
	"github.com/slipway-dev/slipway/internal/provider/neon"
	"github.com/slipway-dev/slipway/internal/provider/upstash"
	"github.com/slipway-dev/slipway/internal/provider/vercel"
	"github.com/slipway-dev/slipway/internal/rest"
)

// All returns every provider, on one transport. To add one, add its line.
func All(config rest.Config) []slipway.Provider {
	return []slipway.Provider{
		vercel.New(config),
		github.New(config),
		neon.New(config),
		upstash.New(config),
	}
}
