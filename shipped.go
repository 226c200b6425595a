package slipway

// Shipped tells what a plan ships. It is prose: the source's digest covers the files themselves.
type Shipped struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// Held are the names of what is held back because it looks like a credential, the first maxHeld of them; HeldBack is how many there are.
	Held     []string `json:"held,omitempty"`
	HeldBack int      `json:"held_back,omitempty"`
	// Git is the commit that the files stand beside, nil for none; GitUnread is why it cannot be told, where there is one.
	Git       *WorkTree `json:"git,omitempty"`
	GitUnread string    `json:"git_unread,omitempty"`
}

// maxHeld is how many names a plan keeps.
const maxHeld = 100

// Withholder is a FileSet that leaves out what looks like a credential. Denied lists it, sorted; a folder ends with a slash.
type Withholder interface{ Denied() []string }

// ShippedOf counts the files of a source tree.
func ShippedOf(files FileSet) *Shipped {
	s := &Shipped{}
	for _, f := range files.Files() {
		s.Files++
		s.Bytes += f.Size
	}
	if w, ok := files.(Withholder); ok {
		s.Held = w.Denied()
		if s.HeldBack = len(s.Held); s.HeldBack > maxHeld {
			s.Held = s.Held[:maxHeld:maxHeld]
		}
	}
	if v, ok := files.(Versioned); ok {
		s.Git, s.GitUnread = v.WorkTree()
	}
	return s
}
