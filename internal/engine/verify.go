package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

const (
	// jobTries is how often one worker begins a job whose sandbox was lost.
	jobTries = 2
	// stopTime bounds how long the end of a sandbox is waited for, also after the run was interrupted.
	stopTime = 20 * time.Second
)

// job tells what the manifest's commands are run as here, and where. unsandboxed is why nothing here can run them; it counts only where
// the plan would.
func (e *Engine) job(ctx context.Context, w *wanted) (job *slipway.Job, parent slipway.Kind, unsandboxed error) {
	if job = w.manifest.Verify.Job(); job == nil {
		return nil, "", nil
	}
	var reasons, hints []string
	for _, s := range e.Sandboxes {
		if job.Sandbox != "" && job.Sandbox != s.Name() {
			continue
		}
		parent, err := s.Ready(ctx, e.settingsFor(w.manifest), *job)
		if err == nil {
			job.Sandbox = s.Name()
			return job, parent, nil
		}
		reasons, hints = append(reasons, s.Name()+": "+err.Error()), append(hints, hintOf(err))
	}
	if len(reasons) == 0 {
		reasons = []string{"there is no sandbox " + job.Sandbox}
	}
	return job, "", slipway.Errorf(slipway.CodeUnsandboxed, "nothing here can run verify.commands apart from Slipway, and nothing was changed (%s)",
		strings.Join(reasons, "; ")).WithHint("%s", strings.Join(slices.Compact(hints), "; or "))
}

// runsJob reports whether plan has a job.
func runsJob(plan *slipway.Plan) bool {
	return slices.ContainsFunc(plan.Checks, func(c slipway.Check) bool { return c.Job != nil })
}

// order is a check's job for one attempt of its step.
func (w *worker) order(ctx context.Context, c slipway.Check, step slipway.Step) (slipway.Sandbox, slipway.Order, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", step.Run, c.Key, step.Attempt))
	o := slipway.Order{Job: *c.Job, Name: "slipway-" + hex.EncodeToString(sum[:10]), Files: w.files, Mark: markOf(step)}
	i := slices.IndexFunc(w.Sandboxes, func(s slipway.Sandbox) bool { return s.Name() == c.Job.Sandbox })
	if i < 0 {
		return nil, o, slipway.Errorf(slipway.CodeUnsandboxed, "there is no sandbox %s", c.Job.Sandbox)
	}
	parent, err := w.Sandboxes[i].Ready(ctx, w.settingsFor(w.wanted.manifest), *c.Job)
	if err != nil || parent == "" {
		return w.Sandboxes[i], o, err
	}
	receipts, err := w.receipts(ctx, w.run.App)
	for a, r := range receipts {
		if a.Kind() == parent {
			o.Parent = &r
		}
	}
	return w.Sandboxes[i], o, err
}

// verify runs a check's job and commits how it went. Before the sandbox is asked for, the step says so: its attempt names the sandbox, and its
// mark tells how far the job is. Whoever resumes after a kill goes on with it where the sandbox outlives the process, and else stops that one
// before it begins another.
func (w *worker) verify(ctx context.Context, c slipway.Check) error {
	step := w.step(c.Key)
	resumed := step.State == slipway.StepIntended && step.Since != ""
	switch {
	case resumed && markOf(step).Ended:
		return w.concludeJob(ctx, c, step)
	case step.State == slipway.StepIntended && !resumed:
		if err := w.stopJob(ctx, c, step); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return w.failJob(ctx, c, step, err, true)
		}
	}
	files, err := w.checkout(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return w.failJob(ctx, c, step, err, resumed)
	}
	for try := 1; ; try++ {
		again, err := w.runJob(ctx, c, step, files, resumed, try == jobTries)
		if err != nil || !again {
			return err
		}
		step, resumed = w.step(c.Key), false
	}
}

// runJob runs a job in one sandbox, or goes on with it there. again says that the sandbox was lost and is stopped, so that another may be begun.
func (w *worker) runJob(ctx context.Context, c slipway.Check, step slipway.Step, files slipway.FileSet, resumed, last bool) (again bool, err error) {
	if !resumed {
		step.Attempt++
		step.Since = ""
	}
	box, o, err := w.order(ctx, c, step)
	if err != nil {
		return false, w.failJob(ctx, c, step, err, resumed)
	}
	resumer, resumable := box.(slipway.Resumer)
	run := box.Run
	if resumed {
		run = resumer.Resume
		err = w.tellJob(ctx, c, slipway.EventNote, map[string]any{"resumed": o.Name, "session": o.Mark.Session})
	} else {
		step, err = w.intendJob(ctx, c, step, resumable)
	}
	if err != nil {
		return false, err
	}
	o.Files, o.Mark = files, markOf(step)
	tape := w.record(ctx, step, o.Mark)
	if resumable {
		o.Save = tape.save
	}
	result, err := run(ctx, w.settingsFor(w.wanted.manifest), o, tape.add)
	step, tapeErr := tape.end()
	if ctx.Err() == nil && tapeErr == nil && err == nil {
		return false, w.finishJob(ctx, c, step, result, tape)
	}
	left := w.stopJob(ctx, c, step)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case tapeErr != nil:
		return false, tapeErr
	case slipway.RetryClass(err) == slipway.RetryNever || last && !resumed || left != nil:
		return false, w.failJob(ctx, c, step, err, left != nil)
	}
	return true, w.tellJob(ctx, c, slipway.EventStepRetry, map[string]any{"code": string(slipway.ErrorCode(err)), "error": w.Redact(err.Error())})
}

// since is a mark as a step keeps it.
func since(m slipway.JobMark) string {
	raw, _ := json.Marshal(m) // it always encodes
	return string(raw)
}

// markOf is the mark that a step keeps.
func markOf(s slipway.Step) (m slipway.JobMark) {
	if s.Since != "" {
		_ = json.Unmarshal([]byte(s.Since), &m) // since wrote it
	}
	return m
}

// stopJob ends the sandbox of a step's attempt, also when ctx has ended.
func (w *worker) stopJob(ctx context.Context, c slipway.Check, step slipway.Step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	box, o, err := w.order(ctx, c, step)
	if err != nil {
		return err
	}
	return withOp(box.Stop(ctx, w.settingsFor(w.wanted.manifest), o), "stopping the sandbox %s", o.Name)
}

// intendJob commits that the step's attempt is about to begin, with a mark where it can be resumed.
func (w *worker) intendJob(ctx context.Context, c slipway.Check, step slipway.Step, resumable bool) (slipway.Step, error) {
	err := w.commit(ctx, func(tx slipway.Tx) (err error) {
		if err := w.consume(ctx, tx, c.Gate); err != nil {
			return err
		}
		step.IntentAt, step.Error, step.Unknown, step.Basis = w.Now(), nil, false, nil
		if resumable {
			step.Since = since(slipway.JobMark{Began: step.IntentAt})
		}
		if step, err = w.save(tx, step, slipway.StepIntended); err != nil {
			return err
		}
		return w.event(tx, w.id, slipway.EventStepIntended, c.Key, map[string]any{"sandbox": c.Job.Sandbox, "attempt": step.Attempt})
	})
	if err == nil {
		w.remember(step)
	}
	return step, err
}

func (w *worker) tellJob(ctx context.Context, c slipway.Check, event slipway.EventType, data map[string]any) error {
	return w.commit(ctx, func(tx slipway.Tx) error { return w.event(tx, w.id, event, c.Key, data) })
}

// finishJob commits the result of commands that were run, with the transcript, before the sandbox is stopped: whoever dies in between leaves
// nothing to be run again.
func (w *worker) finishJob(ctx context.Context, c slipway.Check, step slipway.Step, result slipway.JobResult, tape *tape) error {
	transcript := tape.transcript()
	sum := sha256.Sum256(transcript)
	result.Transcript = "sha256:" + hex.EncodeToString(sum[:])
	mark := markOf(step)
	mark.Ended = true
	step.Since = since(mark)
	err := w.commit(ctx, func(tx slipway.Tx) (err error) {
		if step.Basis, err = asBasis(result); err != nil {
			return err
		}
		if err := tx.PutArtifact(result.Transcript, transcript); err != nil {
			return err
		}
		return tx.SaveStep(step)
	})
	if err != nil {
		_ = w.stopJob(ctx, c, step) // whoever goes on does it too
		return err
	}
	w.remember(step)
	return w.concludeJob(ctx, c, step)
}

// concludeJob stops the sandbox of a job that is over, and commits the step's outcome. Where the sandbox may still be there the step fails with
// an unknown outcome, and whoever resumes comes here again when the commands have passed.
func (w *worker) concludeJob(ctx context.Context, c slipway.Check, step slipway.Step) error {
	result, err := asResult(step.Basis)
	if err != nil {
		return err
	}
	left := w.stopJob(ctx, c, step)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	bad := jobFault(c, result)
	if bad == nil && left != nil {
		return w.failJob(ctx, c, step, left, true)
	}
	if step.Since = ""; bad != nil {
		return w.failJob(ctx, c, step, bad, left != nil)
	}
	err = w.commit(ctx, func(tx slipway.Tx) (err error) {
		step.EndedAt = w.Now()
		if step, err = w.save(tx, step, slipway.StepDone); err != nil {
			return err
		}
		data := map[string]any{"commands": len(result.Commands), "isolation": result.Isolation.String(), "transcript": result.Transcript}
		return w.event(tx, w.id, slipway.EventStepDone, c.Key, data)
	})
	if err == nil {
		w.remember(step)
	}
	return err
}

// failJob commits that a job has failed, or could not be run. left says that its sandbox may still be there; what else the step's mark tells is
// kept then.
func (w *worker) failJob(ctx context.Context, c slipway.Check, step slipway.Step, bad error, left bool) error {
	e := w.runError(bad, c.Key)
	step.Error, step.Unknown = &e, left
	if !left {
		step.Since = ""
	}
	err := w.commit(ctx, func(tx slipway.Tx) (err error) {
		step.EndedAt = w.Now()
		if step, err = w.save(tx, step, slipway.StepFailed); err != nil {
			return err
		}
		return w.event(tx, w.id, slipway.EventStepFailed, c.Key, map[string]any{"code": string(e.Code), "error": e.Message, "hint": e.Hint})
	})
	if err == nil {
		w.remember(step)
	}
	return err
}

// asBasis is a result as a step keeps it.
func asBasis(r slipway.JobResult) (out map[string]any, err error) {
	raw, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	return out, err
}

// asResult is the reverse of asBasis.
func asResult(basis map[string]any) (r slipway.JobResult, err error) {
	raw, err := json.Marshal(basis)
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	return r, err
}

// jobFault is CodeCheckFailed for a job that has not passed, nil for one that has.
func jobFault(c slipway.Check, r slipway.JobResult) error {
	if r.Passed(len(c.Job.Commands)) {
		return nil
	}
	if len(r.Commands) == 0 {
		return slipway.Errorf(slipway.CodeInternal, "the sandbox ran no command")
	}
	last := r.Commands[len(r.Commands)-1]
	name, limit := slipway.CommandLine(last.Argv), time.Duration(c.Job.Timeout)*time.Second
	failed := func(hint, format string, args ...any) error {
		return slipway.Errorf(slipway.CodeCheckFailed, "%s: %s", name, fmt.Sprintf(format, args...)).WithHint("%s", hint)
	}
	switch last.End {
	case slipway.JobTime:
		return failed("make the commands faster, or raise verify.timeout", "over the time limit of %v", limit)
	case slipway.JobMemory:
		return failed("raise verify.memory", "over the memory of %d MiB", c.Job.Memory)
	case slipway.JobCPU:
		return failed("make the commands faster, or raise verify.timeout", "over the processor time that goes with %v", limit)
	case slipway.JobAbsent:
		return failed("name a program that the sandbox has or the source brings along; verify.runtime chooses what Vercel Sandbox has installed",
			"the sandbox has no program %s", last.Argv[0])
	}
	hint := "nothing was deployed; read the output with: slipway status --transcript; mend the app and ship again"
	if len(c.Job.Network) == 0 {
		hint += " (the commands had no network: verify.network declares hosts)"
	}
	return failed(hint, "exit code %d", last.Exit)
}

// carryJobs keeps, for the new revision, the jobs of the last one that are done and would be the same again on the same source.
func (w *worker) carryJobs(tx slipway.Tx, before *slipway.Plan, steps map[string]slipway.Step) error {
	if before == nil || before.Source != w.plan.Source {
		return nil
	}
	for _, c := range w.plan.Checks {
		old := before.Check(c.Key)
		if c.Job == nil || old == nil || old.Job == nil || slipway.CanonicalDigest(c.Job) != slipway.CanonicalDigest(old.Job) {
			continue
		}
		if s, ok := steps[c.Key]; ok && s.State == slipway.StepDone {
			s.Revision = w.run.Revision
			if err := tx.SaveStep(s); err != nil {
				return err
			}
			w.remember(s)
		}
	}
	return nil
}

// settleJob stops the sandbox that a worker left which was killed or superseded, and closes its step.
func (w *worker) settleJob(ctx context.Context, c slipway.Check, step slipway.Step) error {
	err := w.stopJob(ctx, c, step)
	stopped := err == nil
	if err != nil && slipway.ErrorCode(err) != slipway.CodeUnsandboxed { // whose credential is gone: it ends by itself within minutes
		return err
	}
	return w.commit(ctx, func(tx slipway.Tx) (err error) {
		if step.State == slipway.StepIntended {
			if step, err = step.Move(slipway.StepFailed); err != nil {
				return err
			}
		}
		step.Unknown, step.EndedAt, step.Since = false, w.Now(), ""
		if err := tx.SaveStep(step); err != nil {
			return err
		}
		return w.event(tx, w.id, slipway.EventNote, step.Key, map[string]any{"settled": step.Run, "stopped": stopped})
	})
}

// Transcript returns what is kept of the output of a run's verification, CodeNotFound when there is none.
func (e *Engine) Transcript(ctx context.Context, run string) (out []byte, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		r, err := tx.Run(run)
		if err != nil {
			return err
		}
		steps, err := tx.Steps(run, r.Revision)
		if err != nil {
			return err
		}
		for _, s := range steps {
			if name, ok := s.Basis["transcript"].(string); ok {
				out, err = tx.Artifact(name)
				return err
			}
		}
		return slipway.Errorf(slipway.CodeNotFound, "run %s has no transcript: none of its verifications came to an end", run)
	})
	return out, err
}
