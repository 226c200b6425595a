// Package keychain keeps the keys with which people sign approvals. The private half of a key is in the system's keyring, or in a file that is
// encrypted with a passphrase (age, https://age-encryption.org/v1); a list says whose public keys are trusted. Nothing secret is ever in a file
// as it is.
package keychain

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// MinPassphrase is the least length of a passphrase, in bytes.
const MinPassphrase = 12

// service is what the system's keyring calls us.
const service = "slipway"

// maxFile bounds the files that are read, in bytes.
const maxFile = 1 << 20

// maxWork bounds what a file may ask of scrypt: 2^22 takes some seconds.
const maxWork = 22

// Store says where a private key is kept.
type Store string

const (
	StoreKeyring Store = "keyring" // the system's
	StoreFile    Store = "file"    // in the home, encrypted with a passphrase
)

// Ring is the system's keyring. Get fails where there is no such secret.
type Ring interface {
	Set(service, user, secret string) error
	Get(service, user string) (string, error)
}

// Chain is the keys of one home. The zero Work is age's own.
type Chain struct {
	Folder string // made when it is needed, 0700
	Ring   Ring   // nil: there is none
	// Passphrase asks for the passphrase of a key; fresh is true for a new one, which a person types twice.
	Passphrase func(ctx context.Context, name string, fresh bool) (slipway.Secret, error)
	// Remember tells the redactor of a secret, before it is used.
	Remember func(slipway.Secret)
	Work     int // log2 of what scrypt costs for a new key; 0: 18
	Now      func() time.Time
}

// Entry is a key of this home.
type Entry struct {
	Name   string    `json:"name"`
	Key    string    `json:"key"` // public, in hex
	Store  Store     `json:"store"`
	MadeAt time.Time `json:"made_at"`
	Sealed string    `json:"sealed,omitempty"` // the seed, encrypted, with StoreFile
}

// Trusted is a key whose signature counts.
type Trusted struct {
	Name    string    `json:"name"` // of the person who holds it
	Key     string    `json:"key"`  // public, in hex
	ID      string    `json:"id"`
	Groups  []string  `json:"groups,omitempty"`
	AddedAt time.Time `json:"added_at"`         // since when it is, or was last
	Until   time.Time `json:"until,omitzero"`   // it was trusted until then; zero: it is
	Before  []Window  `json:"before,omitempty"` // the earlier times in which it was, the oldest first
}

// Window is a time in which a key was trusted.
type Window struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Gaps are the times in which the key, that had been trusted, was not, the oldest first. The last one has a zero Until where it is not trusted now.
// What a key has signed before it was first trusted here is in none: whose it is was only found out later.
func (t Trusted) Gaps() (gaps []Window) {
	windows := append(slices.Clone(t.Before), Window{t.AddedAt, t.Until})
	for i, w := range windows {
		switch {
		case i+1 < len(windows):
			gaps = append(gaps, Window{w.Until, windows[i+1].From})
		case !w.Until.IsZero():
			gaps = append(gaps, Window{From: w.Until})
		}
	}
	return gaps
}

// Held reports whether a signature that was taken here at a time still counts: the key is trusted, and has been ever since.
func (t Trusted) Held(at time.Time) bool {
	return t.Until.IsZero() && (len(t.Before) == 0 || !at.Before(t.AddedAt))
}

var (
	wellNamed = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)
	trusted   = "trusted.json"
	suffix    = ".key.json"
)

func checkName(name string) error {
	if wellNamed.MatchString(name) {
		return nil
	}
	return slipway.Errorf(slipway.CodeInvalid, "%q is no name of a key", name).WithHint("letters, digits, and . _ @ - after the first; at most 64")
}

// New makes a key, and keeps its private half. CodeConflict: there is one of that name. want is "" for the keyring where there is one, else a file.
func (c Chain) New(ctx context.Context, name string, want Store) (Entry, error) {
	if err := checkName(name); err != nil {
		return Entry{}, err
	}
	if _, err := os.Lstat(c.path(name)); err == nil {
		return Entry{}, slipway.Errorf(slipway.CodeConflict, "there is a key %q already", name).WithHint("list them with: slipway key list")
	}
	if want == StoreKeyring && c.Ring == nil {
		return Entry{}, slipway.Errorf(slipway.CodeUnsupported, "this session has no keyring").WithHint("keep it in a file: --store file")
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	seed := slipway.NewSecret(hex.EncodeToString(raw))
	c.Remember(seed)
	key, err := attest.NewKey(seed)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Name: name, Key: key.String(), Store: StoreKeyring, MadeAt: c.Now().UTC().Truncate(time.Second)}
	kept := errors.New("no keyring")
	if c.Ring != nil && want != StoreFile {
		kept = c.Ring.Set(service, e.Key, seed.Reveal())
	}
	switch {
	case kept == nil:
	case want == StoreKeyring:
		return Entry{}, slipway.Errorf(slipway.CodeStore, "the keyring does not take the key").WithHint("unlock it, or keep the key in a file: --store file")
	default:
		e.Store = StoreFile
		if e.Sealed, err = c.seal(ctx, name, seed); err != nil {
			return Entry{}, err
		}
	}
	return e, c.write(c.path(name), e, true)
}

func (c Chain) path(name string) string { return filepath.Join(c.Folder, name+suffix) }

func (c Chain) seal(ctx context.Context, name string, seed slipway.Secret) (string, error) {
	pass, err := c.Passphrase(ctx, name, true)
	if err != nil {
		return "", err
	}
	c.Remember(pass)
	if len(pass.Reveal()) < MinPassphrase {
		return "", slipway.Errorf(slipway.CodeInvalid, "the passphrase is shorter than %d bytes", MinPassphrase).WithHint("a few words make a good one")
	}
	to, err := age.NewScryptRecipient(pass.Reveal())
	if err != nil {
		return "", slipway.Errorf(slipway.CodeInternal, "the key cannot be encrypted")
	}
	if c.Work > 0 {
		to.SetWorkFactor(c.Work)
	}
	var b bytes.Buffer
	text := armor.NewWriter(&b)
	w, err := age.Encrypt(text, to)
	if err == nil {
		_, err = io.WriteString(w, seed.Reveal())
		err = errors.Join(err, w.Close(), text.Close())
	}
	if err != nil {
		return "", slipway.Errorf(slipway.CodeInternal, "the key cannot be encrypted")
	}
	return b.String(), nil
}

// Key returns a key of this home, to sign with. CodeNotFound: there is none of that name. CodeForbidden: the passphrase is not its.
func (c Chain) Key(ctx context.Context, name string) (attest.Key, error) {
	e, err := c.entry(name)
	if err != nil {
		return attest.Key{}, err
	}
	seed, err := c.opened(ctx, e)
	if err != nil {
		return attest.Key{}, err
	}
	return attest.NewKey(seed)
}

// entry reads a key of this home.
func (c Chain) entry(name string) (e Entry, err error) {
	if err := checkName(name); err != nil {
		return e, err
	}
	if err = c.read(c.path(name), &e); errors.Is(err, fs.ErrNotExist) {
		err = slipway.Errorf(slipway.CodeNotFound, "there is no key %q", name).WithHint("list them with: slipway key list; make one with: slipway key new NAME")
	}
	return e, err
}

// opened is the seed of a key, which is that key's.
func (c Chain) opened(ctx context.Context, e Entry) (slipway.Secret, error) {
	seed, err := c.open(ctx, e)
	if err != nil {
		return slipway.Secret{}, err
	}
	c.Remember(seed)
	if key, err := attest.NewKey(seed); err != nil || key.String() != e.Key {
		return slipway.Secret{}, slipway.Errorf(slipway.CodeStore, "what is kept of the key %q is not that key", e.Name).WithHint("make another with: slipway key new NAME")
	}
	return seed, nil
}

func (c Chain) open(ctx context.Context, e Entry) (slipway.Secret, error) {
	if e.Store == StoreKeyring {
		if c.Ring == nil {
			return slipway.Secret{}, slipway.Errorf(slipway.CodeUnsupported, "the key %q is in a keyring, and this session has none", e.Name).
				WithHint("sign in the session in which it was made")
		}
		text, err := c.Ring.Get(service, e.Key)
		if err != nil {
			return slipway.Secret{}, slipway.Errorf(slipway.CodeNotFound, "the keyring does not give the key %q", e.Name).WithHint("unlock it, or make another key")
		}
		return slipway.NewSecret(text), nil
	}
	pass, err := c.Passphrase(ctx, e.Name, false)
	if err != nil {
		return slipway.Secret{}, err
	}
	c.Remember(pass)
	refused := slipway.Errorf(slipway.CodeForbidden, "the passphrase does not open the key %q", e.Name).WithHint("type it again, or set SLIPWAY_KEY_PASSPHRASE_FILE")
	from, err := age.NewScryptIdentity(pass.Reveal())
	if err != nil {
		return slipway.Secret{}, refused
	}
	from.SetMaxWorkFactor(maxWork)
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(e.Sealed)), from)
	if err != nil {
		return slipway.Secret{}, refused
	}
	text, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err != nil {
		return slipway.Secret{}, refused
	}
	return slipway.NewSecret(string(text)), nil
}

// List returns the keys of this home, by name, without what is sealed.
func (c Chain) List() ([]Entry, error) {
	files, err := filepath.Glob(filepath.Join(c.Folder, "*"+suffix))
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeStore, "the keys cannot be listed: %v", err)
	}
	var out []Entry
	for _, f := range files {
		var e Entry
		if err := c.read(f, &e); err != nil {
			return nil, err
		}
		e.Sealed = ""
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Trust lets a public key, with attest.PublicMark before it, count as name's. The same key again takes new groups; where it was untrusted it is trusted
// from now on, and the list keeps when it was before. Under another name it is CodeConflict, and so is a name that differs from a trusted one in case alone. CodeInvalid for what is no public key, one under which anything verifies, or the private half of a key known here.
func (c Chain) Trust(name, public string, groups []string) (Trusted, error) {
	if err := checkName(name); err != nil {
		return Trusted{}, err
	}
	for _, g := range groups {
		if err := checkName(g); err != nil {
			return Trusted{}, err
		}
	}
	bare, marked := strings.CutPrefix(strings.TrimSpace(public), attest.PublicMark)
	key, err := attest.PublicKey(bare)
	if err != nil {
		return Trusted{}, err
	}
	if !marked {
		return Trusted{}, slipway.Errorf(slipway.CodeInvalid, "64 hex digits without %q before them may be the private half of a key: they were not kept", attest.PublicMark).
			WithHint("take the whole line that slipway key new or slipway key list prints; if it was a private half, make another key")
	}
	if key.Weak() {
		return Trusted{}, slipway.Errorf(slipway.CodeInvalid, "under this key anybody's signature verifies").WithHint("make another with: slipway key new NAME")
	}
	groups = slices.Compact(slices.Sorted(slices.Values(groups)))
	t := Trusted{Name: name, Key: key.String(), ID: key.ID(), Groups: groups, AddedAt: c.Now().UTC()}
	err = c.alone(func() error {
		t, err = c.add(t)
		return err
	})
	return t, err
}

// add puts a key on the list of what is trusted, and returns it as it stands there.
func (c Chain) add(t Trusted) (Trusted, error) {
	all, err := c.Known()
	if err != nil {
		return t, err
	}
	if err := c.checkHolder(all, t.Name, t.Key); err != nil {
		return t, err
	}
	at := slices.IndexFunc(all, func(o Trusted) bool { return o.Key == t.Key })
	switch {
	case at >= 0 && all[at].Name != t.Name:
		return t, slipway.Errorf(slipway.CodeConflict, "the key %s is trusted as %s's", t.ID, all[at].Name).
			WithHint("one key is one person's; list them with: slipway key list")
	case at >= 0:
		t = all[at].again(t)
		all[at] = t
	default:
		all = append(all, t)
	}
	return t, c.write(filepath.Join(c.Folder, trusted), all, false)
}

// again is a key that is trusted once more, as next says. A clock that was set back makes no time in which it was both trusted and not.
func (t Trusted) again(next Trusted) Trusted {
	next.Before = t.Before
	if t.Until.IsZero() {
		next.AddedAt = t.AddedAt
		return next
	}
	if next.AddedAt.Before(t.Until) {
		next.AddedAt = t.Until
	}
	next.Before = append(slices.Clone(t.Before), Window{t.AddedAt, t.Until})
	return next
}

// alone makes a change while no other process makes one, so that none is lost to another's.
func (c Chain) alone(change func() error) error {
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return unwritable(c.Folder, err)
	}
	free, err := lock(c.Folder)
	if err != nil {
		return unwritable(c.Folder, err)
	}
	return errors.Join(change(), free())
}

// checkHolder refuses the private half of a key that is known here, which looks like a public one, and a name that differs from a trusted one
// in case alone.
func (c Chain) checkHolder(all []Trusted, name, public string) error {
	known := map[string]bool{}
	for _, t := range all {
		if known[t.Key] = true; t.Name != name && slipway.Person(t.Name) == slipway.Person(name) {
			return slipway.Errorf(slipway.CodeConflict, "a key of %q is trusted, and names that differ only in case are one person's", t.Name).
				WithHint("say it with --name %s", t.Name)
		}
	}
	own, err := c.List()
	if err != nil {
		return err
	}
	for _, e := range own {
		known[e.Key] = true
	}
	if private, err := attest.NewKey(slipway.NewSecret(public)); err == nil && known[private.String()] {
		return slipway.Errorf(slipway.CodeInvalid, "this is the private half of the key %s: it was not kept here, and whoever has seen it can sign", private.ID()).
			WithHint("make another with: slipway key new NAME; trust its public half, which slipway key list shows")
	}
	return nil
}

// Trusted returns the keys that count, in the order in which they were trusted.
func (c Chain) Trusted() ([]Trusted, error) {
	all, err := c.Known()
	return slices.DeleteFunc(all, func(t Trusted) bool { return !t.Until.IsZero() }), err
}

// Untrust ends the trust in a person's keys, by the name, or in one key, by its id or its public half, and returns them. What they have signed and
// nobody has used opens nothing any more; what was used stays as it is. CodeNotFound: no such key is trusted.
func (c Chain) Untrust(who string) (ended []Trusted, err error) {
	none := slipway.Errorf(slipway.CodeNotFound, "no such key is trusted").WithHint("list them with: slipway key list; name a person, or a key's id")
	if _, err := os.Stat(c.Folder); errors.Is(err, fs.ErrNotExist) { // alone would make it
		return nil, none
	}
	err = c.alone(func() error {
		all, err := c.Known()
		if err != nil {
			return err
		}
		for i, t := range all {
			if t.Until.IsZero() && (t.Name == who || t.ID == who || attest.PublicMark+t.Key == who) {
				if all[i].Until = c.Now().UTC(); all[i].Until.Before(t.AddedAt) { // the clock was set back
					all[i].Until = t.AddedAt
				}
				ended = append(ended, all[i])
			}
		}
		if len(ended) == 0 {
			return none
		}
		return c.write(filepath.Join(c.Folder, trusted), all, false)
	})
	return ended, err
}

// Repass puts a key that is in a file behind another passphrase, in place: the file has the one or the other, whatever happens. Passphrase is asked
// for the old one, then for a fresh one. CodeConflict: another process has changed it meanwhile. CodeUnsupported: the key is in the keyring, which has a password of its own.
func (c Chain) Repass(ctx context.Context, name string) error {
	e, err := c.entry(name)
	if err != nil {
		return err
	}
	if e.Store != StoreFile {
		return slipway.Errorf(slipway.CodeUnsupported, "the key %q is in the keyring, which has a password of its own", name).
			WithHint("change that one")
	}
	seed, err := c.opened(ctx, e)
	if err != nil {
		return err
	}
	was := e.Sealed
	if e.Sealed, err = c.seal(ctx, name, seed); err != nil {
		return err
	}
	return c.alone(func() error {
		if now, err := c.entry(name); err != nil || now.Sealed != was {
			return cmp.Or(err, error(slipway.Errorf(slipway.CodeConflict, "another process has given the key %q another passphrase meanwhile", name).
				WithHint("run it again: what opens the key is the other one's")))
		}
		return c.write(c.path(name), e, false)
	})
}

// Known returns the keys that count and those that did, in the order in which they were trusted.
func (c Chain) Known() ([]Trusted, error) {
	var all []Trusted
	err := c.read(filepath.Join(c.Folder, trusted), &all)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return all, checkTrusted(all)
}

// checkTrusted refuses a list that somebody has written by hand, and wrongly.
func checkTrusted(all []Trusted) error {
	seen := map[string]bool{}
	for _, t := range all {
		key, err := attest.PublicKey(t.Key)
		if err != nil || key.ID() != t.ID || key.String() != t.Key || checkName(t.Name) != nil || seen[t.Key] || !t.inOrder() {
			return slipway.Errorf(slipway.CodeStore, "the list of trusted keys is damaged at %q", t.Name).WithHint("mend it, or delete it and trust the keys again")
		}
		seen[t.Key] = true
	}
	return nil
}

// inOrder reports whether the times of a key follow each other.
func (t Trusted) inOrder() bool {
	at := time.Time{}
	for _, w := range t.Before {
		if w.Until.IsZero() || w.From.Before(at) || w.Until.Before(w.From) {
			return false
		}
		at = w.Until
	}
	return !t.AddedAt.Before(at) && (t.Until.IsZero() || !t.Until.Before(t.AddedAt))
}

// read decodes one of our files. The error is fs.ErrNotExist where there is none.
func (c Chain) read(path string, into any) error {
	bad := func(what string) error {
		return slipway.Errorf(slipway.CodeStore, "%s %s", path, what).WithHint("mend it, or delete it and make it again")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case err != nil || !info.Mode().IsRegular() || info.Size() > maxFile:
		return bad("cannot be read")
	}
	f, err := os.Open(path)
	if err != nil {
		return bad("cannot be read")
	}
	defer f.Close()
	for of, stat := range map[string]func() (fs.FileInfo, error){path: f.Stat, c.Folder: func() (fs.FileInfo, error) { return os.Stat(c.Folder) }} {
		info, err := stat()
		if err != nil {
			return bad("cannot be read")
		}
		if what := othersWrite(info); what != "" {
			return slipway.Errorf(slipway.CodeStore, "%s %s: whose keys count may be another's word", of, what).
				WithHint("look at what is in it, then: chmod go-w %s, and chown it to yourself", of)
		}
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return bad("cannot be read")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return bad("is not what slipway wrote")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("is not what slipway wrote")
	}
	return nil
}

// write writes a file, 0600, whole or not at all. fresh: there must be none of the name.
func (c Chain) write(path string, v any, fresh bool) (err error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll(c.Folder, 0o700)
	}
	if err != nil {
		return unwritable(path, err)
	}
	f, err := os.CreateTemp(c.Folder, ".new-*") // mode 0600
	if err != nil {
		return unwritable(path, err)
	}
	defer os.Remove(f.Name()) // after a rename there is none
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return unwritable(path, err)
	}
	if fresh {
		err = os.Link(f.Name(), path) // fails for a name that exists
	} else {
		err = os.Rename(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return slipway.Errorf(slipway.CodeConflict, "%s exists already", path)
	}
	return unwritable(path, err)
}

func unwritable(path string, err error) error {
	if err == nil {
		return nil
	}
	return slipway.Errorf(slipway.CodeStore, "%s cannot be written: %v", path, err).WithHint("make its folder writable, or set SLIPWAY_HOME")
}
