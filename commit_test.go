package slipway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommitDigest(t *testing.T) {
	c := Commit{Repository: "acme/shop", RepoID: 7, Ref: "main", SHA: "a", Tree: "b"}
	tests := map[string]struct {
		reason string
		change func(*Commit)
		same   bool
	}{
		"name":    {"a rename ships the same", func(c *Commit) { c.Repository = "acme/store" }, true},
		"ref":     {"so does another name of the commit", func(c *Commit) { c.Ref = "v1" }, true},
		"privacy": {"and who may see it", func(c *Commit) { c.Private = true }, true},
		"id":      {"another repository by the same name is another source", func(c *Commit) { c.RepoID = 8 }, false},
		"commit":  {"another commit may build to something else", func(c *Commit) { c.SHA = "c" }, false},
		"tree":    {"the tree is proved", func(c *Commit) { c.Tree = "c" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			other := c
			test.change(&other)
			if (other.Digest() == c.Digest()) != test.same {
				t.Errorf("%s: %s and %s", test.reason, c.Digest(), other.Digest())
			}
		})
	}
}

func TestCommitOf(t *testing.T) {
	whole := map[string]string{DetailRepository: "acme/shop", DetailRepoID: "7", DetailRef: "main", DetailCommit: "abc"}
	without := func(name string) Receipt {
		r := Receipt{Details: map[string]string{}}
		for k, v := range whole {
			if k != name {
				r.Details[k] = v
			}
		}
		return r
	}
	tests := map[string]struct {
		reason  string
		receipt Receipt
		want    bool
	}{
		"whole":     {"as a deployment's receipt has it", without(""), true},
		"none":      {"a folder was shipped", Receipt{}, false},
		"no id":     {"a name may be another repository's by now", without(DetailRepoID), false},
		"no commit": {"nothing can be compared", without(DetailCommit), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if c, ok := CommitOf(test.receipt); ok != test.want {
				t.Errorf("%s: %v %v", test.reason, c, ok)
			}
		})
	}
	c, _ := CommitOf(Receipt{Details: whole})
	if diff := cmp.Diff(Commit{Repository: "acme/shop", RepoID: 7, Ref: "main", SHA: "abc"}, c); diff != "" {
		t.Error(diff)
	}
}
