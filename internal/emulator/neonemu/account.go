package neonemu

import (
	"net/http"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Account is what an API key opens: https://neon.com/docs/manage/api-keys.
type Account struct {
	// User is the person that a personal key acts for. The zero User makes it an organisation key.
	User User
	// Orgs are the organisations that the key may work in. An organisation key has exactly one.
	Orgs []Org
	// Project, when not empty, is the id of the one project that a project-scoped key may use. It may change what is
	// in it, and neither delete it nor create another.
	Project string
	// ReadOnly refuses every change with 403.
	ReadOnly bool
}

// User is a person.
type User struct {
	ID, Login, Name, Email string
}

// Org is an organisation. Its ID is an account: it owns projects.
type Org struct {
	ID, Name, Handle string
	Plan             string // "free", "launch", "scale"; "" means launch
}

// The keys, user and organisation of DefaultAPIKeys. They open nothing but an emulator.
const (
	DefaultPersonalKey = "napi_emulator_personal"
	DefaultOrgKey      = "napi_emulator_organization"
	DefaultOrgID       = "org-emulator-12345678"
)

// DefaultAPIKeys returns the keys of a Server whose APIKeys is nil: DefaultPersonalKey of a person in the organisation
// DefaultOrgID, and DefaultOrgKey of that organisation.
func DefaultAPIKeys() map[string]Account {
	org := Org{ID: DefaultOrgID, Name: "Emulator", Handle: "emulator", Plan: "launch"}
	user := User{ID: "5d3c1c2e-7e5b-4f0f-9a0e-000000000001", Login: "emulator", Name: "Emulator", Email: "emulator@example.com"}
	return map[string]Account{
		DefaultPersonalKey: {User: user, Orgs: []Org{org}},
		DefaultOrgKey:      {Orgs: []Org{org}},
	}
}

func (a Account) personal() bool { return a.User.ID != "" }

func (a Account) org(id string) (Org, bool) {
	i := slices.IndexFunc(a.Orgs, func(o Org) bool { return o.ID == id })
	if i < 0 {
		return Org{}, false
	}
	return a.Orgs[i], true
}

// owns reports whether the account may see what owner has.
func (a Account) owns(owner string) bool {
	if _, ok := a.org(owner); ok {
		return true
	}
	return a.personal() && a.User.ID == owner
}

// owner returns whose projects a create or a list is about. A personal key of someone in organisations must say which;
// an organisation key need not.
func (a Account) owner(orgID string) (string, *failure) {
	switch {
	case orgID != "":
		if _, ok := a.org(orgID); !ok {
			return "", notFound("organization")
		}
		return orgID, nil
	case !a.personal():
		return a.Orgs[0].ID, nil
	case len(a.Orgs) > 0:
		return "", fail(http.StatusBadRequest, "org_id is required, you can find it on your organization settings page")
	}
	return a.User.ID, nil
}

func (s *Server) authenticate(r *http.Request) (Account, *failure) {
	token, _ := emukit.Bearer(r)
	account, ok := s.APIKeys[token]
	if !ok || !account.personal() && len(account.Orgs) != 1 {
		return Account{}, errNotAuthenticated
	}
	return s.withAccess(r, account)
}

var errNotAuthenticated = fail(http.StatusUnauthorized, "supplied credentials do not pass authentication") // status and wording [? neon-wrong-key]

type authDetails struct {
	AccountID  string `json:"account_id"`
	AuthMethod string `json:"auth_method"`
}

func (s *Server) getAuthDetails(q *request) (any, *failure) {
	if q.account.personal() {
		return authDetails{q.account.User.ID, "api_key_user"}, nil
	}
	return authDetails{q.account.Orgs[0].ID, "api_key_org"}, nil
}

type currentUser struct {
	ActiveSecondsLimit  int64         `json:"active_seconds_limit"`
	AuthAccounts        []authAccount `json:"auth_accounts"`
	BranchesLimit       int64         `json:"branches_limit"`
	Email               string        `json:"email"`
	ID                  string        `json:"id"`
	Image               string        `json:"image"`
	LastName            string        `json:"last_name"`
	Login               string        `json:"login"`
	MaxAutoscalingLimit float64       `json:"max_autoscaling_limit"`
	Name                string        `json:"name"`
	Plan                string        `json:"plan"`
	ProjectsLimit       int64         `json:"projects_limit"`
}

type authAccount struct {
	Email    string `json:"email"`
	Image    string `json:"image"`
	Login    string `json:"login"`
	Name     string `json:"name"`
	Provider string `json:"provider"`
}

func (s *Server) getCurrentUserInfo(q *request) (any, *failure) {
	if !q.account.personal() {
		return nil, fail(http.StatusNotFound, "user not found") // an organisation key has no user; status and wording [? neon-user-of-org-key]
	}
	u := q.account.User
	return currentUser{
		AuthAccounts:  []authAccount{{Email: u.Email, Login: u.Login, Name: u.Name, Provider: "github"}},
		BranchesLimit: int64(s.MaxBranches), Email: u.Email, ID: u.ID, Login: u.Login, MaxAutoscalingLimit: 8,
		Name: u.Name, Plan: "launch", ProjectsLimit: int64(s.MaxProjects),
	}, nil
}

type organization struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Handle    string `json:"handle"`
	Plan      string `json:"plan"`
	ManagedBy string `json:"managed_by"`
	CreatedAt stamp  `json:"created_at"`
	UpdatedAt stamp  `json:"updated_at"`
}

var orgEpoch = stamp(time.Date(2024, 2, 23, 17, 42, 25, 0, time.UTC))

func (o Org) wire() organization {
	plan := o.Plan
	if plan == "" {
		plan = "launch"
	}
	return organization{o.ID, o.Name, o.Handle, plan, "console", orgEpoch, orgEpoch}
}

func (s *Server) getCurrentUserOrganizations(q *request) (any, *failure) {
	out := make([]organization, 0, len(q.account.Orgs))
	for _, o := range q.account.Orgs {
		out = append(out, o.wire())
	}
	return struct {
		Organizations []organization `json:"organizations"`
	}{out}, nil
}

func (s *Server) getOrganization(q *request) (any, *failure) {
	o, ok := q.account.org(q.PathValue("org"))
	if !ok || q.account.Project != "" { // to a project-scoped key it is 404: https://github.com/neondatabase/mcp-server-neon/pull/175
		return nil, notFound("organization")
	}
	return o.wire(), nil
}

// Region is where a project may be.
type Region struct {
	ID   string `json:"region_id"` // platform and place: aws-us-east-2
	Name string `json:"name"`
	Lat  string `json:"geo_lat"`
	Long string `json:"geo_long"`
}

// DefaultRegions returns the regions of https://neon.com/docs/introduction/regions, the default one first.
func DefaultRegions() []Region {
	return []Region{
		{"aws-us-east-2", "AWS US East 2 (Ohio)", "40.36", "-82.91"},
		{"aws-us-east-1", "AWS US East 1 (N. Virginia)", "37.43", "-78.66"},
		{"aws-us-west-2", "AWS US West 2 (Oregon)", "43.80", "-120.55"},
		{"aws-eu-central-1", "AWS Europe Central 1 (Frankfurt)", "50.11", "8.68"},
		{"aws-eu-west-2", "AWS Europe West 2 (London)", "51.51", "-0.13"},
		{"aws-ap-southeast-1", "AWS Asia Pacific 1 (Singapore)", "1.37", "103.80"},
		{"aws-ap-southeast-2", "AWS Asia Pacific 2 (Sydney)", "-33.87", "151.21"},
		{"aws-sa-east-1", "AWS South America East 1 (São Paulo)", "-23.55", "-46.63"},
		{"azure-eastus2", "Azure East US 2 (Virginia)", "36.67", "-78.39"},
		{"azure-westus3", "Azure West US 3 (Arizona)", "33.45", "-112.07"},
		{"azure-gwc", "Azure Germany West Central (Frankfurt)", "50.11", "8.68"},
	}
}

func (s *Server) getActiveRegions(q *request) (any, *failure) {
	if id := q.param("org_id"); id != "" {
		if _, ok := q.account.org(id); !ok {
			return nil, notFound("organization")
		}
	}
	type region struct {
		Region
		Default bool `json:"default"`
	}
	out := make([]region, 0, len(s.Regions))
	for i, r := range s.Regions {
		out = append(out, region{r, i == 0})
	}
	return struct {
		Regions []region `json:"regions"`
	}{out}, nil
}
