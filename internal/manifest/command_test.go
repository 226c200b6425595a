package manifest

import "testing"

func TestCommandsAreWordsAndPinned(t *testing.T) {
	for name, tc := range map[string]struct {
		argv   []string
		ok     bool
		reason string
	}{
		"plain":                {[]string{"npm", "test"}, true, ""},
		"path":                 {[]string{"./scripts/verify"}, true, "a program of the source"},
		"script":               {[]string{"sh", "scripts/verify.sh"}, true, "the script is in the source's digest"},
		"shell options":        {[]string{"bash", "-eu", "scripts/verify.sh"}, true, "no -c"},
		"signs in an argument": {[]string{"npm", "test", "--", "--grep", "a|b & c"}, true, "arguments reach the program as they are"},
		"one word":             {[]string{"npm test"}, false, "the commonest slip"},
		"variable":             {[]string{"$CI/run"}, false, "nobody expands it"},
		"pipe":                 {[]string{"npm", "test", "|", "tee", "log"}, false, ""},
		"sh -c":                {[]string{"sh", "-c", "npm test"}, false, ""},
		"busybox sh -c":        {[]string{"busybox", "sh", "-c", "npm test"}, false, ""},
		"npx pinned":           {[]string{"npx", "--yes", "eslint@9.17.0", "."}, true, ""},
		"npx scoped":           {[]string{"npx", "@biomejs/biome@1.9.4", "ci"}, true, ""},
		"npx latest":           {[]string{"npx", "eslint@latest"}, false, "a tag moves"},
		"npx range":            {[]string{"npx", "eslint@9"}, false, "so does a major version"},
		"npx alone":            {[]string{"npx"}, false, ""},
		"npx call":             {[]string{"npx", "-c", "eslint ."}, false, "a shell line by another way"},
		"package flag":         {[]string{"npx", "--package", "typescript@5.7.2", "tsc"}, true, ""},
		"second package":       {[]string{"npx", "-p", "a@1.0.0", "-p", "b", "c"}, false, "each of them"},
		"npm run":              {[]string{"npm", "run", "exec"}, true, "a script of the source"},
		"npm create":           {[]string{"npm", "create", "x"}, false, ""},
		"pnpm dlx after flag":  {[]string{"pnpm", "--silent", "dlx", "x"}, false, ""},
		"uvx":                  {[]string{"uvx", "ruff==0.8.4", "check"}, true, ""},
		"uv tool run":          {[]string{"uv", "tool", "run", "ruff@0.8.4"}, true, ""},
		"uv tool run unpinned": {[]string{"uv", "tool", "run", "ruff"}, false, ""},
		"by path":              {[]string{"/usr/bin/npx", "eslint"}, false, "the name counts"},
		"env":                  {[]string{"env", "A=b", "npm", "test"}, true, ""},
		"timeout":              {[]string{"timeout", "5m", "npm", "test"}, true, ""},
		"env sh -c":            {[]string{"env", "A=b", "sh", "-c", "npm test"}, false, "the same behind another program"},
		"timeout npx":          {[]string{"timeout", "-k", "5", "60", "npx", "eslint"}, false, "the same"},
		"timeout npx pinned":   {[]string{"timeout", "60", "npx", "eslint@9.17.0"}, true, ""},
		"two starters":         {[]string{"nice", "-n", "5", "env", "-u", "X", "bash", "-ec", "x"}, false, "the same"},
		"split string":         {[]string{"env", "-S", "sh -c x"}, false, "a line for env"},
		"corepack":             {[]string{"corepack", "pnpm", "dlx", "x"}, false, ""},
		"corepack install":     {[]string{"corepack", "pnpm", "install"}, true, ""},
		"script by a starter":  {[]string{"env", "sh", "scripts/verify.sh"}, true, ""},
		"pipx run":             {[]string{"pipx", "run", "ruff"}, false, ""},
		"pipx run pinned":      {[]string{"pipx", "run", "ruff==0.8.4"}, true, ""},
		"yarn dlx":             {[]string{"yarn", "dlx", "x"}, false, ""},
		"bunx":                 {[]string{"bunx", "x@latest"}, false, ""},
		"npm exec pinned":      {[]string{"npm", "exec", "eslint@9.17.0", "."}, true, ""},
		"git source":           {[]string{"npx", "github:a/b"}, false, "no version"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, message, hint := commandFault(tc.argv); (message == "") != tc.ok || (message == "") != (hint == "") {
				t.Errorf("%s: %q, hint %q", tc.reason, message, hint)
			}
		})
	}
}
