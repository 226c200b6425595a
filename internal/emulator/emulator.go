// Package emulator starts the provider emulators on loopback and says how to point Slipway at them, for slipway emulate, slipway demo
// and the tests.
package emulator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/dnsemu"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/githubemu"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu/pgserver"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

// Options are the settings of `slipway emulate`. The zero value listens on free ports without latency.
type Options struct {
	// Port is the first of eight ports in a row: Vercel API and hosting, Neon, Upstash API and data planes, GitHub,
	// Vercel Sandbox, DNS. 0 takes free ones.
	Port int
	// Latency is added to each API reply, not to deployed apps.
	Latency time.Duration
	// NeonProjectTime is how long the operations of a Neon project's create take, NeonOpTime those of any other
	// change. 0 means the emulator's default.
	NeonProjectTime, NeonOpTime time.Duration
	// BuildTime is how long a Vercel build takes. 0 means the emulator's default.
	BuildTime time.Duration
	// Faults is a schedule in emukit.FaultSyntax; a rule may begin with "vercel:", "neon:", "upstash:",
	// "upstash-data:", "github:" or "sandbox:".
	Faults string
	// RequestLog receives each API call as a line of JSON, from all emulators, one Write a line.
	RequestLog io.Writer
	// Hook sees each call at each emulator with its body, as emukit.Kit's Hook does. May be nil.
	Hook func(*emukit.Call) emukit.Action
	// Seed makes ids, credentials and the chance in Faults repeatable. 0 means random ones.
	Seed uint64
	// SandboxNetwork lets commands in a sandbox whose network policy is allow-all, and functions of deployed apps, use this
	// machine's network. Otherwise the former have none, and the latter reach the emulators' data planes alone.
	SandboxNetwork bool
	// Settings are settings of single emulators by name: see Settings.
	Settings map[string]string
	// Listen is the address to listen on. "" means 127.0.0.1. On any other, whoever reaches it and has the credentials
	// may use the emulators; only /_emulator/ stays with this machine.
	Listen string
	// Postgres makes Neon's branches real databases: "auto" if the machine has a PostgreSQL server, else the folder of
	// its programs. "" means control plane only.
	Postgres string

	world *world
	tries int // how many free ports were tried for what was made
}

// Emulator is one provider's emulator.
type Emulator struct {
	// Name is the API's name in faults and in the request log.
	Name string
	// URLVar is the environment variable that replaces the provider's base URL, Path what follows host and port in it.
	URLVar, Path string
	// New makes one. secret returns a credential of n characters.
	New func(o Options, secret func(n int) string) Instance
}

// Instance is an emulator that is ready to be served.
type Instance struct {
	API http.Handler
	Kit *emukit.Kit
	// Env returns the credentials that the API accepts, by environment variable. It is called when Kit is set up.
	Env func() map[string]string
	// More are further routes of the emulator's control.
	More map[string]emukit.ControlRoute
	// Data serves what was made: deployed apps, data planes. May be nil. OnData is told where before API is served.
	Data   http.Handler
	OnData func(at *emukit.Server)
	// Settings sets its settings, by name.
	Settings []setting
	// State saves and loads what was made. May be nil.
	State emukit.State
	// Close frees what it holds outside memory. May be nil.
	Close func()
}

// All returns the emulators, in the order of their ports.
func All() []Emulator {
	return []Emulator{
		{Name: "vercel", URLVar: "SLIPWAY_VERCEL_URL", New: newVercel},
		{Name: "neon", URLVar: "SLIPWAY_NEON_URL", Path: "/api/v2", New: newNeon},
		{Name: "upstash", URLVar: "SLIPWAY_UPSTASH_URL", New: newUpstash},
		{Name: "github", URLVar: "SLIPWAY_GITHUB_URL", New: newGitHub},
		{Name: "sandbox", URLVar: "SLIPWAY_SANDBOX_URL", Path: "/api", New: newSandbox},
	}
}

func newVercel(o Options, _ func(int) string) Instance {
	token, account := o.world.vercelToken, vercelemu.DefaultAccount()
	s := &vercelemu.Server{
		Tokens: map[string]vercelemu.Account{token: account}, BuildTime: o.BuildTime, Repos: o.world.repository,
		HostNetwork: o.SandboxNetwork, Reachable: o.world.reachable, CAFile: o.world.certFile(), Partner: o.world,
		DNS: o.world.zone.Values,
	}
	return Instance{
		More: zoneControl(&o.world.zone),
		API:  s, Kit: &s.Kit, Data: s.Hosting(), State: s, Close: s.Close, Settings: vercelSettings(s),
		OnData: func(at *emukit.Server) { s.DomainSuffix = fmt.Sprintf("localhost:%d", at.Port) },
		Env:    credentials("VERCEL_TOKEN", token, "VERCEL_TEAM_ID", account.Teams[0].ID),
	}
}

// newSandbox accepts the token of newVercel, and an OIDC token for a project that need not be there.
func newSandbox(o Options, secret func(int) string) Instance {
	account, project := vercelemu.DefaultAccount(), "prj_"+secret(28)
	s := &vercelemu.SandboxServer{Tokens: map[string]vercelemu.Account{o.world.vercelToken: account}, HostNetwork: o.SandboxNetwork}
	return Instance{API: s, Kit: &s.Kit, State: s, Close: s.Close, Settings: sandboxSettings(s), Env: func() map[string]string {
		return map[string]string{"VERCEL_OIDC_TOKEN": s.OIDCToken(account.Teams[0].ID, project, oidcEnds.Sub(s.Clock()))}
	}}
}

// oidcEnds is when the OIDC token ends: a fixed time, so that a seed repeats it, and after any emulator.
var oidcEnds = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

func newNeon(o Options, secret func(int) string) Instance {
	key, account := "napi_"+secret(64), neonemu.DefaultAPIKeys()[neonemu.DefaultPersonalKey]
	s := &neonemu.Server{
		APIKeys: map[string]neonemu.Account{key: account}, ProjectTime: o.NeonProjectTime, OpTime: o.NeonOpTime, Postgres: o.world.branches(),
	}
	return Instance{API: s, Kit: &s.Kit, State: s, Settings: neonSettings(s), Env: credentials("NEON_API_KEY", key, "NEON_ORG_ID", account.Orgs[0].ID)}
}

func newUpstash(o Options, secret func(int) string) Instance {
	email, key := upstashemu.DefaultEmail, secret(32)
	s := &upstashemu.Server{Accounts: map[string]upstashemu.Account{email: {APIKey: key}}}
	o.world.upstash = s
	return Instance{
		API: s, Kit: &s.Kit, Data: s.Data(), State: s, Close: s.Close, Settings: upstashSettings(s),
		OnData: func(at *emukit.Server) { s.DataURL = at.URL },
		Env:    credentials("UPSTASH_EMAIL", email, "UPSTASH_API_KEY", key),
	}
}

func newGitHub(o Options, secret func(int) string) Instance {
	token := "ghp_" + secret(36)
	s := &githubemu.Server{Tokens: map[string]githubemu.Account{token: githubemu.DefaultAccount()}}
	o.world.github = s
	return Instance{API: s, Kit: &s.Kit, State: s, Close: s.Close, Settings: githubSettings(s), Env: credentials("GITHUB_TOKEN", token)}
}

// credentials are names and values in turn.
func credentials(pairs ...string) func() map[string]string {
	return func() map[string]string {
		out := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
}

// Running is a set of emulators that listen.
type Running struct {
	env     map[string]string
	kits    map[string]*emukit.Kit
	states  map[string]emukit.State
	closers []func()

	postgres *pgserver.Server // nil: control plane only
}

// Start serves all emulators on one address until ctx ends or Close. A schedule of faults that does not parse and a
// port that is taken are errors.
func Start(ctx context.Context, o Options) (*Running, error) {
	if o.RequestLog != nil {
		o.RequestLog = &lockedWriter{to: o.RequestLog}
	}
	if o.Listen == "" {
		o.Listen = emukit.Loopback
	}
	faults, err := emukit.ParseSchedule(o.Faults, o.Seed)
	if err != nil {
		return nil, err
	}
	r := &Running{env: map[string]string{}, kits: map[string]*emukit.Kit{}, states: map[string]emukit.State{}}
	if err := known(o.Settings); err != nil {
		return nil, err
	}
	if r.postgres, err = newPostgres(o.Postgres); err != nil {
		return nil, err
	}
	if r.postgres != nil {
		r.closers = append(r.closers, r.postgres.Close)
	}
	random := &emukit.Kit{Seed: derive(o.Seed, "credentials")}
	secret := func(n int) string { return random.RandomString(n, emukit.Alnum) }
	o.world = &world{vercelToken: secret(24), postgres: r.postgres, ports: map[string]int{}}
	port := o.Port
	for _, e := range All() {
		if port, err = r.start(ctx, e, e.New(o, secret), o, faults, port); err != nil {
			r.Close()
			return nil, fmt.Errorf("%s emulator: %w", e.Name, err)
		}
	}
	names, err := dnsemu.Serve(ctx, o.Listen, port, &o.world.zone)
	if err != nil {
		r.Close()
		return nil, err
	}
	r.closers = append(r.closers, names.Close)
	r.env["SLIPWAY_DNS"], r.states["dns"] = names.Address, &o.world.zone
	return r, nil
}

// newPostgres returns nil when none is wanted, or none is found and none was named.
func newPostgres(where string) (*pgserver.Server, error) {
	switch where {
	case "":
		return nil, nil
	case "auto":
		s, err := pgserver.New(pgserver.Config{})
		if errors.Is(err, pgserver.ErrNotFound) {
			return nil, nil
		}
		return s, err
	}
	return pgserver.New(pgserver.Config{Bin: where})
}

// Postgres tells the folder of the programs that run Neon's branches and the certificate that their databases show. Both
// are "" when branches are control plane only.
func (r *Running) Postgres() (bin, certFile string) {
	if r.postgres == nil {
		return "", ""
	}
	return r.postgres.Bin(), r.postgres.CertFile()
}

// start serves one emulator from port on and returns the next free port, 0 when ports are taken as they come.
func (r *Running) start(ctx context.Context, e Emulator, i Instance, o Options, faults *emukit.Schedule, port int) (int, error) {
	if i.Close != nil {
		r.closers = append(r.closers, i.Close)
	}
	if err := set(e.Name, i.Settings, o.Settings); err != nil {
		return 0, err
	}
	i.Kit.Latency, i.Kit.RequestLog, i.Kit.Seed = o.Latency, o.RequestLog, derive(o.Seed, e.Name)
	i.Kit.Hook, i.Kit.Bodies = o.Hook, o.Hook != nil
	i.Kit.SetSchedule(faults)
	taken := 1
	if i.Data != nil {
		second := port
		if port != 0 {
			second++
			taken++
		}
		data, err := r.startData(ctx, i, o, second)
		if err != nil {
			return 0, err
		}
		o.world.listens(e.Name, data.Port)
	}
	api, err := emukit.Listen(ctx, o.Listen, port, controlled(e, emukit.Control{Name: e.Name, Kit: i.Kit, State: i.State, More: i.More}.Wrap(i.API)))
	if err != nil {
		return 0, err
	}
	r.closers = append(r.closers, api.Close)
	r.env[e.URLVar] = api.URL + e.Path
	for k, v := range i.Env() {
		r.env[k] = v
	}
	r.kits[e.Name] = i.Kit
	if i.State != nil {
		r.states[e.Name] = i.State
	}
	if port == 0 {
		return 0, nil
	}
	return port + taken, nil
}

// startData serves what was made where the emulators listen, and on loopback too: names below localhost lead there.
func (r *Running) startData(ctx context.Context, i Instance, o Options, port int) (*emukit.Server, error) {
	data, err := emukit.Listen(ctx, o.Listen, port, i.Data)
	if err != nil {
		return nil, err
	}
	if at, err := netip.ParseAddr(o.Listen); err == nil && !at.IsUnspecified() && o.Listen != emukit.Loopback {
		second, err := emukit.Start(ctx, data.Port, i.Data)
		if err != nil {
			defer data.Close() // only then: the next try takes another free port
			if o.tries++; port == 0 && o.tries < maxTries {
				return r.startData(ctx, i, o, port)
			}
			return nil, err
		}
		r.closers = append(r.closers, second.Close)
	}
	r.closers = append(r.closers, data.Close)
	i.OnData(data)
	return data, nil
}

// maxTries is how many free ports are tried: one that is free where the emulators listen may be taken on loopback.
const maxTries = 16

// controlled has the control routes below the path of the base URL as well, where a program that has the URL looks.
func controlled(e Emulator, h http.Handler) http.Handler {
	control := http.StripPrefix(e.Path, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.Path != "" && strings.HasPrefix(r.URL.Path, e.Path+emukit.ControlPath) {
			control.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// derive makes a seed for one purpose of the whole's, so that no id has the same random characters as a credential. 0
// stays 0: random.
func derive(seed uint64, purpose string) uint64 {
	if seed == 0 {
		return 0
	}
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, seed) // a hash takes everything
	_, _ = io.WriteString(h, purpose)
	return max(h.Sum64(), 1)
}

// Env returns a copy of the environment that points Slipway at the emulators: base URLs and credentials.
func (r *Running) Env() map[string]string {
	out := make(map[string]string, len(r.env))
	for k, v := range r.env {
		out[k] = v
	}
	return out
}

// Kit returns the kit of an emulator by name, for its request log. nil when there is none of that name.
func (r *Running) Kit(name string) *emukit.Kit { return r.kits[strings.ToLower(name)] }

// Close stops all listeners and removes what the emulators hold on disk.
func (r *Running) Close() {
	for i := len(r.closers) - 1; i >= 0; i-- {
		r.closers[i]()
	}
	r.closers = nil
}

type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}
