package audit

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestWhatIsExportedIsValid(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		end    slipway.RunStatus
		want   func(*Report) bool
	}{
		"succeeded": {"all of it is there", slipway.RunSucceeded, func(r *Report) bool {
			return r.Complete && r.Files == 2 && len(r.Plans) == 2 && len(r.Approvals) == 3 && r.Lines == 4 && r.URL != ""
		}},
		"waiting": {"a run that has not ended is exported as it is", slipway.RunWaitingApproval, func(r *Report) bool {
			return !r.Complete && r.Status == "waiting_approval" && r.Lines == 0
		}},
		"failed": {"a failed run as well", slipway.RunFailed, func(r *Report) bool { return !r.Complete && r.Status == "failed" }},
	} {
		t.Run(name, func(t *testing.T) {
			data, s := bundle(t, exporter(t), newStore(t, t.TempDir(), tc.end, 3))
			r, err := verify(t, data, key(t, testKey))
			if err != nil {
				t.Fatal(err)
			}
			if !tc.want(r) || r.Core != s.Core || r.Events != s.Events || r.Bytes != s.Bytes || r.Statements != s.Statements+1 {
				t.Errorf("%s: %+v, exported as %+v", tc.reason, r, s)
			}
		})
	}
}

func TestWitnessedAndAsserted(t *testing.T) {
	data, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	r, err := verify(t, data, key(t, testKey))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"3 changes that Slipway made, with their intents, and looked at afterwards at the provider",
		"2 checks that passed before production was moved",
		"manual step upstash.redis/cache#create: connected with rest_token, rest_url",
	}
	if d := cmp.Diff(want, r.Witnessed); d != "" {
		t.Error(d)
	}
	want = []string{
		`manual step neon.project/db#create: grace says "made on the page, \"db\" <eu>" (signed by 21fe31dfa154a261)`,
		"gate apply: ada decided it (os-user: whoever ran as that user)",
		"gate promote: ada decided it (os-user: whoever ran as that user)",
		"all times: by the clock of the machine that worked",
		"what happened before the export: the key 21fe31dfa154a261 vouches that the records are those of its database",
	}
	if d := cmp.Diff(want, r.Asserted); d != "" {
		t.Error(d)
	}
}

func TestSigners(t *testing.T) {
	data, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	other := exporter(t)
	other.Key = key(t, strings.Repeat("2", 64))
	theirs, _ := bundle(t, other, newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	mixed := takeApart(t, data)
	s, _ := mixed.statement(t, "statements/0002.json")
	mixed.of["statements/0002.json"] = sign(t, other.Key, s.PredicateType, s.Predicate, s.Subject...)
	for name, tc := range map[string]struct {
		reason  string
		data    []byte
		trusted []string
		place   string // "" for valid
	}{
		"nobody is trusted":      {"without a key nothing is valid", data, nil, nameSignature},
		"another is trusted":     {"the signer is unknown", data, []string{strings.Repeat("2", 64)}, nameSignature},
		"both":                   {"one of them has signed", data, []string{strings.Repeat("2", 64), testKey}, ""},
		"another's bundle":       {"the person's word is signed by a key that is not trusted", theirs, []string{strings.Repeat("2", 64)}, nameSteps + " 1 evidence statement"},
		"a statement by another": {"one key signs all of a bundle, though both are trusted", mixed.assemble(), []string{strings.Repeat("2", 64), testKey}, "statements/0002.json"},
		"two signers":            {"the bundle by one, the word by the other", theirs, []string{strings.Repeat("2", 64), testKey}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := Verifier{}
			for _, seed := range tc.trusted {
				v.Trusted = append(v.Trusted, key(t, seed))
			}
			_, err := verify(t, tc.data, v.Trusted...)
			if got := place(err); got != tc.place {
				t.Errorf("%s: %q (%v)", tc.reason, got, err)
			}
		})
	}
}

// place is where an error says that a bundle is wrong.
func place(err error) string {
	if f := (*Fault)(nil); errors.As(err, &f) {
		return f.Place
	}
	return map[bool]string{false: "no fault"}[err == nil]
}

func TestNoSecretIsExported(t *testing.T) {
	st := newStore(t, t.TempDir(), slipway.RunSucceeded, 2)
	for name, secret := range map[string]string{
		"the manifest": "# the shop", "a plan": "no credential", "a receipt": "prj_1", "an event": "line 1 ✓", "the source": strings.Repeat("1e", 20), "the runbook": "it is listed", "a transcript": "$ npm test\nok",
		"lines of output, split": "<b>&amp;line 1",
	} {
		x := exporter(t)
		x.Guard = func(b []byte) bool { return strings.Contains(string(b), secret) }
		f := &discard{}
		if _, err := x.Export(t.Context(), st, runID, f); slipway.ErrorCode(err) != slipway.CodeSecretLeak {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(string(f.data), secret) {
			t.Errorf("%s: it was written", name)
		}
	}
}

// discard keeps what is written.
type discard struct{ data []byte }

func (d *discard) Write(p []byte) (int, error) { d.data = append(d.data, p...); return len(p), nil }
func (d *discard) WriteAt(p []byte, at int64) (int, error) {
	return copy(d.data[at:], p), nil
}

// TestPlanDigest: the verifier computes what an approval binds in its own way, for whatever a plan can hold.
func TestPlanDigest(t *testing.T) {
	p := &slipway.Plan{}
	n := 0
	fill(reflect.ValueOf(p).Elem(), &n)
	p.Effects = append(p.Effects, slipway.Effect{Key: "a", Reason: "first by its key"})
	raw, err := canonical(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := planDigest(raw)
	if err != nil || got != p.Digest() {
		t.Errorf("%s, %v; the plan says %s", got, err, p.Digest())
	}
}

// fill sets every field that v has, each to another value.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("name").Convert(v.Type().Key()), value)
	case reflect.Interface:
		v.Set(reflect.ValueOf(fmt.Sprint("any ", *n)))
	}
}
