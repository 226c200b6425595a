// Package clienttest runs the vendors' own clients, unmodified, against the
// emulators. It holds tests only: each starts the emulators in process and runs
// one script of testdata/ under Node, which asserts what its client must see.
//
// The clients are pinned in package.json and package-lock.json; `npm ci` in
// this folder installs them. A test whose Node or node_modules is not there is
// skipped with the reason, or fails when SLIPWAY_NO_SKIP=1. The vercel CLI
// (358 MB) is in vercelcli/, with a lock file of its own, and runs only when
// SLIPWAY_LONG=1.
//
// testdata/calls has the operations that each client calls, for the tables of
// docs/emulators.md. A test fails when its client calls others; with -update it
// writes them.
package clienttest
