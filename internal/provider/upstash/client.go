package upstash

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// client is the thin typed API.
type client struct {
	rest  *rest.Client
	email string // of the account
	op    string // kind and verb, for errors
}

// as returns the client for one operation.
func (c client) as(op string) client {
	c.op = op
	return c
}

func (c client) do(ctx context.Context, method, path string, body, out any) error {
	return c.rest.Do(ctx, rest.Request{Op: c.op, Method: method, Path: "/v2" + path, Body: body}, out)
}

var (
	limitReached = regexp.MustCompile(`(?i)\b(limit|quota|exceed(s|ed)?)\b`)
	notNative    = regexp.MustCompile(`(?i)\bnative\b`)
	readsOnly    = regexp.MustCompile(`(?i)\bread-?only api key\b`)
	notThere     = regexp.MustCompile(`(?i)\b(not found|does not exist|no such)\b`)
)

// explain refines the mapping of a status. Errors are a JSON string, {error} or {message}, and which status goes with a limit or an unknown
// id is not documented [?]: the text of a 400 or 422 tells.
func explain(status int, _ http.Header, body []byte) *slipway.Error {
	e, said := rest.Default(status, body), rest.Envelope(body).Message
	refused := status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
	e.Refusal = refusal(said)
	switch {
	case e.Refusal == slipway.CauseReadOnly:
		e.Code = slipway.CodeForbidden
		return e.WithHint("UPSTASH_API_KEY was made to read: make one that may write at https://console.upstash.com/account/api")
	case status == http.StatusUnauthorized:
		return e.WithHint("UPSTASH_EMAIL and UPSTASH_API_KEY do not fit: make a management API key at https://console.upstash.com/account/api")
	case e.Refusal == slipway.CauseAccountRefused, status == http.StatusForbidden:
		e.Code = slipway.CodeForbidden
		return e.WithHint("the API is for native Upstash accounts: one that was made through Vercel or Fly needs its own account, or its values passed as secret: under env")
	case status == http.StatusPaymentRequired, refused && limitReached.MatchString(said):
		e.Code = slipway.CodeLimit
		return e.WithHint("delete what is no longer needed in Upstash's console, or choose a larger plan")
	case refused && notThere.MatchString(said):
		e.Code = slipway.CodeNotFound
	}
	return e
}

// databaseReply has three credentials that the published document leaves out.
type databaseReply struct {
	DatabaseID        string   `json:"database_id"`
	DatabaseName      string   `json:"database_name"`
	PrimaryRegion     string   `json:"primary_region"`
	ReadRegions       []string `json:"read_regions"`
	Type              string   `json:"type"` // free, payg, pro or paid: less than the plan's name
	State             string   `json:"state"`
	ModifyingState    string   `json:"modifying_state"`
	Endpoint          string   `json:"endpoint"`
	Port              int      `json:"port"`
	TLS               bool     `json:"tls"`
	Eviction          bool     `json:"eviction"`
	CustomerID        string   `json:"customer_id"`
	CreationTime      int64    `json:"creation_time"`
	Password          string   `json:"password"`
	RestToken         string   `json:"rest_token"`
	ReadOnlyRestToken string   `json:"read_only_rest_token"`
}

func (d *databaseReply) Missing() string { return field(d.DatabaseID, "database_id") }

type indexReply struct {
	ID                 string `json:"id"`
	Name               string `json:"name"`
	Region             string `json:"region"`
	SimilarityFunction string `json:"similarity_function"`
	DimensionCount     int64  `json:"dimension_count"`
	Endpoint           string `json:"endpoint"`
	Token              string `json:"token"`
	ReadOnlyToken      string `json:"read_only_token"`
	CustomerID         string `json:"customer_id"`
	CreationTime       int64  `json:"creation_time"`
}

func (x *indexReply) Missing() string { return field(x.ID, "id") }

func field(value, name string) string {
	if value == "" {
		return name
	}
	return ""
}

// databases lists all, in one page: https://upstash.com/docs/devops/developer-api/redis/list_databases
func (c client) databases(ctx context.Context) ([]databaseReply, error) {
	var out []databaseReply
	err := c.do(ctx, http.MethodGet, "/redis/databases", nil, &out)
	return out, err
}

// getDatabase: https://upstash.com/docs/devops/developer-api/redis/get_database
func (c client) getDatabase(ctx context.Context, id string) (databaseReply, error) {
	var out databaseReply
	err := c.do(ctx, http.MethodGet, rest.Path("/redis/database/%s", id), nil, &out)
	return out, err
}

type databaseCreate struct {
	DatabaseName  string   `json:"database_name"`
	Platform      string   `json:"platform"`
	PrimaryRegion string   `json:"primary_region"`
	ReadRegions   []string `json:"read_regions,omitempty"`
	Plan          string   `json:"plan,omitempty"`
	Eviction      *bool    `json:"eviction,omitempty"`
	TLS           *bool    `json:"tls,omitempty"`
}

// createDatabase: https://upstash.com/docs/devops/developer-api/redis/create_database_global
func (c client) createDatabase(ctx context.Context, in databaseCreate) (databaseReply, error) {
	var out databaseReply
	err := c.do(ctx, http.MethodPost, "/redis/database", in, &out)
	return out, err
}

// changeDatabase sends one of the changes below https://upstash.com/docs/devops/developer-api/redis; verb is its path after /redis.
func (c client) changeDatabase(ctx context.Context, verb, id string, body any) error {
	return c.do(ctx, http.MethodPost, rest.Path("/redis/"+verb, id), body, nil)
}

// deleteDatabase: https://upstash.com/docs/devops/developer-api/redis/delete_database
func (c client) deleteDatabase(ctx context.Context, id string) error {
	return absentIsDone(c.do(ctx, http.MethodDelete, rest.Path("/redis/database/%s", id), nil, nil))
}

// indexes lists all, in one page: https://upstash.com/docs/devops/developer-api/vector/list_indices
func (c client) indexes(ctx context.Context) ([]indexReply, error) {
	var out []indexReply
	err := c.do(ctx, http.MethodGet, "/vector/index", nil, &out)
	return out, err
}

// getIndex: https://upstash.com/docs/devops/developer-api/vector/get_index
func (c client) getIndex(ctx context.Context, id string) (indexReply, error) {
	var out indexReply
	err := c.do(ctx, http.MethodGet, rest.Path("/vector/index/%s", id), nil, &out)
	return out, err
}

type indexCreate struct {
	Name               string `json:"name"`
	Region             string `json:"region"`
	SimilarityFunction string `json:"similarity_function"`
	DimensionCount     int64  `json:"dimension_count"`
}

// createIndex: https://upstash.com/docs/devops/developer-api/vector/create_index
func (c client) createIndex(ctx context.Context, in indexCreate) (indexReply, error) {
	var out indexReply
	err := c.do(ctx, http.MethodPost, "/vector/index", in, &out)
	return out, err
}

// renameIndex: https://upstash.com/docs/devops/developer-api/vector/rename_index
func (c client) renameIndex(ctx context.Context, id, name string) error {
	return c.do(ctx, http.MethodPost, rest.Path("/vector/index/%s/rename", id), map[string]string{"name": name}, nil)
}

// deleteIndex: https://upstash.com/docs/devops/developer-api/vector/delete_index
func (c client) deleteIndex(ctx context.Context, id string) error {
	return absentIsDone(c.do(ctx, http.MethodDelete, rest.Path("/vector/index/%s", id), nil, nil))
}

func absentIsDone(err error) error {
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		return nil
	}
	return err
}

func (c client) fail(code slipway.Code, format string, args ...any) *slipway.Error {
	e := slipway.Errorf(code, format, args...)
	e.Op = c.op
	return e
}

// owner is the account that a reply names, else the one that was asked.
func (c client) owner(customer string) string { return cmp.Or(customer, c.email) }

// accountIs returns CodeAccountChanged when something is recorded for another account than the one that owns what was seen now.
func (c client) accountIs(known *slipway.Receipt, owners ...string) error {
	if known == nil || known.Account == "" {
		return nil
	}
	for _, o := range append(owners, c.email) {
		if o == known.Account {
			return nil
		}
	}
	return c.fail(slipway.CodeAccountChanged, "what is recorded lives in the Upstash account %s, and the credential is for %s", known.Account, c.email).
		WithHint("use the credential of that account; if the app has moved on purpose, start from another SLIPWAY_HOME")
}

// place turns an endpoint into host and REST URL. It may be a slug, a host, or a URL; slug is what follows a bare slug's id in its host.
func place(endpoint, slug string) (host, restURL string) {
	if u, err := url.Parse(endpoint); err == nil && u.Scheme != "" && u.Host != "" {
		return u.Hostname(), strings.TrimSuffix(endpoint, "/")
	}
	if !strings.Contains(endpoint, ".") {
		endpoint = strings.TrimSuffix(endpoint, slug) + slug + ".upstash.io"
	}
	return endpoint, "https://" + endpoint
}
