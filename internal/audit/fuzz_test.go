package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway/internal/attest"
)

// vector is a frozen bundle: to make one takes a database, which is slow where every step of it is counted.
func vector(f *testing.F, name string) []byte {
	f.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("v%d", Version), name+".zip"))
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// FuzzVerify: whatever a file holds, the verifier ends with a fault or says that it is no bundle; only the seeds are valid.
func FuzzVerify(f *testing.F) {
	data, k := vector(f, "waiting"), key(f, testKey)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte(magic(Version)))
	f.Fuzz(func(t *testing.T, got []byte) {
		_, err := verify(t, got, k)
		if err == nil && !bytes.Equal(got, data) {
			t.Error("another file is valid")
		}
		if err != nil && !errors.As(err, new(*Fault)) && !errors.As(err, new(*Unusable)) {
			t.Errorf("neither a fault nor unusable: %v", err)
		}
	})
}

// FuzzDocuments puts what was not written here into each of the decoders behind the signature.
func FuzzDocuments(f *testing.F) {
	data, k := vector(f, "approved"), key(f, testKey)
	whole := takeApart(f, data)
	for i, name := range whole.names {
		f.Add(uint8(i), whole.of[name])
	}
	f.Add(uint8(4), []byte(`{"a":1e400}`))
	f.Fuzz(func(t *testing.T, n uint8, content []byte) {
		c := takeApart(t, data)
		name := c.names[int(n)%len(c.names)]
		if bytes.Equal(c.of[name], content) || name == nameManifest {
			return
		}
		c.of[name] = content
		if name != nameIndex && name != nameSignature && !bytes.HasPrefix([]byte(name), []byte("statements/")) {
			c.reindex(t, k, nil)
		}
		_, err := verify(t, c.assemble(), k)
		if err != nil && !errors.As(err, new(*Fault)) && !errors.As(err, new(*Unusable)) {
			t.Errorf("%s: neither a fault nor unusable: %v", name, err)
		}
	})
}

// FuzzEnvelope: what is no envelope with a trusted signature is refused.
func FuzzEnvelope(f *testing.F) {
	k := key(f, testKey)
	signed, err := k.Sign(f.Context(), attest.Approval, map[string]any{"a": 1}, attest.About("x", digest(nil)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(signed))
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, _, err := attest.Open(t.Context(), data, k)
		if err == nil && (s.PredicateType != attest.Approval || string(s.Predicate) != `{"a":1}`) {
			t.Errorf("another statement is believed: %s", data)
		}
	})
}
