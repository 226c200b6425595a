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

var shells = []string{"sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "busybox", "cmd", "powershell", "pwsh"}

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
	program := strings.TrimSuffix(path.Base(argv[0]), ".exe")
	if i := slices.IndexFunc(argv[1:], isScriptFlag); i >= 0 && slices.Contains(shells, program) {
		return i + 1, "a shell line is not a list of words", "put the lines into a script in the source, and run that: [" + program + ", scripts/verify.sh]"
	}
	if n := fetches(program, argv); n > 0 && !pinned(argv[n:]) {
		return 0, strings.Join(argv[:n], " ") + " runs whatever package has the name today",
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
	"mise", "direnv", "dotenv", "cross-env",
}

// startedFault judges a starter by each of its words as if a command began there: which one does cannot be told without knowing all its flags.
func startedFault(argv []string) (at int, message, hint string) {
	for i := 1; i < len(argv); i++ {
		if slices.Contains([]string{"-S", "--split-string"}, argv[i]) || strings.HasPrefix(argv[i], "--split-string=") {
			return i, argv[i] + " takes a line apart into words", oneCommand
		}
		program := strings.TrimSuffix(path.Base(argv[i]), ".exe")
		if _, fetching := fetching[program]; !fetching && !slices.Contains(shells, program) && !slices.Contains(starters, program) {
			continue
		}
		if at, message, hint = commandFault(argv[i:]); message != "" {
			return i + at, message, hint
		}
	}
	return 0, "", ""
}

// isScriptFlag reports whether a word makes a shell take the next one as a script: -c, also among others (-ec), and their likes.
func isScriptFlag(w string) bool {
	return scriptFlag.MatchString(w) || strings.EqualFold(w, "/c") || strings.EqualFold(w, "-command") || strings.EqualFold(w, "-encodedcommand")
}

var scriptFlag = regexp.MustCompile(`^-[a-z]*c[a-z]*$`)

// fetching are the programs, and the first words after them, that run a package which they fetch.
var fetching = map[string][]string{
	"npx": nil, "pnpx": nil, "bunx": nil, "uvx": nil,
	"npm": {"exec", "x", "init", "create"}, "pnpm": {"dlx", "create"}, "yarn": {"dlx", "create"}, "bun": {"x", "create"}, "pipx": {"run"}, "uv": {"tool"},
}

// fetches returns how many words name a program that fetches what it runs; 0 for none.
func fetches(program string, argv []string) int {
	words, known := fetching[program]
	switch {
	case !known:
		return 0
	case words == nil:
		return 1
	}
	for i, w := range argv[1:] {
		if slices.Contains(words, w) {
			return i + 2
		}
		if !strings.HasPrefix(w, "-") {
			return 0
		}
	}
	return 0
}

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
