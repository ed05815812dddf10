package sim

// Bugs that can be put into the product, to see that they are noticed. Each is a promise that is not kept.
const (
	BugAckEarly  = "ack-early"  // records count as durable before they are
	BugNoSync    = "no-sync"    // the log's fsync does nothing
	BugNoSession = "no-session" // a repeated write is executed again
	BugStale     = "stale-read" // a linearizable read is answered without asking a majority
	BugLease     = "lease"      // a leader believes in its lease for ten times as long
)

// Bugs are the names of all.
func Bugs() []string { return []string{BugAckEarly, BugNoSync, BugNoSession, BugStale, BugLease} }
