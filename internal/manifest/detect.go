package manifest

import (
	"encoding/json"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	slipway "github.com/slipway-dev/slipway"
)

// Guess is a first manifest for a folder. Why gives the reason for each part of it, by path with points, such as resources.db; a reason
// that begins with "guess:" wants a person's look.
type Guess struct {
	Manifest *slipway.Manifest
	Why      map[string]string
}

// AppName makes a name that app: takes from any text, such as a folder's or a package's name; "my-app" when nothing is left.
func AppName(name string) string {
	if _, after, scoped := strings.Cut(name, "/"); scoped && strings.HasPrefix(name, "@") {
		name = after
	}
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z', b.Len() > 0 && c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := b.String()
	if s = strings.TrimRight(s[:min(len(s), appRule.max)], "-"); s == "" {
		return "my-app"
	}
	return s
}

// Detect guesses a manifest from what lies in an app's folder: package.json, lock files, client libraries, .env.example and health
// routes. It reads nothing else, and no value that looks like a secret gets into the guess. The folder's own name is not known here:
// without a package.json the caller may set Manifest.App by AppName.
func Detect(fsys fs.FS) Guess {
	d := &detector{fsys: fsys, Guess: Guess{Manifest: &slipway.Manifest{
		Resources: map[string]slipway.ManifestResource{}, Env: map[string]slipway.EnvVar{}, Promote: slipway.Promote{Approval: "required"},
	}, Why: map[string]string{}}}
	d.readPackage()
	d.guessApp()
	d.guessFramework()
	d.guessInstall()
	d.guessResources()
	d.guessEnv()
	d.guessHealth()
	d.Why["promote"] = "a person approves before production moves; auto skips that where the policy allows it"
	return d.Guess
}

type detector struct {
	Guess
	fsys fs.FS
	pkg  struct {
		Name            string            `json:"name"`
		PackageManager  string            `json:"packageManager"`
		Engines         map[string]string `json:"engines"`
		Dependencies    map[string]string `json:"dependencies"`
		DevDependencies map[string]string `json:"devDependencies"`
	}
	unreadable bool // package.json is there, and is no JSON
}

const maxDetectFile = 1 << 20

// read returns a small file's text; false when it is not there, or is something else.
func (d *detector) read(name string) (string, bool) {
	f, err := d.fsys.Open(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	text, err := io.ReadAll(io.LimitReader(f, maxDetectFile))
	return string(text), err == nil
}

// first returns the first of the names that is a file, "" for none.
func (d *detector) first(names ...string) string {
	for _, name := range names {
		if info, err := fs.Stat(d.fsys, name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

func (d *detector) readPackage() {
	text, ok := d.read("package.json")
	if ok && json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &d.pkg) != nil {
		d.unreadable = true
	}
}

// has returns the first of the packages that package.json depends on, "" for none.
func (d *detector) has(packages ...string) string {
	for _, p := range packages {
		if d.pkg.Dependencies[p] != "" || d.pkg.DevDependencies[p] != "" {
			return p
		}
	}
	return ""
}

func (d *detector) guessApp() {
	d.Manifest.App = AppName(d.pkg.Name)
	switch {
	case d.pkg.Name != "":
		d.Why["app"] = "from the name in package.json"
	case d.unreadable:
		d.Why["app"] = "guess: package.json is not JSON that can be read; choose a name"
	default:
		d.Why["app"] = "guess: there is no name in package.json; choose one"
	}
}

func (d *detector) guessFramework() {
	for _, f := range frameworks {
		if because := d.matches(f); because != "" {
			d.Manifest.Vercel.Framework = f.slug
			d.Why["vercel.framework"] = because
			return
		}
	}
	for _, name := range []string{"requirements.txt", "pyproject.toml", "Pipfile"} {
		text, _ := d.read(name)
		for _, slug := range []string{"fastapi", "django", "flask"} {
			if regexp.MustCompile(`(?im)(^|["'\s])` + slug + `($|["'\s\[=<>~!;,])`).MatchString(text) {
				d.Manifest.Vercel.Framework = slug
				d.Why["vercel.framework"] = name + " names " + slug
				return
			}
		}
	}
}

// matches says why the folder uses a framework, "" when it does not.
func (d *detector) matches(f framework) string {
	all := len(f.all) > 0 && !slices.ContainsFunc(f.all, func(p string) bool { return d.has(p) == "" })
	if all {
		return "package.json depends on " + strings.Join(f.all, " and ")
	}
	if p := d.has(f.any...); p != "" {
		return "package.json depends on " + p
	}
	if name := d.first(f.files...); name != "" {
		return "there is " + name
	}
	return ""
}

// lockFiles are in the order in which a package manager without further sign is chosen.
var lockFiles = []struct{ file, manager, install string }{
	{"pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile"},
	{"yarn.lock", "yarn", "yarn install --frozen-lockfile"},
	{"bun.lock", "bun", "bun install --frozen-lockfile"},
	{"bun.lockb", "bun", "bun install --frozen-lockfile"},
	{"package-lock.json", "npm", "npm ci"},
}

// guessInstall sets the install command only where Vercel, which goes by the lock file, could take the wrong package manager.
func (d *detector) guessInstall() {
	named, _, _ := strings.Cut(d.pkg.PackageManager, "@")
	var found, managers []string
	for _, l := range lockFiles {
		if d.first(l.file) != "" {
			found, managers = append(found, l.file), append(managers, l.manager)
		}
	}
	managers = slices.Compact(managers)
	if d.first(".nvmrc", ".node-version") != "" && d.pkg.Engines["node"] == "" {
		d.guessNode()
	}
	if len(managers) < 2 {
		return
	}
	if !slices.Contains(managers, named) {
		d.Why["vercel"] = "guess: there are " + strings.Join(found, " and ") + ": remove all but one, or set install_command"
		return
	}
	for _, l := range lockFiles {
		if l.manager == named {
			d.Manifest.Vercel.InstallCommand = l.install
			d.Why["vercel.install_command"] = "there are " + strings.Join(found, " and ") + ", and packageManager in package.json says " + named
			return
		}
	}
}

func (d *detector) guessNode() {
	name := d.first(".nvmrc", ".node-version")
	text, _ := d.read(name)
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "v"), ".")
	if nodeRule.holds(major + ".x") {
		d.Manifest.Vercel.NodeVersion = major + ".x"
		d.Why["vercel.node_version"] = "from " + name + "; Vercel does not read that file"
	}
}

var (
	postgresClients = []string{"@neondatabase/serverless", "pg", "postgres", "@vercel/postgres", "pg-promise", "drizzle-orm", "prisma", "@prisma/client"}
	postgresDrivers = postgresClients[:5]
	otherDatabases  = []string{"mysql2", "mysql", "@planetscale/database", "better-sqlite3", "sqlite3", "@libsql/client", "mongodb", "mongoose"}
)

func (d *detector) guessResources() {
	if client := d.postgresClient(); client != "" {
		d.addPostgres("package.json depends on " + client)
		d.addEnv("DATABASE_URL", slipway.EnvVar{From: "db.pooled_url"}, client+" reads it; pooled, because functions open many connections")
		if d.has("prisma", "@prisma/client") != "" {
			d.addEnv(d.directVariable(), slipway.EnvVar{From: "db.url"}, "Prisma migrates over a direct connection")
		}
	}
	if client := d.has("@upstash/redis", "@upstash/ratelimit"); client != "" {
		d.addRedis("package.json depends on " + client)
		d.addKnown(client, "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN")
	}
	if client := d.has("ioredis", "redis", "bullmq"); client != "" {
		d.addRedis("package.json depends on " + client)
		d.addKnown(client, "REDIS_URL")
	}
	if d.has("@upstash/vector") != "" {
		d.addVector("package.json depends on @upstash/vector")
		d.addKnown("@upstash/vector", "UPSTASH_VECTOR_REST_URL", "UPSTASH_VECTOR_REST_TOKEN")
	}
}

// postgresClient returns the package that speaks to PostgreSQL. An ORM counts only when nothing says that it speaks to another database.
func (d *detector) postgresClient() string {
	if driver := d.has(postgresDrivers...); driver != "" {
		return driver
	}
	orm := d.has(postgresClients...)
	if schema, ok := d.prismaSchema(); ok && d.has("drizzle-orm") == "" {
		if !prismaPostgres().MatchString(schema) {
			return ""
		}
		return orm
	}
	if d.has(otherDatabases...) != "" {
		return ""
	}
	return orm
}

var (
	prismaPostgres = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`provider\s*=\s*"(postgres|postgresql)"`)
	})
	prismaDirect = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`directUrl\s*=\s*env\("([A-Za-z_][A-Za-z0-9_]*)"\)`)
	})
)

func (d *detector) prismaSchema() (string, bool) {
	return d.read(d.first("prisma/schema.prisma", "schema.prisma", "prisma/schema/schema.prisma"))
}

// directVariable is the variable that schema.prisma names for direct connections.
func (d *detector) directVariable() string {
	schema, _ := d.prismaSchema()
	if m := prismaDirect().FindStringSubmatch(schema); m != nil && variableRule.holds(m[1]) {
		return m[1]
	}
	return "DATABASE_URL_UNPOOLED"
}

func (d *detector) addPostgres(why string) {
	d.addResource("db", "neon.postgres", why, map[string]any{"region": "aws-us-east-1"})
	d.Why["resources.db.region"] = "guess: next to Vercel's default region iad1; it cannot be changed later"
}

func (d *detector) addRedis(why string) {
	d.addResource("cache", "upstash.redis", why, map[string]any{"region": "us-east-1"})
	d.Why["resources.cache.region"] = "guess: next to Vercel's default region iad1"
}

func (d *detector) addVector(why string) {
	d.addResource("search", "upstash.vector", why, map[string]any{"region": "us-east-1", "dimensions": int64(1536), "metric": "cosine"})
	d.Why["resources.search.dimensions"] = "guess: it must be what your embedding model gives (1536 is OpenAI's text-embedding-3-small); it cannot be changed later"
}

func (d *detector) addResource(name, kind, why string, fields map[string]any) {
	if _, ok := d.Manifest.Resources[name]; !ok {
		d.Manifest.Resources[name] = slipway.ManifestResource{Type: kind, Fields: fields}
		d.Why["resources."+name] = why
	}
}

func (d *detector) addEnv(name string, v slipway.EnvVar, why string) {
	if _, ok := d.Manifest.Env[name]; !ok {
		d.Manifest.Env[name] = v
		d.Why["env."+name] = why
	}
}

func (d *detector) addKnown(client string, names ...string) {
	for _, name := range names {
		d.addEnv(name, known[name], client+" reads it")
	}
}

// healthRoutes are where frameworks look for the code behind a path; NAME stands for the last part of the path.
var healthRoutes = []struct{ path, file string }{
	{"/api/", "app/api/NAME/route"},
	{"/api/", "src/app/api/NAME/route"},
	{"/api/", "pages/api/NAME"},
	{"/api/", "src/pages/api/NAME"},
	{"/api/", "api/NAME"},
	{"/api/", "api/NAME/index"},
	{"/api/", "server/api/NAME"},
	{"/api/", "server/api/NAME.get"},
	{"/", "server/routes/NAME"},
	{"/api/", "src/routes/api/NAME/+server"},
	{"/", "src/routes/NAME/+server"},
	{"/api/", "app/routes/api.NAME"},
	{"/", "app/routes/NAME"},
	{"/", "app/NAME/route"},
	{"/", "src/app/NAME/route"},
}

func (d *detector) guessHealth() {
	for _, name := range []string{"health", "healthz", "healthcheck", "ping", "status"} {
		for _, r := range healthRoutes {
			base := strings.ReplaceAll(r.file, "NAME", name)
			if file := d.first(base+".ts", base+".js", base+".tsx", base+".mjs", base+".py", base+".go"); file != "" {
				d.Manifest.Verify.Health = []slipway.HealthProbe{{Path: r.path + name, Status: 200}}
				d.Why["verify.health"] = "there is " + file
				return
			}
		}
	}
	d.Manifest.Verify.Health = []slipway.HealthProbe{{Path: "/", Status: 200}}
	d.Why["verify.health"] = "guess: no health route was found; a path that looks at the database and the cache says more"
}
