// Package selftest proves, from outside a process of Slipway, that it keeps its promises wherever it is killed. Its World is one app with
// providers of its own (all emulators, in this process), a home and an environment; an Operation is something that is done to the app; and
// what the providers then hold is compared with what an uninterrupted run left there. Secrets plants secrets in such a world and searches
// every Sink for them.
package selftest
