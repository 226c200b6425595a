package selftest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

const shopManifest = app + `resources:
  db:     {type: neon.postgres}
  cache:  {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 3, metric: cosine}
env:
  DATABASE_URL: {from: db.url}
  CACHE_TOKEN:  {from: cache.rest_token}
  PAYMENT_KEY:  {secret: PAYMENT_KEY}
  LOG_LEVEL:    {value: info}
verify:
  health: [{path: /, contains: the shop}]
`

// interrupted are the operations that the power fails in: what was shipped before ("": nothing), and what is shipped then.
var interrupted = map[string]struct{ base, manifest string }{
	"first ship": {"", shopManifest},
	"change": {
		app + "resources:\n  db: {type: neon.postgres}\nenv:\n  DATABASE_URL: {from: db.url}\n  LOG_LEVEL: {value: debug}\n  OLD: {value: old}\n", shopManifest,
	},
}

// moment is all that is there when a request is sent, or when a server has acted on one.
type moment struct {
	what    string
	db, wal []byte
	states  map[string][]byte // of the emulators
}

// recorder keeps the moments of a run.
type recorder struct {
	t     *testing.T
	cloud *cloud
	home  string

	mu      sync.Mutex
	moments []moment
}

// WAL: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
const walHeader, walFrame = 32, 24 + 4096

func (r *recorder) keep(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := moment{what: what, states: map[string][]byte{}}
	m.db, m.wal = contents(r.t, filepath.Join(r.home, "slipway.db")), contents(r.t, filepath.Join(r.home, "slipway.db-wal"))
	for name, s := range r.cloud.states() {
		raw, err := s.SaveState()
		if err != nil {
			r.t.Error(err)
		}
		m.states[name] = raw
	}
	r.moments = append(r.moments, m)
}

func contents(t *testing.T, path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	return b
}

func (r *recorder) wire(req *http.Request) wireFault {
	what := req.Method + " " + req.URL.Path
	return wireFault{sent: func() { r.keep("sent " + what) }, done: func() {
		if req.Method != http.MethodGet {
			r.keep("done " + what)
		}
	}}
}

// record ships op without an interruption, and returns its moments and what it leaves.
func record(t *testing.T, base, manifest string) ([]moment, string) {
	r := &recorder{t: t, cloud: newCloud(), home: t.TempDir()}
	p := r.cloud.start(t, r.home)
	if base != "" {
		if d := p.drive(p.ship(base, slipway.Production), nil); d.Run.Status != slipway.RunSucceeded {
			t.Fatalf("%s: %+v", d.Run.Status, d.Run.Error)
		}
	}
	r.keep("begin")
	r.cloud.onWire(r.wire)
	d := p.drive(p.ship(manifest, slipway.Production), nil)
	r.cloud.onWire(nil)
	if d.Run.Status != slipway.RunSucceeded {
		t.Fatalf("%s: %+v", d.Run.Status, d.Run.Error)
	}
	r.keep("end")
	p.end()
	return r.moments, holds(t, r.cloud)
}

// loss is what one loss of power leaves.
type loss struct {
	name    string
	db, wal []byte // nil: the home is lost as well
	states  map[string][]byte
}

// losses are all that can be left of a run: at each moment what was in the WAL when its last request was sent is safe; of what came after,
// up to the next moment, any whole number of frames may be there, and part of one.
func losses(moments []moment) []loss {
	var out []loss
	for i, m := range moments[:len(moments)-1] {
		next := moments[i+1]
		add := func(what string, db, wal []byte) {
			out = append(out, loss{fmt.Sprintf("%d %s: %s", i, m.what, what), db, wal, m.states})
		}
		add("nothing later", m.db, m.wal)
		if string(next.db) != string(m.db) || !strings.HasPrefix(string(next.wal), string(m.wal)) {
			add("a checkpoint later", next.db, next.wal)
			continue
		}
		for end := max(len(m.wal), walHeader); end < len(next.wal); end += walFrame {
			add(fmt.Sprintf("torn at %d", end+walFrame/2), m.db, next.wal[:min(end+walFrame/2, len(next.wal))])
			add(fmt.Sprintf("frames to %d", end+walFrame), m.db, next.wal[:min(end+walFrame, len(next.wal))])
		}
	}
	return out
}

// TestPowerLoss cuts the database as a loss of power can, at and after every request, and resumes it against what the providers hold then.
func TestPowerLoss(t *testing.T) {
	eachLoss(t, 40, func(moments []moment) []loss { return losses(moments) })
}

// TestHomeLost deletes the home at every request; a fresh one with the same key goes on by the ledger.
func TestHomeLost(t *testing.T) {
	eachLoss(t, 8, func(moments []moment) (out []loss) {
		for i, m := range moments {
			out = append(out, loss{name: fmt.Sprintf("%d %s", i, m.what), states: m.states})
		}
		return out
	})
}

// eachLoss tries the losses of each operation: its shard of all, or a sample of one in n.
func eachLoss(t *testing.T, n uint64, of func([]moment) []loss) {
	part := readPlan(t)
	for _, name := range slices.Sorted(maps.Keys(interrupted)) {
		op := interrupted[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				moments, want := record(t, op.base, op.manifest)
				all, tried := of(moments), 0
				if len(moments) < 40 || len(moments[0].wal) >= len(moments[len(moments)-1].wal) {
					t.Fatalf("%d moments, and a WAL that grows from %d to %d bytes: the run was not recorded", len(moments), len(moments[0].wal), len(moments[len(moments)-1].wal))
				}
				for _, l := range all {
					if part.picks(name+l.name, n) {
						tried++
						goOn(t, l, op.manifest, want)
					}
				}
				t.Logf("%d moments, %d losses, %d tried (seed %d): the same state, and one of each, after every one", len(moments), len(all), tried, part.seed)
			})
		})
	}
}

// goOn ships once more after a loss, and compares with what an uninterrupted run leaves.
func goOn(t *testing.T, l loss, manifest, want string) {
	t.Helper()
	c, home := newCloud(), t.TempDir()
	for name, s := range c.states() {
		if err := s.LoadState(l.states[name]); err != nil {
			t.Fatal(err)
		}
	}
	if l.db != nil {
		path := filepath.Join(home, "slipway.db")
		if err := errors.Join(os.WriteFile(path, l.db, 0o600), os.WriteFile(path+"-wal", l.wal, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	p := c.start(t, home)
	defer p.end()
	if d := p.drive(p.ship(manifest, slipway.Production), nil); d.Run.Status != slipway.RunSucceeded {
		t.Errorf("%s: the run is %s: %+v", l.name, d.Run.Status, d.Run.Error)
		return
	}
	if diff := cmp.Diff(want, holds(t, c)); diff != "" {
		t.Errorf("%s: (-uninterrupted +resumed):\n%s", l.name, diff)
	}
	changes := 0
	c.disturb(func(call *emukit.Call) emukit.Action {
		if call.Method != http.MethodGet {
			changes++
		}
		return emukit.Action{}
	})
	if d := p.drive(p.ship(manifest, slipway.Production), nil); !d.Run.NoChanges || changes > 0 { // every value is the one that its source gives
		t.Errorf("%s: the next ship is %s, no changes %v, %d mutating calls: %v", l.name, d.Run.Status, d.Run.NoChanges, changes, d.Plan.Counts())
	}
}

// holds is what the providers hold of the app, without ids.
func holds(t *testing.T, c *cloud) string {
	t.Helper()
	var b strings.Builder
	every := func(map[string]any) bool { return true }
	list := func(api, path, field string, show ...string) {
		found, err := elements(c, api, path, field, every)
		if err != nil {
			t.Error(err)
		}
		var lines []string
		for _, v := range found {
			line := api + " " + field
			for _, name := range show {
				line += fmt.Sprintf(" %s=%v", name, v[name])
			}
			lines = append(lines, line+"\n")
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	list("vercel", "/v10/projects?limit=100", "projects", "name")
	list("vercel", "/v10/projects/shop/env", "envs", "key", "target", "type")
	list("vercel", "/v6/deployments?limit=100", "deployments", "name", "target", "state")
	list("neon", "/projects?limit=400&org_id="+org, "projects", "name", "region_id")
	list("upstash", "/v2/redis/databases", ".", "database_name")
	list("upstash", "/v2/vector/index", ".", "name")
	var project struct {
		ProtectionBypass map[string]any
		Targets          map[string]struct{ ReadySubstate string }
	}
	if err := c.call("vercel", "GET", "/v9/projects/shop", "", &project); err != nil {
		t.Error(err)
	}
	fmt.Fprintf(&b, "production %s, %d bypasses\n", project.Targets["production"].ReadySubstate, len(project.ProtectionBypass))
	return b.String()
}
