// Package manual shows a runbook: as Markdown for a repository or a ticket, and as text for a terminal, with commands that can be pasted into
// a shell. The JSON is the value itself. The same runbook gives the same bytes. Its tests do what runbooks say, by hand.
package manual
