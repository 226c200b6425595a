//go:build race

package selftest_test

// raced is whether this is a build with the race detector: every process that is killed is one too, and takes ten times as long.
const raced = true
