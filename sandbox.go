package slipway

import (
	"context"
	"strings"
	"time"
)

// Sandbox is a place where the manifest's verify commands run, apart from Slipway's process. None of Slipway's or the app's secrets is in
// it. internal/sandbox implements it; the engine knows the interface alone.
type Sandbox interface {
	// Name is what verify.sandbox calls it.
	Name() string
	// Ready tells whether job can run here with these settings; nothing is sent anywhere. parent is the kind of the resource whose receipt
	// Run needs; "" for none. The error is CodeUnsandboxed, with what to do in the hint.
	Ready(ctx context.Context, get Settings, job Job) (parent Kind, err error)
	// Run lays the source out, runs the commands in order up to the first that fails, and gives their output line by line, without control
	// characters and not redacted; a line is at most 64 KiB. A command that fails is no error: the result tells. Whatever comes back, the
	// caller calls Stop.
	Run(ctx context.Context, get Settings, o Order, emit func(LogLine)) (JobResult, error)
	// Stop ends what Run has begun under the name and removes it, also what another process began that was killed. It returns nil when
	// nothing is there.
	Stop(ctx context.Context, get Settings, o Order) error
}

// Resumer is a Sandbox whose jobs outlive the process that began them.
type Resumer interface {
	// Resume goes on with the job that o.Mark tells of, as Run would have: commands that have ended are not run again, and the output of all
	// of them is given from the beginning. An error of RetryLater says that there is nothing to go on with: the caller calls Stop, and Run
	// under another name.
	Resume(ctx context.Context, get Settings, o Order, emit func(LogLine)) (JobResult, error)
}

// Job is what a verification runs, where, and within what limits. All of it is in the plan's digest.
type Job struct {
	Commands [][]string `json:"commands"`          // argv each; nothing else of the app's is run
	Network  []string   `json:"network,omitempty"` // hosts that can be reached; [all] for all; none when empty
	Timeout  int        `json:"timeout_seconds"`   // of all commands together
	Memory   int64      `json:"memory_mib"`
	Runtime  string     `json:"runtime"`
	Sandbox  string     `json:"sandbox"` // the name of the place
}

// Defaults of a Job.
const (
	DefaultJobTimeout = 10 * time.Minute
	DefaultJobMemory  = 4096 // MiB
	DefaultRuntime    = "node24"
	// MaxJobTimeout bounds a job. Vercel's plans have limits of their own: 45 minutes on Hobby (https://vercel.com/docs/sandbox/pricing).
	MaxJobTimeout = 5 * time.Hour
	// NetworkAll stands in Job.Network for every host.
	NetworkAll = "all"
)

// Job returns what the manifest declares, with defaults; nil where it names no commands. Where it runs is still open: Sandbox is what the
// manifest says, "" for any.
func (v Verify) Job() *Job {
	if len(v.Commands) == 0 {
		return nil
	}
	j := &Job{
		Commands: v.Commands, Network: v.Network, Timeout: int(DefaultJobTimeout.Seconds()), Memory: DefaultJobMemory, Runtime: DefaultRuntime,
		Sandbox: v.Sandbox,
	}
	if d, err := time.ParseDuration(v.Timeout); err == nil {
		j.Timeout = int(d.Seconds())
	}
	if v.Memory > 0 {
		j.Memory = v.Memory
	}
	if v.Runtime != "" {
		j.Runtime = v.Runtime
	}
	if j.Sandbox == SandboxAuto {
		j.Sandbox = ""
	}
	return j
}

// SandboxAuto is the manifest's word for the first place that is ready.
const SandboxAuto = "auto"

// Order is one job to run.
type Order struct {
	Job
	Name   string   // of the sandbox; the same for one attempt of one step in every process
	Files  FileSet  // the source tree
	Parent *Receipt // of the resource that Ready asked for
	Mark   JobMark  // how far the job is; of one that is new only Began is set
	// Save, where it is set, keeps a mark: a Resumer calls it before a command is asked for, and when it knows more of what it has begun. A
	// job whose mark cannot be kept ends with its error.
	Save func(context.Context, JobMark) error
}

// JobMark is how far a job is, for whoever goes on with it.
type JobMark struct {
	Began    time.Time     `json:"began,omitzero"`
	Project  string        `json:"project,omitempty"`  // where the sandbox is
	Session  string        `json:"session,omitempty"`  // of the sandbox; "" while it is not known whether there is one
	Commands []CommandMark `json:"commands,omitempty"` // those that may have been asked for, in order; with the first the source is laid out
	// The engine's: Told is how many lines of output were told as events, and Ended that the step's basis is the job's result, so that only the
	// sandbox is left to be stopped.
	Told  int  `json:"told,omitempty"`
	Ended bool `json:"ended,omitempty"`
}

// CommandMark is how far a command is.
type CommandMark struct {
	ID    string         `json:"id,omitempty"` // "" while it is not known whether it was asked for
	Began time.Time      `json:"began"`
	End   *CommandResult `json:"end,omitempty"` // nil until it is known
}

// Isolation is what commands were kept apart by: evidence.
type Isolation struct {
	Backend string   `json:"backend"` // bubblewrap, namespaces, or vercel-sandbox
	Version string   `json:"version,omitempty"`
	Layers  []string `json:"layers,omitempty"`
}

func (i Isolation) String() string {
	s := strings.TrimSpace(i.Backend + " " + i.Version)
	if len(i.Layers) > 0 {
		s += " (" + strings.Join(i.Layers, ", ") + ")"
	}
	return s
}

// JobEnd is why a command ended.
type JobEnd string

const (
	JobExited JobEnd = "exited" // by itself; Exit tells how
	JobTime   JobEnd = "time"   // over the job's time
	JobMemory JobEnd = "memory" // over the job's memory
	JobCPU    JobEnd = "cpu"    // over the job's time, on all processors
	JobAbsent JobEnd = "absent" // the sandbox has no such program
)

// CommandResult is how one command went.
type CommandResult struct {
	Argv  []string  `json:"argv"`
	End   JobEnd    `json:"end"`
	Exit  int       `json:"exit"`
	Began time.Time `json:"began"`
	Took  int64     `json:"took_ms"`
}

// Passed reports whether the command ended by itself and with exit code 0.
func (r CommandResult) Passed() bool { return r.End == JobExited && r.Exit == 0 }

// JobResult is how a job went. The step keeps it, and the transcript as an artifact.
type JobResult struct {
	Isolation  Isolation       `json:"isolation"`
	Commands   []CommandResult `json:"commands"`             // those that were run
	Transcript string          `json:"transcript,omitempty"` // the artifact's name; the engine fills it in
}

// Passed reports whether every one of n commands has passed.
func (r JobResult) Passed(n int) bool {
	return len(r.Commands) == n && (n == 0 || r.Commands[n-1].Passed())
}
