package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
)

// Owner says who holds a Lock. It is a note for people: only the lock itself is the truth.
type Owner struct {
	PID   int       `json:"pid"`
	Run   string    `json:"run,omitempty"` // what it works on, once it is known
	Since time.Time `json:"since"`
}

// Lock is held by one process until Close, and given back by the system when that process ends in any way. It must stay referenced (defer
// its Close): the runtime closes a file that nobody can reach.
type Lock struct {
	mu    sync.Mutex
	file  *os.File
	note  string
	owner Owner
}

// TryLock takes the lock at path, a file (mode 0600, its folder 0700) that stays; the owner's note is PATH.owner. When another process
// has it, the error is CodeLocked and Owner tells who, with zero fields for what is not known.
func TryLock(path string) (*Lock, *Owner, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, unusable(err)
	}
	l := &Lock{note: path + ".owner", owner: Owner{PID: os.Getpid(), Since: time.Now().UTC()}}
	f, err := lockFile(path)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		o := readOwner(l.note)
		return nil, &o, locked(o)
	}
	l.file = f
	if err := l.SetRun(""); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return l, nil, nil
}

func locked(o Owner) error {
	e := slipway.Errorf(slipway.CodeLocked, "another slipway process owns this app").WithHint("wait for it to end")
	if o.PID != 0 {
		e.Message = slipway.Errorf("", "process %d has owned this app since %s", o.PID, o.Since.Format(time.RFC3339)).Message
	}
	if o.Run != "" {
		e.Message += ", for run " + o.Run
		e.Hint = "follow it with: slipway watch " + o.Run
	}
	return e
}

// SetRun notes which run the owner works on, for others to read.
func (l *Lock) SetRun(run string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return slipway.Errorf(slipway.CodeInternal, "the lock was given back")
	}
	l.owner.Run = run
	text, err := json.Marshal(l.owner)
	if err != nil {
		return unusable(err)
	}
	next := l.note + ".next" // only the holder of the lock writes it
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return unusable(err)
	}
	return unusable(os.Rename(next, l.note))
}

// Close gives the lock back. A second call does nothing.
func (l *Lock) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	gone := os.Remove(l.note)
	if errors.Is(gone, fs.ErrNotExist) {
		gone = nil
	}
	err := errors.Join(gone, l.file.Close())
	l.file = nil
	return unusable(err)
}

func readOwner(path string) (o Owner) {
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &o) != nil {
		return Owner{}
	}
	return o
}
