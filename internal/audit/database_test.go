package audit

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// elsewhere is a store whose database gives times in another zone, and rows in no order.
type elsewhere struct{ slipway.Store }

func (s elsewhere) Read(ctx context.Context, f func(slipway.Tx) error) error {
	return s.Store.Read(ctx, func(tx slipway.Tx) error { return f(elsewhereTx{tx}) })
}

type elsewhereTx struct{ slipway.Tx }

var kathmandu = time.FixedZone("+0545", 20_700)

func move(times ...*time.Time) {
	for _, t := range times {
		*t = t.In(kathmandu)
	}
}

func (t elsewhereTx) Run(id string) (slipway.Run, error) {
	r, err := t.Tx.Run(id)
	move(&r.CreatedAt, &r.UpdatedAt)
	return r, err
}

func (t elsewhereTx) Approvals(run string) ([]slipway.Approval, error) {
	all, err := t.Tx.Approvals(run)
	for i := range all {
		move(&all[i].CreatedAt, &all[i].DecidedAt, &all[i].ExpiresAt)
	}
	slices.Reverse(all)
	return all, err
}

func (t elsewhereTx) Steps(run string, revision int) ([]slipway.Step, error) {
	all, err := t.Tx.Steps(run, revision)
	for i := range all {
		move(&all[i].IntentAt, &all[i].EndedAt)
		if r := all[i].Receipt; r != nil {
			move(&r.CreatedAt)
		}
	}
	slices.Reverse(all)
	return all, err
}

func (t elsewhereTx) Events(run string, after int64) ([]slipway.Event, error) {
	all, err := t.Tx.Events(run, after)
	for i := range all {
		move(&all[i].At)
	}
	return all[:min(len(all), 3)], err // in other pages
}

func TestAnotherDatabase(t *testing.T) {
	st := newStore(t, t.TempDir(), slipway.RunSucceeded, 5)
	want, _ := bundle(t, exporter(t), st)
	got, _ := bundle(t, exporter(t), elsewhere{st})
	if !bytes.Equal(got, want) {
		t.Errorf("other bytes: %s, not %s", digest(got), digest(want))
	}
}

// older is a store of before artifacts whose names begin so were kept.
type older struct {
	slipway.Store
	lacks string
}

func (s older) Read(ctx context.Context, f func(slipway.Tx) error) error {
	return s.Store.Read(ctx, func(tx slipway.Tx) error { return f(olderTx{tx, s.lacks}) })
}

type olderTx struct {
	slipway.Tx
	lacks string
}

func (t olderTx) Artifact(name string) ([]byte, error) {
	if strings.HasPrefix(name, t.lacks) {
		return nil, slipway.Errorf(slipway.CodeNotFound, "no artifact %s", name)
	}
	return t.Tx.Artifact(name)
}

func TestWhatWasNotKept(t *testing.T) {
	x := exporter(t)
	x.Runbook = func(slipway.Run, *slipway.Plan, map[slipway.Address]slipway.Receipt) (slipway.Runbook, error) {
		return slipway.Runbook{}, slipway.Errorf(slipway.CodeInvalid, "the manifest says what this program does not know")
	}
	data, _ := bundle(t, x, older{newStore(t, t.TempDir(), slipway.RunSucceeded, 0), slipway.SourceArtifact("")})
	r, err := verify(t, data, key(t, testKey))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, l := range r.Left {
		left = append(left, l.What)
	}
	if d := cmp.Diff([]string{"commit", "tool of the run", "runbook of revision 1", "runbook of revision 2", "source files"}, left); d != "" || r.Files != 0 {
		t.Errorf("%d files listed (-want +got):\n%s", r.Files, d)
	}
}
