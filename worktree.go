package slipway

import "fmt"

// WorkTree tells which commit of a git work tree a folder's files stand beside, and whether they are that commit's. It is prose of a plan: the
// source's digest covers the files themselves.
type WorkTree struct {
	Commit string `json:"commit"`           // HEAD, 40 hex digits
	Branch string `json:"branch,omitempty"` // "" where HEAD is no branch
	Folder string `json:"folder,omitempty"` // the source's, below the top of the work tree, slash-separated
	// Clean: each file that is shipped is the commit's, and none of the commit's is gone. What is held back or ignored does not count.
	Clean   bool `json:"clean"`
	Changed int  `json:"changed,omitempty"` // shipped files that are others in the commit
	Added   int  `json:"added,omitempty"`   // shipped files that the commit does not have
	Removed int  `json:"removed,omitempty"` // the commit's files that are gone from the folder
}

// Versioned is a FileSet that may be part of a git work tree. WorkTree returns nil for one that is not, and why where it is one whose
// commit cannot be told.
type Versioned interface {
	WorkTree() (w *WorkTree, why string)
}

// Differs says how the shipped files differ from the commit's; "" where they do not.
func (w WorkTree) Differs() string {
	if w.Clean {
		return ""
	}
	return fmt.Sprintf("%d changed, %d not in it, %d gone", w.Changed, w.Added, w.Removed)
}

// String is the commit in a line.
func (w WorkTree) String() string {
	text := w.Commit
	if w.Branch != "" {
		text += " (" + w.Branch + ")"
	}
	if w.Clean {
		return text + ", clean"
	}
	return text + ", with changes: " + w.Differs()
}
