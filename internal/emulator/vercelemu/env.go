package vercelemu

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

var (
	envTypes   = []string{"system", "secret", "encrypted", "plain", "sensitive"}
	envTargets = []string{"production", "preview", "development"}
	envKey     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// maxEnvBytes is the most that all values of a deployment may be: https://vercel.com/docs/environment-variables
const maxEnvBytes = 64 << 10

type envVar struct {
	id, key, value, kind, comment, gitBranch, by string
	targets                                      []string
	customs                                      []string // ids of custom environments
	created, updated                             int64
	store                                        *marketStore // that wrote it; nil for none
}

// envInput is one variable of a request. Target may be one word or several.
type envInput struct {
	Key, Value, Type     string
	Target               targets
	GitBranch            *string
	Comment              string
	CustomEnvironmentIDs []string `json:"customEnvironmentIds"`
}

type targets []string

// UnmarshalJSON takes "production" for ["production"], as a project's create does.
func (t *targets) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		*t = make(targets, 1)
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

var envBody = either(oneEnv, list(oneEnv))

var oneEnv = openObject(envFields(), "key", "value", "type")

func envFields() map[string]*schema {
	return map[string]*schema{
		"key": str(0), "value": str(0), "type": oneOf(envTypes...), "target": list(oneOf(envTargets...)),
		"gitBranch": null(str(250)), "comment": str(500), "customEnvironmentIds": list(str(0)),
	}
}

func envRoutes() []route {
	return []route{
		{method: "GET", versions: "v10 v9 v8", path: "/projects/{project}/env", doc: "projects/retrieve-the-environment-variables-of-a-project-by-id-or-name", limit: "env-read", do: (*Server).listEnv},
		{method: "POST", versions: "v10 v9", path: "/projects/{project}/env", doc: "projects/create-one-or-more-environment-variables", body: envBody, status: http.StatusCreated, limit: "env-create", do: (*Server).createEnv},
		{method: "DELETE", versions: "v1", path: "/projects/{project}/env", doc: "projects/batch-remove-environment-variables", body: object(map[string]*schema{"ids": {kind: "array", items: str(0), maxItems: 1000}}, "ids"), limit: "env-delete", do: (*Server).deleteEnvs},
		{method: "GET", versions: "v1", path: "/projects/{project}/env/{env}", doc: "projects/retrieve-the-decrypted-value-of-an-environment-variable-of-a-project-by-id", limit: "env-read", do: (*Server).getEnv},
		{method: "PATCH", versions: "v9 v10", path: "/projects/{project}/env/{env}", doc: "projects/edit-an-environment-variable", body: object(envFields()), limit: "env-update", do: (*Server).patchEnv},
		{method: "DELETE", versions: "v9 v10", path: "/projects/{project}/env/{env}", doc: "projects/remove-an-environment-variable", limit: "env-delete", do: (*Server).deleteEnv},
	}
}

// checkEnv is what cannot be said in the schema. p is nil for a project that is not made yet.
func checkEnv(p *project, in envInput) *failure {
	for _, id := range in.CustomEnvironmentIDs {
		if p == nil || p.customEnv(id) == nil {
			return customEnvNotFound()
		}
	}
	switch {
	case len(in.Target)+len(in.CustomEnvironmentIDs) == 0:
		return badRequest("Invalid request: `target` or `customEnvironmentIds` is required.")
	case !envKey.MatchString(in.Key):
		return badRequest("The name contains invalid characters. Only letters, digits, and underscores are allowed. Furthermore, the name should not start with a digit.")
	case len(in.Key)+len(in.Value) > maxEnvBytes:
		return badRequest("The total size of your Environment Variables, names and values, exceeds 64KB.")
	case in.GitBranch != nil && *in.GitBranch != "" && !slices.Equal(in.Target, []string{"preview"}):
		return badRequest("`gitBranch` can only be set for the target preview.")
	case in.Type == "sensitive" && slices.Contains(in.Target, "development"):
		return badRequest("You cannot set a Sensitive Environment Variable's target to development.")
	}
	return nil
}

func (s *Server) newEnv(c *call, in envInput) *envVar {
	now := s.stamp()
	e := &envVar{id: s.RandomString(16, emukit.Alnum), created: now, by: c.who.User.ID}
	e.set(in, now)
	return e
}

func (e *envVar) set(in envInput, now int64) {
	e.key, e.value, e.kind, e.targets, e.comment, e.updated = in.Key, in.Value, in.Type, in.Target, in.Comment, now
	e.customs, e.gitBranch = in.CustomEnvironmentIDs, ""
	if in.GitBranch != nil {
		e.gitBranch = *in.GitBranch
	}
}

// view is the variable in a reply. Only a single read shows an encrypted value; nothing shows a sensitive one.
func (e *envVar) view(single bool) obj {
	v := obj{
		"id": e.id, "key": e.key, "type": e.kind, "target": append([]string{}, e.targets...), "createdAt": e.created, "updatedAt": e.updated,
		"createdBy": e.by, "updatedBy": nil, "configurationId": nil, "customEnvironmentIds": append([]string{}, e.customs...),
		"securityIssues": []string{},
	} // which the vendor's SDK wants and the published document does not have
	if e.comment != "" {
		v["comment"] = e.comment
	}
	if e.gitBranch != "" {
		v["gitBranch"] = e.gitBranch
	}
	if e.store != nil {
		v["contentHint"] = e.store.hint()
	}
	switch {
	case e.kind == "sensitive":
		v["value"], v["decrypted"] = "", false
	case e.kind == "plain" || e.kind == "system" || single:
		v["value"], v["decrypted"] = e.value, true
	default:
		v["value"], v["decrypted"] = base64.StdEncoding.EncodeToString([]byte(`{"v":"v2","epk":{"kty":"EC"},"c":"`+e.id+`"}`)), false
	}
	return v
}

// asked applies a list's filters. target is not in the published document; the vendor's CLI relies on it.
func (e *envVar) asked(p *project, c *call) bool {
	if branch := c.query("gitBranch"); branch != "" && e.gitBranch != "" && e.gitBranch != branch {
		return false
	}
	if target := c.query("target"); target != "" && !slices.Contains(e.targets, target) {
		return false
	}
	for _, name := range []string{"customEnvironmentId", "customEnvironmentSlug"} {
		if custom := p.customEnv(c.query(name)); c.query(name) != "" && (custom == nil || !slices.Contains(e.customs, custom.id)) {
			return false
		}
	}
	return true
}

func (s *Server) listEnv(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	out := make([]obj, 0, len(p.envs))
	for _, e := range p.envs {
		if !e.asked(p, c) {
			continue
		}
		out = append(out, e.view(c.query("decrypt") == "true"))
	}
	return obj{"envs": out}, nil
}

func (s *Server) createEnv(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	if f := s.envBusy(c); f != nil {
		return nil, f
	}
	upsert := c.query("upsert") == "true"
	if !bytes.HasPrefix(bytes.TrimSpace(c.body), []byte("[")) {
		var in envInput
		if f := c.into(&in); f != nil {
			return nil, f
		}
		e, f := s.putEnv(c, p, in, upsert)
		if f != nil {
			return nil, f
		}
		return obj{"created": e.view(false), "failed": []obj{}}, nil
	}
	var ins []envInput
	if f := c.into(&ins); f != nil {
		return nil, f
	}
	created, failed := []obj{}, []obj{}
	for _, in := range ins {
		if e, f := s.putEnv(c, p, in, upsert); f == nil {
			created = append(created, e.view(false))
		} else {
			detail := obj{"code": f.code, "message": f.message, "key": in.Key, "envVarKey": in.Key, "target": []string(in.Target)}
			if in.GitBranch != nil {
				detail["gitBranch"] = *in.GitBranch
			}
			failed = append(failed, obj{"error": detail})
		}
	}
	return obj{"created": created, "failed": failed}, nil
}

// putEnv creates a variable or, with upsert, overwrites the one with the same key, branch and exactly the same
// targets. Targets that only overlap are a conflict even so: https://github.com/getsentry/sentry/pull/118490
func (s *Server) putEnv(c *call, p *project, in envInput, upsert bool) (*envVar, *failure) {
	if f := checkEnv(p, in); f != nil {
		return nil, f
	}
	if c.with("env-fails") == in.Key {
		return nil, &failure{status: http.StatusBadRequest, code: "unknown_error", message: "The variable could not be created."}
	}
	if s.EnvFails != nil {
		if code := s.EnvFails(in.Key); code != "" {
			return nil, &failure{status: http.StatusBadRequest, code: code, message: "The variable could not be created."}
		}
	}
	fresh := s.newEnv(c, in)
	for _, e := range p.envs {
		if !e.overlaps(fresh) {
			continue
		}
		if !upsert || !sameTargets(e.targets, fresh.targets) || !sameTargets(e.customs, fresh.customs) {
			return nil, s.envConflict(c, in)
		}
		if e.kind == "sensitive" && in.Type != "sensitive" {
			return nil, badRequest("You cannot change the type of a Sensitive Environment Variable.")
		}
		e.set(in, s.stamp())
		return e, nil
	}
	p.envs = append(p.envs, fresh)
	return fresh, nil
}

func (e *envVar) overlaps(o *envVar) bool {
	return e != o && e.key == o.key && e.gitBranch == o.gitBranch && (meet(e.targets, o.targets) || meet(e.customs, o.customs))
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func sameTargets(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// envConflict has the three documented shapes. The message names a branch that is not there, as recorded:
// https://github.com/vercel/vercel/issues/16588
func (s *Server) envConflict(c *call, in envInput) *failure {
	branch := "undefined"
	if in.GitBranch != nil && *in.GitBranch != "" {
		branch = *in.GitBranch
	}
	f := &failure{
		status: http.StatusBadRequest, code: "ENV_CONFLICT", more: map[string]any{"key": in.Key, "envVarKey": in.Key, "target": []string(in.Target)},
		message: "A variable with the name `" + in.Key + "` already exists for the target " + strings.Join(in.Target, ",") + " on branch " + branch,
	}
	status := s.EnvConflictStatus
	if text := c.with("env-conflict"); text != "" {
		status, _ = strconv.Atoi(text)
	}
	switch status {
	case http.StatusForbidden:
		f.status, f.code = http.StatusForbidden, "ENV_ALREADY_EXISTS"
		f.message = "Another Environment Variable with the same Name and Environment exists in your project. Remove it or choose a different Name or Environment."
	case http.StatusConflict:
		f.status, f.code = http.StatusConflict, "existing_key_and_target"
	}
	return f
}

func (s *Server) findEnv(c *call) (*project, *envVar, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, nil, f
	}
	for _, e := range p.envs {
		if e.id == c.path("env") {
			return p, e, nil
		}
	}
	return nil, nil, notFound("Environment Variable was not found.")
}

func (s *Server) getEnv(c *call) (any, *failure) {
	_, e, f := s.findEnv(c)
	if f != nil {
		return nil, f
	}
	return e.view(true), nil
}

func (s *Server) patchEnv(c *call) (any, *failure) {
	p, e, f := s.findEnv(c)
	if f != nil {
		return nil, f
	}
	if f := s.envBusy(c); f != nil {
		return nil, f
	}
	branch := e.gitBranch
	in := envInput{
		Key: e.key, Value: e.value, Type: e.kind, Target: slices.Clone(e.targets), Comment: e.comment, GitBranch: &branch,
		CustomEnvironmentIDs: slices.Clone(e.customs),
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if e.kind == "sensitive" && in.Type != "sensitive" {
		return nil, badRequest("You cannot change the type of a Sensitive Environment Variable.")
	}
	if f := checkEnv(p, in); f != nil {
		return nil, f
	}
	changed := *e
	changed.set(in, s.stamp())
	for _, o := range p.envs {
		if o != e && o.overlaps(&changed) {
			return nil, s.envConflict(c, in)
		}
	}
	*e = changed
	return e.view(false), nil
}

func (s *Server) deleteEnv(c *call) (any, *failure) {
	p, e, f := s.findEnv(c)
	if f != nil {
		return nil, f
	}
	if f := s.envBusy(c); f != nil {
		return nil, f
	}
	p.envs = slices.DeleteFunc(p.envs, func(o *envVar) bool { return o == e })
	return e.view(false), nil
}

func (s *Server) deleteEnvs(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	if f := s.envBusy(c); f != nil {
		return nil, f
	}
	var body struct{ IDs []string }
	if f := c.into(&body); f != nil {
		return nil, f
	}
	gone := []string{}
	p.envs = slices.DeleteFunc(p.envs, func(e *envVar) bool {
		if slices.Contains(body.IDs, e.id) {
			gone = append(gone, e.id)
			return true
		}
		return false
	})
	return obj{"deleted": len(gone), "ids": gone}, nil
}

// envBusy is the documented 400 that is not about the request: another update of the project's variables is going on.
// Its code is [? vercel-env-busy].
func (s *Server) envBusy(c *call) *failure {
	if c.with("env-busy") == "" && (s.EnvBusy == nil || !s.EnvBusy()) {
		return nil
	}
	return badRequest("The Environment Variable couldn't be changed because an ongoing update is already happening.")
}

func (e *envVar) serves(target string) bool {
	return slices.Contains(e.targets, target) || slices.Contains(e.customs, target)
}

// envFor returns what a deployment is built and run with: values as they are now. target is one of the three, or the
// id of a custom environment; a variable of the preview's branch goes before one without a branch.
func (p *project) envFor(target, branch string) map[string]string {
	out := map[string]string{}
	for _, of := range []string{"", branch} {
		for _, e := range p.envs {
			if e.gitBranch == of && e.serves(target) {
				out[e.key] = e.value
			}
		}
	}
	return out
}
