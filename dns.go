package slipway

import (
	"context"
	"fmt"
	"strings"
)

// DNSRecord is a record that the public DNS is to have.
type DNSRecord struct {
	Type  string `json:"type"` // A, CNAME or TXT
	Name  string `json:"name"` // in full, without the last dot
	Value string `json:"value"`
	For   string `json:"for"` // what it is for
	// Also are values that are as good.
	Also []string `json:"also,omitempty"`
	// Issuer is the certificate authority that CAA records must let issue for the name; "" where no certificate hangs on it.
	Issuer string `json:"issuer,omitempty"`
}

func (r DNSRecord) String() string { return r.Type + " " + r.Name + " " + r.Value }

// DNSState is what the DNS says of a record.
type DNSState string

const (
	DNSRight       DNSState = "right"
	DNSAbsent      DNSState = "absent"      // no such name, or no such record
	DNSWrong       DNSState = "wrong"       // something else stands there
	DNSSeveral     DNSState = "several"     // the right one and others: visitors are led to either
	DNSForbidden   DNSState = "forbidden"   // CAA records keep the issuer from it
	DNSUnreachable DNSState = "unreachable" // the DNS gave no answer that tells
)

// DNSFinding is what the DNS says of one record.
type DNSFinding struct {
	Record DNSRecord
	State  DNSState
	Found  []string // TYPE VALUE of what stands there, sorted; unreachable: why
}

// Says tells it in a clause.
func (f DNSFinding) Says() string {
	at, found := f.Record.Type+" "+f.Record.Name, strings.Join(f.Found, ", ")
	switch f.State {
	case DNSRight:
		return at + " is right"
	case DNSAbsent:
		return at + " is not there"
	case DNSSeveral:
		return fmt.Sprintf("%s has %s: leave %s alone", at, found, f.Record.Value)
	case DNSForbidden:
		return fmt.Sprintf("no certificate can be issued for %s: %s; add CAA 0 issue \"%s\" there", f.Record.Name, found, f.Record.Issuer)
	case DNSUnreachable:
		return fmt.Sprintf("%s could not be looked up: %s", at, found)
	}
	says := fmt.Sprintf("%s is to be %s, and there is %s", at, f.Record.Value, found)
	if f.Record.Type == "TXT" { // texts stand together: each domain of an apex has its own proof
		says += ": add it beside them"
	}
	return says
}

// DNSLookup looks records up, each by itself; it changes nothing. The findings are in the records' order.
type DNSLookup func(ctx context.Context, records []DNSRecord) []DNSFinding

// DNSFound is what several findings come to: done, absent (none is there), partial (some are right, or the DNS did not answer), duplicate
// (more than the right ones) or wrong.
func DNSFound(findings []DNSFinding) Finding {
	has := map[DNSState]bool{}
	for _, f := range findings {
		has[f.State] = true
	}
	switch {
	case has[DNSWrong], has[DNSForbidden]:
		return FindingWrong
	case has[DNSSeveral]:
		return FindingDuplicate
	case has[DNSUnreachable], has[DNSAbsent] && has[DNSRight]:
		return FindingPartial
	case has[DNSAbsent]:
		return FindingAbsent
	}
	return FindingDone
}
