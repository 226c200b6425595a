package engine

import (
	"time"

	"github.com/slipway-dev/slipway"
)

// leaveAfter is how long a process waits that is to leave what waits for something outside: what takes no longer is not worth another process.
const leaveAfter = 3 * time.Second

// errLeft ends a worker quietly: what is outside takes its time, and whoever resumes the run looks again.
var errLeft = &slipway.Error{Code: slipway.CodeUnavailable, Message: "the run was left to wait for what is outside"}

// leaves reports whether something that is pending for so long is left.
func (e *Engine) leaves(pending bool, spent time.Duration) bool {
	return e.Leave && pending && spent >= leaveAfter
}

func (e *Engine) noteLeft(run string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left[run] = true
}
