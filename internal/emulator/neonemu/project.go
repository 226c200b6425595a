package neonemu

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type project struct {
	seq              int64
	id, name         string
	region           Region
	pgVersion        int
	owner            string // an organisation's or a user's id
	org              Org    // zero when a user owns it
	storePasswords   bool
	history          int
	settings         json.RawMessage
	endpointDefaults json.RawMessage
	created, updated time.Time
	deleted          time.Time // zero while it lives
	birth            emukit.Birth

	branches  []*branch // by creation, deleted ones included
	endpoints []*endpoint
	ops       []*operation // by creation
	running   *batch       // the last one scheduled
	nextDB    int64
}

type projectBody struct {
	ID                      string          `json:"id"`
	PlatformID              string          `json:"platform_id"`
	RegionID                string          `json:"region_id"`
	Name                    string          `json:"name"`
	Provisioner             string          `json:"provisioner"`
	DefaultEndpointSettings json.RawMessage `json:"default_endpoint_settings,omitempty"`
	Settings                json.RawMessage `json:"settings,omitempty"`
	PgVersion               int             `json:"pg_version"`
	ProxyHost               string          `json:"proxy_host"`
	BranchLogicalSizeLimit  int64           `json:"branch_logical_size_limit"`
	BranchLogicalSizeLimitB int64           `json:"branch_logical_size_limit_bytes"`
	StorePasswords          bool            `json:"store_passwords"`
	ActiveTime              *int64          `json:"active_time,omitempty"` // in lists
	CPUUsedSec              int64           `json:"cpu_used_sec"`
	CreationSource          string          `json:"creation_source"`
	HistoryRetentionSeconds int             `json:"history_retention_seconds"`
	CreatedAt               stamp           `json:"created_at"`
	UpdatedAt               stamp           `json:"updated_at"`
	SyntheticStorageSize    int64           `json:"synthetic_storage_size"`
	OwnerID                 string          `json:"owner_id"`
	OrgID                   string          `json:"org_id,omitempty"`
	OrgName                 string          `json:"org_name,omitempty"` // in lists
	DeletedAt               *stamp          `json:"deleted_at,omitempty"`
	RecoverableUntil        *stamp          `json:"recoverable_until,omitempty"`
	*projectConsumption                     // not in lists
}

type projectConsumption struct {
	DataStorageBytesHour   int64 `json:"data_storage_bytes_hour"`
	DataTransferBytes      int64 `json:"data_transfer_bytes"`
	WrittenDataBytes       int64 `json:"written_data_bytes"`
	ComputeTimeSeconds     int64 `json:"compute_time_seconds"`
	ActiveTimeSeconds      int64 `json:"active_time_seconds"`
	ConsumptionPeriodStart stamp `json:"consumption_period_start"`
	ConsumptionPeriodEnd   stamp `json:"consumption_period_end"`
}

func (s *Server) projectBody(p *project) projectBody {
	platform, _ := p.region.split()
	return projectBody{
		ID: p.id, PlatformID: platform, RegionID: p.region.ID, Name: p.name, Provisioner: "k8s-neonvm",
		DefaultEndpointSettings: p.endpointDefaults, Settings: p.settings, PgVersion: p.pgVersion,
		ProxyHost:              p.region.host(s.suffix()),
		BranchLogicalSizeLimit: 512, BranchLogicalSizeLimitB: 512 << 20, StorePasswords: p.storePasswords,
		CreationSource: "console", HistoryRetentionSeconds: p.history,
		CreatedAt: stamp(p.created), UpdatedAt: stamp(p.updated), OwnerID: p.owner, OrgID: p.org.ID,
	}
}

func (s *Server) projectDetail(p *project) projectBody {
	b := s.projectBody(p)
	month := time.Date(p.created.Year(), p.created.Month(), 1, 0, 0, 0, 0, time.UTC)
	b.projectConsumption = &projectConsumption{
		ConsumptionPeriodStart: stamp(month), ConsumptionPeriodEnd: stamp(month.AddDate(0, 1, 0)),
	}
	return b
}

func (s *Server) projectItem(p *project) projectBody {
	b := s.projectBody(p)
	b.ActiveTime, b.OrgName = new(int64), p.org.Name
	if !p.deleted.IsZero() {
		at, until := stamp(p.deleted), stamp(p.deleted.Add(recoverable))
		b.DeletedAt, b.RecoverableUntil = &at, &until
	}
	return b
}

func (s *Server) suffix() string {
	if s.HostSuffix == "" {
		return "not-connectable.invalid"
	}
	return strings.TrimPrefix(s.HostSuffix, ".")
}

// split cuts aws-us-east-2 into platform and place.
func (r Region) split() (platform, place string) {
	platform, place, _ = strings.Cut(r.ID, "-")
	return platform, place
}

// host is where a region's proxy answers: us-east-2.aws.neon.tech.
func (r Region) host(suffix string) string {
	platform, place := r.split()
	return place + "." + platform + "." + suffix
}

// readable returns the project in the path if it lives and the account may see it: anyone else's is 404.
func (s *Server) readable(q *request) (*project, *failure) {
	p, ok := s.projects[q.PathValue("project")]
	if !ok || !p.deleted.IsZero() || !q.account.owns(p.owner) || !q.account.reaches(p.id) {
		return nil, notFound("project")
	}
	return p, nil
}

// writable is readable for a change: 423 while operations run.
func (s *Server) writable(q *request) (*project, *failure) {
	p, f := s.readable(q)
	if f == nil && !p.running.done(q.now) {
		return nil, errLocked
	}
	return p, f
}

// reaches reports whether a key's scope has the project.
func (a Account) reaches(projectID string) bool { return a.Project == "" || a.Project == projectID }

func (s *Server) listProjects(q *request) (any, *failure) {
	owner, f := q.account.owner(q.param("org_id"))
	if f != nil {
		return nil, f
	}
	onlyDeleted, f := q.flag("recoverable")
	if f != nil {
		return nil, f
	}
	search := strings.ToLower(q.param("search"))
	var found []*project
	for _, p := range slices.Backward(s.order) {
		gone := !p.deleted.IsZero()
		if p.owner != owner || !q.account.reaches(p.id) || p.lost(q.now) || gone && !onlyDeleted && !s.ListDeleted || onlyDeleted && !gone {
			continue
		}
		if !strings.Contains(strings.ToLower(p.name), search) && !strings.Contains(p.id, search) {
			continue
		}
		if s.Kit.Listed(&p.birth) {
			found = append(found, p)
		}
	}
	found, next, f := page(q, found, func(p *project) int64 { return p.seq }, 10, 400)
	if f != nil {
		return nil, f
	}
	items := make([]projectBody, 0, len(found))
	for _, p := range found {
		items = append(items, s.projectItem(p))
	}
	return struct {
		Projects     []projectBody     `json:"projects"`
		Pagination   *pagination       `json:"pagination,omitempty"`
		Applications map[string]string `json:"applications"`
		Integrations map[string]string `json:"integrations"`
	}{items, next, map[string]string{}, map[string]string{}}, nil
}

type projectCreate struct {
	Project *struct {
		Settings json.RawMessage `json:"settings"`
		Name     *string         `json:"name"`
		Branch   struct {
			Name         *string           `json:"name"`
			RoleName     string            `json:"role_name"`
			DatabaseName string            `json:"database_name"`
			Annotations  map[string]string `json:"annotations"`
		} `json:"branch"`
		AutoscalingMin          float64         `json:"autoscaling_limit_min_cu"`
		AutoscalingMax          float64         `json:"autoscaling_limit_max_cu"`
		Provisioner             string          `json:"provisioner"`
		RegionID                string          `json:"region_id"`
		DefaultEndpointSettings json.RawMessage `json:"default_endpoint_settings"`
		PgVersion               int             `json:"pg_version"`
		StorePasswords          *bool           `json:"store_passwords"`
		HistoryRetentionSeconds *int            `json:"history_retention_seconds"`
		OrgID                   string          `json:"org_id"`
	} `json:"project"`
}

// createProject makes a project with its default branch, a read-write compute, a role and a database. Nothing of it is
// usable before its operations have finished. Names need not be unique.
func (s *Server) createProject(q *request) (any, *failure) {
	var in projectCreate
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	p, f := s.newProject(q, &in)
	if f != nil {
		return nil, f
	}
	w := &in.Project.Branch
	branchName, database := orName(w.Name, "main"), or(w.DatabaseName, "neondb")
	role := or(w.RoleName, database+"_owner")
	if f := first(checkName("branch name", branchName, 256), checkRole(role), checkDatabase(database)); f != nil {
		return nil, f
	}
	s.projects[p.id], s.order = p, append(s.order, p)

	b := s.newBranch(q, p, branchName)
	b.isDefault = true
	e := s.newEndpoint(q, p, b, endpointOptions{Type: readWrite, AutoscalingMin: in.Project.AutoscalingMin, AutoscalingMax: in.Project.AutoscalingMax})
	r := s.newRole(q, b, role, false)
	d := s.newDatabase(q, b, database, role)
	made, ops := s.schedule(q, p, s.projectTime(), []todo{
		{"create_timeline", b.id, ""}, {"start_compute", b.id, e.id},
	})
	b.made, e.made, r.made, d.made = made, made, made, made
	s.apply(b, made)
	return struct {
		Project        projectBody         `json:"project"`
		ConnectionURIs []connectionDetails `json:"connection_uris"`
		Roles          []roleBody          `json:"roles"`
		Databases      []databaseBody      `json:"databases"`
		Operations     []operationBody     `json:"operations"`
		Branch         branchBody          `json:"branch"`
		Endpoints      []endpointBody      `json:"endpoints"`
	}{
		s.projectDetail(p),
		[]connectionDetails{s.connection(e, r, d)},
		[]roleBody{r.withPassword()},
		[]databaseBody{d.wire()},
		operations(ops, q.now), b.wire(q.now),
		[]endpointBody{s.endpointBody(e, q.now)},
	}, nil
}

// newProject checks a create and returns what it asks for, not yet kept.
func (s *Server) newProject(q *request, in *projectCreate) (*project, *failure) {
	w := in.Project
	if w == nil {
		return nil, fail(http.StatusBadRequest, "project is required")
	}
	if q.account.Project != "" {
		return nil, fail(http.StatusForbidden, "the API key is limited to one project") // status and wording [? neon-project-key-create]
	}
	owner, f := q.account.owner(w.OrgID)
	if f != nil {
		return nil, f
	}
	org, _ := q.account.org(owner)
	p := &project{
		id: s.newID("", func(id string) bool { _, taken := s.projects[id]; return taken }), owner: owner, org: org,
		region: s.Regions[0], pgVersion: 17, storePasswords: w.StorePasswords == nil || *w.StorePasswords, history: 86400,
		settings: w.Settings, endpointDefaults: w.DefaultEndpointSettings, created: q.now, updated: q.now, birth: s.Kit.Born(),
	}
	p.name = orName(w.Name, p.id)
	if f := checkName("project name", p.name, 256); f != nil {
		return nil, f
	}
	if w.RegionID != "" {
		i := slices.IndexFunc(s.Regions, func(r Region) bool { return r.ID == w.RegionID })
		if i < 0 {
			return nil, fail(http.StatusBadRequest, "unknown region %q", w.RegionID) // status and wording [? neon-unknown-region]
		}
		p.region = s.Regions[i]
	}
	if w.PgVersion != 0 {
		p.pgVersion = w.PgVersion
	}
	if p.pgVersion < 14 || p.pgVersion > 18 {
		return nil, fail(http.StatusBadRequest, "unsupported Postgres version %d", p.pgVersion)
	}
	if f := p.setHistory(w.HistoryRetentionSeconds); f != nil {
		return nil, f
	}
	if f := s.checkLimit(q, owner); f != nil {
		return nil, f
	}
	p.seq = s.next()
	return p, nil
}

// checkLimit refuses one project more than an owner may have.
func (s *Server) checkLimit(q *request, owner string) *failure {
	n, most := s.alive(owner), q.number("max-projects", s.MaxProjects)
	if most == 0 || n < most {
		return nil
	}
	// https://github.com/neondatabase/neonctl/issues/255 recorded "limit of 1 exceeded, got 1": what there was before
	return limit("PROJECTS_LIMIT_EXCEEDED", "user projects limit of %d exceeded, got %d", most, n)
}

// lost reports whether p was deleted too long ago to be recovered.
func (p *project) lost(now time.Time) bool {
	return !p.deleted.IsZero() && now.Sub(p.deleted) >= recoverable
}

func (p *project) setHistory(seconds *int) *failure {
	if seconds == nil {
		return nil
	}
	if *seconds < 0 || *seconds > 2592000 {
		return fail(http.StatusBadRequest, "history_retention_seconds must be from 0 to 2592000")
	}
	p.history = *seconds
	return nil
}

func (s *Server) alive(owner string) int {
	n := 0
	for _, p := range s.order {
		if p.owner == owner && p.deleted.IsZero() {
			n++
		}
	}
	return n
}

func (s *Server) getProject(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	return struct {
		Project projectBody `json:"project"`
	}{s.projectDetail(p)}, nil
}

func (s *Server) updateProject(q *request) (any, *failure) {
	var in struct {
		Project *struct {
			Settings                json.RawMessage `json:"settings"`
			Name                    *string         `json:"name"`
			DefaultEndpointSettings json.RawMessage `json:"default_endpoint_settings"`
			HistoryRetentionSeconds *int            `json:"history_retention_seconds"`
		} `json:"project"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	p, f := s.writable(q)
	if f != nil {
		return nil, f
	}
	w := in.Project
	if w == nil {
		return nil, fail(http.StatusBadRequest, "project is required")
	}
	name := orName(w.Name, p.name)
	if f := checkName("project name", name, 256); f != nil {
		return nil, f
	}
	if f := p.setHistory(w.HistoryRetentionSeconds); f != nil {
		return nil, f
	}
	p.name, p.updated = name, q.now
	if w.Settings != nil {
		p.settings = w.Settings
	}
	if w.DefaultEndpointSettings != nil {
		p.endpointDefaults = w.DefaultEndpointSettings
	}
	return struct {
		Project    projectBody     `json:"project"`
		Operations []operationBody `json:"operations"`
	}{s.projectDetail(p), []operationBody{}}, nil
}

// deleteProject hides the project, which can be recovered for 7 days.
func (s *Server) deleteProject(q *request) (any, *failure) {
	p, f := s.writable(q)
	if f != nil {
		return nil, f
	}
	if q.account.Project != "" {
		return nil, fail(http.StatusForbidden, "the API key is limited to one project") // status and wording [? neon-project-key-delete]
	}
	p.deleted, p.updated = q.now, q.now
	for _, b := range p.branches {
		if b.alive() {
			s.apply(b, unwatched())
		}
	}
	return struct {
		Project projectBody `json:"project"`
	}{s.projectDetail(p)}, nil
}
