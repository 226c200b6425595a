package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// tx is one transaction. All of its SQL goes through read and write, and nothing else in this package runs a statement on a run's data.
type tx struct {
	ctx      context.Context
	sql      *sql.Tx
	guard    func([]byte) bool
	streams  *streams
	now      func() time.Time
	readOnly bool
	kept     *statements
	prepared map[string]*sql.Stmt
	failed   error // the first write that failed: the transaction must not be committed, whatever f says
}

var _ slipway.Tx = (*tx)(nil)

// column is one argument of a write and where it goes. Value is a string, bytes, a bool, an integer, a time (zero is NULL), or encoded.
type column struct {
	name  string
	value any
}

// encoded is a value that is kept as JSON; null is NULL.
type encoded struct{ v any }

// row reads the columns of the current row.
type row func(dest ...any) error

// write runs one statement and calls scan, which may be nil, for each row that it returns. It returns the number of rows. Every text
// and blob among the columns passes the guard first.
func (t *tx) write(table, statement string, scan func(row) error, columns ...column) (int, error) {
	n, err := t.tryWrite(table, statement, scan, columns)
	if err != nil && t.failed == nil {
		t.failed = err
	}
	return n, err
}

func (t *tx) tryWrite(table, statement string, scan func(row) error, columns []column) (int, error) {
	if t.readOnly {
		return 0, slipway.Errorf(slipway.CodeInternal, "a write to %s in a reading transaction", table)
	}
	args := make([]any, len(columns))
	for i, c := range columns {
		arg, err := argument(c.value)
		if err != nil {
			return 0, slipway.Errorf(slipway.CodeInternal, "%s.%s cannot be kept: %v", table, c.name, err)
		}
		if t.holdsSecret(arg) {
			return 0, t.refuse(table, c.name)
		}
		args[i] = arg
	}
	n, err := t.query(statement, scan, args)
	if noParent(err) {
		return 0, slipway.Errorf(slipway.CodeNotFound, "no such run (%s)", table)
	}
	return n, err
}

// refuse says that a value holds a secret, and keeps the transaction from being committed.
func (t *tx) refuse(table, column string) error {
	err := slipway.Errorf(slipway.CodeSecretLeak, "refused to write a secret to %s.%s", table, column).
		WithHint("this is a defect in slipway: the value was not kept; please report the name of the column")
	if t.failed == nil {
		t.failed = err
	}
	return err
}

func (t *tx) holdsSecret(arg any) bool {
	switch v := arg.(type) {
	case string:
		return t.guard([]byte(v))
	case []byte:
		return t.guard(v)
	}
	return false
}

// read runs one SELECT and calls scan for each row. It returns the number of rows.
func (t *tx) read(statement string, scan func(row) error, args ...any) (int, error) {
	if !strings.HasPrefix(statement, "SELECT ") {
		return 0, slipway.Errorf(slipway.CodeInternal, "a statement that is no SELECT was run past the guard")
	}
	return t.query(statement, scan, args)
}

func (t *tx) query(statement string, scan func(row) error, args []any) (n int, err error) {
	prepared, err := t.prepare(statement)
	if err != nil {
		return 0, err
	}
	rows, err := prepared.QueryContext(t.ctx, args...)
	if err != nil {
		return 0, unusable(err)
	}
	defer rows.Close()
	for rows.Next() {
		n++
		if scan == nil {
			continue
		}
		if err := scan(rows.Scan); err != nil {
			return n, unusable(err)
		}
	}
	return n, unusable(rows.Err())
}

// prepare returns the prepared statement, which ends with the transaction. A batch of log lines is the same two over and over.
func (t *tx) prepare(statement string) (*sql.Stmt, error) {
	if p := t.prepared[statement]; p != nil {
		return p, nil
	}
	p, err := t.kept.in(t.ctx, t.sql, statement)
	if err != nil {
		return nil, unusable(err)
	}
	t.prepared[statement] = p
	return p, nil
}

// argument returns what the driver gets for v: nil, a bool, an int64, a string or bytes. Any other type is refused, so that no text can
// pass the guard in a shape that it does not look into.
func argument(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case []byte:
		return append([]byte{}, v...), nil
	case time.Time:
		if v.IsZero() {
			return nil, nil
		}
		return v.UTC().Format(timeLayout), nil
	case encoded:
		return encode(v.v)
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.String:
		return r.String(), nil
	case r.CanInt():
		return r.Int(), nil
	}
	return nil, fmt.Errorf("no column is a %T", v)
}

// encode returns JSON without HTML escapes, so that the guard sees text as it is; nil for null.
func encode(v any) (any, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	s := strings.TrimSuffix(b.String(), "\n")
	if s == "null" {
		return nil, nil
	}
	return s, nil
}

// timeLayout has a fixed width: such times sort as text.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// into scans JSON; NULL leaves the value as it is.
func into(v any) sql.Scanner { return jsonScanner{v} }

type jsonScanner struct{ v any }

func (s jsonScanner) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(src), s.v)
	case []byte:
		return json.Unmarshal(src, s.v)
	}
	return fmt.Errorf("JSON is kept as text, not as %T", src)
}

// at scans a time; NULL is the zero time.
func at(t *time.Time) sql.Scanner { return timeScanner{t} }

type timeScanner struct{ t *time.Time }

func (s timeScanner) Scan(src any) (err error) {
	switch src := src.(type) {
	case nil:
		*s.t = time.Time{}
		return nil
	case string:
		*s.t, err = time.Parse(timeLayout, src)
		return err
	}
	return fmt.Errorf("a time is kept as text, not as %T", src)
}

// timeOr returns v, or now when it is zero.
func (t *tx) timeOr(v time.Time) time.Time {
	if v.IsZero() {
		return t.now()
	}
	return v
}
