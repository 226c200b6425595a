package redact

import (
	"regexp"
	"strings"
)

// shape is what a credential looks like. The expression is tried on a line that holds one of the hints (lower case), where likely, which
// may be nil, says of what follows the hint's start that it is worth the time.
type shape struct {
	hints  []string
	likely func(rest string) bool
	match  *regexp.Regexp
	// replace returns what stands in place of one match, given its groups.
	replace func(groups []string) string
}

func whole([]string) string { return Mark }

var credentialShapes = []shape{
	// scheme://user:password@host: the password goes, up to the last @ of the authority.
	{[]string{"://"}, withUser, regexp.MustCompile(`(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@"'<>]*:)([^\s/"'<>]+)(@)`), func(g []string) string { return g[1] + Mark + g[3] }},
	{[]string{"bearer", "basic"}, nil, regexp.MustCompile(`(?i)\b(bearer|basic)(\s+|%20)([a-z0-9+/._~=-]{8,})`), authorization},
	// JSON Web Tokens (RFC 7519).
	{[]string{"eyj"}, nil, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), whole},
	// Neon: API keys begin with napi_, generated role passwords with npg_.
	{[]string{"napi_", "npg_"}, nil, regexp.MustCompile(`(napi|npg)_[A-Za-z0-9]{6,}`), whole},
	// GitHub: https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
	{[]string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}, nil, regexp.MustCompile(`(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})`), whole},
	// Vercel: tokens with a kind in front (vcp_ personal, vci_ integration, vca_ and vcr_ app, vck_ gateway).
	{[]string{"vcp_", "vci_", "vca_", "vcr_", "vck_"}, nil, regexp.MustCompile(`vc[piark]_[A-Za-z0-9]{12,}`), whole},
	{named, assigned, regexp.MustCompile(`(?i)((?:password|passwd|pwd|secret|token|bypass|api[_-]?key|access[_-]?key|private[_-]?key)[a-z0-9_-]*["']?\s*[=:]\s*["']?)([^\s"'&,;<>\[\]]{8,})`), namedValue},
}

var named = []string{
	"password", "passwd", "pwd", "secret", "token", "bypass",
	"apikey", "api_key", "api-key", "accesskey", "access_key", "access-key", "privatekey", "private_key", "private-key",
}

// withUser reports whether the authority of a URL, which begins after ://, has an @.
func withUser(rest string) bool {
	authority := rest[len("://"):]
	if end := strings.IndexAny(authority, " \t/\"'<>"); end >= 0 {
		authority = authority[:end]
	}
	return strings.Contains(authority, "@")
}

// assigned reports whether the name that rest begins in is followed by = or :, after a quote and space at the most.
func assigned(rest string) bool {
	rest = strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
	rest = strings.TrimLeft(rest, "\"' \t\r")
	return strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, ":")
}

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

// hinted is a hint and the shapes that it calls for, as a bit set.
type hinted struct {
	text   string
	shapes uint8
}

// byStart finds hints by their first three bytes, of which the low five bits tell letters whatever their case. Every command makes it, so it is
// small: a place has the number of its list, 0 for the empty one.
var byStart = func() *hints {
	table := &hints{lists: [][]hinted{nil}}
	for i, sh := range credentialShapes {
		for _, h := range sh.hints {
			list := &table.list[start(h[0], h[1], h[2])]
			if *list == 0 {
				*list = uint8(len(table.lists))
				table.lists = append(table.lists, nil)
			}
			table.lists[*list] = append(table.lists[*list], hinted{h, 1 << i})
		}
	}
	return table
}()

type hints struct {
	list  [1 << 15]uint8
	lists [][]hinted
}

// starts says which entries of byStart are not empty, in a size that stays in the processor's nearest cache.
var starts = func() (bits [1 << 9]uint64) {
	for at, list := range byStart.list {
		if list > 0 {
			bits[at>>6] |= 1 << (at & 63)
		}
	}
	return bits
}()

func start(a, b, c byte) int { return int(a&31)<<10 | int(b&31)<<5 | int(c&31) }

// nextHint returns where the first hint in s from at on begins: len(s) for none.
func nextHint(s string, at int) int {
	if len(s)-at < 3 {
		return len(s)
	}
	h := start(0, s[at], s[at+1])
	for i := at + 2; i < len(s); i++ {
		h = (h<<5 | int(s[i]&31)) & (1<<15 - 1)
		if starts[h>>6]&(1<<(h&63)) != 0 && called(s[i-2:]) != 0 {
			return i - 2
		}
	}
	return len(s)
}

// called returns the shapes that a hint at the start of s calls for.
func called(s string) (shapes uint8) {
	for _, h := range byStart.lists[byStart.list[start(s[0], s[1], s[2])]] {
		if len(s) >= len(h.text) && strings.EqualFold(s[:len(h.text)], h.text) {
			shapes |= h.shapes
		}
	}
	return shapes
}

// likely returns the shapes that a line may hold whose hint is at its place at.
func likely(line string, at int) (shapes uint8) {
	called := called(line[at:])
	for i := 0; called>>i != 0; i++ {
		if sh := credentialShapes[i]; called&(1<<i) != 0 && (sh.likely == nil || sh.likely(line[at:])) {
			shapes |= 1 << i
		}
	}
	return shapes
}

// shapes replaces everything in s that has the shape of a credential, line by line.
func shapes(s string) string {
	var b strings.Builder
	done := 0 // what is in b already
	for at := nextHint(s, 0); at < len(s); at = nextHint(s, at) {
		to := len(s)
		if end := strings.IndexByte(s[at:], '\n'); end >= 0 {
			to = at + end
		}
		if likely(s[:to], at) == 0 {
			at++
			continue
		}
		from := max(done, strings.LastIndexByte(s[:at], '\n')+1)
		b.WriteString(s[done:from])
		b.WriteString(shapesOfLine(s[from:to], at-from))
		at, done = to, to
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// shapesOfLine replaces what a line holds; its first hint that counts is at a place.
func shapesOfLine(line string, at int) string {
	var of uint8
	for ; at < len(line); at = nextHint(line, at+1) {
		of |= likely(line, at)
	}
	for i, sh := range credentialShapes {
		if of&(1<<i) != 0 {
			line = sh.match.ReplaceAllStringFunc(line, func(found string) string {
				return sh.replace(sh.match.FindStringSubmatch(found))
			})
		}
	}
	return line
}
