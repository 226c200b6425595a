package connect

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/slipway-dev/slipway"
)

// postgres connects with the one connection string given, url or pooled_url, with TLS as it says (sslmode, channel_binding), and asks where it
// is. Facts: database, role (who connects), owner (of the database).
func postgres(ctx context.Context, values map[string]slipway.Secret) (map[string]any, error) {
	value, direct := values["url"]
	if !direct {
		value = values["pooled_url"]
	}
	config, err := postgresConfig(value)
	if err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, postgresError(err)
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, whereAmI).ReadAll()
	if err != nil {
		return nil, postgresError(err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 4 || string(results[0].Rows[0][0]) != "1" {
		return nil, slipway.Errorf(slipway.CodeCheckFailed, "select 1 gave another answer than 1")
	}
	row := results[0].Rows[0]
	return map[string]any{"database": string(row[1]), "role": string(row[2]), "owner": string(row[3])}, nil
}

const whereAmI = "select 1, datname, current_user, pg_get_userbyid(datdba) from pg_database where datname = current_database()"

// postgresConfig takes nothing from this process's environment or files that the string should say itself: the app will have the string alone.
func postgresConfig(value slipway.Secret) (*pgconn.Config, error) {
	u, err := url.Parse(value.Reveal())
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, slipway.Errorf(slipway.CodeCheckFailed, "the value is no PostgreSQL connection string").
			WithHint("it begins with postgresql:// and is shown as a whole where the provider shows how to connect")
	}
	password, _ := u.User.Password()
	for _, part := range []struct{ name, value string }{
		{"host", u.Hostname()},
		{"role", u.User.Username()},
		{"password", password},
		{"database", strings.Trim(u.Path, "/")},
	} {
		if part.value == "" {
			return nil, slipway.Errorf(slipway.CodeCheckFailed, "the connection string names no %s", part.name).
				WithHint("copy it as a whole, with the password shown")
		}
	}
	q := u.Query()
	if !q.Has("sslmode") {
		q.Set("sslmode", "prefer")
	}
	u.RawQuery = q.Encode()
	config, err := pgconn.ParseConfig(u.String())
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeCheckFailed, "the connection string has an option that PostgreSQL's clients do not know").
			WithHint("look at what follows the ? in it")
	}
	return config, nil
}

// postgresError says what kind of failure err is, in our words alone: pgconn's name the string's parts, and the server's can say anything.
// Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
func postgresError(err error) error {
	if said := (*pgconn.PgError)(nil); errors.As(err, &said) && len(said.Code) == 5 {
		return refusal(said.Code)
	}
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		return slipway.Errorf(slipway.CodeUnavailable, "no connection to the server").WithHint("see whether host and port are right, and the network lets it through")
	}
	if name := (*net.DNSError)(nil); errors.As(err, &name) {
		return slipway.Errorf(slipway.CodeUnavailable, "the server's host name leads nowhere").WithHint("see whether the host is right")
	}
	return slipway.Errorf(slipway.CodeCheckFailed, "what answers is no PostgreSQL server, or does not speak TLS as the connection string asks").
		WithHint("see whether host, port and sslmode are right")
}

// refusal says what the server's SQLSTATE means.
func refusal(state string) error {
	switch {
	case state == "28P01":
		return slipway.Errorf(slipway.CodeUnauthorized, "role or password is wrong").WithHint("copy the connection string again; was the password reset?")
	case state == "42501", strings.HasPrefix(state, "28"):
		return slipway.Errorf(slipway.CodeUnauthorized, "the role may not connect like this (SQLSTATE %s)", state).
			WithHint("see whether the role may use that database, and sslmode is right")
	case state == "3D000":
		return slipway.Errorf(slipway.CodeCheckFailed, "the server has no such database").WithHint("see whether the connection string names the right database and branch")
	case state != "08P01" && (strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") || strings.HasPrefix(state, "57")):
		return slipway.Errorf(slipway.CodeUnavailable, "the server takes no connection now (SQLSTATE %s)", state).WithHint("try again in a while")
	}
	return slipway.Errorf(slipway.CodeCheckFailed, "the server refuses it (SQLSTATE %s)", clean(state))
}

// clean lets nothing but a SQLSTATE through.
func clean(state string) string {
	if strings.Trim(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "unknown"
	}
	return state
}
