package sim

import "math/rand/v2"

// Features are what a world has beside clients, faults and membership. Each is in some of the worlds, by the seed.
type Features struct {
	// Backups: an operator backs the cluster up while everything goes wrong, and what comes of it is restored into another
	// cluster at the end.
	Backups bool
}

// drawFeatures draws from a stream of its own, so that worlds without any of them are what they were.
func drawFeatures(rng *rand.Rand, membership bool) *Features {
	f := &Features{}
	f.Backups = rng.IntN(4) == 0
	return f
}
