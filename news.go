package slipway

// News is what somebody outside says has happened. Nothing of it is believed: it makes whoever waits for one of the things that it names look
// at them now.
type News struct {
	Provider string   // whose resources IDs are of
	Event    string   // the provider's word for what happened
	IDs      []string // of resources
	// RepoID and Commit are of a source; zero for none.
	RepoID RepoID
	Commit string
}

// About reports whether n names a recorded resource, or the commit that is shipped (nil for none). News of a repository without a commit is about
// each of its commits.
func (n News) About(receipts map[Address]Receipt, commit *Commit) bool {
	for a, r := range receipts {
		for _, id := range n.IDs {
			if id != "" && id == r.ID && a.Kind().Provider() == n.Provider {
				return true
			}
		}
	}
	return commit != nil && n.RepoID != 0 && n.RepoID == commit.RepoID && (n.Commit == "" || n.Commit == commit.SHA)
}
