package manifest

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	slipway "github.com/slipway-dev/slipway"
)

// checkVerify checks what one place of verify cannot tell by itself: that a command is words and no shell line, that a program that fetches
// what it runs names a package and its version, that all stands alone among hosts, and that the time limit is one.
func (r *reader) checkVerify(tree map[string]any) {
	verify, _ := tree["verify"].(map[string]any)
	commands, _ := verify["commands"].([]any)
	for i, c := range commands {
		words, _ := c.([]any)
		argv := make([]string, len(words))
		for j, w := range words {
			argv[j], _ = w.(string)
		}
		if at, message, hint := commandFault(argv); message != "" {
			here := []string{"verify", "commands", strconv.Itoa(i), strconv.Itoa(at)}
			r.refuse(r.places[pathKey(here)].value, here, hint, "%s", message)
		}
	}
	hosts, _ := verify["network"].([]any)
	if at := slices.Index(hosts, any(slipway.NetworkAll)); at >= 0 && len(hosts) > 1 {
		here := []string{"verify", "network", strconv.Itoa(at)}
		r.refuse(r.places[pathKey(here)].value, here, "name the hosts, or all alone", "all hosts, and others beside them")
	}
	promote, _ := tree["promote"].(map[string]any)
	after, _ := promote["health"].([]any)
	if before, _ := verify["health"].([]any); promote["rollback"] == slipway.RollbackAutomatic && len(before)+len(after) == 0 {
		here := []string{"promote", "rollback"}
		r.refuse(r.places[pathKey(here)].value, here, "add verify.health, or promote.health", "nothing tells when production is to be moved back")
	}
	r.checkChecks(tree, promote)
	timeout, _ := verify["timeout"].(string)
	if d, err := time.ParseDuration(timeout); err == nil && d > slipway.MaxJobTimeout {
		here := []string{"verify", "timeout"}
		r.refuse(r.places[pathKey(here)].value, here, "split the commands, or run the long ones elsewhere", "must be at most %v", slipway.MaxJobTimeout)
	}
}

// checkChecks checks that promote.checks is about a commit, that all stands alone, and that no run waits for its own report.
func (r *reader) checkChecks(tree, promote map[string]any) {
	names, _ := promote["checks"].([]any)
	if len(names) == 0 {
		return
	}
	here := []string{"promote", "checks"}
	if source, _ := tree["source"].(map[string]any); source["github"] == nil {
		r.refuse(r.places[pathKey(here)].value, here, "add source: {github: owner/repo}, or leave promote.checks out", "a folder has no checks")
	}
	for i, name := range names {
		here := append(slices.Clone(here), strconv.Itoa(i))
		switch app, _ := tree["app"].(string); {
		case name == slipway.ChecksAll && len(names) > 1:
			r.refuse(r.places[pathKey(here)].value, here, "name the checks, or all alone", "all checks, and others beside them")
		case name == slipway.ReportName(app, slipway.Production):
			r.refuse(r.places[pathKey(here)].value, here, "leave it out", "it says how this very run goes, which would wait for itself")
		}
	}
}

const (
	shellSigns = ";&|<>`$(){}*?!\"'\\\n"
	oneCommand = "there is no shell: write each command as its own list of words, such as [[npm, ci], [npm, test]]"
)

// joints are words that mean something to a shell alone.
var joints = []string{"&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>&1"}

var shells = []string{
	"sh", "bash", "dash", "zsh", "ksh", "mksh", "rbash", "fish", "ash", "csh", "tcsh", "yash", "nu", "elvish", "xonsh", "busybox", "toybox",
	"cmd", "powershell", "pwsh",
}

// liners are no shells, and hand a line to one: after -c and its likes, and those of lineAlways whatever they get.
var (
	liners     = []string{"su", "runuser", "script", "flock", "sg"}
	lineAlways = []string{"watch", "parallel", "eval"}
)

// programOf is the name by which a word is judged as a program: without its folder, what systems add to it, and a version after it.
func programOf(word string) string {
	name := strings.ToLower(path.Base(word))
	for _, end := range []string{".exe", ".cmd", ".bat", ".ps1", ".js", ".cjs", ".mjs", "-cli"} {
		name = strings.TrimSuffix(name, end)
	}
	name, _, _ = strings.Cut(name, "@")
	return name
}

// commandFault returns the number of the word that cannot be, and why; "" for none.
func commandFault(argv []string) (at int, message, hint string) {
	if len(argv) == 0 || argv[0] == "" {
		return 0, "", "" // noted
	}
	if strings.ContainsAny(argv[0], shellSigns+" \t") {
		return 0, "the program " + quoted(argv[0]) + " is a line for a shell", oneCommand
	}
	for i, w := range argv {
		if slices.Contains(joints, w) {
			return i, quoted(w) + " would be an argument like any other", oneCommand
		}
	}
	program := programOf(argv[0])
	shell := slices.Contains(shells, program)
	if i := slices.IndexFunc(argv[1:], func(w string) bool { return isScriptFlag(program, w) }); i >= 0 && (shell || slices.Contains(liners, program)) {
		if !shell {
			program = "sh"
		}
		return i + 1, "a shell line is not a list of words", "put the lines into a script in the source, and run that: [" + program + ", scripts/verify.sh]"
	}
	if slices.Contains(lineAlways, program) {
		return 0, program + " hands a line to a shell", oneCommand
	}
	if n := fetches(program, argv); n > 0 && !pinned(argv[n:]) || !pinnedModules(program, argv) {
		return 0, strings.Join(argv[:max(n, 1)], " ") + " runs whatever package has the name today",
			"name one package with its exact version before its arguments, such as [npx, --yes, eslint@9.17.0, .]; or install it, and run [npm, run, …]"
	}
	if slices.Contains(starters, program) {
		return startedFault(argv)
	}
	return 0, "", ""
}

// starters run the program that their later words name.
var starters = []string{
	"env", "timeout", "nice", "ionice", "nohup", "time", "setsid", "stdbuf", "xargs", "sudo", "doas", "su", "chroot", "unshare", "setpriv", "corepack",
	"mise", "direnv", "dotenv", "dotenvx", "cross-env", "find", "strace", "ltrace", "flock", "script", "runuser", "gosu", "fakeroot", "tini", "dumb-init",
	"xvfb-run", "prlimit", "taskset", "chrt", "catchsegv", "unbuffer", "node", "command", "exec",
}

// splitFlag matches the flags of env that take a line apart.
var splitFlag = regexp.MustCompile(`^(-[i0v]*S|--s)`)

// startedFault judges a starter by each of its words as if a command began there: which one does cannot be told without knowing all its flags.
func startedFault(argv []string) (at int, message, hint string) {
	for i := 1; i < len(argv); i++ {
		if programOf(argv[0]) == "env" && splitFlag.MatchString(argv[i]) {
			return i, argv[i] + " takes a line apart into words", oneCommand
		}
		program := programOf(argv[i])
		if _, fetches := fetching[program]; !fetches && !slices.Contains(slices.Concat(shells, starters, liners, lineAlways, modular), program) {
			continue
		}
		if at, message, hint = commandFault(argv[i:]); message != "" {
			return i + at, message, hint
		}
	}
	return 0, "", ""
}

// isScriptFlag reports whether a word makes a shell take the next one as a script, or holds it: -c, also among others (-ec), and their likes.
func isScriptFlag(program, w string) bool {
	switch program {
	case "cmd":
		return cmdFlag.MatchString(w)
	case "powershell", "pwsh": // which take any beginning of a flag, in any case
		return powerFlag.MatchString(w)
	case "fish":
		return fishFlag.MatchString(w)
	}
	return scriptFlag.MatchString(w)
}

var (
	scriptFlag = regexp.MustCompile(`^(-[A-Za-z0-9]*c[A-Za-z0-9]*|--(session-)?command(=.*)?|--commands(=.*)?)$`)
	fishFlag   = regexp.MustCompile(`^(-[A-Za-z0-9]*[cC].*|--(init-)?command(=.*)?)$`)
	cmdFlag    = regexp.MustCompile(`(?i)^/[ckr].*$`)
	powerFlag  = regexp.MustCompile(`(?i)^[-/](c.*|e[ncodema]*)$`)
)

// fetching are the programs, and the first words after them, that run a package which they fetch.
var fetching = map[string][]string{
	"npx": nil, "pnpx": nil, "bunx": nil, "uvx": nil, "dnx": nil, "pnx": nil,
	"npm": {"exec", "x", "init", "innit", "create"}, "pnpm": {"dlx", "create"}, "yarn": {"dlx", "create"}, "bun": {"x", "create"}, "pipx": {"run"},
	"uv": {"tool"},
}

// fetches returns how many words name a program that fetches what it runs; 0 for none. A flag before the first word may have a value.
func fetches(program string, argv []string) int {
	words, known := fetching[program]
	switch {
	case !known:
		return 0
	case words == nil:
		return 1
	}
	for i := 1; i < len(argv); i++ {
		w := argv[i]
		flagBefore := strings.HasPrefix(argv[i-1], "-") && !strings.Contains(argv[i-1], "=")
		switch {
		case slices.Contains(words, w):
			return i + 1
		case strings.HasPrefix(w, "-"):
		case w == "workspace":
			i++ // its name
		case slices.Contains(itsOwn, w) || !flagBefore:
			return 0
		}
	}
	return 0
}

// itsOwn are first words after which a package manager runs what is installed, or scripts of the source.
var itsOwn = []string{"run", "run-script", "test", "t", "ci", "install", "i", "start", "build", "lint", "audit", "ls", "list", "rebuild", "sync", "lock"}

// modular are programs of which pinnedModules alone judges.
var modular = []string{"go", "deno"}

// pinnedModules reports whether what go, deno and uv fetch to run it is named with an exact version.
func pinnedModules(program string, argv []string) bool {
	switch program {
	case "go":
		return !slices.ContainsFunc(argv[1:], func(w string) bool {
			_, version, at := strings.Cut(w, "@")
			return at && !strings.HasPrefix(w, "-") && slices.Contains(argv, "run") && !goVersion.MatchString(version)
		})
	case "deno":
		return !slices.ContainsFunc(argv[1:], func(w string) bool {
			far := strings.HasPrefix(w, "npm:") || strings.HasPrefix(w, "jsr:")
			return strings.HasPrefix(w, "http:") || strings.HasPrefix(w, "https:") || far && !exactPackage.MatchString(w[len("npm:"):])
		})
	case "uv":
		for i, w := range argv {
			flag, value, given := strings.Cut(w, "=")
			if given && strings.HasPrefix(value, "=") { // --with a==1.0
				given = false
			}
			if flag == "--with" && !given && i+1 < len(argv) {
				value = argv[i+1]
			}
			if flag == "--with" && !exactPackage.MatchString(value) {
				return false
			}
		}
	}
	return true
}

// goVersion is an exact version of a Go module, which the checksum database knows.
var goVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+([-+.a-zA-Z0-9]*)$`)

// pinned reports whether the first word that is no flag is a package at an exact version, and so is each that a flag names.
func pinned(args []string) bool {
	named := false
	for i := 0; i < len(args); i++ {
		flag, value, given := strings.Cut(args[i], "=")
		if slices.Contains([]string{"-p", "--package", "--from", "--with", "--spec"}, flag) {
			if !given && i+1 < len(args) {
				i++
				value = args[i]
			}
			if !exactPackage.MatchString(value) {
				return false
			}
			named = true
			continue
		}
		if !strings.HasPrefix(args[i], "-") {
			return named || exactPackage.MatchString(args[i]) || args[i] == "run" && pinned(args[i+1:]) // uv tool run
		}
	}
	return false
}

// exactPackage is name@1.2.3 of npm, with a scope or not, or name==1.2.3 of PyPI.
var exactPackage = regexp.MustCompile(`^(@[a-z0-9._~-]+/)?[A-Za-z0-9][A-Za-z0-9._~-]*(@|==)v?[0-9]+(\.[0-9]+)+([-+.a-zA-Z0-9]*)$`)
