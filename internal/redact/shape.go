package redact

import (
	"regexp"
	"strings"
)

// shape is what a credential looks like. hints are what text must hold (any of them, lower case) before the expression is tried.
type shape struct {
	hints []string
	match *regexp.Regexp
	// replace returns what stands in place of one match, given its groups.
	replace func(groups []string) string
}

func whole([]string) string { return Mark }

var credentialShapes = []shape{
	// scheme://user:password@host: the password goes.
	{[]string{"://"}, regexp.MustCompile(`(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@"'<>]*:)([^\s/@"'<>]+)(@)`), func(g []string) string { return g[1] + Mark + g[3] }},
	{[]string{"bearer ", "basic "}, regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)([a-z0-9+/._~=-]{8,})`), authorization},
	// JSON Web Tokens (RFC 7519).
	{[]string{"eyj"}, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), whole},
	// Neon: API keys begin with napi_, generated role passwords with npg_.
	{[]string{"napi_", "npg_"}, regexp.MustCompile(`\b(napi|npg)_[A-Za-z0-9]{6,}`), whole},
	// GitHub: https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
	{[]string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}, regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})`), whole},
	// Vercel: tokens with a kind in front (vcp_ personal, vci_ integration, vca_ and vcr_ app, vck_ gateway).
	{[]string{"vcp_", "vci_", "vca_", "vcr_", "vck_"}, regexp.MustCompile(`\bvc[piark]_[A-Za-z0-9]{12,}`), whole},
	{named, regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|pwd|secret|token|bypass|api[_-]?key|access[_-]?key|private[_-]?key)[a-z0-9_-]*["']?\s*[=:]\s*["']?)([^\s"'&,;<>\[\]]{8,})`), namedValue},
}

var named = []string{"password", "passwd", "pwd", "secret", "token", "bypass", "key"}

// reference is a value that names a secret and is none: an environment variable, or resource.output.
var reference = regexp.MustCompile(`^([A-Z][A-Z0-9]*_[A-Z0-9_]*|[a-z][a-z0-9-]*\.[a-z_]+)$`)

// namedValue redacts password=… and the like, unless the value is a word or a reference.
func namedValue(g []string) string {
	if reference.MatchString(g[2]) || isWord(g[2]) {
		return g[0]
	}
	return g[1] + Mark
}

// authorization redacts the value of an Authorization header, and leaves a phrase such as "basic authentication".
func authorization(g []string) string {
	if isWord(g[3]) {
		return g[0]
	}
	return g[1] + g[2] + Mark
}

func isWord(s string) bool { return len(s) < 20 && !strings.ContainsAny(s, "0123456789") }

func shapes(s string) string {
	lower := strings.ToLower(s)
	for _, sh := range credentialShapes {
		if !holdsAny(lower, sh.hints) {
			continue
		}
		s = sh.match.ReplaceAllStringFunc(s, func(found string) string {
			return sh.replace(sh.match.FindStringSubmatch(found))
		})
	}
	return s
}

func holdsAny(s string, hints []string) bool {
	for _, h := range hints {
		if strings.Contains(s, h) {
			return true
		}
	}
	return false
}
