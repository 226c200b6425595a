package cli

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// FuzzReadBallot hands in what a trusted key may have signed: whatever comes out is about the gate and the subject that the statement names.
func FuzzReadBallot(f *testing.F) {
	good, err := json.Marshal(slipway.Ballot{Run: "run_1", Gate: "apply", Subject: "sha256:00", Nonce: "n", ExpiresAt: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, "gate apply", "00")
	f.Add(good, "gate destroy", "00")
	f.Add([]byte(`{"run":"run_1","admin":true}`), "gate ", "")
	f.Fuzz(func(t *testing.T, predicate []byte, name, hash string) {
		s := attest.Statement{PredicateType: attest.Ballot, Predicate: predicate, Subject: []attest.Subject{{Name: name, Digest: map[string]string{"sha256": hash}}}}
		b, err := readBallot(s)
		if err == nil && ("gate "+string(b.Gate) != name || b.Subject != "sha256:"+hash || hash == "") {
			t.Errorf("%+v was taken for a statement about %q %q", b, name, hash)
		}
	})
}

// What is signed about one gate is not taken for another.
func TestBallotIsAboutItsGate(t *testing.T) {
	predicate, err := json.Marshal(slipway.Ballot{Run: "run_1", Gate: "apply", Subject: "sha256:00", Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		reason string
		about  []attest.Subject
		ok     bool
	}{
		"its own":         {"as approve signs it", []attest.Subject{attest.About("gate apply", "sha256:00")}, true},
		"another gate":    {"the subject is what other tools see", []attest.Subject{attest.About("gate destroy", "sha256:00")}, false},
		"another subject": {"so is its digest", []attest.Subject{attest.About("gate apply", "sha256:11")}, false},
		"two":             {"one statement, one gate", []attest.Subject{attest.About("gate apply", "sha256:00"), attest.About("gate apply", "sha256:00")}, false},
		"none":            {"it is about something", nil, false},
	} {
		if _, err := readBallot(attest.Statement{Subject: tc.about, Predicate: predicate}); (err == nil) != tc.ok {
			t.Errorf("%s: %v: %s", name, err, tc.reason)
		}
	}
}
