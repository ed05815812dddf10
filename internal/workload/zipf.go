package workload

import (
	"math"
	"math/rand/v2"
)

// ZipfExponent is the skew that YCSB uses.
const ZipfExponent = 0.99

// zipf draws ranks 0 ≤ r < n with probability proportional to 1/(r+1)^s, by
// rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate
// variates from monotone discrete distributions", ACM TOMACS 6(3), 1996). It
// needs no table and no sum over n, so n may change from draw to draw.
type zipf struct {
	s      float64
	h1     float64 // H(1.5) − 1: where the hat begins
	accept float64 // ranks this close to their x need no further test
}

// newZipf takes an exponent s > 0, s ≠ 1.
func newZipf(s float64) zipf {
	z := zipf{s: s}
	z.h1 = z.integral(1.5) - 1
	z.accept = 2 - z.inverse(z.integral(2.5)-math.Pow(2, -s))
	return z
}

// integral is H(x) = ∫ from 1 to x of t^−s dt.
func (z *zipf) integral(x float64) float64 { return (math.Pow(x, 1-z.s) - 1) / (1 - z.s) }

// inverse is H⁻¹.
func (z *zipf) inverse(y float64) float64 { return math.Pow(1+y*(1-z.s), 1/(1-z.s)) }

// draw returns a rank among n ≥ 1.
func (z *zipf) draw(rng *rand.Rand, n int64) int64 {
	hn := z.integral(float64(n) + 0.5)
	for {
		u := hn + rng.Float64()*(z.h1-hn)
		x := z.inverse(u)
		k := min(max(math.Floor(x+0.5), 1), float64(n))
		if k-x <= z.accept || u >= z.integral(k+0.5)-math.Pow(k, -z.s) {
			return int64(k) - 1
		}
	}
}

// permutation is a bijection of the numbers 0 ≤ x < n that looks random: it
// scatters popular ranks over the records.
type permutation struct {
	n    uint64
	mask uint64 // the smallest 2^bits − 1 that covers n − 1
	half uint
}

func newPermutation(n int64) permutation {
	bits := uint(2)
	for uint64(1)<<bits < uint64(n) {
		bits++
	}
	return permutation{n: uint64(n), mask: 1<<bits - 1, half: bits / 2}
}

// of applies invertible steps on `bits` bits until the result is below n
// ("cycle walking": Black and Rogaway, "Ciphers with arbitrary finite domains",
// CT-RSA 2002). Fewer than two rounds are needed on average.
func (p permutation) of(x int64) int64 {
	v := uint64(x)
	for {
		v = (v*0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & p.mask
		v ^= v >> p.half
		v = (v * 0xD6E8FEB86659FD93) & p.mask
		v ^= v >> p.half
		if v < p.n {
			return int64(v)
		}
	}
}
