package slipway

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// LedgerKey is the name of the environment variable that holds the ledger.
const LedgerKey = "SLIPWAY"

// Ledger is the app's receipts in short. It is kept at the provider, in plain view, and makes a lost or fresh home harmless.
type Ledger struct {
	Version   int                     `json:"slipway"`
	App       string                  `json:"app"`
	Resources map[Address]LedgerEntry `json:"resources,omitempty"`
	// Intended were observed absent before they were written here, and may have been made since: a single namesake is ours.
	Intended []Address `json:"intended,omitempty"`
}

// LedgerEntry is one receipt in short.
type LedgerEntry struct {
	ID      string    `json:"id"`
	Account string    `json:"account,omitempty"`
	Origin  Origin    `json:"origin,omitempty"` // "" is created
	Needs   []Address `json:"needs,omitempty"`
}

// NewLedger makes a ledger from receipts and from what is about to be made.
func NewLedger(app string, receipts map[Address]Receipt, intended []Address) Ledger {
	l := Ledger{Version: 1, App: app, Resources: map[Address]LedgerEntry{}}
	for a, r := range receipts {
		e := LedgerEntry{ID: r.ID, Account: r.Account, Needs: r.Needs}
		if r.Origin != OriginCreated {
			e.Origin = r.Origin
		}
		l.Resources[a] = e
	}
	l.Intended = slices.Clone(intended)
	slices.Sort(l.Intended)
	return l
}

// LedgerReceipts returns those receipts whose kind is kept in the ledger.
func LedgerReceipts(kinds map[Kind]KindInfo, receipts map[Address]Receipt) map[Address]Receipt {
	out := map[Address]Receipt{}
	for a, r := range receipts {
		if kinds[a.Kind()].Ledgered {
			out[a] = r
		}
	}
	return out
}

// Encode returns the ledger as JSON, the same bytes for the same ledger.
func (l Ledger) Encode() string {
	raw, err := json.Marshal(l)
	if err != nil {
		panic("slipway: encode ledger: " + err.Error())
	}
	return string(raw)
}

// DecodeLedger reads what Encode wrote. Anything else is CodeConflict: the variable is not ours.
func DecodeLedger(text string) (Ledger, error) {
	var l Ledger
	if err := json.Unmarshal([]byte(text), &l); err != nil || l.Version != 1 || l.App == "" {
		return Ledger{}, Errorf(CodeConflict, "the variable %s of the Vercel project is not a ledger that this version of Slipway can read", LedgerKey).
			WithHint("rename that variable if something else uses it, or use the newer Slipway that wrote it")
	}
	return l, nil
}

// Receipts returns the ledger's entries as receipts; what a ledger does not hold is filled by the next observation.
func (l Ledger) Receipts() map[Address]Receipt {
	out := map[Address]Receipt{}
	for _, a := range slices.Sorted(maps.Keys(l.Resources)) {
		e := l.Resources[a]
		if e.Origin == "" {
			e.Origin = OriginCreated
		}
		out[a] = Receipt{Address: a, ID: e.ID, Account: e.Account, Origin: e.Origin, Needs: e.Needs}
	}
	return out
}

// announcing ends the key of an effect that writes into the ledger what is about to be made.
const announcing = "#intend"

// Announces reports whether e writes into the ledger what its plan is about to make. Those creates wait for its reply alone.
func Announces(e Effect) bool { return strings.HasSuffix(e.Key, announcing) }

// covers reports whether every address is already written down as intended.
func (l *Ledger) covers(addresses []Address) bool {
	if l == nil {
		return false
	}
	for _, a := range addresses {
		if !slices.Contains(l.Intended, a) {
			return false
		}
	}
	return true
}
