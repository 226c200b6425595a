// Package scratch gives a test a folder on the file system in memory, where it has not to wait for a disk at each commit. A process that is
// killed leaves the same files there; what a loss of power leaves is not to be seen there.
package scratch
