package slipway_test

import (
	"fmt"
	"testing"

	"github.com/slipway-dev/slipway"
)

// BenchmarkMakePlan plans an app of 100 databases and 400 env vars: the first ship, and the one with nothing to do.
func BenchmarkMakePlan(b *testing.B) {
	const dbs, vars = 100, 400
	in := slipway.PlanInput{
		Operation: slipway.OperationShip, App: "shop", Environment: slipway.Production,
		Kinds: map[slipway.Kind]slipway.KindInfo{
			"cloud.project": {Kind: "cloud.project", Ledgered: true, Stateful: true}, "cloud.db": {Kind: "cloud.db", Ledgered: true, Stateful: true},
			"cloud.var": {Kind: "cloud.var", Batch: true, Contained: true},
		},
		Specs: []slipway.Spec{
			{Address: "cloud.project/shop", Name: "shop"},
			{Address: "cloud.var/SLIPWAY", Needs: []slipway.Address{"cloud.project/shop"}, Inputs: map[string]slipway.Input{"value": {Ledger: true}}, Params: map[string]any{"value": nil}},
		},
	}
	for i := range dbs {
		in.Specs = append(in.Specs, slipway.Spec{
			Address: slipway.Address(fmt.Sprintf("cloud.db/db%d", i)), Name: fmt.Sprintf("shop-db%d", i), Serves: fmt.Sprintf("db%d", i), Params: map[string]any{"region": "east"},
		})
	}
	for i := range vars {
		in.Specs = append(in.Specs, slipway.Spec{
			Address: slipway.Address(fmt.Sprintf("cloud.var/VAR%d@production", i)), Needs: []slipway.Address{"cloud.project/shop"}, Params: map[string]any{"fingerprint": "x"},
			Inputs: map[string]slipway.Input{"value": {From: &slipway.OutputRef{Resource: fmt.Sprintf("db%d", i%dbs), Output: "url"}}},
		})
	}
	settled := in
	settled.Observed, settled.Owned, settled.Receipts = map[slipway.Address]slipway.Observation{}, map[slipway.Address]bool{}, map[slipway.Address]slipway.Receipt{}
	for _, s := range in.Specs {
		r := slipway.Receipt{Address: s.Address, ID: string(s.Address), Origin: slipway.OriginCreated}
		settled.Observed[s.Address] = slipway.Observation{Exists: true, Receipt: r, Fields: s.Params}
		settled.Owned[s.Address], settled.Receipts[s.Address] = true, r
	}
	ledger := slipway.NewLedger("shop", slipway.LedgerReceipts(in.Kinds, settled.Receipts), nil).Encode()
	settled.Observed["cloud.var/SLIPWAY"] = slipway.Observation{Exists: true, Fields: map[string]any{"value": ledger}}
	for name, tc := range map[string]struct {
		in      slipway.PlanInput
		effects int
	}{"first": {in, dbs + vars + 2}, "nothing": {settled, 0}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				plan, err := slipway.MakePlan(tc.in)
				if err != nil || len(plan.Effects) != tc.effects {
					b.Fatalf("%d effects, not %d: %v", len(plan.Effects), tc.effects, err)
				}
				_ = plan.Digest()
			}
		})
	}
}
