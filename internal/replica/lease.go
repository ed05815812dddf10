package replica

import "github.com/prakashpandey/vegadb/internal/mutant"

// LeaseHolds reports whether a value that was read under a lease may be shown. It is asked after the value was
// read, with what is so then: until when the lease runs, the term, and whether this replica leads. granted is the
// term in which the read was begun.
//
// A check before the value is not enough. Between the two the reader may stand still for as long as it takes to
// elect somebody else, and to begin to replace what this replica holds by a snapshot.
func LeaseHolds(until, now int64, granted, term uint64, leads bool) bool {
	if mutant.On(mutant.LeaseFirst) {
		return true // it did when the read began
	}
	return until > now && term == granted && leads
}
