package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
)

// probeResultsText tells how the probes of a check went.
func probeResultsText(b *strings.Builder, s slipway.Step) {
	raw, err := json.Marshal(s.Basis["probes"])
	if err != nil {
		return
	}
	var results []slipway.ProbeResult
	if json.Unmarshal(raw, &results) != nil {
		return
	}
	for _, r := range results {
		fmt.Fprintf(b, "  %-8s GET %s: %s, %d after %d ms, attempt %d\n", "", r.Path, r.Outcome, r.Status, r.Millis, r.Attempts)
	}
}

// commitChecksText tells how the checks of a commit stood when they were looked at last.
func commitChecksText(b *strings.Builder, s slipway.Step) {
	raw, err := json.Marshal(s.Basis["checks"])
	if err != nil {
		return
	}
	var checks []slipway.CommitCheck
	if json.Unmarshal(raw, &checks) != nil {
		return
	}
	for _, c := range checks {
		fmt.Fprintf(b, "  %-8s %s\n", "", oneLine(c.String()))
	}
}
