package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

func noRun(id string) error {
	return slipway.Errorf(slipway.CodeNotFound, "no run %s", id).WithHint("list them with: slipway runs")
}

// AddRun keeps a new run. One with the same id is CodeConflict.
func (t *tx) AddRun(r slipway.Run) error {
	n, err := t.write("runs", `INSERT INTO runs (id, app, environment, operation, status, revision, source, requester, options, no_changes,
		url, error, created_at, updated_at, tool) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (id) DO NOTHING RETURNING id`, nil,
		column{"id", r.ID}, column{"app", r.App}, column{"environment", r.Environment}, column{"operation", r.Operation},
		column{"status", r.Status}, column{"revision", r.Revision}, column{"source", r.Source}, column{"requester", encoded{r.Requester}},
		column{"options", encoded{r.Options}}, column{"no_changes", r.NoChanges}, column{"url", r.URL}, column{"error", encoded{r.Error}},
		column{"created_at", t.timeOr(r.CreatedAt)}, column{"updated_at", t.timeOr(r.UpdatedAt)}, column{"tool", r.Tool})
	if err != nil {
		return err
	}
	if n == 0 {
		return slipway.Errorf(slipway.CodeConflict, "there is a run %s already", r.ID)
	}
	return t.saveManifest(r)
}

// SaveRun writes all but id, created_at and the lease.
func (t *tx) SaveRun(r slipway.Run) error {
	n, err := t.write("runs", `UPDATE runs SET app = $2, environment = $3, operation = $4, status = $5, revision = $6, source = $7,
		requester = $8, options = $9, no_changes = $10, url = $11, error = $12, updated_at = $13, tool = $14 WHERE id = $1 RETURNING id`, nil,
		column{"id", r.ID}, column{"app", r.App}, column{"environment", r.Environment}, column{"operation", r.Operation},
		column{"status", r.Status}, column{"revision", r.Revision}, column{"source", r.Source}, column{"requester", encoded{r.Requester}},
		column{"options", encoded{r.Options}}, column{"no_changes", r.NoChanges}, column{"url", r.URL}, column{"error", encoded{r.Error}},
		column{"updated_at", t.timeOr(r.UpdatedAt)}, column{"tool", r.Tool})
	if err != nil {
		return err
	}
	if n == 0 {
		return noRun(r.ID)
	}
	return t.saveManifest(r)
}

func (t *tx) saveManifest(r slipway.Run) error {
	_, err := t.write("manifests", `INSERT INTO manifests (run, body) VALUES ($1, $2)
		ON CONFLICT (run) DO UPDATE SET body = excluded.body WHERE manifests.body <> excluded.body`, nil,
		column{"run", r.ID}, column{"body", r.Manifest})
	return err
}

const selectRuns = `SELECT r.id, r.app, r.environment, r.operation, r.status, r.revision, m.body, r.source, r.requester, r.options, r.no_changes,
	r.url, r.error, r.created_at, r.updated_at, r.tool FROM runs r JOIN manifests m ON m.run = r.id`

func scanRun(scan row) (r slipway.Run, err error) {
	err = scan(&r.ID, &r.App, &r.Environment, &r.Operation, &r.Status, &r.Revision, &r.Manifest, &r.Source, into(&r.Requester),
		into(&r.Options), &r.NoChanges, &r.URL, into(&r.Error), at(&r.CreatedAt), at(&r.UpdatedAt), &r.Tool)
	return r, err
}

// Run returns a run, or CodeNotFound.
func (t *tx) Run(id string) (r slipway.Run, err error) {
	n, err := t.read(selectRuns+" WHERE r.id = $1", func(scan row) (err error) {
		r, err = scanRun(scan)
		return err
	}, id)
	if err == nil && n == 0 {
		err = noRun(id)
	}
	return r, err
}

// finalStatuses are those that a run never leaves.
const finalStatuses = `('succeeded', 'rejected', 'canceled', 'superseded')`

// Runs returns the newest first; 100 unless the filter has a limit. CodeNotFound when there is no run Before.
func (t *tx) Runs(f slipway.RunFilter) ([]slipway.Run, error) {
	var where []string
	var args []any
	equal := func(name, value string) {
		if value != "" {
			args = append(args, value)
			where = append(where, fmt.Sprintf("r.%s = $%d", name, len(args)))
		}
	}
	equal("app", f.App)
	equal("environment", f.Environment)
	if f.Unfinished {
		where = append(where, "r.status NOT IN "+finalStatuses)
	}
	if f.Before != "" {
		if err := t.mustExist(f.Before); err != nil {
			return nil, err
		}
		args = append(args, f.Before)
		where = append(where, fmt.Sprintf("(r.created_at, r.id) < (SELECT b.created_at, b.id FROM runs b WHERE b.id = $%d)", len(args)))
	}
	statement := selectRuns
	if len(where) > 0 {
		statement += " WHERE " + strings.Join(where, " AND ")
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	args = append(args, f.Limit)
	statement += fmt.Sprintf(" ORDER BY r.created_at DESC, r.id DESC LIMIT $%d", len(args))
	var out []slipway.Run
	_, err := t.read(statement, func(scan row) error {
		r, err := scanRun(scan)
		out = append(out, r)
		return err
	}, args...)
	return out, err
}

// Claim takes the lease of an active run that nobody holds, or whose lease is over before now. Each claim has a higher epoch.
func (t *tx) Claim(id, holder string, now, until time.Time) (epoch int64, ok bool, err error) {
	n, err := t.write("runs", `UPDATE runs SET epoch = epoch + 1, holder = $2, lease_until = $3
		WHERE id = $1 AND status = 'active' AND (holder IS NULL OR lease_until < $4) RETURNING epoch`,
		func(scan row) error { return scan(&epoch) },
		column{"id", id}, column{"holder", holder}, column{"lease_until", until}, column{"lease_until", now})
	if err == nil && n == 0 {
		err = t.mustExist(id)
	}
	return epoch, n == 1, err
}

// Fence extends the lease of an active run that is still held under epoch.
func (t *tx) Fence(id string, epoch int64, until time.Time) (ok bool, err error) {
	n, err := t.write("runs", `UPDATE runs SET lease_until = $3
		WHERE id = $1 AND epoch = $2 AND status = 'active' AND holder IS NOT NULL RETURNING id`, nil,
		column{"id", id}, column{"epoch", epoch}, column{"lease_until", until})
	if err == nil && n == 0 {
		err = t.mustExist(id)
	}
	return n == 1, err
}

// Release gives the lease back, whatever the run's status; nothing happens when another epoch has it.
func (t *tx) Release(id string, epoch int64) error {
	n, err := t.write("runs", `UPDATE runs SET holder = NULL, lease_until = NULL WHERE id = $1 AND epoch = $2 RETURNING id`, nil,
		column{"id", id}, column{"epoch", epoch})
	if err == nil && n == 0 {
		err = t.mustExist(id)
	}
	return err
}

// Sweep frees the leases of active runs that were over before now, each under a new epoch, and returns every active run that nobody
// holds, the oldest first.
func (t *tx) Sweep(now time.Time) (ids []string, err error) {
	_, err = t.write("runs", `UPDATE runs SET holder = NULL, lease_until = NULL, epoch = epoch + 1
		WHERE status = 'active' AND holder IS NOT NULL AND lease_until < $1`, nil, column{"lease_until", now})
	if err != nil {
		return nil, err
	}
	_, err = t.read(`SELECT id FROM runs WHERE status = 'active' AND holder IS NULL ORDER BY created_at, id`, func(scan row) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

func (t *tx) mustExist(id string) error {
	n, err := t.read(`SELECT id FROM runs WHERE id = $1`, nil, id)
	if err == nil && n == 0 {
		err = noRun(id)
	}
	return err
}
