package ring

// The hashes of this package decide where data lives, so they are written here and pinned by golden tests: they
// must never change between versions.

const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

// mix64 is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
// It spreads what FNV leaves in the low bits over all 64.
func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// hashNode is FNV-1a over the id, finalized.
func hashNode(id NodeID) uint64 {
	h := uint64(fnvOffset)
	for _, b := range id {
		h = (h ^ uint64(b)) * fnvPrime
	}
	return mix64(h)
}

// hashVirtual is the place on the circle of a node's i-th virtual node.
func hashVirtual(node uint64, i int) uint64 { return mix64(node + uint64(i)*0x9e3779b97f4a7c15) }

// hashPartition is the place on the circle of partition p.
func hashPartition(p int) uint64 { return mix64(fnvOffset ^ (uint64(p) + 1)) }

// hashPair ranks nodes for a partition and partitions for a node (highest random weight), where there is a choice
// that the circle does not make.
func hashPair(node uint64, p int) uint64 { return mix64(node ^ hashPartition(p)) }
