package emulator

import (
	"io"
	"net/http"

	"github.com/slipway-dev/slipway/internal/emulator/dnsemu"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// maxZone is the most that a zone to be loaded may have, in bytes.
const maxZone = 1 << 20

// zoneControl are the control routes of the public DNS, which the Vercel API's address has. A body is lines NAME TYPE VALUE:
//
//	GET   /_emulator/dns  {records: lines}
//	PUT   /_emulator/dns  replaces all records
//	PATCH /_emulator/dns  replaces those of the names and types that the lines name; a line without a value removes
func zoneControl(z *dnsemu.Zone) map[string]emukit.ControlRoute {
	show := func() any { return map[string][]string{"records": z.Lines()} }
	write := func(change func(string) error) emukit.ControlRoute {
		return func(r *http.Request) (any, error) {
			raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxZone))
			if err == nil {
				err = change(string(raw))
			}
			if err != nil {
				return nil, err
			}
			return show(), nil
		}
	}
	return map[string]emukit.ControlRoute{
		"GET /_emulator/dns":   func(*http.Request) (any, error) { return show(), nil },
		"PUT /_emulator/dns":   write(z.Replace),
		"PATCH /_emulator/dns": write(z.Change),
	}
}
