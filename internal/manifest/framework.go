package manifest

// framework is one of Vercel's framework presets.
type framework struct {
	slug string
	// What gives it away: all of these packages, one of the others, or one of the files.
	all, any, files []string
}

// frameworks are Vercel's presets, those that stand on another one before it: detection takes the first match. Slugs and packages as
// of npm @vercel/frameworks 3.34 (https://github.com/vercel/vercel/tree/main/packages/frameworks). Presets without a signal here are
// accepted in a manifest, and not guessed.
var frameworks = []framework{
	{slug: "blitzjs", files: []string{"blitz.config.js", "blitz.config.ts"}},
	{slug: "nextjs", all: []string{"next"}},
	{slug: "hydrogen", any: []string{"@shopify/hydrogen"}, files: []string{"hydrogen.config.js", "hydrogen.config.ts"}},
	{slug: "react-router", any: []string{"@react-router/dev"}, files: []string{"react-router.config.js", "react-router.config.ts"}},
	{slug: "remix", any: []string{"@remix-run/dev"}, files: []string{"remix.config.js", "remix.config.mjs"}},
	{slug: "redwoodjs", all: []string{"@redwoodjs/core"}},
	{slug: "nuxtjs", any: []string{"nuxt", "nuxt3", "nuxt-edge", "nuxt-nightly"}},
	{slug: "sveltekit-1", all: []string{"@sveltejs/kit"}},
	{slug: "astro", all: []string{"astro"}},
	{slug: "solidstart-1", all: []string{"solid-js", "@solidjs/start"}},
	{slug: "solidstart", all: []string{"solid-js", "solid-start"}},
	{slug: "tanstack-start", any: []string{"@tanstack/react-start", "@tanstack/solid-start"}},
	{slug: "gatsby", all: []string{"gatsby"}},
	{slug: "docusaurus-2", all: []string{"@docusaurus/core"}},
	{slug: "docusaurus", all: []string{"docusaurus"}},
	{slug: "vitepress", all: []string{"vitepress"}},
	{slug: "vuepress", all: []string{"vuepress"}},
	{slug: "eleventy", all: []string{"@11ty/eleventy"}},
	{slug: "hexo", all: []string{"hexo"}},
	{slug: "sanity", all: []string{"sanity"}, files: []string{"sanity.config.js", "sanity.config.jsx", "sanity.config.ts", "sanity.config.tsx"}},
	{slug: "nitro", any: []string{"nitropack", "nitro"}},
	{slug: "angular", all: []string{"@angular/cli"}},
	{slug: "ionic-angular", all: []string{"@ionic/angular"}},
	{slug: "ionic-react", all: []string{"@ionic/react"}},
	{slug: "create-react-app", any: []string{"react-scripts", "react-dev-utils"}},
	{slug: "ember", any: []string{"ember-source", "ember-cli"}},
	{slug: "vue", all: []string{"@vue/cli-service"}},
	{slug: "preact", all: []string{"preact-cli"}},
	{slug: "stencil", all: []string{"@stencil/core"}},
	{slug: "umijs", all: []string{"umi"}},
	{slug: "gridsome", all: []string{"gridsome"}},
	{slug: "scully", all: []string{"@scullyio/init"}},
	{slug: "svelte", all: []string{"svelte", "sirv-cli"}},
	{slug: "nestjs", all: []string{"@nestjs/core"}},
	{slug: "hono", all: []string{"hono"}},
	{slug: "fastify", all: []string{"fastify"}},
	{slug: "elysia", all: []string{"elysia"}},
	{slug: "koa", all: []string{"koa"}},
	{slug: "h3", all: []string{"h3"}},
	{slug: "xmcp", all: []string{"xmcp"}, files: []string{"xmcp.config.js", "xmcp.config.ts"}},
	{slug: "mastra", all: []string{"mastra"}},
	{slug: "vite", all: []string{"vite"}},
	{slug: "parcel", all: []string{"parcel"}},
	{slug: "express", all: []string{"express"}},
	{slug: "storybook", all: []string{"storybook"}},
	{slug: "hugo", files: []string{"hugo.toml", "hugo.yaml", "hugo.json"}},
	{slug: "jekyll", files: []string{"_config.yml"}},
	{slug: "middleman", files: []string{"config.rb"}},
	{slug: "zola"},
	{slug: "fastapi"},
	{slug: "flask"},
	{slug: "fasthtml"},
	{slug: "django"},
	{slug: "python"},
	{slug: "node"},
	{slug: "go"},
	{slug: "rust"},
	{slug: "brunch"},
	{slug: "dojo"},
	{slug: "polymer"},
	{slug: "saber"},
	{slug: "sapper"},
	{slug: "sveltekit"},
	{slug: "sanity-v3"},
}

// Frameworks lists the slugs of Vercel's framework presets.
func Frameworks() []string {
	slugs := make([]string, len(frameworks))
	for i, f := range frameworks {
		slugs[i] = f.slug
	}
	return slugs
}
