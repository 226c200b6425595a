package pgserver

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
)

// reconcile brings the running cluster from what was applied to what spec says. What users made by SQL stays.
func (b *branch) reconcile(ctx context.Context) error {
	if b.applied == b.spec {
		return nil
	}
	old := b.applied
	if old == nil {
		old = &neonemu.BranchSpec{}
	}
	if _, err := b.sql(ctx, script(*old, *b.spec)); err != nil {
		return err
	}
	b.applied = b.spec
	return nil
}

// sql runs a script as the superuser. Its error says which statement failed by line, without its text.
func (b *branch) sql(ctx context.Context, text string) (string, error) {
	return b.s.run(ctx, b.login(), text, filepath.Join(b.bin(), "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse",
		"-h", b.s.sockets(), "-p", strconv.Itoa(b.process.port), "-U", superuser, "-d", "postgres", "-f", "-")
}

// script is psql input that turns old into spec. A role is in neon_superuser, as those that Neon's API makes are:
// https://neon.com/docs/manage/roles#the-neonsuperuser-role
func script(old, spec neonemu.BranchSpec) string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	line(`SELECT 'CREATE ROLE neon_superuser NOLOGIN CREATEDB CREATEROLE BYPASSRLS IN ROLE pg_read_all_data, pg_write_all_data'
		WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'neon_superuser') \gexec`)
	for _, d := range old.Databases {
		if !slices.ContainsFunc(spec.Databases, func(n neonemu.DatabaseSpec) bool { return n.ID == d.ID || n.Name == d.Name }) {
			line("DROP DATABASE IF EXISTS %s WITH (FORCE);", identifier(d.Name))
		}
	}
	roles(line, old, spec)
	databases(line, old, spec)
	for _, r := range old.Roles {
		if !slices.ContainsFunc(spec.Roles, func(n neonemu.RoleSpec) bool { return n.Name == r.Name }) {
			dropRole(line, r.Name, spec.Databases)
		}
	}
	return s.String()
}

type printer func(format string, args ...any)

func roles(line printer, old, spec neonemu.BranchSpec) {
	for _, r := range spec.Roles {
		if slices.Contains(old.Roles, r) {
			continue
		}
		line(`SELECT format('CREATE ROLE %%I', %[1]s) WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %[1]s) \gexec`, literal(r.Name))
		login := "NOLOGIN"
		if r.Password != "" {
			login = "LOGIN PASSWORD " + literal(r.Password)
		}
		line("ALTER ROLE %s CREATEDB CREATEROLE BYPASSRLS REPLICATION %s;", identifier(r.Name), login)
		line("GRANT neon_superuser TO %s;", identifier(r.Name))
		// A new password ends the sessions of the old one.
		line("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s;", literal(r.Name))
	}
}

func databases(line printer, old, spec neonemu.BranchSpec) {
	for _, d := range spec.Databases {
		i := slices.IndexFunc(old.Databases, func(o neonemu.DatabaseSpec) bool { return o.ID == d.ID })
		if i >= 0 && old.Databases[i].Name != d.Name {
			was := old.Databases[i].Name
			line("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s;", literal(was))
			line("ALTER DATABASE %s RENAME TO %s;", identifier(was), identifier(d.Name))
		}
		line(`SELECT format('CREATE DATABASE %%I OWNER %%I', %[1]s, %[2]s) WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = %[1]s) \gexec`, literal(d.Name), literal(d.Owner))
		line("ALTER DATABASE %s OWNER TO %s;", identifier(d.Name), identifier(d.Owner))
		line("GRANT ALL ON DATABASE %s TO neon_superuser;", identifier(d.Name))
	}
}

// dropRole gives what the role owns to each database's owner first.
func dropRole(line printer, name string, databases []neonemu.DatabaseSpec) {
	line(`SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s) AS there \gset`, literal(name))
	line(`\if :there`)
	for _, d := range databases {
		line(`\connect %s`, identifier(d.Name))
		line("REASSIGN OWNED BY %s TO %s;", identifier(name), identifier(d.Owner))
		line("DROP OWNED BY %s;", identifier(name))
	}
	line(`\connect postgres`)
	line("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s;", literal(name))
	line("DROP ROLE %s;", identifier(name))
	line(`\endif`)
}

func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal is a string constant whose backslashes are themselves.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
