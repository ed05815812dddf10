package sim

import (
	"math/rand/v2"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// Features are what a world has beside clients, faults and membership. Each is in some of the worlds, by the seed.
type Features struct {
	// Backups: an operator backs the cluster up while everything goes wrong, and what comes of it is restored into another
	// cluster at the end.
	Backups bool

	// EverySec and Never are the log's policies; without them it is always. What is acknowledged is in the memory of a majority's
	// operating systems then, and worth as much for as long as no machine loses its power: processes are killed, disks do not
	// fail.
	EverySec, Never bool

	// With membership:
	Settings     bool // the number of replicas changes, and moves are paused and resumed
	Zones        bool // nodes are in three zones and of several capacities
	Addresses    bool // nodes come back at other addresses
	Replacements bool // a node that is lost is replaced by one of another identity at its address
}

// drawFeatures draws from a stream of its own, so that worlds without any of them are what they were.
func drawFeatures(rng *rand.Rand, membership bool) *Features {
	f := &Features{}
	f.Backups = rng.IntN(4) == 0
	for _, what := range []*bool{&f.Settings, &f.Zones, &f.Addresses, &f.Replacements} {
		*what = rng.IntN(3) == 0 && membership
	}
	switch rng.IntN(20) {
	case 0:
		f.EverySec = true
	case 1:
		f.Never = true
	}
	return f
}

// policy is when the log becomes durable.
func (f *Features) policy() wal.SyncPolicy {
	switch {
	case f.EverySec:
		return wal.EverySec
	case f.Never:
		return wal.Never
	}
	return wal.Always
}
