package upstashemu

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type database struct {
	id, name, slug             string
	email                      string
	region                     string
	readRegions                []string
	plan                       string
	budget                     int
	tls, eviction, autoUpgrade bool
	password, token, readToken string
	created, active            time.Time
	birth                      emukit.Birth
	redis                      *miniredis.Miniredis
}

// databaseBody is what real replies carry and real clients read; the published document lacks the three credentials.
type databaseBody struct {
	DatabaseID        string   `json:"database_id"`
	DatabaseName      string   `json:"database_name"`
	Region            string   `json:"region"`
	Type              string   `json:"type"`
	Port              int      `json:"port"`
	PrimaryRegion     string   `json:"primary_region"`
	ReadRegions       []string `json:"read_regions"`
	PrimaryMembers    []string `json:"primary_members"`
	AllMembers        []string `json:"all_members"`
	CreationTime      int64    `json:"creation_time"`
	Budget            int      `json:"budget"`
	State             string   `json:"state"`
	ModifyingState    string   `json:"modifying_state"`
	Endpoint          string   `json:"endpoint"`
	Password          string   `json:"password,omitempty"`
	RestToken         string   `json:"rest_token,omitempty"`
	ReadOnlyRestToken string   `json:"read_only_rest_token,omitempty"`
	TLS               bool     `json:"tls"`
	Eviction          bool     `json:"eviction"`
	DBEviction        bool     `json:"db_eviction"`
	AutoUpgrade       bool     `json:"auto_upgrade"`
	Consistent        bool     `json:"consistent"`
	CustomerID        string   `json:"customer_id"`
	UserEmail         string   `json:"user_email"`
	DBResourceSize    string   `json:"db_resource_size"`
	DBType            string   `json:"db_type"`
	MaxClients        int64    `json:"db_max_clients"`
	MaxRequestSize    int64    `json:"db_max_request_size"`
	MaxEntrySize      int64    `json:"db_max_entry_size"`
	MaxCommands       int64    `json:"db_max_commands_per_second"`
	DiskThreshold     int64    `json:"db_disk_threshold"`
	MemoryThreshold   int64    `json:"db_memory_threshold"`
}

func (s *Server) databaseBody(d *database, now time.Time) databaseBody {
	b := databaseBody{
		DatabaseID: d.id, DatabaseName: d.name, Region: "global", Type: planType(d.plan), Port: 6379, PrimaryRegion: d.region,
		ReadRegions: append([]string{}, d.readRegions...), PrimaryMembers: []string{d.region},
		AllMembers: append([]string{d.region}, d.readRegions...), CreationTime: d.created.Unix(), Budget: d.budget,
		State: "active", Endpoint: s.endpoint(d.slug), Password: d.password, RestToken: d.token, ReadOnlyRestToken: d.readToken,
		TLS: d.tls, Eviction: d.eviction, DBEviction: d.eviction, AutoUpgrade: d.autoUpgrade, CustomerID: d.email,
		UserEmail: d.email, DBResourceSize: "L", DBType: "pebble", MaxClients: 10000, MaxRequestSize: dataBodyLimit,
		MaxEntrySize: 100 << 20, MaxCommands: 10000, DiskThreshold: 100 << 30, MemoryThreshold: 3 << 30,
	}
	if s.SlugEndpoints && s.DataURL == "" {
		b.Endpoint = d.slug
	}
	if !d.ready(now) {
		b.State, b.ModifyingState = "passive", "creating" // [? upstash-redis-creating]: the document names active, suspended and passive
	}
	return b
}

func (d *database) ready(now time.Time) bool { return !now.Before(d.active) }

// planType is the type that a reply shows for a plan.
func planType(plan string) string {
	switch plan {
	case "", "free":
		return "free"
	case "payg":
		return "payg"
	}
	return "paid"
}

var (
	awsRegions = []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-central-1", "eu-west-1",
		"eu-west-2", "sa-east-1", "ap-south-1", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "af-south-1",
	}
	gcpRegions = []string{"us-central1", "us-east4", "europe-west1", "asia-northeast1"}
	redisPlans = []string{"free", "payg", "fixed_250mb", "fixed_1gb", "fixed_5gb", "fixed_10gb", "fixed_50gb", "fixed_100gb", "fixed_500gb"}
)

// listDatabases has no pagination.
func (s *Server) listDatabases(q *request) (any, *failure) {
	out := []databaseBody{}
	for _, d := range s.order.databases {
		if d.email == q.email && s.Listed(&d.birth) {
			out = append(out, s.databaseBody(d, q.now))
		}
	}
	return out, nil
}

// own returns the account's database in the path: anyone else's is 404.
func (s *Server) own(q *request) (*database, *failure) {
	return s.ownByID(q, q.PathValue("id"))
}

func (s *Server) ownByID(q *request, id string) (*database, *failure) {
	d, ok := s.databases[id]
	if !ok || d.email != q.email {
		return nil, fail(http.StatusNotFound, "Database not found")
	}
	return d, nil
}

// getDatabase leaves the credentials out with ?credentials=hide.
func (s *Server) getDatabase(q *request) (any, *failure) {
	d, f := s.own(q)
	if f != nil {
		return nil, f
	}
	b := s.databaseBody(d, q.now)
	if q.URL.Query().Get("credentials") == "hide" {
		b.Password, b.RestToken, b.ReadOnlyRestToken = "", "", ""
	}
	return b, nil
}

type databaseCreate struct {
	Name          string   `json:"database_name"`
	Platform      string   `json:"platform"`
	PrimaryRegion string   `json:"primary_region"`
	Region        string   `json:"region"` // of older clients: "global" and nothing else
	ReadRegions   []string `json:"read_regions"`
	Plan          string   `json:"plan"`
	Budget        int      `json:"budget"`
	Eviction      bool     `json:"eviction"`
	TLS           *bool    `json:"tls"`
}

func (c *databaseCreate) check() *failure {
	if f := checkName(c.Name); f != nil {
		return f
	}
	if c.Platform == "" && c.Region == "global" {
		c.Platform = "aws" // the vendor's own CLI 1.0.2 sends region "global" and no platform
		if slices.Contains(gcpRegions, c.PrimaryRegion) {
			c.Platform = "gcp"
		}
	}
	regions, ok := map[string][]string{"aws": awsRegions, "gcp": gcpRegions}[c.Platform]
	if !ok {
		return fail(http.StatusBadRequest, "invalid platform: aws or gcp")
	}
	if !slices.Contains(regions, c.PrimaryRegion) {
		return fail(http.StatusBadRequest, "invalid primary_region: %q is no region of %s", c.PrimaryRegion, c.Platform)
	}
	if c.Region != "" && c.Region != "global" {
		return fail(http.StatusBadRequest, "regional databases are deprecated: use platform and primary_region")
	}
	if c.Plan != "" && !slices.Contains(redisPlans, c.Plan) {
		return fail(http.StatusBadRequest, "invalid plan: %q", c.Plan)
	}
	return checkReadRegions(c.PrimaryRegion, c.ReadRegions)
}

func checkReadRegions(primary string, regions []string) *failure {
	for _, r := range regions {
		if r == primary || !slices.Contains(awsRegions, r) {
			return fail(http.StatusBadRequest, "invalid read region: %q", r)
		}
	}
	return nil
}

// createDatabase makes a database, usable after CreateTime. Names may repeat.
func (s *Server) createDatabase(q *request) (any, *failure) {
	var in databaseCreate
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	if f := in.check(); f != nil {
		return nil, f
	}
	rules, f := s.creation(q, s.MaxDatabases)
	if f != nil {
		return nil, f
	}
	mine := 0
	for _, d := range s.databases {
		if d.email != q.email {
			continue
		}
		if mine++; rules.unique && d.name == in.Name {
			return nil, fail(http.StatusConflict, "Database name already exists")
		}
	}
	if rules.most > 0 && mine >= rules.most {
		return nil, fail(http.StatusBadRequest, "max database limit of %d reached", rules.most)
	}
	d := &database{
		id: s.RandomUUID(), name: in.Name, slug: s.newSlug(""), email: q.email, region: in.PrimaryRegion,
		readRegions: in.ReadRegions, plan: in.Plan, budget: in.Budget, tls: in.TLS == nil || *in.TLS, eviction: in.Eviction,
		created: q.now, active: q.now.Add(rules.takes), birth: s.Born(), redis: s.newRedis(),
	}
	s.newCredentials(d)
	s.databases[d.id], s.stores[d.slug] = d, d
	s.order.databases = append(s.order.databases, d)
	return s.databaseBody(d, q.now), nil
}

func (s *Server) newCredentials(d *database) {
	d.password = "A" + s.RandomString(63, emukit.Alnum)
	d.token = d.password // live replies carry the password as rest_token
	d.readToken = "Ag" + s.RandomString(62, emukit.Alnum)
}

func (s *Server) deleteDatabase(q *request) (any, *failure) {
	d, f := s.own(q)
	if f != nil {
		return nil, f
	}
	delete(s.databases, d.id)
	delete(s.stores, d.slug)
	s.order.databases = slices.DeleteFunc(s.order.databases, func(o *database) bool { return o == d })
	go d.redis.Close() // waits for the commands that are running
	return "OK", nil
}

// databaseVerbs are the changes at POST /redis/VERB/ID.
var databaseVerbs = map[string]func(*Server, *request, *database) (any, *failure){
	"rename":              (*Server).renameDatabase,
	"reset-password":      (*Server).resetPassword,
	"update-regions":      (*Server).updateRegions,
	"change-plan":         (*Server).changePlan, // where the vendor's own CLI 1.0.2 sends it; the document has it after the id
	"enable-tls":          (*Server).enableTLS,
	"enable-eviction":     setter(func(d *database) { d.eviction = true }),
	"disable-eviction":    setter(func(d *database) { d.eviction = false }),
	"enable-autoupgrade":  setter(func(d *database) { d.autoUpgrade = true }),
	"disable-autoupgrade": setter(func(d *database) { d.autoUpgrade = false }),
}

func setter(set func(*database)) func(*Server, *request, *database) (any, *failure) {
	return func(_ *Server, _ *request, d *database) (any, *failure) {
		set(d)
		return "OK", nil
	}
}

// changeDatabase serves POST /redis/VERB/ID, and POST /redis/ID/change-plan, which no pattern can tell apart.
func (s *Server) changeDatabase(q *request) (any, *failure) {
	id, change := q.PathValue("id"), databaseVerbs[q.PathValue("verb")]
	if id == "change-plan" {
		id, change = q.PathValue("verb"), (*Server).changePlan
	}
	if change == nil {
		return nil, fail(http.StatusNotImplemented, "the emulator does not model %s %s", q.Method, q.URL.Path)
	}
	d, f := s.ownByID(q, id)
	if f != nil {
		return nil, f
	}
	return change(s, q, d)
}

func (s *Server) renameDatabase(q *request, d *database) (any, *failure) {
	var in struct {
		Name string `json:"name"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	if f := checkName(in.Name); f != nil {
		return nil, f
	}
	d.name = in.Name
	return s.databaseBody(d, q.now), nil
}

// resetPassword answers with the database, where the Vector route of the same name answers "OK".
func (s *Server) resetPassword(q *request, d *database) (any, *failure) {
	s.newCredentials(d)
	return s.databaseBody(d, q.now), nil
}

func (s *Server) changePlan(q *request, d *database) (any, *failure) {
	var in struct {
		DatabaseID     string `json:"database_id"`
		PlanName       string `json:"plan_name"`
		Plan           string `json:"plan"` // the vendor's own CLI 1.0.2 calls it so
		AutoUpgrade    *bool  `json:"auto_upgrade"`
		ProdPackEnable *bool  `json:"prod_pack_enabled"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	plan := cmp.Or(in.PlanName, in.Plan)
	if !slices.Contains(redisPlans, plan) {
		return nil, fail(http.StatusBadRequest, "invalid plan: %q", plan)
	}
	d.plan = plan
	if in.AutoUpgrade != nil {
		d.autoUpgrade = *in.AutoUpgrade
	}
	return "OK", nil
}

func (s *Server) enableTLS(q *request, d *database) (any, *failure) {
	d.tls = true
	return s.databaseBody(d, q.now), nil
}

func (s *Server) updateRegions(q *request, d *database) (any, *failure) {
	var in struct {
		ReadRegions []string `json:"read_regions"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	if f := checkReadRegions(d.region, in.ReadRegions); f != nil {
		return nil, f
	}
	d.readRegions = in.ReadRegions
	return "OK", nil
}

func (s *Server) updateBudget(q *request) (any, *failure) {
	var in struct {
		Budget int `json:"budget"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	d, f := s.own(q)
	if f != nil {
		return nil, f
	}
	d.budget = in.Budget
	return "OK", nil
}
