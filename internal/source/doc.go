// Package source reads an app's folder as a tree of files: which ones belong to it, and what is in them.
//
// Open walks the folder, leaves out what git, .vercelignore and Slipway itself ignore, holds back what looks like a credential, and
// hashes the rest. The same files give the same digest on every machine: names, contents and the executable bit count, nothing else.
// A Tree opens only the files that it lists, and only while they are what it lists.
package source
