package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
	"github.com/slipway-dev/slipway/internal/audit"
)

func (a *app) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "audit", Short: "Export, verify and show what a run did", DisableFlagsInUseLine: true,
		Long: "An audit bundle is one file with all that a run planned, asked, did and found, signed with the key of this home. Anybody can verify it\n" +
			"offline, with that key alone. docs/format-audit-bundle.md describes it.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return slipway.Errorf(slipway.CodeInvalid, "audit needs a command").WithHint("slipway audit export, slipway audit verify FILE, or: slipway audit show FILE")
		},
	}
	c.AddCommand(a.auditExportCommand(), a.auditVerifyCommand(), a.auditShowCommand())
	return c
}

func (a *app) auditExportCommand() *cobra.Command {
	var out, page string
	c := a.command("export [RUN]", "Write a run's audit bundle",
		"Write manifest, plans, approvals, events, intents and outcomes, receipts, evidence and statements of a run into one signed file.\n"+
			"Without RUN it is the unfinished one, or else the newest. It need not have ended. The same run gives the same bytes with the same key, anywhere.\n"+
			"stdout is the file's name.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			w, err := a.open(ctx, need{keys: true})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			run, err := w.run(ctx, args, true)
			if err != nil {
				return result{}, err
			}
			if out == "" {
				out = run.ID + ".audit.zip"
			}
			if err := notTheBundle(out, page); err != nil {
				return result{Run: run.ID}, err
			}
			s, err := w.export(ctx, run.ID, out)
			if err != nil {
				return result{Run: run.ID}, err
			}
			if page != "" {
				if err := a.writeReport(ctx, out, page, nil); err != nil {
					return result{Run: run.ID, Bundle: out}, err
				}
				a.warnShips(ctx, page)
			}
			a.warnShips(ctx, out)
			a.say("%s\n", out)
			a.tell("verify it elsewhere with: slipway audit verify %s --trust %s\n", filepath.Base(out), s.Key)
			return result{Run: run.ID, URL: run.URL, Bundle: out}, nil
		})
	c.Flags().StringVarP(&out, "output", "o", "", "write to this `file`; default: RUN.audit.zip")
	c.Flags().StringVar(&page, "html", "", "write a report as one page to this `file` too")
	return c
}

// export writes the bundle of a run to a file, whole or not at all.
func (w *workspace) export(ctx context.Context, run, name string) (s audit.Summary, err error) {
	key, err := w.signingKey()
	if err != nil {
		return s, err
	}
	v := readVersion()
	x := audit.Exporter{
		Key: key, Tool: audit.Tool{Name: "slipway", Version: v.Version, Revision: v.Revision}, Guard: w.redactor.Has, Runbook: w.runbookOf,
	}
	err = writeWhole(name, func(f *os.File) error {
		s, err = x.Export(ctx, w.store, run, f)
		return err
	})
	if err != nil {
		return s, err
	}
	w.object("bundle", s)
	if !s.Complete {
		w.tell("the run is %s: what it does from now on is not in the bundle\n", s.Status)
	}
	return s, nil
}

// notTheBundle is CodeInvalid for a report that would take the place of the bundle.
func notTheBundle(bundle, page string) error {
	if page == "" {
		return nil
	}
	a, errA := os.Stat(bundle)
	b, errB := os.Stat(page)
	same := errA == nil && errB == nil && os.SameFile(a, b)
	full, err := filepath.Abs(page)
	if of, errOf := filepath.Abs(bundle); !same && (err != nil || errOf != nil || full != of) {
		return nil
	}
	return slipway.Errorf(slipway.CodeInvalid, "--html: %s is the bundle itself", page).WithHint("name another file for the page")
}

// writeWhole writes a file that has its name only when it is complete. It takes the place of a file, and of nothing else that has the name.
func writeWhole(name string, write func(*os.File) error) error {
	bad := func(err error) error {
		if err == nil || errors.As(err, new(*slipway.Error)) {
			return err
		}
		return slipway.Errorf(slipway.CodeInvalid, "%s cannot be written: %v", name, err).WithHint("name a file in a folder that this user can write to")
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return bad(errors.New("it is there, and is no regular file"))
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".slipway-*") // mode 0600
	if err != nil {
		return bad(err)
	}
	defer os.Remove(f.Name()) // after the rename there is none
	if err := write(f); err != nil {
		_ = f.Close()
		return bad(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return bad(err)
	}
	return bad(os.Rename(f.Name(), name))
}

// runbookOf makes the runbook of a run's plan again, from what that run has recorded alone.
func (w *workspace) runbookOf(run slipway.Run, plan *slipway.Plan, receipts map[slipway.Address]slipway.Receipt) (slipway.Runbook, error) {
	providers := w.providers()
	m, err := w.parser(providers)([]byte(run.Manifest))
	if err != nil {
		return slipway.Runbook{}, err
	}
	specs := map[slipway.Address]slipway.Spec{}
	for _, p := range providers {
		for _, s := range p.Expand(m, run.Environment) {
			specs[s.Address] = s
		}
	}
	guide := slipway.GuideBy(providers, m, run.Environment, func(e slipway.Effect) slipway.Spec {
		s, declared := specs[e.Address]
		if !declared {
			s = slipway.Spec{Address: e.Address, Name: e.Name}
		}
		s.App, s.Run, s.Params, s.Parents = m.App, run.ID, e.Params, map[slipway.Kind]slipway.Receipt{}
		if r, ok := receipts[e.Address]; ok && r.ID != "" {
			s.Known = &r
		}
		for _, need := range s.Needs {
			if r, ok := receipts[need]; ok {
				s.Parents[need.Kind()] = r
			}
		}
		return s
	})
	return slipway.MakeRunbook(plan, guide), nil
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var trust []string
	c := a.command("verify FILE", "Verify an audit bundle",
		"Check every byte, hash and signature of an audit bundle, and that what it holds agrees with itself. It needs the file and trusted keys\n"+
			"alone: no network, no database. The key of this home is trusted; name others with --trust.\n"+
			"Exit 0 when the bundle is valid, 1 when it is not or nobody trusted has signed it, 2 when the file is no bundle or cannot be read.", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			r, res, err := a.verify(ctx, args[0], trust)
			if r != nil {
				a.object("verification", r)
			}
			if err != nil {
				return res, err
			}
			a.say("valid: run %s of %s (%s), %s\n%s", r.Run, r.App, r.Environment, r.Status, r.Findings())
			return res, nil
		})
	trustFlag(c, &trust)
	return c
}

func trustFlag(c *cobra.Command, trust *[]string) {
	c.Flags().StringArrayVar(trust, "trust", nil, "trust this public `KEY` too: 64 hex digits, or a file that holds them")
}

func (a *app) auditShowCommand() *cobra.Command {
	var trust []string
	var page string
	c := a.command("show FILE", "Show what an audit bundle holds",
		"Verify an audit bundle, and show what it holds: the run, its plans and steps, who approved, what is witnessed and what only asserted.\n"+
			"What is not valid is not shown. Exit status as of audit verify.", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			if err := notTheBundle(args[0], page); err != nil {
				return result{}, err
			}
			r, res, err := a.verify(ctx, args[0], trust)
			if err != nil {
				return res, err
			}
			if page != "" {
				if err := writeWhole(page, func(f *os.File) error { return r.HTML(f) }); err != nil {
					return result{}, err
				}
				a.warnShips(ctx, page)
			}
			a.object("report", r)
			a.say("%s", r.Text())
			return res, nil
		})
	trustFlag(c, &trust)
	c.Flags().StringVar(&page, "html", "", "write it as one page to this `file` too")
	return c
}

// writeReport verifies a bundle, and writes its report as a page.
func (a *app) writeReport(ctx context.Context, bundle, page string, trust []string) error {
	r, _, err := a.verify(ctx, bundle, trust)
	if err != nil {
		return err
	}
	return writeWhole(page, func(f *os.File) error { return r.HTML(f) })
}

// verify verifies a file. The report is nil for one that is no bundle.
func (a *app) verify(ctx context.Context, name string, trust []string) (*audit.Report, result, error) {
	unusable := func(format string, args ...any) (*audit.Report, result, error) {
		return nil, result{Status: statusUnusable, Exit: slipway.ExitUsage}, slipway.Errorf(slipway.CodeInvalid, format, args...).
			WithHint("name a file that slipway audit export wrote")
	}
	keys, err := a.trusted(trust)
	if err != nil {
		return nil, result{}, err
	}
	f, err := os.Open(name)
	if err != nil {
		return unusable("the file cannot be read: %v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return unusable("%s is no file", name)
	}
	v := a.verifier()
	v.Trusted = keys
	r, err := v.Verify(ctx, f, info.Size())
	if u := (*audit.Unusable)(nil); errors.As(err, &u) {
		_, res, bad := unusable("%s: %s", name, u.Message)
		if u.Newer > 0 {
			bad = slipway.Errorf(slipway.CodeUnsupported, "%s: %s", name, u.Message).WithHint("verify it with the slipway that wrote it, or a newer one: see slipway version")
		}
		return nil, res, bad
	}
	if fault := (*audit.Fault)(nil); errors.As(err, &fault) {
		e := slipway.Errorf(slipway.CodeCheckFailed, "%s is not valid: %v", name, fault)
		if fault.Signer != "" {
			_ = e.WithHint("if you know whose key %s is: --trust KEY, with the public key that they gave you", fault.Signer)
		}
		return r, result{Status: statusInvalid, Exit: slipway.ExitFailed, Place: fault.Place}, e
	}
	if err != nil {
		return nil, result{}, err
	}
	return r, result{Status: statusValid, Run: r.Run, URL: r.URL, Bundle: name}, nil
}

// trusted are the key of this home, where there is one, and those that were named. It makes no key.
func (a *app) trusted(named []string) ([]attest.Key, error) {
	var keys []attest.Key
	seed, ok, err := a.settings.secret("SLIPWAY_SIGNING_KEY")
	if err != nil {
		return nil, err
	}
	if home, errHome := a.home(); !ok && errHome == nil {
		text, err := readKey(signingFile(home))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, badKey(signingFile(home), "signing", err)
		}
		seed, ok = slipway.NewSecret(text), err == nil
		a.redactor.Add(seed)
	}
	if ok {
		key, err := attest.NewKey(seed)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	for _, name := range named {
		key, err := attest.PublicKey(name)
		if err != nil {
			text, errRead := os.ReadFile(name)
			if errRead != nil {
				return nil, slipway.Errorf(slipway.CodeInvalid, "--trust: a public key is 64 hex digits, or a file that holds them").
					WithHint("slipway audit export prints the key that it signed with")
			}
			if key, err = attest.PublicKey(string(text)); err != nil {
				return nil, err
			}
		}
		if key.Weak() {
			return nil, slipway.Errorf(slipway.CodeInvalid, "--trust: the key %s is one under which anybody can sign", key.ID()).
				WithHint("ask whoever signed the bundle for the key that slipway audit export printed")
		}
		keys = append(keys, key)
	}
	return keys, nil
}
