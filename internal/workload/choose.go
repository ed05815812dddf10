package workload

import (
	"fmt"
	"math/rand/v2"
)

// Distribution names how the records that requests ask for are chosen.
type Distribution string

// The distributions.
const (
	Uniform Distribution = "uniform" // each record alike
	Zipfian Distribution = "zipfian" // few records get most requests; which ones looks random
	Latest  Distribution = "latest"  // zipfian, the newest record the most popular
)

// ParseDistribution returns the distribution that s names.
func ParseDistribution(s string) (Distribution, error) {
	switch d := Distribution(s); d {
	case Uniform, Zipfian, Latest:
		return d, nil
	}
	return "", fmt.Errorf("unknown distribution %q: use uniform, zipfian or latest", s)
}

// chooser picks record numbers. It is for one goroutine.
type chooser struct {
	kind Distribution
	rng  *rand.Rand
	zipf zipf
	// Zipfian only: the records loaded at the start, which alone are asked for.
	loaded  int64
	scatter permutation
}

func newChooser(d Distribution, rng *rand.Rand, loaded int64) *chooser {
	return &chooser{kind: d, rng: rng, zipf: newZipf(ZipfExponent), loaded: loaded, scatter: newPermutation(loaded)}
}

// next picks one of n ≥ 1 records; n never shrinks.
func (c *chooser) next(n int64) int64 {
	switch c.kind {
	case Zipfian:
		return c.scatter.of(c.zipf.draw(c.rng, c.loaded))
	case Latest:
		return n - 1 - c.zipf.draw(c.rng, n)
	default:
		return c.rng.Int64N(n)
	}
}
