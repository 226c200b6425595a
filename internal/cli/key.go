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
	c.AddCommand(a.keyNewCommand(), a.keyListCommand(), a.keyTrustCommand())
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
			a.object("key", e)
			a.say("%s\n", e.Key)
			a.tell("the key %s is kept in the %s\n", e.Name, map[keychain.Store]string{keychain.StoreKeyring: "keyring", keychain.StoreFile: "home, behind the passphrase"}[e.Store])
			return result{Hint: "slipway key trust " + e.Key + " --name " + e.Name + ", wherever it shall count"}, nil
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
				a.object("key", e)
				a.say("own      %-16s %s  in the %s\n", e.Name, e.Key, e.Store)
			}
			trusted, err := chain.Trusted()
			for _, t := range trusted {
				a.object("trusted", t)
				a.say("trusted  %-16s %s  %s %s\n", t.Name, t.Key, t.ID, strings.Join(t.Groups, ", "))
			}
			return result{}, err
		})
}

func (a *app) keyTrustCommand() *cobra.Command {
	var name string
	var groups []string
	c := a.command("trust KEY", "Let a key's signature count", "Let what KEY signs count as approved by the person that --name names. KEY is a public key: 64 hex digits, or a file that holds them.",
		cobra.ExactArgs(1), func(_ context.Context, args []string) (result, error) {
			chain, err := a.personsKeys()
			if err != nil {
				return result{}, err
			}
			public := args[0]
			if _, err := attest.PublicKey(public); err != nil {
				text, errRead := os.ReadFile(public)
				if errRead != nil || len(text) > 1<<10 {
					return result{}, slipway.Errorf(slipway.CodeInvalid, "a public key is 64 hex digits, or a file that holds them").WithHint("slipway key list shows those of a home")
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
	return keychain.Chain{Folder: filepath.Join(home, "keys"), Ring: a.ring(), Passphrase: a.passphrase, Remember: a.redactor.Add, Now: time.Now}, nil
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
	if v, ok, err := a.settings.secret("SLIPWAY_KEY_PASSPHRASE"); err != nil || ok {
		return v, err
	}
	in, isFile := a.in.(*os.File)
	if !a.asks || !isFile || !term.IsTerminal(int(in.Fd())) {
		return slipway.Secret{}, slipway.Errorf(slipway.CodeInvalid, "the key %s needs its passphrase, and there is no terminal to ask at", name).
			WithHint("set SLIPWAY_KEY_PASSPHRASE_FILE to a file that holds it")
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
	v, err := read("Passphrase of the key " + name + ": ")
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
	waiting := requested(detail)
	if i := slices.IndexFunc(waiting, func(a slipway.Approval) bool { return d.Gate == "" || a.Gate == d.Gate }); i >= 0 {
		key, err := chain.Key(ctx, name)
		if err != nil {
			return nil, err
		}
		a := waiting[i]
		return key.Sign(ctx, attest.Ballot, a.Ballot(d, time.Now()), attest.About("gate "+string(a.Gate), a.Subject))
	}
	return nil, slipway.Errorf(slipway.CodeConflict, "run %s does not wait for an approval", d.Run).WithHint("look at it with: slipway status %s", d.Run)
}

// witness opens a signed approval. CodeForbidden: no key that this home trusts has signed it.
func (a *app) witness(ctx context.Context, statement json.RawMessage) (b slipway.Ballot, by slipway.Approver, err error) {
	chain, err := a.keychain()
	if err != nil {
		return b, by, err
	}
	trusted, err := chain.Trusted()
	if err != nil {
		return b, by, err
	}
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

// approverKeys are the keys that this home trusts to approve; none where it has none, or none that can be read.
func (a *app) approverKeys() (keys []attest.Key) {
	chain, err := a.keychain()
	if err != nil {
		return nil
	}
	trusted, err := chain.Trusted()
	if err != nil {
		return nil
	}
	for _, t := range trusted {
		if key, err := attest.PublicKey(t.Key); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}
