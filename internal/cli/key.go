package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"
	"golang.org/x/term"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
	"github.com/slipway-dev/slipway/internal/audit"
	"github.com/slipway-dev/slipway/internal/keychain"
)

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "key", Short: "Make and trust the keys with which people approve", DisableFlagsInUseLine: true,
		Long: "A key proves who approves: slipway approve --key NAME. Its private half stays in the system's keyring, or in a file of this home that\n" +
			"a passphrase opens. What it signs counts where its public half is trusted. docs/approvals.md tells more.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return slipway.Errorf(slipway.CodeInvalid, "key needs a command").WithHint("slipway key new NAME, slipway key list, or: slipway key trust KEY --name NAME")
		},
	}
	c.AddCommand(a.keyNewCommand(), a.keyListCommand(), a.keyTrustCommand(), a.keyUntrustCommand(), a.keyPassphraseCommand())
	return c
}

func (a *app) keyNewCommand() *cobra.Command {
	var store string
	c := a.command("new NAME", "Make a key", "Make a key, and keep its private half in the system's keyring, or else in a file that a passphrase opens: typed, or of\n"+
		"SLIPWAY_KEY_PASSPHRASE(_FILE). stdout is the public half. It counts nowhere before it is trusted there.", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			if store != "auto" && store != string(keychain.StoreKeyring) && store != string(keychain.StoreFile) {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "--store is auto, keyring or file").WithHint("leave it out")
			}
			chain, err := a.personsKeys()
			if err != nil {
				return result{}, err
			}
			e, err := chain.New(ctx, args[0], keychain.Store(strings.TrimPrefix(store, "auto")))
			if err != nil {
				return result{}, err
			}
			e.Sealed = ""
			public := attest.PublicMark + e.Key
			a.object("key", ownKey{e, public})
			a.say("%s\n", public)
			a.tell("the key %s is kept in the %s\n", e.Name, map[keychain.Store]string{keychain.StoreKeyring: "keyring", keychain.StoreFile: "home, behind the passphrase"}[e.Store])
			return result{Hint: "slipway key trust " + public + " --name " + e.Name + ", wherever it shall count"}, nil
		})
	c.Flags().StringVar(&store, "store", "auto", "`where` the private half is kept: auto, keyring or file")
	return c
}

func (a *app) keyListCommand() *cobra.Command {
	return a.command("list", "List this home's keys, and those that it trusts", "List the keys whose private half this home has, and the keys whose signature counts here.", cobra.NoArgs,
		func(context.Context, []string) (result, error) {
			chain, err := a.keychain()
			if err != nil {
				return result{}, err
			}
			own, err := chain.List()
			if err != nil {
				return result{}, err
			}
			for _, e := range own {
				public := attest.PublicMark + e.Key
				a.object("key", ownKey{e, public})
				a.say("own      %-16s %s  in the %s\n", e.Name, public, e.Store)
			}
			known, err := chain.Known()
			for _, t := range known {
				what, groups := "trusted", strings.Join(t.Groups, ", ")
				if !t.Until.IsZero() {
					what, groups = "ended", "until "+t.Until.Local().Format(time.DateTime)
				}
				a.object("trusted", t)
				a.say("%-8s %-16s %s  %s %s\n", what, t.Name, attest.PublicMark+t.Key, t.ID, groups)
			}
			return result{}, err
		})
}

// ownKey is a key of this home as --json shows it.
type ownKey struct {
	keychain.Entry
	Public string `json:"public"` // as slipway key trust takes it
}

func (a *app) keyUntrustCommand() *cobra.Command {
	return a.command("untrust NAME|ID", "Let a key's signature count no more",
		"Let the signatures of a person's keys, or of the one key with this id, count no more. What they have signed and nobody has used opens nothing; what was\n"+
			"used stays. slipway audit verify goes on to call witnessed what they signed before, and says until when they were trusted here.",
		cobra.ExactArgs(1), func(_ context.Context, args []string) (result, error) {
			chain, err := a.personsKeys()
			if err != nil {
				return result{}, err
			}
			ended, err := chain.Untrust(args[0])
			for _, t := range ended {
				a.object("trusted", t)
				a.say("%s is no longer trusted as %s's\n", t.ID, t.Name)
			}
			return result{}, err
		})
}

func (a *app) keyPassphraseCommand() *cobra.Command {
	return a.command("passphrase NAME", "Put a key behind another passphrase",
		"Put a key that is kept in a file behind another passphrase, in place. The old one is typed, or of SLIPWAY_KEY_PASSPHRASE(_FILE), the new one is typed\n"+
			"twice, or of SLIPWAY_KEY_NEW_PASSPHRASE(_FILE). Copies of the file from before still open with the old one.",
		cobra.ExactArgs(1), func(ctx context.Context, args []string) (result, error) {
			chain, err := a.personsKeys()
			if err != nil {
				return result{}, err
			}
			chain.Passphrase = func(ctx context.Context, name string, fresh bool) (slipway.Secret, error) {
				if !fresh {
					return a.passphrase(ctx, name, false)
				}
				return a.passphraseOf("SLIPWAY_KEY_NEW_PASSPHRASE", name, true)
			}
			if err := chain.Repass(ctx, args[0]); err != nil {
				return result{}, err
			}
			a.say("the key %s has another passphrase\n", args[0])
			return result{}, nil
		})
}

func (a *app) keyTrustCommand() *cobra.Command {
	var name string
	var groups []string
	c := a.command("trust KEY", "Let a key's signature count", "Let what KEY signs count as approved by the person that --name names. KEY is a public key as slipway key new\n"+
		"and slipway key list print it, ed25519: and 64 hex digits, or a file that holds it.",
		cobra.ExactArgs(1), func(_ context.Context, args []string) (result, error) {
			chain, err := a.personsKeys()
			if err != nil {
				return result{}, err
			}
			public := args[0]
			if _, err := attest.PublicKey(public); err != nil {
				text, errRead := os.ReadFile(public)
				if errRead != nil || len(text) > 1<<10 {
					return result{}, slipway.Errorf(slipway.CodeInvalid, "a public key is ed25519: and 64 hex digits, or a file that holds it").WithHint("slipway key list shows those of a home")
				}
				public = string(text)
			}
			if name == "" {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "whose key is it?").WithHint("say it with --name NAME")
			}
			t, err := chain.Trust(name, public, groups)
			if err != nil {
				return result{}, err
			}
			a.object("trusted", t)
			a.say("%s is trusted as %s's\n", t.ID, t.Name)
			if gaps := t.Gaps(); len(gaps) > 0 {
				a.tell("it was not from %s on: what it signed until now and nobody has used opens nothing\n", gaps[len(gaps)-1].From.Local().Format(time.DateTime))
			}
			return result{}, nil
		})
	c.Flags().StringVar(&name, "name", "", "the person who holds it: what policies and records call them")
	c.Flags().StringArrayVar(&groups, "group", nil, "a group that it stands for in policies; may be given several times")
	return c
}

// keychain is the keys of this home.
func (a *app) keychain() (keychain.Chain, error) {
	home, err := a.home()
	if err != nil {
		return keychain.Chain{}, err
	}
	return keychain.Chain{Folder: filepath.Join(home, "keys"), Ring: a.ring(), Passphrase: a.passphrase, Remember: a.redactor.Add, Work: a.seams.Work, Now: time.Now}, nil
}

// personsKeys is keychain for what no agent does.
func (a *app) personsKeys() (keychain.Chain, error) {
	if _, err := a.approverHere("key"); err != nil {
		return keychain.Chain{}, err
	}
	return a.keychain()
}

// systemRing is the keyring of macOS, Windows, or the Secret Service on D-Bus.
type systemRing struct{}

func (systemRing) Set(service, user, secret string) error   { return keyring.Set(service, user, secret) }
func (systemRing) Get(service, user string) (string, error) { return keyring.Get(service, user) }

// ring is nil where there is no keyring: without an address D-Bus would start a bus of its own.
func (a *app) ring() keychain.Ring {
	bus, _ := a.settings.lookup("DBUS_SESSION_BUS_ADDRESS")
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" && bus == "" {
		return nil
	}
	return systemRing{}
}

// passphrase is SLIPWAY_KEY_PASSPHRASE, else what is typed, unseen.
func (a *app) passphrase(_ context.Context, name string, fresh bool) (slipway.Secret, error) {
	return a.passphraseOf("SLIPWAY_KEY_PASSPHRASE", name, fresh)
}

// passphraseOf is the value of a variable, else what is typed, unseen; a fresh one twice.
func (a *app) passphraseOf(variable, name string, fresh bool) (slipway.Secret, error) {
	if v, ok, err := a.settings.secret(variable); err != nil || ok {
		return v, err
	}
	in, isFile := a.in.(*os.File)
	if !a.asks || !isFile || !term.IsTerminal(int(in.Fd())) {
		return slipway.Secret{}, slipway.Errorf(slipway.CodeInvalid, "the key %s needs its passphrase, and there is no terminal to ask at", name).
			WithHint("set %s_FILE to a file that holds it", variable)
	}
	read := func(question string) (slipway.Secret, error) {
		fmt.Fprint(a.rawErr, question)
		typed, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(a.rawErr)
		if err != nil {
			return slipway.Secret{}, slipway.Errorf(slipway.CodeCanceled, "no passphrase was typed")
		}
		v := slipway.NewSecret(string(typed))
		a.redactor.Add(v)
		return v, nil
	}
	question := "Passphrase of the key "
	if fresh {
		question = "New passphrase of the key "
	}
	v, err := read(question + name + ": ")
	if err != nil || !fresh {
		return v, err
	}
	again, err := read("The same again: ")
	if err == nil && again.Reveal() != v.Reveal() {
		err = slipway.Errorf(slipway.CodeInvalid, "the two passphrases differ").WithHint("type it again")
	}
	return v, err
}

// ballot signs an approval of what waits at a gate with a key of this home.
func (w *workspace) ballot(ctx context.Context, d slipway.Decision, name string) (json.RawMessage, error) {
	chain, err := w.personsKeys()
	if err != nil {
		return nil, err
	}
	detail, err := w.engine.Get(ctx, d.Run)
	if err != nil {
		return nil, err
	}
	a, err := d.Asked(detail.Approvals)
	if err != nil {
		return nil, err
	}
	if a.State != slipway.ApprovalRequested {
		return nil, slipway.Errorf(slipway.CodeConflict, "the %s gate of run %s is already %s", a.Gate, d.Run, a.State).WithHint("look at it with: slipway status %s", d.Run)
	}
	key, err := chain.Key(ctx, name)
	if err != nil {
		return nil, err
	}
	return key.Sign(ctx, attest.Ballot, a.Ballot(d, time.Now()), attest.About("gate "+string(a.Gate), a.Subject))
}

// witness opens a signed approval that was taken at a time. CodeForbidden: no key that this home trusts, and has trusted since then, has signed it.
func (a *app) witness(ctx context.Context, statement json.RawMessage, at time.Time) (b slipway.Ballot, by slipway.Approver, err error) {
	chain, err := a.keychain()
	if err != nil {
		return b, by, err
	}
	trusted, err := chain.Trusted()
	if err != nil {
		return b, by, err
	}
	trusted = slices.DeleteFunc(trusted, func(t keychain.Trusted) bool { return !t.Held(at) })
	var keys []attest.Key
	for _, t := range trusted {
		key, err := attest.PublicKey(t.Key)
		if err != nil {
			return b, by, err
		}
		keys = append(keys, key)
	}
	s, ids, err := attest.Open(ctx, statement, keys...)
	if err != nil || s.PredicateType != attest.Ballot {
		return b, by, slipway.Errorf(slipway.CodeForbidden, "no key that this home trusts has signed this approval").
			WithHint("list them with: slipway key list; trust one with: slipway key trust KEY --name NAME")
	}
	if b, err = readBallot(s); err != nil {
		return b, by, err
	}
	t := trusted[slices.IndexFunc(trusted, func(t keychain.Trusted) bool { return t.ID == ids[0] })]
	by, err = slipway.KeyApprover(slipway.Signer{Name: t.Name, Key: t.ID, Groups: t.Groups})
	return b, by, err
}

// readBallot decodes what was signed, which must be about the gate that the statement names.
func readBallot(s attest.Statement) (b slipway.Ballot, err error) {
	d := json.NewDecoder(bytes.NewReader(s.Predicate))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, slipway.Errorf(slipway.CodeInvalid, "what was signed is no approval")
	}
	about := attest.About("gate "+string(b.Gate), b.Subject)
	if len(s.Subject) != 1 || s.Subject[0].Name != about.Name || s.Subject[0].Digest["sha256"] != about.Digest["sha256"] || about.Digest["sha256"] == "" {
		return b, slipway.Errorf(slipway.CodeInvalid, "what was signed is about something else than it says")
	}
	return b, nil
}

// verifier knows the keys that this home trusts to approve, or did, by whom, and when it did not; none where it has none, or none that can be read.
func (a *app) verifier() audit.Verifier {
	v := audit.Verifier{Gaps: map[string][]audit.Gap{}, Holders: map[string]string{}}
	chain, err := a.keychain()
	if err != nil {
		return v
	}
	known, err := chain.Known()
	if err != nil {
		return v
	}
	for _, t := range known {
		key, err := attest.PublicKey(t.Key)
		if err != nil {
			continue
		}
		v.Approvers, v.Holders[t.ID] = append(v.Approvers, key), t.Name
		for _, g := range t.Gaps() {
			v.Gaps[t.ID] = append(v.Gaps[t.ID], audit.Gap{From: g.From, Until: g.Until})
		}
	}
	return v
}
