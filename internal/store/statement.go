package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements keeps what the transactions of one database have prepared: parsing is most of what a small statement costs. One that a single
// transaction runs, as most do in a process of one command, is prepared there and ends with it.
type statements struct {
	db *sql.DB

	mu   sync.Mutex
	used map[string]int // by how many transactions, of those that are not kept
	kept map[string]*sql.Stmt
}

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, used: map[string]int{}, kept: map[string]*sql.Stmt{}}
}

// keep prepares what more than one transaction has run. It is called before a transaction begins: within one there may be no other connection.
// What cannot be prepared now is prepared by who runs it, who is told why it cannot.
func (s *statements) keep(ctx context.Context) {
	for _, statement := range s.again() {
		p, err := s.db.PrepareContext(ctx, statement) // waits for a transaction that asks in for more: not under the lock
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.kept[statement] = p
		s.mu.Unlock()
	}
}

// again takes out what more than one transaction has run.
func (s *statements) again() (often []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for statement, n := range s.used {
		if n > 1 {
			often = append(often, statement)
			delete(s.used, statement)
		}
	}
	return often
}

// in returns the statement for a transaction, with which it ends.
func (s *statements) in(ctx context.Context, t *sql.Tx, statement string) (*sql.Stmt, error) {
	s.mu.Lock()
	p := s.kept[statement]
	if p == nil {
		s.used[statement]++
	}
	s.mu.Unlock()
	if p == nil {
		return t.PrepareContext(ctx, statement)
	}
	return t.StmtContext(ctx, p), nil
}
