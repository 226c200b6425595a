package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func folder(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return out
}

const deps = `{"name": "@acme/Store_Front", "dependencies": {`

// The lines of the manifest that Detect must and must not give.
func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		want   []string
		not    []string
		reason string
	}{
		"nothing": {nil, []string{"app: my-app", "# guess: there is no name", `path: /, status: 200`, "approval: required"}, []string{"resources", "env:", "vercel:"}, "an empty folder still gives a start"},
		"next with everything": {
			map[string]string{
				"package.json":            deps + `"next": "15", "@neondatabase/serverless": "1", "@upstash/redis": "1", "@upstash/vector": "1"}}`,
				"package-lock.json":       "{}",
				"app/api/health/route.ts": "",
			},
			[]string{
				"# from the name in package.json\napp: store-front", "  # package.json depends on next\n  framework: nextjs", "  db:\n    type: neon.postgres", "  cache:\n    type: upstash.redis",
				"guess: it must be what your embedding model gives", "    dimensions: 1536", "  DATABASE_URL: {from: db.pooled_url}", "  UPSTASH_REDIS_REST_TOKEN: {from: cache.rest_token}",
				"  UPSTASH_VECTOR_REST_URL: {from: search.rest_url}", "  # there is app/api/health/route.ts\n  health: [{path: /api/health, status: 200}]",
			},
			[]string{"install_command", "UNPOOLED"},
			"the app that Slipway is for",
		},
		"prisma":                    {map[string]string{"package.json": deps + `"@prisma/client": "6"}}`, "prisma/schema.prisma": `provider = "postgresql" directUrl = env("DIRECT_URL")`}, []string{"DATABASE_URL: {from: db.pooled_url}", "DIRECT_URL: {from: db.url}"}, []string{"UNPOOLED"}, "Prisma names its direct URL"},
		"prisma without a schema":   {map[string]string{"package.json": deps + `"prisma": "6"}}`}, []string{"DATABASE_URL_UNPOOLED: {from: db.url}"}, nil, "the usual name"},
		"prisma on SQLite":          {map[string]string{"package.json": deps + `"prisma": "6"}}`, "prisma/schema.prisma": `provider = "sqlite"`}, nil, []string{"neon"}, "not every ORM speaks to PostgreSQL"},
		"drizzle on libsql":         {map[string]string{"package.json": deps + `"drizzle-orm": "1", "@libsql/client": "1"}}`}, nil, []string{"neon"}, "not every ORM speaks to PostgreSQL"},
		"ioredis":                   {map[string]string{"package.json": deps + `"ioredis": "5"}}`}, []string{"REDIS_URL: {from: cache.url}"}, []string{"REST"}, "it speaks Redis' own protocol"},
		"vite under react router":   {map[string]string{"package.json": deps + `"vite": "6", "@react-router/dev": "7"}}`}, []string{"framework: react-router"}, nil, "the framework, not its bundler"},
		"hydrogen":                  {map[string]string{"package.json": deps + `"@shopify/hydrogen": "1", "@remix-run/dev": "2"}}`}, []string{"framework: hydrogen"}, nil, "the framework on top"},
		"astro, nuxt, svelte":       {map[string]string{"package.json": deps + `"@sveltejs/kit": "2", "vite": "6"}}`}, []string{"framework: sveltekit-1"}, nil, "Vercel's slug of SvelteKit"},
		"fastapi":                   {map[string]string{"requirements.txt": "uvicorn\nfastapi==0.115\n"}, []string{"framework: fastapi"}, nil, "no package.json"},
		"one lock file":             {map[string]string{"package.json": deps + `"next": "15"}, "packageManager": "pnpm@9"}`, "pnpm-lock.yaml": ""}, nil, []string{"install_command"}, "Vercel goes by the lock file"},
		"two lock files and a word": {map[string]string{"package.json": deps + `"next": "15"}, "packageManager": "npm@10.1"}`, "pnpm-lock.yaml": "", "package-lock.json": ""}, []string{"install_command: \"npm ci\"", "packageManager in package.json says npm"}, nil, "else Vercel takes pnpm"},
		"two lock files":            {map[string]string{"package.json": deps + `"next": "15"}}`, "yarn.lock": "", "bun.lock": ""}, []string{"# guess: there are yarn.lock and bun.lock"}, []string{"install_command:"}, "a person decides"},
		"nvmrc":                     {map[string]string{".nvmrc": "v22.11.0\n"}, []string{`node_version: "22.x"`}, nil, "Vercel does not read it"},
		"broken package.json":       {map[string]string{"package.json": "{"}, []string{"app: my-app", "# guess: package.json is not JSON"}, nil, "init says it, and goes on"},
		"remix health":              {map[string]string{"app/routes/health.tsx": ""}, []string{"path: /health,"}, nil, "routes of other frameworks"},
		"example file": {
			map[string]string{".env.example": "# c\nexport LOG_LEVEL=info # how loud\nSTRIPE_SECRET_KEY=sk_test_canary\nOPENAI_API_KEY=\nSESSION_SECRET='canary'\nEMPTY=\nNEXT_PUBLIC_NAME=\"My \\ shop\"\nNEXT_PUBLIC_KEY=pk\n" +
				"APP_URL=http://localhost:3000\nVERCEL_URL=x\nSLIPWAY=x\nNODE_ENV=production\nDATABASE_URL=postgres://u:canary@localhost/db\nKV_REST_API_URL=\nODD=a: b #c\nnot a line\nPOSTGRES_URL=\nX_WEBHOOK=https://u:canary@h/\nYES=yes\nSSH=-----BEGIN OPENSSH PRIVATE KEY\n"},
			[]string{
				"LOG_LEVEL: {value: info}", "STRIPE_SECRET_KEY: {secret: STRIPE_SECRET_KEY}", "OPENAI_API_KEY: {secret: OPENAI_API_KEY}", "SESSION_SECRET: {secret: SESSION_SECRET}", "EMPTY: {secret: EMPTY}",
				`NEXT_PUBLIC_NAME: {value: "My \\ shop"}`, "NEXT_PUBLIC_KEY: {value: pk}", "guess: the sample in .env.example points at a laptop; change it\n  APP_URL: {value: \"http://localhost:3000\"}",
				"DATABASE_URL: {from: db.pooled_url}", "type: neon.postgres", "KV_REST_API_URL: {from: cache.rest_url}", `ODD: {value: "a: b"}`, `YES: {value: "yes"}`, "SSH: {secret: SSH}",
			},
			[]string{"canary", "VERCEL_URL", "SLIPWAY:", "NODE_ENV", "BEGIN"},
			"what is public is copied, what is secret is named",
		},
		"MySQL in the example": {map[string]string{".env.example": "DATABASE_URL=mysql://root@localhost/x\n"}, []string{"DATABASE_URL: {secret: DATABASE_URL}"}, []string{"neon"}, "another product's database"},
	} {
		t.Run(name, func(t *testing.T) {
			g := Detect(folder(c.files))
			text := string(g.Render())
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s: %q is not in\n%s", c.reason, want, text)
				}
			}
			for _, not := range c.not {
				if strings.Contains(text, not) {
					t.Errorf("%s: %q is in\n%s", c.reason, not, text)
				}
			}
			requireParses(t, text)
		})
	}
}

// requireParses reads a rendered guess, with the outputs that the guess may name.
func requireParses(t *testing.T, text string) {
	t.Helper()
	if _, err := Parse("slipway.yaml", []byte(text), types); err != nil {
		t.Errorf("the guess does not parse: %v\n%s", err, text)
	}
}

func TestRenderReadsBackAsTheGuess(t *testing.T) {
	g := Detect(folder(map[string]string{"package.json": deps + `"pg": "8", "@upstash/vector": "1"}}`, ".env.example": "A=1\nB=\"x \\\" : # y\"\nC=true\n", "api/health.js": ""}))
	d, err := Parse("slipway.yaml", g.Render(), types)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g.Manifest.Env, d.Manifest.Env); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(g.Manifest.Verify, d.Manifest.Verify); diff != "" {
		t.Error(diff)
	}
	if g.Manifest.App != d.Manifest.App {
		t.Errorf("got app %q, want %q", d.Manifest.App, g.Manifest.App)
	}
}

func TestAppName(t *testing.T) {
	for in, want := range map[string]string{
		"Store Front": "store-front", "@acme/web": "web", "9lives": "lives", "": "my-app", "___": "my-app", "a--b": "a-b", "Ünicode": "nicode", "a.": "a", strings.Repeat("ab-", 30): strings.Repeat("ab-", 17) + "a",
	} {
		got := AppName(in)
		if got != want || !appRule.holds(got) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// FuzzDetect: whatever lies in the folder, the guess parses.
func FuzzDetect(f *testing.F) {
	f.Add(`{"name":"x","dependencies":{"next":"1","pg":"1"}}`, "A=1\nB='x'\nDATABASE_URL=postgres://x\n", "22")
	f.Add(`{"packageManager":"yarn@1"}`, "NEXT_PUBLIC_A=\"ü\\\"\nKEY=\n", "v18.1")
	f.Fuzz(func(t *testing.T, pkg, env, nvmrc string) {
		g := Detect(folder(map[string]string{"package.json": pkg, ".env.example": env, ".nvmrc": nvmrc, "yarn.lock": "", "bun.lock": ""}))
		requireParses(t, string(g.Render()))
	})
}

func BenchmarkDetect(b *testing.B) {
	fsys := folder(map[string]string{"package.json": deps + `"next": "15", "pg": "8"}}`, ".env.example": "A=1\nB=2\n"})
	for b.Loop() {
		Detect(fsys).Render()
	}
}

func TestExamplesParse(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/slipway.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v, %v", files, err)
	}
	schema := compiled(t)
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, src, types); err != nil {
			t.Error(err)
		}
		if err := judge(t, schema, string(src)); err != nil {
			t.Errorf("%s: the schema refuses it: %v", file, err)
		}
	}
}
