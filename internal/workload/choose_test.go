package workload

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestZipfianRanksFollowTheLaw(t *testing.T) {
	const n, draws = 1000, 2_000_000
	z := newZipf(ZipfExponent)
	rng := rand.New(rand.NewPCG(1, 2))
	var counts [n]int
	for range draws {
		counts[z.draw(rng, n)]++
	}
	sum := 0.0
	for rank := 1; rank <= n; rank++ {
		sum += math.Pow(float64(rank), -ZipfExponent)
	}
	chi2 := 0.0
	for i, count := range counts {
		expected := draws * math.Pow(float64(i+1), -ZipfExponent) / sum
		chi2 += (float64(count) - expected) * (float64(count) - expected) / expected
	}
	// 999 degrees of freedom: mean 999, standard deviation 45. The seed is fixed,
	// so this cannot fail by chance; six deviations leave room for another seed.
	if chi2 > 999+6*45 {
		t.Fatalf("χ² = %.0f for 999 degrees of freedom", chi2)
	}
}

func TestZipfianIsRightForHugeAndTinyNumbersOfRecords(t *testing.T) {
	z := newZipf(ZipfExponent)
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int64{1, 2, 3, 1e6, 1e12} {
		const draws = 200_000
		first := 0
		for range draws {
			rank := z.draw(rng, n)
			if rank < 0 || rank >= n {
				t.Fatalf("rank %d of %d", rank, n)
			}
			if rank == 0 {
				first++
			}
		}
		// ζ(n, s) by the Euler–Maclaurin formula from 1,000 on.
		sum, limit := 0.0, min(n, 1000)
		for k := int64(1); k <= limit; k++ {
			sum += math.Pow(float64(k), -ZipfExponent)
		}
		if n > limit {
			sum += (math.Pow(float64(n), 1-ZipfExponent)-math.Pow(1000, 1-ZipfExponent))/(1-ZipfExponent) -
				math.Pow(1000, -ZipfExponent)/2 + math.Pow(float64(n), -ZipfExponent)/2
		}
		got, want := float64(first)/draws, 1/sum
		if math.Abs(got-want) > 6*math.Sqrt(want*(1-want)/draws)+1e-9 {
			t.Errorf("n = %d: the first rank got %.4f of the draws, want %.4f", n, got, want)
		}
	}
}

func TestPermutationReachesEveryRecordOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 5000).Draw(t, "n")
		p := newPermutation(n)
		seen := make([]bool, n)
		for x := range n {
			y := p.of(x)
			if y < 0 || y >= n || seen[y] {
				t.Fatalf("of(%d) = %d", x, y)
			}
			seen[y] = true
		}
	})
}

func TestPopularRecordsAreScattered(t *testing.T) {
	// The hundred most popular of a million must not stand together.
	p := newPermutation(1e6)
	var tenths [10]int
	for rank := range int64(100) {
		tenths[p.of(rank)/1e5]++
	}
	for i, count := range tenths {
		if count > 30 {
			t.Errorf("%d of the hundred most popular records are in tenth %d", count, i)
		}
	}
}

func TestLatestPrefersTheNewest(t *testing.T) {
	c := newChooser(Latest, rand.New(rand.NewPCG(5, 6)), 1000)
	newest, oldHalf := 0, 0
	for range 100_000 {
		record := c.next(2000)
		if record == 1999 {
			newest++
		}
		if record < 1000 {
			oldHalf++
		}
	}
	if newest < 10_000 || oldHalf > 15_000 || oldHalf == 0 {
		t.Fatalf("the newest got %d, the older half %d of 100,000", newest, oldHalf)
	}
}

func TestUniformIsFlat(t *testing.T) {
	c := newChooser(Uniform, rand.New(rand.NewPCG(7, 8)), 100)
	var counts [100]int
	for range 100_000 {
		counts[c.next(100)]++
	}
	for i, count := range counts {
		if count < 800 || count > 1200 {
			t.Errorf("record %d got %d of 100,000", i, count)
		}
	}
}

func TestMixesHaveTheProportionsOfYCSB(t *testing.T) {
	for name, want := range map[string]map[Kind]float64{
		"a": {Read: .5, Update: .5}, "b": {Read: .95, Update: .05}, "C": {Read: 1},
		"d": {Read: .95, Insert: .05}, "e": {Scan: .95, Insert: .05}, "F": {Read: .5, ReadModifyWrite: .5},
		"read=3,update=1": {Read: .75, Update: .25}, "scan=1": {Scan: 1},
	} {
		m, err := ParseMix(name)
		if err != nil {
			t.Fatal(err)
		}
		const draws = 100_000
		var counts [kinds]int
		rng := rand.New(rand.NewPCG(9, 10))
		for range draws {
			counts[m.draw(rng)]++
		}
		for k := range kinds {
			got := float64(counts[k]) / draws
			if math.Abs(got-want[k]) > 0.01 || (want[k] == 0) != (counts[k] == 0) {
				t.Errorf("mix %s: %s has a share of %.3f, want %.3f", name, k, got, want[k])
			}
		}
	}
	for _, bad := range []string{"", "g", "read", "read=x", "reed=1", "read=0", "read=-1,update=2", "read=NaN", "read=Inf"} {
		if _, err := ParseMix(bad); err == nil {
			t.Errorf("ParseMix(%q) succeeded", bad)
		}
	}
}

func BenchmarkZipfianDraw(b *testing.B) {
	c := newChooser(Zipfian, rand.New(rand.NewPCG(1, 1)), 1e7)
	b.ReportAllocs()
	for b.Loop() {
		c.next(1e7)
	}
}
