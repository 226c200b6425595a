package store

import (
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// AddPlan keeps a revision of a run's plan, once: the same revision again is CodeConflict.
func (t *tx) AddPlan(run string, revision int, plan *slipway.Plan) error {
	n, err := t.write("plans", `INSERT INTO plans (run, revision, body) VALUES ($1, $2, $3) ON CONFLICT (run, revision) DO NOTHING RETURNING run`, nil,
		column{"run", run}, column{"revision", revision}, column{"body", encoded{plan}})
	if err == nil && n == 0 {
		err = slipway.Errorf(slipway.CodeConflict, "run %s has a plan %d already", run, revision)
	}
	return err
}

// Plan returns a revision of a run's plan, or CodeNotFound. Numbers in it are float64, as JSON has them.
func (t *tx) Plan(run string, revision int) (*slipway.Plan, error) {
	p := &slipway.Plan{}
	n, err := t.read(`SELECT body FROM plans WHERE run = $1 AND revision = $2`, func(scan row) error { return scan(into(p)) }, run, revision)
	if err == nil && n == 0 {
		err = slipway.Errorf(slipway.CodeNotFound, "run %s has no plan %d", run, revision)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// SaveStep writes a step, new or not.
func (t *tx) SaveStep(s slipway.Step) error {
	_, err := t.write("steps", `INSERT INTO steps (run, revision, key, state, unknown, attempt, basis, receipt, since, error, progress, taken,
		evidence, intent_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (run, revision, key) DO UPDATE SET state = excluded.state, unknown = excluded.unknown, attempt = excluded.attempt,
		basis = excluded.basis, receipt = excluded.receipt, since = excluded.since, error = excluded.error, progress = excluded.progress,
		taken = excluded.taken, evidence = excluded.evidence, intent_at = excluded.intent_at, ended_at = excluded.ended_at`, nil,
		column{"run", s.Run}, column{"revision", s.Revision}, column{"key", s.Key}, column{"state", s.State}, column{"unknown", s.Unknown},
		column{"attempt", s.Attempt}, column{"basis", encoded{s.Basis}}, column{"receipt", encoded{s.Receipt}}, column{"since", s.Since},
		column{"error", encoded{s.Error}}, column{"progress", encoded{s.Progress}}, column{"taken", encoded{s.Taken}}, column{"evidence", encoded{s.Evidence}}, column{"intent_at", s.IntentAt}, column{"ended_at", s.EndedAt})
	return err
}

const selectSteps = `SELECT s.run, s.revision, s.key, s.state, s.unknown, s.attempt, s.basis, s.receipt, s.since, s.error, s.progress, s.taken, s.evidence,
	s.intent_at, s.ended_at
	FROM steps s`

func (t *tx) steps(rest string, args ...any) (out []slipway.Step, err error) {
	_, err = t.read(selectSteps+rest, func(scan row) error {
		var s slipway.Step
		err := scan(&s.Run, &s.Revision, &s.Key, &s.State, &s.Unknown, &s.Attempt, into(&s.Basis), into(&s.Receipt), &s.Since,
			into(&s.Error), into(&s.Progress), into(&s.Taken), into(&s.Evidence), at(&s.IntentAt), at(&s.EndedAt))
		out = append(out, s)
		return err
	}, args...)
	return out, err
}

// Steps returns the steps of a revision that were saved, by key; for 0 those of all revisions, the first one's first.
func (t *tx) Steps(run string, revision int) ([]slipway.Step, error) {
	if revision == 0 {
		return t.steps(` WHERE s.run = $1 ORDER BY s.revision, s.key`, run)
	}
	return t.steps(` WHERE s.run = $1 AND s.revision = $2 ORDER BY s.key`, run, revision)
}

// LastDone returns the step that was done last with each op on a resource, the one that ended last first. Each is found by the index alone.
func (t *tx) LastDone(app, environment string, a slipway.Address) (out []slipway.Step, err error) {
	for _, op := range slipway.Ops {
		last, err := t.steps(` JOIN runs r ON r.id = s.run WHERE s.key = $1 AND s.state = 'done' AND r.app = $2 AND r.environment = $3
			ORDER BY s.ended_at DESC LIMIT 1`, slipway.EffectKey(a, op), app, environment)
		if err != nil {
			return nil, err
		}
		out = append(out, last...)
	}
	slices.SortStableFunc(out, func(a, b slipway.Step) int { return b.EndedAt.Compare(a.EndedAt) })
	return out, nil
}

// OpenIntents returns the steps of an app's runs, except those of the run named, whose outcome is not known: the oldest run's first.
func (t *tx) OpenIntents(app, except string) ([]slipway.Step, error) {
	return t.steps(` JOIN runs r ON r.id = s.run WHERE r.app = $1 AND r.id <> $2 AND (s.state = 'intended' OR s.state = 'failed' AND s.unknown)
		ORDER BY r.created_at, r.id, s.revision, s.key`, app, except)
}

// PolicyInForce returns the digest of the policy that an app's approvals are given under; "" before the first request for one.
func (t *tx) PolicyInForce(app string) (digest string, err error) {
	_, err = t.read(`SELECT digest FROM policies WHERE app = $1`, func(scan row) error { return scan(&digest) }, app)
	return digest, err
}

// PutPolicyInForce makes another the app's.
func (t *tx) PutPolicyInForce(app, digest string) error {
	_, err := t.write("policies", `INSERT INTO policies (app, digest) VALUES ($1, $2) ON CONFLICT (app) DO UPDATE SET digest = excluded.digest`, nil,
		column{"app", app}, column{"digest", digest})
	return err
}

// SaveApproval writes an approval. What it binds (run, gate, subject, content, policy, nonce) is written once: another one under the same id
// is CodeConflict.
func (t *tx) SaveApproval(a slipway.Approval) error {
	n, err := t.write("approvals", `INSERT INTO approvals (id, run, gate, subject, content, policy, nonce, state, need, votes, decided_by, how,
		reason, void, differs, created_at, decided_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, need = excluded.need, votes = excluded.votes, decided_by = excluded.decided_by,
		how = excluded.how, reason = excluded.reason, void = excluded.void, differs = excluded.differs, decided_at = excluded.decided_at,
		expires_at = excluded.expires_at WHERE approvals.run = excluded.run AND approvals.gate = excluded.gate
		AND approvals.subject = excluded.subject AND approvals.policy = excluded.policy AND approvals.nonce = excluded.nonce RETURNING id`, nil,
		column{"id", a.ID}, column{"run", a.Run}, column{"gate", a.Gate}, column{"subject", a.Subject}, column{"content", encoded{a.Content}},
		column{"policy", a.Policy}, column{"nonce", a.Nonce}, column{"state", a.State}, column{"need", a.Need}, column{"votes", encoded{a.Votes}},
		column{"decided_by", encoded{a.By}}, column{"how", a.How}, column{"reason", a.Reason}, column{"void", encoded{a.Void}},
		column{"differs", encoded{a.Differs}}, column{"created_at", t.timeOr(a.CreatedAt)}, column{"decided_at", a.DecidedAt},
		column{"expires_at", a.ExpiresAt})
	if err == nil && n == 0 {
		err = slipway.Errorf(slipway.CodeConflict, "approval %s is for something else", a.ID)
	}
	return err
}

// Approvals returns a run's, the oldest first.
func (t *tx) Approvals(run string) ([]slipway.Approval, error) {
	return t.approvals(`approvals a WHERE a.run = $1 ORDER BY a.created_at, a.id`, run)
}

// Used returns up to n approvals that were used in the runs of an app's environment, but for the run named, the newest first.
func (t *tx) Used(app, environment, except string, n int) ([]slipway.Approval, error) {
	return t.approvals(`runs r JOIN approvals a ON a.run = r.id WHERE r.app = $1 AND r.environment = $2 AND r.id <> $3 AND a.state = 'consumed'
		ORDER BY r.created_at DESC, r.id DESC, a.created_at DESC, a.id DESC LIMIT $4`, app, environment, except, n)
}

func (t *tx) approvals(from string, args ...any) (out []slipway.Approval, err error) {
	_, err = t.read(`SELECT a.id, a.run, a.gate, a.subject, a.content, a.policy, a.nonce, a.state, a.need, a.votes, a.decided_by, a.how, a.reason, a.void,
		a.differs, a.created_at, a.decided_at, a.expires_at FROM `+from, func(scan row) error {
		var a slipway.Approval
		err := scan(&a.ID, &a.Run, &a.Gate, &a.Subject, into(&a.Content), &a.Policy, &a.Nonce, &a.State, &a.Need, into(&a.Votes), into(&a.By), &a.How,
			&a.Reason, into(&a.Void), into(&a.Differs), at(&a.CreatedAt), at(&a.DecidedAt), at(&a.ExpiresAt))
		out = append(out, a)
		return err
	}, args...)
	return out, err
}

// AddEvent numbers and appends: Seq is ignored. The run's row is the counter, so that writers of one run wait for each other. A line of a
// build's output is also refused when it ends a secret that the line before it began.
func (t *tx) AddEvent(e slipway.Event) error {
	if e.Type == slipway.EventLog && t.endsSecret(e) {
		return t.refuse("events", "data")
	}
	var seq int64
	n, err := t.write("runs", `UPDATE runs SET last_seq = last_seq + 1 WHERE id = $1 RETURNING last_seq`,
		func(scan row) error { return scan(&seq) }, column{"id", e.Run})
	if err != nil {
		return err
	}
	if n == 0 {
		return noRun(e.Run)
	}
	_, err = t.write("events", `INSERT INTO events (run, seq, at, type, step, data) VALUES ($1, $2, $3, $4, $5, $6)`, nil,
		column{"run", e.Run}, column{"seq", seq}, column{"at", t.timeOr(e.At)}, column{"type", e.Type}, column{"step", e.Step},
		column{"data", encoded{e.Data}})
	return err
}

// Events returns up to 1,000 after seq, in order.
func (t *tx) Events(run string, after int64) (out []slipway.Event, err error) {
	_, err = t.read(`SELECT run, seq, at, type, step, data FROM events WHERE run = $1 AND seq > $2 ORDER BY seq LIMIT 1000`, func(scan row) error {
		var e slipway.Event
		err := scan(&e.Run, &e.Seq, at(&e.At), &e.Type, &e.Step, into(&e.Data))
		out = append(out, e)
		return err
	}, run, after)
	return out, err
}

// Receipts returns an app's, never nil.
func (t *tx) Receipts(app string) (map[slipway.Address]slipway.Receipt, error) {
	out := map[slipway.Address]slipway.Receipt{}
	_, err := t.read(`SELECT body FROM receipts WHERE app = $1`, func(scan row) error {
		var r slipway.Receipt
		err := scan(into(&r))
		out[r.Address] = r
		return err
	}, app)
	return out, err
}

// SaveReceipt writes a receipt under its address, new or not.
func (t *tx) SaveReceipt(app string, r slipway.Receipt) error {
	_, err := t.write("receipts", `INSERT INTO receipts (app, address, body) VALUES ($1, $2, $3)
		ON CONFLICT (app, address) DO UPDATE SET body = excluded.body`, nil,
		column{"app", app}, column{"address", r.Address}, column{"body", encoded{r}})
	return err
}

// DeleteReceipt forgets a receipt; nothing happens when there is none.
func (t *tx) DeleteReceipt(app string, a slipway.Address) error {
	_, err := t.write("receipts", `DELETE FROM receipts WHERE app = $1 AND address = $2`, nil, column{"app", app}, column{"address", a})
	return err
}

// PutArtifact keeps bytes under their name, once: the same name again changes nothing.
func (t *tx) PutArtifact(name string, data []byte) error {
	_, err := t.write("artifacts", `INSERT INTO artifacts (name, body) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, nil,
		column{"name", name}, column{"body", data})
	return err
}

// Artifact returns the bytes under a name, or CodeNotFound.
func (t *tx) Artifact(name string) (data []byte, err error) {
	n, err := t.read(`SELECT body FROM artifacts WHERE name = $1`, func(scan row) error { return scan(&data) }, name)
	if err == nil && n == 0 {
		err = slipway.Errorf(slipway.CodeNotFound, "no artifact %s", name)
	}
	return data, err
}

// SetDue wakes a run at a time; the earliest wins.
func (t *tx) SetDue(run string, due time.Time) error {
	_, err := t.write("due", `INSERT INTO due (run, at) VALUES ($1, $2) ON CONFLICT (run) DO UPDATE SET at = excluded.at WHERE excluded.at < due.at`, nil,
		column{"run", run}, column{"at", due})
	return err
}

// NextDue returns when the next run is due; zero for none.
func (t *tx) NextDue() (next time.Time, err error) {
	_, err = t.read(`SELECT min(at) FROM due`, func(scan row) error { return scan(at(&next)) })
	return next, err
}

// TakeDue removes and returns what is due at now, the earliest first.
func (t *tx) TakeDue(now time.Time) (runs []string, err error) {
	type entry struct{ at, run string }
	var taken []entry
	_, err = t.write("due", `DELETE FROM due WHERE at <= $1 RETURNING at, run`, func(scan row) error {
		var e entry
		err := scan(&e.at, &e.run)
		taken = append(taken, e)
		return err
	}, column{"at", now})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(taken, func(a, b entry) int { return strings.Compare(a.at+a.run, b.at+b.run) })
	for _, e := range taken {
		runs = append(runs, e.run)
	}
	return runs, nil
}
