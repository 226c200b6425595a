package upstashemu

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Settings are what a fault schedule may set for one call of the Developer API by with:NAME:VALUE, each with its
// meaning. They go before the Server's fields.
func Settings() map[string]string {
	return map[string]string{
		"access":       "any call: read-only, and the key may change nothing",
		"refuse":       "any call: the status that an account made through Vercel or Fly is refused with",
		"max":          "a create: how many databases, or indexes, an account may have",
		"unique-names": "a create: 1, and a name that is taken is 409",
		"create-time":  "a create: how long it is being made",
	}
}

// settingNumber returns the call's own setting, from low to high, and 0 when it has none.
func settingNumber(ctx context.Context, name string, low, high int) (int, *failure) {
	text := emukit.Setting(ctx, name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, badSetting(name, text)
	}
	return n, nil
}

func badSetting(name, value string) *failure {
	return fail(http.StatusBadRequest, "the emulator's fault schedule sets %s to %q, which is no such value", name, value)
}

// creation is what holds for one create.
type creation struct {
	most   int // 0 = no limit
	unique bool
	takes  time.Duration
}

func (s *Server) creation(q *request, most int) (creation, *failure) {
	c := creation{most, s.UniqueNames, s.createTime()}
	n, f := settingNumber(q.Context(), "max", 1, 1<<30)
	if f != nil {
		return c, f
	}
	if n > 0 {
		c.most = n
	}
	if n, f = settingNumber(q.Context(), "unique-names", 1, 1); f != nil {
		return c, f
	}
	c.unique = c.unique || n == 1
	if text := emukit.Setting(q.Context(), "create-time"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return c, badSetting("create-time", text)
		}
		c.takes = d
	}
	return c, nil
}
