// Package connect tries out the values that an app gets: a PostgreSQL connection string, the URL and token of a Redis database or a Vector
// index. It looks and changes nothing, and tells what it connected to, so that a value of the wrong resource is told from the right one. No
// value, and nothing that the other side says, is ever in an error. It also looks records up in the DNS, which are nobody's secret.
package connect

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// limit bounds one connection test.
const limit = 10 * time.Second

// All returns a Connector for every Connection; config is that of the process. Each ends with ctx, and by itself after 10 s. It fails with
// CodeUnauthorized when the credential is not accepted, CodeUnavailable when nothing answers, CodeCheckFailed when what answers is not what
// the values say, or the values are none of that sort, and CodeCanceled when ctx has ended.
func All(config rest.Config) map[slipway.Connection]slipway.Connector {
	c := connector{config}
	return map[slipway.Connection]slipway.Connector{
		slipway.ConnectPostgres: within(limit, postgres),
		slipway.ConnectRedis:    within(limit, c.redis),
		slipway.ConnectVector:   within(limit, c.vector),
	}
}

// within ends connect after d.
func within(d time.Duration, connect slipway.Connector) slipway.Connector {
	return func(ctx context.Context, values map[string]slipway.Secret) (map[string]any, error) {
		at, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		facts, err := connect(at, values)
		switch {
		case err == nil:
			return facts, nil
		case ctx.Err() != nil:
			return nil, slipway.Errorf(slipway.CodeCanceled, "stopped before the connection was tried out")
		case errors.Is(at.Err(), context.DeadlineExceeded):
			return nil, slipway.Errorf(slipway.CodeUnavailable, "it did not answer within %s", d)
		}
		return nil, err
	}
}
