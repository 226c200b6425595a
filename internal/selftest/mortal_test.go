package selftest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"github.com/slipway-dev/slipway/internal/cli"
)

// What a mortal process is told: where it dies (a point's name), or where it stops and asks (over descriptors 3 and 4), or the file that it
// writes the name of each point to; and whether it asks at gates.
const (
	dieVariable    = "SLIPWAY_MORTAL_DIES"
	pauseVariable  = "SLIPWAY_MORTAL_PAUSES"
	recordVariable = "SLIPWAY_MORTAL_RECORDS"
	asksVariable   = "SLIPWAY_MORTAL_ASKS"
)

// mortal is Slipway's command line with a point before and after everything that another process could see: each request before it is sent,
// when it has been acted upon, when its reply is read; each statement that writes; each commit, before and after.
func mortal(args []string) int {
	p := &points{dies: os.Getenv(dieVariable), pauses: os.Getenv(pauseVariable), seen: map[string]int{}}
	if name := os.Getenv(recordVariable); name != "" {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		p.record = f
	}
	sql.Register("mortal", mortalDriver{p})
	return cli.MainWith(args, cli.Seams{
		Transport: func(base http.RoundTripper) http.RoundTripper { return mortalTransport{base, p} },
		Driver:    "mortal", Asks: os.Getenv(asksVariable) != "",
	})
}

// points counts them and acts at one.
type points struct {
	dies, pauses string
	record       *os.File

	mu   sync.Mutex
	seen map[string]int
}

// reach is called at a point. Its name is what happens there, and the how manieth of that it is.
func (p *points) reach(what string) {
	p.mu.Lock()
	defer p.mu.Unlock() // all that would come to a point later waits for one that pauses
	p.seen[what]++
	name := fmt.Sprintf("%s #%d", what, p.seen[what])
	switch {
	case p.record != nil:
		_, _ = fmt.Fprintln(p.record, name)
	case name == p.dies:
		die()
	case name == p.pauses:
		_, _ = os.NewFile(3, "reached").Write([]byte{1})
		_, _ = io.ReadAll(os.NewFile(4, "go on"))
	}
}

// die is SIGKILL: nothing of this process runs after it.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

type mortalTransport struct {
	http.RoundTripper
	points *points
}

func (t mortalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	name := r.Method + " " + withoutIDs(r.URL.Path)
	t.points.reach("before " + name)
	res, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return res, err
	}
	t.points.reach("acted " + name)
	res.Body = &mortalBody{ReadCloser: res.Body, read: sync.OnceFunc(func() { t.points.reach("read " + name) })}
	return res, nil
}

// id is a part of a path that differs from one world to the next.
var id = regexp.MustCompile(`^([a-z]+-[a-z]+-[a-z0-9]{8}|[0-9A-Za-z_-]{16,})$`)

func withoutIDs(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if id.MatchString(part) && !strings.Contains(part, "protection-bypass") {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// mortalBody tells when a reply has been read.
type mortalBody struct {
	io.ReadCloser
	read func()
}

func (b *mortalBody) Read(buffer []byte) (int, error) {
	n, err := b.ReadCloser.Read(buffer)
	if err != nil {
		b.read()
	}
	return n, err
}

// The driver passes everything on to modernc's; what it implements is what database/sql asks of that one.
type mortalDriver struct{ points *points }

func (d mortalDriver) Open(name string) (driver.Conn, error) {
	c, err := (&sqlite.Driver{}).Open(name)
	if err != nil {
		return nil, err
	}
	return &mortalConn{sqliteConn: c.(sqliteConn), points: d.points}, nil
}

type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type mortalConn struct {
	sqliteConn
	points  *points
	written []string // by the transaction that is open
}

func (c *mortalConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.written = nil
	tx, err := c.sqliteConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &mortalTx{tx, c}, nil
}

type mortalTx struct {
	driver.Tx
	conn *mortalConn
}

func (t *mortalTx) Commit() error {
	if len(t.conn.written) == 0 {
		return t.Tx.Commit()
	}
	slices.Sort(t.conn.written)
	name := "commit of " + strings.Join(slices.Compact(t.conn.written), ", ")
	if strings.Contains(name, "CREATE") {
		name = "commit of the schema"
	}
	t.conn.points.reach("before " + name)
	err := t.Tx.Commit()
	t.conn.points.reach("after " + name)
	return err
}

// wrote is called after a statement that may write.
func (c *mortalConn) wrote(statement string) {
	words := strings.Fields(statement)
	if len(words) < 3 || words[0] == "SELECT" || words[0] == "PRAGMA" || words[0] == "BEGIN" {
		return
	}
	what := strings.Join(words[:3], " ")
	if words[0] == "UPDATE" {
		what = strings.Join(words[:2], " ")
	}
	c.written = append(c.written, what)
	c.points.reach("in " + what)
}

func (c *mortalConn) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	r, err := c.sqliteConn.ExecContext(ctx, statement, args)
	c.wrote(statement)
	return r, err
}

func (c *mortalConn) PrepareContext(ctx context.Context, statement string) (driver.Stmt, error) {
	s, err := c.sqliteConn.PrepareContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	return &mortalStmt{s.(sqliteStmt), c, statement}, nil
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type mortalStmt struct {
	sqliteStmt
	conn      *mortalConn
	statement string
}

func (s *mortalStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	r, err := s.sqliteStmt.ExecContext(ctx, args)
	s.conn.wrote(s.statement)
	return r, err
}

func (s *mortalStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	r, err := s.sqliteStmt.QueryContext(ctx, args)
	s.conn.wrote(s.statement)
	return r, err
}

// readPoints returns the points that a mortal process has written to a file, in order.
func readPoints(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
