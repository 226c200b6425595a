package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// opener opens a fresh database that the test closes; guard may be nil.
type opener func(t *testing.T, guard func([]byte) bool) slipway.Store

// suite is what every database must do. It knows no SQLite.
func suite(t *testing.T, open opener) {
	for name, test := range map[string]func(*testing.T, opener){
		"round trip":           testRoundTrip,
		"not found":            testNotFound,
		"runs":                 testRuns,
		"unfinished":           testUnfinished,
		"save run":             testSaveRun,
		"fence":                testFence,
		"sweep":                testSweep,
		"one claim of many":    testClaimRace,
		"written once":         testWrittenOnce,
		"open intents":         testOpenIntents,
		"steps of a run":       testSteps,
		"last done":            testLastDone,
		"used":                 testUsed,
		"events":               testEvents,
		"receipts":             testReceipts,
		"due":                  testDue,
		"delivered":            testDelivered,
		"all or nothing":       testAllOrNothing,
		"reading writes not":   testReadOnly,
		"guard":                testGuard,
		"guard is not evaded":  testGuardSticks,
		"counted concurrently": testCounter,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func write(t *testing.T, s slipway.Store, f func(slipway.Tx) error) {
	t.Helper()
	if err := s.Tx(t.Context(), f); err != nil {
		t.Fatalf("Tx: %v", err)
	}
}

func read(t *testing.T, s slipway.Store, f func(slipway.Tx) error) {
	t.Helper()
	if err := s.Read(t.Context(), f); err != nil {
		t.Fatalf("Read: %v", err)
	}
}

func addRuns(t *testing.T, s slipway.Store, runs ...slipway.Run) {
	t.Helper()
	write(t, s, func(tx slipway.Tx) error {
		for i, r := range runs {
			if r.Status == "" {
				r.Status = slipway.RunActive
			}
			if r.CreatedAt.IsZero() {
				r.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			}
			if err := tx.AddRun(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill sets every field of v to a value of its own. text gives each string, map keys too.
func fill(v reflect.Value, text func() string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(7.5)
	case reflect.Uint8:
		v.SetUint(200)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			var raw bytes.Buffer
			enc := json.NewEncoder(&raw)
			enc.SetEscapeHTML(false) // as the store writes
			if err := enc.Encode(text()); err != nil {
				panic("fill: " + err.Error())
			}
			v.SetBytes(bytes.TrimSpace(raw.Bytes()))
			return
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(text()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{text(): []any{text(), 7.5, true, nil}}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(t0))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	default:
		panic("fill: " + v.Type().String())
	}
}

// filled returns a T whose every field is set; r1 stands for each text that must name a run.
func filled[T any]() T {
	var v T
	n := 0
	fill(reflect.ValueOf(&v).Elem(), func() string { n++; return fmt.Sprintf("<text> & \"%d\" é\n", n) })
	for _, name := range []string{"ID", "Run"} {
		if f := reflect.ValueOf(&v).Elem().FieldByName(name); f.IsValid() && f.Kind() == reflect.String {
			f.SetString("r1")
		}
	}
	return v
}

func testAllOrNothing(t *testing.T, open opener) {
	s := open(t, nil)
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(t.Context())
	add := func(id string, then func() error) func(slipway.Tx) error {
		return func(tx slipway.Tx) error { return errors.Join(tx.AddRun(slipway.Run{ID: id}), then()) }
	}
	if err := s.Tx(t.Context(), add("error", func() error { return boom })); !errors.Is(err, boom) {
		t.Errorf("f's error: got %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic in f was swallowed")
			}
		}()
		_ = s.Tx(t.Context(), add("panic", func() error { panic(boom) }))
	}()
	for range 50 { // whether the commit or the rollback comes first is a race; either way nothing is kept
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Tx(ctx, add("canceled", func() error { cancel(); runtime.Gosched(); return nil }))
		if !errors.Is(err, context.Canceled) || slipway.ErrorCode(err) != slipway.CodeCanceled {
			t.Errorf("canceled before the commit: got %v, want canceled", err)
		}
	}
	cancel()
	if err := s.Tx(ctx, add("too late", func() error { return nil })); slipway.ErrorCode(err) != slipway.CodeCanceled {
		t.Errorf("canceled before the start: got %v, want canceled", err)
	}
	swallow := func(tx slipway.Tx) error {
		_ = tx.AddRun(slipway.Run{ID: "swallowed"})
		_ = tx.SaveStep(slipway.Step{Run: "not there"})
		return nil
	}
	if err := s.Tx(t.Context(), swallow); slipway.ErrorCode(err) != slipway.CodeNotFound {
		t.Errorf("a failed write that f did not report: got %v, want not_found", err)
	}
	var kept slipway.Tx
	write(t, s, func(tx slipway.Tx) error { kept = tx; return tx.AddRun(slipway.Run{ID: "kept"}) })
	if err := kept.AddRun(slipway.Run{ID: "after"}); err == nil {
		t.Error("a transaction was used after its end")
	}
	read(t, s, func(tx slipway.Tx) error {
		runs, err := tx.Runs(slipway.RunFilter{})
		if len(runs) != 1 || runs[0].ID != "kept" {
			t.Errorf("got %v, want the committed run only", runs)
		}
		return err
	})
}

func testReadOnly(t *testing.T, open opener) {
	s := open(t, nil)
	err := s.Read(t.Context(), func(tx slipway.Tx) error { return tx.AddRun(slipway.Run{ID: "r1"}) })
	if slipway.ErrorCode(err) != slipway.CodeInternal {
		t.Errorf("a write in Read: got %v, want internal", err)
	}
	addRuns(t, s, slipway.Run{ID: "r1"})
	read(t, s, func(tx slipway.Tx) error {
		before, err := tx.Events("r1", 0)
		write(t, s, func(tx slipway.Tx) error { return tx.AddEvent(slipway.Event{Run: "r1"}) })
		after, err2 := tx.Events("r1", 0)
		if len(before) != len(after) {
			t.Error("a Read saw a commit that came after its start")
		}
		return errors.Join(err, err2)
	})
}

func testCounter(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if err := s.Tx(t.Context(), increment("r1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	read(t, s, func(tx slipway.Tx) error {
		r, err := tx.Run("r1")
		if r.Revision != 100 {
			t.Errorf("100 increments made %d: a transaction is not alone", r.Revision)
		}
		return err
	})
}

// increment reads and writes one run.
func increment(id string) func(slipway.Tx) error {
	return func(tx slipway.Tx) error {
		r, err := tx.Run(id)
		if err != nil {
			return err
		}
		r.Revision++
		return tx.SaveRun(r)
	}
}
