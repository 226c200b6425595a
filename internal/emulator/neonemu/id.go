package neonemu

import "github.com/slipway-dev/slipway/internal/emulator/emukit"

var (
	adjectives = []string{
		"ancient", "autumn", "black", "blue", "calm", "cold", "cool", "damp", "dark", "dry", "fancy", "green",
		"holy", "late", "misty", "old", "patient", "plain", "proud", "quiet", "red", "shy", "small", "snowy", "still", "super",
		"sweet", "wild", "winter", "young",
	}
	nouns = []string{
		"base", "bird", "boat", "bread", "cake", "cell", "cloud", "dew", "disk", "dust", "feather", "field", "fire",
		"flower", "fog", "forest", "grass", "haze", "hill", "king", "leaf", "math", "meadow", "moon", "rain", "river", "sea",
		"sky", "sun", "tree",
	}
)

// newID returns an id as Neon makes them: prefix, two words, eight characters.
func (s *Server) newID(prefix string, taken func(string) bool) string {
	for {
		id := prefix + adjectives[s.Kit.RandomInt(len(adjectives))] + "-" + nouns[s.Kit.RandomInt(len(nouns))] + "-" +
			s.Kit.RandomString(8, emukit.LowerAlnum)
		if !taken(id) {
			return id
		}
	}
}
