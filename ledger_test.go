package slipway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

// ledgerText was written by hand from the format: version, app, and of each receipt what a fresh home needs.
const ledgerText = `{"slipway":1,"app":"shop","resources":{"cloud.db/db":{"id":"db-1","account":"acme","origin":"adopted"},` +
	`"cloud.project/shop":{"id":"prj-1"},"cloud.role/db@production":{"id":"shop","account":"acme","needs":["cloud.db/db"]}},` +
	`"intended":["cloud.db/a","cloud.db/b"]}`

func TestLedger(t *testing.T) {
	receipts := map[slipway.Address]slipway.Receipt{
		project: {
			Address: project, ID: "prj-1", Origin: slipway.OriginCreated, Name: "shop", Region: "east", URLs: []string{"https://shop.example"},
			Version: "v", Details: map[string]string{"a": "b"}, CreatedAt: noon,
		},
		db:   {Address: db, ID: "db-1", Account: "acme", Origin: slipway.OriginAdopted},
		role: {Address: role, ID: "shop", Account: "acme", Origin: slipway.OriginCreated, Needs: []slipway.Address{db}},
	}
	intended := []slipway.Address{"cloud.db/b", "cloud.db/a"}
	l := slipway.NewLedger("shop", receipts, intended)
	if diff := cmp.Diff(ledgerText, l.Encode()); diff != "" {
		t.Errorf("the format, in short and sorted (-want +got):\n%s", diff)
	}
	if intended[0] != "cloud.db/b" {
		t.Error("the caller's list was sorted")
	}
	back, err := slipway.DecodeLedger(ledgerText)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, back); diff != "" {
		t.Errorf("what was written is what is read (-want +got):\n%s", diff)
	}
	want := map[slipway.Address]slipway.Receipt{
		project: {Address: project, ID: "prj-1", Origin: slipway.OriginCreated},
		db:      receipts[db], role: receipts[role],
	}
	if diff := cmp.Diff(want, back.Receipts()); diff != "" {
		t.Errorf("receipts, needs and origin included (-want +got):\n%s", diff)
	}
}

func TestLedgerRoundTrip(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) slipway.Address {
		return slipway.NewAddress("cloud.db", rapid.StringMatching(`[a-z<&"é]{1,6}`).Draw(t, "key"), rapid.SampledFrom([]string{"", "production"}).Draw(t, "environment"))
	})
	receipt := rapid.Custom(func(t *rapid.T) slipway.Receipt {
		return slipway.Receipt{
			ID: rapid.String().Draw(t, "id"), Account: rapid.StringMatching(`[a-z]*`).Draw(t, "account"),
			Origin: rapid.SampledFrom([]slipway.Origin{slipway.OriginCreated, slipway.OriginAdopted, slipway.OriginExisting}).Draw(t, "origin"),
			Needs:  rapid.SliceOfN(address, 0, 2).Draw(t, "needs"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		receipts := rapid.MapOfN(address, receipt, 0, 4).Draw(t, "receipts")
		for a, r := range receipts {
			if r.Address = a; len(r.Needs) == 0 {
				r.Needs = nil
			}
			receipts[a] = r
		}
		l := slipway.NewLedger("shop", receipts, rapid.SliceOfN(address, 0, 3).Draw(t, "intended"))
		back, err := slipway.DecodeLedger(l.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(receipts, back.Receipts()); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
		if back.Encode() != l.Encode() {
			t.Errorf("written again it is %s, not %s", back.Encode(), l.Encode())
		}
	})
}

func TestForeignLedger(t *testing.T) {
	for reason, text := range map[string]string{
		"empty":                         "",
		"no JSON":                       "true story",
		"another's JSON":                `{"level":"info"}`,
		"a list":                        `[]`,
		"null":                          `null`,
		"no app":                        `{"slipway":1}`,
		"no version":                    `{"app":"shop"}`,
		"a newer version":               `{"slipway":2,"app":"shop"}`,
		"a version as text":             `{"slipway":"1","app":"shop"}`,
		"resources of another shape":    `{"slipway":1,"app":"shop","resources":[]}`,
		"cut off":                       ledgerText[:len(ledgerText)-1],
		"something behind it":           ledgerText + "x",
		"two of them":                   ledgerText + ledgerText,
		"a value that a person changed": strings.ReplaceAll(ledgerText, `"`, `'`),
	} {
		l, err := slipway.DecodeLedger(text)
		if slipway.ErrorCode(err) != slipway.CodeConflict {
			t.Errorf("%s: %v, want a conflict", reason, err)
			continue
		}
		if diff := cmp.Diff(slipway.Ledger{}, l); diff != "" {
			t.Errorf("%s: something was read of it:\n%s", reason, diff)
		}
		if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error shows the value, which may be a secret", reason)
		}
	}
}

func TestLedgerReceipts(t *testing.T) {
	in := settled().Receipts
	in["other.thing/x"] = slipway.Receipt{ID: "of a kind that nobody knows"}
	want := map[slipway.Address]slipway.Receipt{project: in[project], db: in[db], role: in[role]}
	if diff := cmp.Diff(want, slipway.LedgerReceipts(kinds(), in)); diff != "" {
		t.Errorf("only what the ledger keeps (-want +got):\n%s", diff)
	}
	if len(in) < 10 {
		t.Errorf("the receipts given were changed: %d are left", len(in))
	}
}

// The ledger that a plan writes is the one that the next plan wants.
func TestLedgerIsStable(t *testing.T) {
	w := settled().differs(ledger, "value", nil)
	e := mustPlan(t, w.PlanInput).Effect(string(ledger) + "#update")
	if e == nil {
		t.Fatal("no update of the ledger")
	}
	w.differs(ledger, "value", e.Params["value"])
	r := w.Receipts[db]
	r.Version, r.CreatedAt, r.Region = "newer", noon.Add(time.Hour), "elsewhere"
	w.Receipts[db] = r
	if p := mustPlan(t, w.PlanInput); !p.NoChanges() {
		t.Errorf("what is volatile in a receipt is not in the ledger: %v", lines(p))
	}
}
