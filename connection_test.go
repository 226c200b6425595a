package slipway_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestAConnectionAsksForWhatTheEnvironmentUses(t *testing.T) {
	const direct, pooled = "SLIPWAY_OUTPUT_MAIN_DB_URL", "SLIPWAY_OUTPUT_MAIN_DB_POOLED_URL"
	m := &slipway.Manifest{Env: map[string]slipway.EnvVar{
		"A": {From: "main-db.pooled_url"}, "B": {From: "main-db.url", Targets: []string{slipway.Preview}}, "C": {From: "main-db.password"}, "D": {From: "other.url"},
	}}
	for name, tc := range map[string]struct {
		reason      string
		connection  slipway.Connection
		environment string
		want        []string
	}{
		"production": {"what only preview uses is not asked for", slipway.ConnectPostgres, slipway.Production, []string{pooled}},
		"preview":    {"both are used", slipway.ConnectPostgres, slipway.Preview, []string{direct, pooled}},
		"redis": {
			"nothing that it takes is used: it takes one set all the same", slipway.ConnectRedis, slipway.Production,
			[]string{"SLIPWAY_OUTPUT_MAIN_DB_REST_URL", "SLIPWAY_OUTPUT_MAIN_DB_REST_TOKEN"},
		},
		"none": {"nothing can be tried out", "", slipway.Production, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.connection.Exports("main-db", m.OutputsUsed("main-db", tc.environment))
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
		})
	}
}
