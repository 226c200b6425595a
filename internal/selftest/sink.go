package selftest

import (
	"path"
	"strings"
)

// Sink is a place where something of a run comes to rest, or before somebody's eyes. No secret may reach it.
type Sink struct {
	Name string
	// Files are patterns of the files that belong to it, below the world's folder: as path.Match, and ** is any rest. None: it is collected
	// in another way.
	Files []string
	// Own are the canaries that belong there.
	Own []string
}

// Names of the sinks that are collected in another way than by their files.
const (
	sinkStdout   = "standard output"
	sinkStderr   = "standard error"
	sinkJSON     = "JSON output"
	sinkDebug    = "debug log"
	sinkCrash    = "crash output"
	sinkRows     = "database, row by row"
	sinkEvents   = "events"
	sinkRequests = "addresses of requests"
	sinkProvider = "what providers are told besides values"
	sinkReplies  = "answers to webhooks"
)

// Sinks are all that there are. A file that a run makes and that belongs to none of them is a gap, and so is a sink that nothing reached.
func Sinks() []Sink {
	return []Sink{
		{Name: sinkStdout},
		{Name: sinkStderr},
		{Name: sinkJSON},
		{Name: sinkDebug},
		{Name: sinkCrash},
		{Name: sinkRows},
		{Name: sinkEvents},
		{Name: sinkRequests},
		{Name: sinkProvider},
		{Name: sinkReplies},
		{Name: "database file with its freed pages", Files: []string{"home/apps/*/slipway.db"}},
		{Name: "write-ahead log", Files: []string{"home/apps/*/slipway.db-wal"}},
		{Name: "shared memory of the database", Files: []string{"home/apps/*/slipway.db-shm"}},
		{Name: "locks", Files: []string{"home/apps/*/slipway.db.migrate", "home/apps/*/owner.lock", "home/apps/*/owner.lock.owner"}},
		{Name: "keys of Slipway's own", Files: []string{"home/fingerprint.key", "home/signing.key"}, Own: []string{madeKey, madeKey + ", signing"}},
		{Name: "people's keys, encrypted, and those that are trusted", Files: []string{"home/keys/**"}},
		{Name: "what probes found", Files: []string{"home/probes.json"}},
		{Name: "temporary files", Files: []string{"tmp/**"}},
		{Name: "files that init writes", Files: []string{"fresh/**"}},
		{Name: "audit bundles and their reports", Files: []string{"bundles/**"}},
	}
}

// empty are the sinks that nothing need reach, and why.
var empty = map[string]string{
	"temporary files":               "what makes one removes it",
	"write-ahead log":               "the last process to close the database writes it back",
	"shared memory of the database": "it goes with the write-ahead log",
}

// planted are the files that the suite itself writes.
var planted = []string{"app/slipway.yaml", "app/slipway.policy*", "app/site/**", "given/**", "snapshot-*/**"}

// sinkOf returns the sink that a file belongs to; known is false for one that belongs to none, and skip true for the suite's own.
func sinkOf(name string) (sink string, known, skip bool) {
	for _, s := range Sinks() {
		if matches(s.Files, name) {
			return s.Name, true, false
		}
	}
	return "", false, matches(planted, name)
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if folder, all := strings.CutSuffix(p, "/**"); all {
			first, _, below := strings.Cut(name, "/")
			if strings.Contains(folder, "/") {
				first, below = name[:min(len(name), len(folder))], strings.HasPrefix(name, folder+"/")
			}
			if ok, _ := path.Match(folder, first); ok && below {
				return true
			}
		}
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}
