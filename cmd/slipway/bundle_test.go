package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
	"github.com/slipway-dev/slipway/internal/audit"
	"github.com/slipway-dev/slipway/internal/store"
)

// bundled fails a script that has ended where one of its runs, in any of its homes, gives a bundle that is not valid: whatever a run has come
// to, the verifier believes what was written of it. Databases that scripts have spoiled give none.
func bundled(ctx context.Context, env *testscript.Env) {
	ctx = context.WithoutCancel(ctx)
	keys, err := filepath.Glob(env.WorkDir + "/*/signing.key")
	if err != nil {
		env.T().Fatal(err)
	}
	files, err := filepath.Glob(env.WorkDir + "/*/apps/*/slipway.db")
	if err != nil {
		env.T().Fatal(err)
	}
	b := bundler{file: filepath.Join(env.WorkDir, ".bundle.zip")}
	if b.key, err = attest.NewKey(slipway.NewSecret(hex.EncodeToString([]byte("a seed that signs no more than it")[:32]))); err != nil {
		env.T().Fatal(err)
	}
	b.trusted = append(b.trusted, b.key)
	for _, name := range keys {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if key, err := attest.NewKey(slipway.NewSecret(string(text))); err == nil {
			b.trusted = append(b.trusted, key)
		}
	}
	for _, name := range files {
		if err := b.all(ctx, name); err != nil {
			env.T().Fatal(err)
		}
	}
}

type bundler struct {
	file    string
	key     attest.Key
	trusted []attest.Key
}

// all exports and verifies the runs of one database.
func (b bundler) all(ctx context.Context, name string) error {
	s, err := store.Open(ctx, store.Config{Path: name})
	if err != nil {
		return nil // spoiled
	}
	defer s.Close()
	var runs []slipway.Run
	if err := s.Read(ctx, func(tx slipway.Tx) (err error) { runs, err = tx.Runs(slipway.RunFilter{}); return err }); err != nil {
		return nil // spoiled
	}
	for _, r := range runs {
		if err := b.one(ctx, s, r.ID); err != nil {
			return fmt.Errorf("%s of %s: %w", r.ID, strings.TrimPrefix(filepath.Dir(name), filepath.Dir(b.file)), err)
		}
	}
	return nil
}

func (b bundler) one(ctx context.Context, s slipway.Store, run string) error {
	f, err := os.Create(b.file)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := (audit.Exporter{Key: b.key, Tool: audit.Tool{Name: "slipway"}}).Export(ctx, s, run, f)
	if err != nil {
		return err
	}
	_, err = audit.Verifier{Trusted: b.trusted}.Verify(ctx, f, sum.Bytes)
	return err
}
