package emukit

// Operation is something that an emulator models, for its documentation.
type Operation struct {
	Method string
	// Paths are the patterns that it answers at, the published one first.
	Paths []string
	// Source is the page that describes it.
	Source string
	// Differs says why its reply is not as the vendor's document has it, "" when it is.
	Differs string
}
