package mutant

// Bug is one known mistake. The zero value is none.
type Bug int32

// The mistakes. What each of them does is said where it stands.
const (
	None                Bug = iota
	EarlyAck                // records are acknowledged before they are durable
	SkippedFsync            // the log's fsync is left out
	LocalRead               // a leader's own state is served as a linearizable read
	LeaseFirst              // the lease is checked before the value is read, and not after it
	LeaseInHandover         // a leader keeps its lease while it hands over
	VoteAfterRestart        // a replica that has just started gives its vote
	NaiveSwap               // from one set of voters to another without a joint configuration
	RetryWithoutSession     // a repeated write is executed again
	UnsyncedSnapshot        // a snapshot is published before it is durable
	LogTruncatedFirst       // the log is truncated before a snapshot holds what it says
	NoChecksum              // the checksums of the log's batches are not compared
	LocalExpiry             // what has expired by a node's own clock is removed
	LongLease               // a leader believes in its lease for ten times as long
	RepeatAsNew             // a client repeats a write whose reply was lost as if it were another one
	StaleBackup             // a backup of a partition is of any snapshot that there is
	UnsyncedBackup          // a backup is called complete before it is durable
	HalvedBatch             // the writes of a batch are shown before all of them are done
	SkippingScan            // a page of a scan ends behind entries that it does not show
	end
)

var names = [end]string{
	None:                "none",
	EarlyAck:            "early-ack",
	SkippedFsync:        "skipped-fsync",
	LocalRead:           "local-read",
	LeaseFirst:          "lease-checked-first",
	LeaseInHandover:     "lease-in-handover",
	VoteAfterRestart:    "vote-after-restart",
	NaiveSwap:           "naive-swap",
	RetryWithoutSession: "retry-without-session",
	UnsyncedSnapshot:    "unsynced-snapshot",
	LogTruncatedFirst:   "log-truncated-first",
	NoChecksum:          "no-checksum",
	LocalExpiry:         "local-expiry",
	LongLease:           "long-lease",
	RepeatAsNew:         "repeat-as-new",
	StaleBackup:         "stale-backup",
	UnsyncedBackup:      "unsynced-backup",
	HalvedBatch:         "halved-batch",
	SkippingScan:        "skipping-scan",
}

// Variable is the environment variable that names the bug that is on, in programs built with the tag mutants.
const Variable = "VEGADB_MUTANT"

// String is the bug's name.
func (b Bug) String() string { return names[b] }

// Named returns the bug of a name.
func Named(name string) (b Bug, ok bool) {
	for b := range end {
		if names[b] == name {
			return b, true
		}
	}
	return None, false
}

// All returns every bug.
func All() []Bug {
	var all []Bug
	for b := None + 1; b < end; b++ {
		all = append(all, b)
	}
	return all
}
