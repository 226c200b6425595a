package store

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// canary has what JSON and HTML escape differently.
const canary = "c4n4ry&<v4lue>"

func holdsCanary(b []byte) bool { return bytes.Contains(b, []byte(canary)) }

// readers are the methods of slipway.Tx that write nothing. Every other one must refuse a secret in each text that it takes.
var readers = []string{"Run", "Runs", "Plan", "Steps", "LastDone", "OpenIntents", "Approvals", "Used", "Events", "Receipts", "Artifact", "NextDue", "PolicyInForce"}

// texts is the least number of texts that a writing method takes, so that a filler that fills nothing is noticed.
var texts = map[string]int{
	"AddRun": 16, "SaveRun": 16, "Claim": 2, "Fence": 1, "Release": 1, "Sweep": 0, "AddPlan": 20, "SaveStep": 15,
	"SaveApproval": 10, "Delivered": 1, "AddEvent": 5, "SaveReceipt": 10, "DeleteReceipt": 2, "PutArtifact": 2, "PutPolicyInForce": 2, "SetDue": 1, "TakeDue": 0,
}

func testGuard(t *testing.T, open opener) {
	s := open(t, holdsCanary)
	addRuns(t, s, slipway.Run{ID: "r1"})
	txType := reflect.TypeFor[slipway.Tx]()
	for i := range txType.NumMethod() {
		method := txType.Method(i)
		if least, n := texts[method.Name], callWithCanaries(t, s, method); n >= 0 && (n < least || least == 0 && n > 0) {
			t.Errorf("%s takes %d texts, the table says at least %d: bring it up to date", method.Name, n, least)
		}
	}
}

// callWithCanaries calls a writing method once for each text among its arguments, with the canary there. It returns how many there are,
// -1 for a method that only reads.
func callWithCanaries(t *testing.T, s slipway.Store, method reflect.Method) int {
	if slices.Contains(readers, method.Name) {
		return -1
	}
	for target := 0; ; target++ {
		args, n := argumentsWith(method, target, "x"+canary)
		if target >= n {
			return n
		}
		err := callFilled(t, s, method, args)
		if slipway.ErrorCode(err) != slipway.CodeSecretLeak {
			t.Errorf("%s, text %d: got %v, want secret_leak", method.Name, target, err)
			continue
		}
		if msg := err.Error(); strings.Contains(msg, "c4n4ry") || !strings.Contains(msg, ".") {
			t.Errorf("%s, text %d: %q must name table and column and not the value", method.Name, target, msg)
		}
	}
}

// argumentsWith returns arguments of a method with one of their texts given, and how many texts there are.
func argumentsWith(method reflect.Method, target int, text string) (args []reflect.Value, n int) {
	args = make([]reflect.Value, method.Type.NumIn())
	for i := range args {
		args[i] = reflect.New(method.Type.In(i)).Elem()
		fill(args[i], func() string {
			n++
			if n-1 == target {
				return text
			}
			return fmt.Sprint("x", n)
		})
	}
	return args, n
}

func callWith(t *testing.T, s slipway.Store, method reflect.Method, target int, text string) error {
	args, _ := argumentsWith(method, target, text)
	return callFilled(t, s, method, args)
}

func callFilled(t *testing.T, s slipway.Store, method reflect.Method, args []reflect.Value) error {
	err := call(t, s, method.Name, args)
	if slipway.ErrorCode(err) == slipway.CodeNotFound { // it begins with the run's row, where the text that leaks is not
		err = call(t, s, method.Name, withRun(args))
	}
	return err
}

func call(t *testing.T, s slipway.Store, method string, args []reflect.Value) error {
	return s.Tx(t.Context(), func(tx slipway.Tx) error {
		out := reflect.ValueOf(tx).MethodByName(method).Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		return err
	})
}

// withRun makes the texts that name a run name r1.
func withRun(args []reflect.Value) []reflect.Value {
	for _, a := range args {
		if a.Kind() == reflect.Struct {
			for _, name := range []string{"Run", "ID"} {
				if f := a.FieldByName(name); f.IsValid() && f.Kind() == reflect.String && !strings.Contains(f.String(), canary) {
					f.SetString("r1")
				}
			}
		}
	}
	return args
}

func testGuardSticks(t *testing.T, open opener) {
	s := open(t, holdsCanary)
	err := s.Tx(t.Context(), func(tx slipway.Tx) error {
		if err := tx.AddRun(slipway.Run{ID: "r1"}); err != nil {
			return err
		}
		_ = tx.AddEvent(slipway.Event{Run: "r1", Data: map[string]any{"line": canary}})
		return nil
	})
	if slipway.ErrorCode(err) != slipway.CodeSecretLeak {
		t.Errorf("f did not report the refusal: got %v, want secret_leak", err)
	}
	read(t, s, func(tx slipway.Tx) error {
		if _, err := tx.Run("r1"); slipway.ErrorCode(err) != slipway.CodeNotFound {
			t.Errorf("the rest of the transaction was kept: %v", err)
		}
		return nil
	})
}

// TestOneWayToTheDatabase: the guard is only as good as the one place that it stands in.
func TestOneWayToTheDatabase(t *testing.T) {
	got := map[string][]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok {
				switch call.Sel.Name {
				case "Exec", "ExecContext", "Query", "QueryContext", "QueryRow", "QueryRowContext", "Prepare", "PrepareContext", "Raw":
					got[file] = append(got[file], call.Sel.Name)
				}
			}
			return true
		})
	}
	want := map[string][]string{
		"migrate.go": {"QueryRowContext"}, "statement.go": {"PrepareContext", "PrepareContext"}, "tx.go": {"QueryContext"}, "watch.go": {"QueryRowContext"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("statements run past the guard (-want +got):\n%s", d)
	}
	s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), nil)
	err = s.Tx(t.Context(), func(x slipway.Tx) error {
		_, err := x.(*tx).read("INSERT INTO artifacts (name, body) VALUES ($1, $2)", nil, "a", "b")
		return err
	})
	if slipway.ErrorCode(err) != slipway.CodeInternal {
		t.Errorf("a write through read: got %v, want internal", err)
	}
}

func TestColumnTypes(t *testing.T) {
	type text string
	for name, test := range map[string]struct {
		reason string
		value  any
		want   any
		ok     bool
	}{
		"named text": {"the guard sees a string", text("x"), "x", true},
		"bytes":      {"never NULL", []byte(nil), []byte{}, true},
		"time":       {"UTC, nine digits", time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600)), "2026-01-02T02:04:05.000000600Z", true},
		"no time":    {"NULL", time.Time{}, nil, true},
		"JSON":       {"as it is, without HTML escapes", encoded{map[string]any{"a": "<&>"}}, `{"a":"<&>"}`, true},
		"no JSON":    {"NULL", encoded{(*slipway.Receipt)(nil)}, nil, true},
		"not JSON":   {"refused", encoded{make(chan int)}, nil, false},
		"a struct":   {"its text would pass the guard", slipway.NewSecret("x"), nil, false},
		"a pointer":  {"its text would pass the guard", new(string), nil, false},
	} {
		got, err := argument(test.value)
		if d := cmp.Diff(test.want, got); d != "" || (err == nil) != test.ok {
			t.Errorf("%s: %v: %s (-want +got):\n%s", name, err, test.reason, d)
		}
	}
}

// TestGuardSeesStreams: a secret that is cut between two lines of one stream of output is one.
func TestGuardSeesStreams(t *testing.T) {
	const first, second = "begins c4n4ry&<", "v4lue> ends"
	line := func(step, stream, text string) slipway.Event {
		return slipway.Event{Run: "r1", Type: slipway.EventLog, Step: step, Data: map[string]any{"stream": stream, "text": text}}
	}
	for name, tc := range map[string]struct {
		reason string
		lines  []slipway.Event
		want   slipway.Code
	}{
		"one stream":      {"the second line gives the rest", []slipway.Event{line("a", "stdout", first), line("a", "stdout", second)}, slipway.CodeSecretLeak},
		"three lines":     {"an empty line between does not matter", []slipway.Event{line("a", "stdout", first), line("a", "stdout", ""), line("a", "stdout", second)}, slipway.CodeSecretLeak},
		"a line between":  {"they do not follow each other", []slipway.Event{line("a", "stdout", first), line("a", "stdout", "x"), line("a", "stdout", second)}, ""},
		"another stream":  {"nobody reads them as one", []slipway.Event{line("a", "stdout", first), line("a", "stderr", second)}, ""},
		"another step":    {"nobody reads them as one", []slipway.Event{line("a", "stdout", first), line("b", "stdout", second)}, ""},
		"with one across": {"lines of another stream do not hide it", []slipway.Event{line("a", "stdout", first), line("a", "stderr", "x"), line("a", "stdout", second)}, slipway.CodeSecretLeak},
	} {
		s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), holdsCanary)
		addRuns(t, s, slipway.Run{ID: "r1"})
		var err error
		for _, e := range tc.lines {
			if err = s.Tx(t.Context(), func(tx slipway.Tx) error { return tx.AddEvent(e) }); err != nil {
				break
			}
		}
		if slipway.ErrorCode(err) != tc.want {
			t.Errorf("%s: got %v, want %q: %s", name, err, tc.want, tc.reason)
		}
	}
}
