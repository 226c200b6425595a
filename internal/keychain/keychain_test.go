package keychain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age/armor"
	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
	"github.com/slipway-dev/slipway/internal/keychain"
)

const phrase = "correct horse battery staple"

// ring is a keyring in memory; locked refuses everything.
type ring struct {
	kept   map[string]string
	locked bool
}

var errLocked = errors.New("locked")

func (r *ring) Set(service, user, secret string) error {
	if r.locked {
		return errLocked
	}
	r.kept[service+" "+user] = secret
	return nil
}

func (r *ring) Get(service, user string) (string, error) {
	v, ok := r.kept[service+" "+user]
	if r.locked || !ok {
		return "", errLocked
	}
	return v, nil
}

// home is a chain whose secrets are noted.
type home struct {
	keychain.Chain
	typed string
	told  []string
}

func newHome(t *testing.T) *home {
	h := &home{typed: phrase}
	h.Chain = keychain.Chain{
		Folder: filepath.Join(t.TempDir(), "keys"), Work: 4, Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Passphrase: func(context.Context, string, bool) (slipway.Secret, error) { return slipway.NewSecret(h.typed), nil },
		Remember:   func(s slipway.Secret) { h.told = append(h.told, s.Reveal()) },
	}
	return h
}

// disk is all that is in the folder.
func (h *home) disk(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(h.Folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		raw, err := os.ReadFile(name)
		all.Write(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		ring   *ring
		want   keychain.Store
		store  keychain.Store
		code   slipway.Code
	}{
		"no keyring":         {"a file, behind a passphrase", nil, "", keychain.StoreFile, ""},
		"keyring":            {"the system's, where there is one", &ring{kept: map[string]string{}}, "", keychain.StoreKeyring, ""},
		"locked":             {"a file, where the keyring does not take it", &ring{locked: true}, "", keychain.StoreFile, ""},
		"a file was wanted":  {"though there is a keyring", &ring{kept: map[string]string{}}, keychain.StoreFile, keychain.StoreFile, ""},
		"keyring wanted":     {"there is none", nil, keychain.StoreKeyring, "", slipway.CodeUnsupported},
		"wanted, but locked": {"it is not put elsewhere unasked", &ring{locked: true}, keychain.StoreKeyring, "", slipway.CodeStore},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			if tc.ring != nil {
				h.Ring = tc.ring
			}
			e, err := h.New(t.Context(), "ada", tc.want)
			if slipway.ErrorCode(err) != tc.code || e.Store != tc.store {
				t.Fatalf("%+v, %v: %s", e, err, tc.reason)
			}
			if err != nil {
				return
			}
			key, err := h.Key(t.Context(), "ada")
			if err != nil || key.String() != e.Key {
				t.Fatalf("%s, %v: another key than %s comes back", key, err, e.Key)
			}
			signed, err := key.Sign(t.Context(), attest.Ballot, map[string]string{}, attest.About("x", "sha256:00"))
			if err != nil {
				t.Fatal(err)
			}
			public, err := attest.PublicKey(e.Key)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := attest.Open(t.Context(), signed, public); err != nil {
				t.Error(err)
			}
			disk := h.disk(t)
			if len(h.told) == 0 {
				t.Error("the redactor was told of nothing")
			}
			for _, secret := range h.told {
				if strings.Contains(disk, secret) {
					t.Error("a secret is in a file as it is")
				}
			}
			if _, err := h.New(t.Context(), "ada", tc.want); slipway.ErrorCode(err) != slipway.CodeConflict {
				t.Errorf("a key was made over another: %v", err)
			}
			if all, err := h.List(); err != nil || len(all) != 1 || all[0].Sealed != "" || all[0].Name != "ada" {
				t.Errorf("%+v, %v", all, err)
			}
		})
	}
}

// The default is not what the tests take, for their time.
func TestWorkOfAKey(t *testing.T) {
	h := newHome(t)
	h.Work = 0
	e, err := h.New(t.Context(), "ada", keychain.StoreFile)
	if err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 128)
	if _, err := io.ReadFull(armor.NewReader(strings.NewReader(e.Sealed)), header); err != nil {
		t.Fatal(err)
	}
	// https://age-encryption.org/v1: "-> scrypt SALT LOG2"
	if lines := strings.Split(string(header), "\n"); !strings.HasPrefix(lines[1], "-> scrypt ") || !strings.HasSuffix(lines[1], " 18") {
		t.Errorf("%q: a key is not behind 2^18 of scrypt", lines[1])
	}
}

func TestPassphrases(t *testing.T) {
	h := newHome(t)
	h.typed = "too short"
	if _, err := h.New(t.Context(), "ada", ""); slipway.ErrorCode(err) != slipway.CodeInvalid {
		t.Errorf("a short passphrase: %v", err)
	}
	h.typed = phrase
	if _, err := h.New(t.Context(), "ada", ""); err != nil {
		t.Fatal(err)
	}
	h.typed = phrase + "r"
	if _, err := h.Key(t.Context(), "ada"); slipway.ErrorCode(err) != slipway.CodeForbidden || strings.Contains(err.Error(), phrase) {
		t.Errorf("another passphrase: %v", err)
	}
	if _, err := h.Key(t.Context(), "bob"); slipway.ErrorCode(err) != slipway.CodeNotFound {
		t.Errorf("no such key: %v", err)
	}
	for _, name := range []string{"", "../ada", "a/b", ".ada", strings.Repeat("a", 65), "a b"} {
		if _, err := h.Key(t.Context(), name); slipway.ErrorCode(err) != slipway.CodeInvalid {
			t.Errorf("%q is a name: %v", name, err)
		}
		if _, err := h.New(t.Context(), name, ""); slipway.ErrorCode(err) != slipway.CodeInvalid {
			t.Errorf("%q is a name of a new key: %v", name, err)
		}
	}
}

// Whoever swaps the sealed key, or the public half beside it, gets no signature under the other's name.
func TestSwappedKey(t *testing.T) {
	h := newHome(t)
	var files [2]keychain.Entry
	for i, name := range []string{"ada", "bob"} {
		if _, err := h.New(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(h.Folder, name+".key.json"))
		if err != nil || json.Unmarshal(raw, &files[i]) != nil {
			t.Fatal(err)
		}
	}
	files[0].Sealed = files[1].Sealed
	raw, err := json.Marshal(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.Folder, "ada.key.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Key(t.Context(), "ada"); slipway.ErrorCode(err) != slipway.CodeStore {
		t.Errorf("another's key was taken: %v", err)
	}
}

func TestTrust(t *testing.T) {
	h := newHome(t)
	if all, err := h.Trusted(); err != nil || len(all) != 0 {
		t.Fatalf("%v %v", all, err)
	}
	mine, err := attest.NewKey(slipway.NewSecret(strings.Repeat("a", 64)))
	if err != nil {
		t.Fatal(err)
	}
	one, two := mine.String(), strings.Repeat("2", 64)
	for _, tc := range []struct {
		reason, name, key string
		groups            []string
		code              slipway.Code
		n                 int
	}{
		{"a first one", "ada", one, nil, "", 1},
		{"the same again, with groups", "ada", one, []string{"release", "release", "admin"}, "", 1},
		{"one key is one person's", "bob", one, nil, slipway.CodeConflict, 1},
		{"a person may have two keys", "ada", two, nil, "", 2},
		{"a name that differs in case alone", "Ada", strings.Repeat("3", 64), nil, slipway.CodeConflict, 2},
		{"a key under which anything verifies", "bob", strings.Repeat("0", 64), nil, slipway.CodeInvalid, 2},
		{"another of them", "bob", "01" + strings.Repeat("0", 62), nil, slipway.CodeInvalid, 2},
		{"the private half of a trusted key", "bob", strings.Repeat("a", 64), nil, slipway.CodeInvalid, 2},
		{"no key", "bob", "12", nil, slipway.CodeInvalid, 2},
		{"no name", "", one, nil, slipway.CodeInvalid, 2},
		{"no group", "bob", strings.Repeat("3", 64), []string{"a b"}, slipway.CodeInvalid, 2},
	} {
		_, err := h.Trust(tc.name, attest.PublicMark+tc.key, tc.groups)
		all, errList := h.Trusted()
		if slipway.ErrorCode(err) != tc.code || errList != nil || len(all) != tc.n {
			t.Errorf("%s: %v, %v, %v", tc.reason, err, errList, all)
		}
	}
	all, err := h.Trusted()
	if err != nil || strings.Join(all[0].Groups, ",") != "admin,release" {
		t.Errorf("%+v %v", all, err)
	}
	file := filepath.Join(h.Folder, "trusted.json")
	for name, text := range map[string]string{
		"no list":      `{}`,
		"another id":   `[{"name":"ada","key":"` + one + `","id":"0000000000000000","added_at":"2026-01-02T03:04:05Z"}]`,
		"more members": `[{"name":"ada","key":"` + one + `","id":"` + all[0].ID + `","admin":true}]`,
		"cut off":      `[{"name":"ada"`,
		"two lists":    `[][]`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Trusted(); slipway.ErrorCode(err) != slipway.CodeStore {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := h.Trust("bob", attest.PublicMark+two, nil); slipway.ErrorCode(err) != slipway.CodeStore {
			t.Errorf("%s: a key was trusted beside it: %v", name, err)
		}
	}
}

func FuzzTrusted(f *testing.F) {
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"name":"ada","key":"` + strings.Repeat("1", 64) + `","id":"","added_at":"2026-01-02T03:04:05Z"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := keychain.Chain{Folder: t.TempDir()}
		if err := os.WriteFile(filepath.Join(c.Folder, "trusted.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := c.Trusted()
		for _, k := range all {
			if key, bad := attest.PublicKey(k.Key); err == nil && (bad != nil || key.ID() != k.ID || k.Name == "") {
				t.Errorf("%+v is trusted", k)
			}
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add([]byte(`{"name":"ada","key":"` + strings.Repeat("1", 64) + `","store":"file","made_at":"2026-01-02T03:04:05Z","sealed":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := keychain.Chain{
			Folder: t.TempDir(), Remember: func(slipway.Secret) {},
			Passphrase: func(context.Context, string, bool) (slipway.Secret, error) { return slipway.NewSecret(phrase), nil },
		}
		if err := os.WriteFile(filepath.Join(c.Folder, "ada.key.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Key(t.Context(), "ada"); err == nil {
			t.Error("a key came out of what nobody has sealed")
		}
	})
}

// The private half of a key that nobody here knows looks like a public one: what is trusted says that it is public.
func TestForeignSeedIsNotTrusted(t *testing.T) {
	h := newHome(t)
	for i := range 64 { // about half of all seeds are points on the curve
		foreign := strings.Repeat(string("0123456789abcdef"[i%16])+string("0123456789abcdef"[i/16]), 32)
		_, err := h.Trust("ada", foreign, nil)
		if slipway.ErrorCode(err) != slipway.CodeInvalid || strings.Contains(err.Error(), foreign) || !strings.Contains(err.Error(), "private half") {
			t.Fatalf("%v", err)
		}
	}
	if _, err := os.Stat(h.Folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was kept: %v", err)
	}
}

// TestUntrustMakesNoFolder: where no key is, nothing is made to say so.
func TestUntrustMakesNoFolder(t *testing.T) {
	c := keychain.Chain{Folder: filepath.Join(t.TempDir(), "keys"), Now: time.Now}
	_, err := c.Untrust("ada")
	if _, missing := os.Stat(c.Folder); slipway.ErrorCode(err) != slipway.CodeNotFound || !os.IsNotExist(missing) {
		t.Errorf("%v; the folder: %v", err, missing)
	}
}

func TestUntrust(t *testing.T) {
	h := newHome(t)
	one, two, three := strings.Repeat("11", 32), strings.Repeat("22", 32), strings.Repeat("33", 32)
	ids := map[string]string{}
	for key, name := range map[string]string{one: "ada", two: "ada", three: "bob"} {
		k, err := h.Trust(name, attest.PublicMark+key, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids[key] = k.ID
	}
	for _, tc := range []struct {
		reason, who string
		ended, left int
		code        slipway.Code
	}{
		{"nobody of that name", "eve", 0, 3, slipway.CodeNotFound},
		{"all that a person holds", "ada", 2, 1, ""},
		{"once", "ada", 0, 1, slipway.CodeNotFound},
		{"one key", ids[three], 1, 0, ""},
	} {
		ended, err := h.Untrust(tc.who)
		left, errLeft := h.Trusted()
		known, errKnown := h.Known()
		if slipway.ErrorCode(err) != tc.code || len(ended) != tc.ended || len(left) != tc.left || len(known) != 3 || errLeft != nil || errKnown != nil {
			t.Errorf("%s: %v, ended %v, left %v, known %v", tc.reason, err, ended, left, known)
		}
	}
	if _, err := h.Trust("eve", attest.PublicMark+one, nil); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("ada's key became eve's: %v", err)
	}
	if again, err := h.Trust("ada", attest.PublicMark+one, nil); err != nil || !again.Until.IsZero() {
		t.Errorf("%+v %v", again, err)
	}
}

// A key that is trusted again after it was not keeps when that was: what it signed before opens nothing, and what it signed meanwhile proves nothing.
func TestTrustedAgain(t *testing.T) {
	h, one := newHome(t), attest.PublicMark+strings.Repeat("11", 32)
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	h.Now = func() time.Time { return now }
	at := func(minutes int) time.Time { return time.Date(2026, 1, 2, 3, minutes, 0, 0, time.UTC) }
	do := func(minute int, trust bool, groups ...string) keychain.Trusted {
		t.Helper()
		now = at(minute)
		if trust {
			k, err := h.Trust("ada", one, groups)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		ended, err := h.Untrust("ada")
		if err != nil || len(ended) != 1 {
			t.Fatal(ended, err)
		}
		return ended[0]
	}
	do(10, true)
	if k := do(20, true, "release"); !k.AddedAt.Equal(at(10)) || len(k.Gaps()) != 0 || !k.Held(at(5)) {
		t.Errorf("other groups have made another time of it: %+v", k)
	}
	if k := do(30, false); k.Held(at(25)) || k.Held(at(35)) {
		t.Errorf("what is not trusted counts: %+v", k)
	}
	again := do(40, true)
	if d := cmp.Diff([]keychain.Window{{From: at(30), Until: at(40)}}, again.Gaps()); d != "" {
		t.Error(d)
	}
	for minute, held := range map[int]bool{25: false, 35: false, 40: true, 45: true} {
		if again.Held(at(minute)) != held {
			t.Errorf("what was taken at minute %d counts: %v", minute, !held)
		}
	}
	do(35, false) // the clock was set back
	if k := do(36, true); !k.AddedAt.Equal(at(40)) {
		t.Errorf("%+v", k)
	}
	do(50, false)
	want := []keychain.Window{{From: at(30), Until: at(40)}, {From: at(40), Until: at(40)}, {From: at(50)}}
	known, err := h.Known()
	if err != nil || len(known) != 1 {
		t.Fatalf("%+v %v", known, err)
	}
	if d := cmp.Diff(want, known[0].Gaps()); d != "" {
		t.Error(d)
	}
	file := filepath.Join(h.Folder, "trusted.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, lie := range [][2]string{{`"until": "2026-01-02T03:30:00Z"`, `"until": "2026-01-02T03:45:00Z"`}, {`"until": "2026-01-02T03:50:00Z"`, `"until": "2026-01-02T03:05:00Z"`}} {
		text := strings.Replace(string(raw), lie[0], lie[1], 1)
		if text == string(raw) {
			t.Fatalf("there is no %s in %s", lie[0], raw)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Known(); slipway.ErrorCode(err) != slipway.CodeStore {
			t.Errorf("times that overlap are believed: %v", err)
		}
	}
}

// Changes that several processes make at the same time are all made: what was untrusted is not trusted again by another's list.
func TestChangesAtTheSameTime(t *testing.T) {
	h := newHome(t)
	names := "abcdefghijkl"
	each := func(change func(name, key string) error) {
		var all sync.WaitGroup
		for i, r := range names {
			all.Go(func() {
				if err := change("p"+string(r), fmt.Sprintf("%064x", 1000+i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	each(func(name, key string) error {
		_, err := h.Trust(name, attest.PublicMark+key, nil)
		return err
	})
	if known, err := h.Known(); err != nil || len(known) != len(names) {
		t.Errorf("%d of %d are trusted: %v", len(known), len(names), err)
	}
	each(func(name, _ string) error {
		_, err := h.Untrust(name)
		return err
	})
	if left, err := h.Trusted(); err != nil || len(left) != 0 {
		t.Errorf("%d are trusted still: %v", len(left), err)
	}
}

// Of two that change a passphrase at the same time, the second is told.
func TestRepassAtTheSameTime(t *testing.T) {
	h := newHome(t)
	if _, err := h.New(t.Context(), "ada", keychain.StoreFile); err != nil {
		t.Fatal(err)
	}
	other := h.Chain
	h.Passphrase = func(ctx context.Context, _ string, fresh bool) (slipway.Secret, error) {
		if fresh {
			return slipway.NewSecret("the first passphrase"), other.Repass(ctx, "ada")
		}
		return slipway.NewSecret(phrase), nil
	}
	if err := h.Repass(t.Context(), "ada"); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("a passphrase that opens nothing was promised: %v", err)
	}
	if _, err := other.Key(t.Context(), "ada"); err != nil {
		t.Error(err)
	}
}

// A passphrase is changed in place: the key is the same, the old one opens nothing, and a failure leaves what was.
func TestRepass(t *testing.T) {
	h := newHome(t)
	e, err := h.New(t.Context(), "ada", keychain.StoreFile)
	if err != nil {
		t.Fatal(err)
	}
	next := "tr0ub4dor and three more"
	answers := []string{phrase, "short"}
	h.Passphrase = func(_ context.Context, _ string, fresh bool) (slipway.Secret, error) {
		if fresh {
			return slipway.NewSecret(answers[1]), nil
		}
		return slipway.NewSecret(answers[0]), nil
	}
	if err := h.Repass(t.Context(), "ada"); slipway.ErrorCode(err) != slipway.CodeInvalid {
		t.Errorf("a short one: %v", err)
	}
	answers = []string{phrase + "r", next}
	if err := h.Repass(t.Context(), "ada"); slipway.ErrorCode(err) != slipway.CodeForbidden {
		t.Errorf("a wrong one: %v", err)
	}
	answers = []string{phrase, next}
	if key, err := h.Key(t.Context(), "ada"); err != nil || key.String() != e.Key {
		t.Fatalf("what failed has changed the key: %v", err)
	}
	if err := h.Repass(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Key(t.Context(), "ada"); slipway.ErrorCode(err) != slipway.CodeForbidden {
		t.Errorf("the old one still opens it: %v", err)
	}
	answers[0] = next
	if key, err := h.Key(t.Context(), "ada"); err != nil || key.String() != e.Key {
		t.Errorf("the new one opens another key: %v", err)
	}
	if disk := h.disk(t); strings.Contains(disk, next) || strings.Count(disk, "BEGIN AGE") != 1 {
		t.Error("more than the sealed key is left")
	}
	if err := h.Repass(t.Context(), "bob"); slipway.ErrorCode(err) != slipway.CodeNotFound {
		t.Errorf("no such key: %v", err)
	}
	h.Ring = &ring{kept: map[string]string{}}
	if _, err := h.New(t.Context(), "eve", keychain.StoreKeyring); err != nil {
		t.Fatal(err)
	}
	if err := h.Repass(t.Context(), "eve"); slipway.ErrorCode(err) != slipway.CodeUnsupported {
		t.Errorf("one in the keyring: %v", err)
	}
}

// A file of trusted keys is one value: with anything behind it, it is not what was written.
func TestWholeFile(t *testing.T) {
	h := newHome(t)
	if _, err := h.Trust("ada", attest.PublicMark+strings.Repeat("11", 32), nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(h.Folder, "trusted.json")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		behind string
		bad    bool
		reason string
	}{
		"nothing":   {"", false, "it is as it was written"},
		"newlines":  {"\n\n", false, "white space says nothing"},
		"a bracket": {"]", true, "it is no JSON"},
		"a brace":   {"\n}", true, "it is no JSON"},
		"a word":    {"x", true, "it is no JSON"},
		"a value":   {"{}", true, "one of two would count silently"},
	} {
		if err := os.WriteFile(file, append(bytes.Clone(whole), tc.behind...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Trusted(); (err != nil) != tc.bad {
			t.Errorf("%s: %v: %s", name, err, tc.reason)
		}
	}
}

// What others can write says nothing about whom to trust.
func TestOthersMayNotWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes do not say who may write on Windows")
	}
	h := newHome(t)
	if _, err := h.Trust("ada", attest.PublicMark+strings.Repeat("11", 32), nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(h.Folder, "trusted.json")
	for name, tc := range map[string]struct {
		path string
		mode os.FileMode
		bad  bool
	}{
		"one's own":        {file, 0o600, false},
		"readable":         {file, 0o644, false},
		"a group's":        {file, 0o620, true},
		"anybody's":        {file, 0o602, true},
		"anybody's folder": {h.Folder, 0o707, true},
	} {
		before, err := os.Stat(tc.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(tc.path, tc.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Trusted(); (slipway.ErrorCode(err) == slipway.CodeStore) != tc.bad {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Chmod(tc.path, before.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(file, 12345, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Trusted(); slipway.ErrorCode(err) != slipway.CodeStore {
			t.Errorf("another user's list: %v", err)
		}
	}
}
