package sim

import "math/rand/v2"

// Features are what a world has beside clients, faults and membership. Each is in some of the worlds, by the seed.
type Features struct {
	// Backups: an operator backs the cluster up while everything goes wrong, and what comes of it is restored into another
	// cluster at the end.
	Backups bool

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
	return f
}
