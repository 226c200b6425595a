package emulator

import (
	"context"
	"net"
	"strconv"
	"sync"

	"github.com/slipway-dev/slipway/internal/emulator/dnsemu"
	"github.com/slipway-dev/slipway/internal/emulator/githubemu"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu/pgserver"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

// world is what the emulators of one Start know of each other.
type world struct {
	vercelToken string            // accepted by the Vercel API and by Sandbox
	postgres    *pgserver.Server  // nil: control plane only
	github      *githubemu.Server // set before anything is served
	upstash     *upstashemu.Server
	zone        dnsemu.Zone // the public DNS

	mu    sync.Mutex
	ports map[string]int // that deployed apps may reach, by who listens there
}

func (w *world) listens(who string, port int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports[who] = port
}

func (w *world) leaves(who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ports, who)
}

// reachable says whether a port is a data plane's: a database, a store, or the hosting.
func (w *world) reachable(port int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.ports {
		if p == port {
			return true
		}
	}
	return false
}

func (w *world) certFile() string {
	if w.postgres == nil {
		return ""
	}
	return w.postgres.CertFile()
}

// branches makes Neon's branches real, or returns nil.
func (w *world) branches() neonemu.Postgres {
	if w.postgres == nil {
		return nil
	}
	return branches{w.postgres, w}
}

// branches is a PostgreSQL whose ports the world gets to know.
type branches struct {
	neonemu.Postgres
	world *world
}

// Address is of neonemu.Postgres.
func (b branches) Address(branchID string) (string, error) {
	address, err := b.Postgres.Address(branchID)
	if err != nil {
		return "", err
	}
	if _, text, err := net.SplitHostPort(address); err == nil {
		port, _ := strconv.Atoi(text)
		b.world.listens(branchID, port)
	}
	return address, nil
}

// Drop is of neonemu.Postgres.
func (b branches) Drop(ctx context.Context, branchID string) error {
	b.world.leaves(branchID)
	return b.Postgres.Drop(ctx, branchID)
}

// repository is what the emulated Vercel's Git app sees of the emulated GitHub: every repository.
func (w *world) repository(provider, name string) *vercelemu.Repository {
	if provider != "github" {
		return nil
	}
	found := w.github.Repository(name)
	if found == nil {
		return nil
	}
	return &vercelemu.Repository{ID: found.ID, DefaultBranch: found.DefaultBranch, Tree: found.Tree}
}

// Provision is of vercelemu.Partner: what Vercel's Marketplace sells is made at the emulated Upstash.
func (w *world) Provision(product, name string, metadata map[string]any) (id string, variables map[string]string, err error) {
	return w.upstash.Provision(product, name, metadata)
}

// Discard is of vercelemu.Partner.
func (w *world) Discard(id string) { w.upstash.Discard(id) }
