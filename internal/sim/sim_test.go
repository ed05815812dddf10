package sim

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var (
	seed  = flag.Uint64("seed", 0, "run this seed alone")
	seeds = flag.Int("seeds", 0, "how many seeds to run, from -from on; 0: as many as fit into the time")
	from  = flag.Uint64("from", 0, "the first of -seeds; 0: a fresh one")
	limit = flag.Duration("time", 0, "how long to run fresh seeds; 0: a few seconds")
)

// fixed is how many seeds are run every time, from 1 on.
const fixed = 24

// mustHold runs the world of c and ends the test if a promise was broken.
func mustHold(t *testing.T, c Config) *Result {
	t.Helper()
	r := Run(c)
	if r.Failed() {
		t.Fatal(r)
	}
	return r
}

// runSeeds runs worlds like c: those that the flags name, and reports that; or so many fixed seeds, from 1 on, then fresh ones
// for a few seconds. add is given each of the latter's results, and fixed is called between the two. ran says which they were.
func runSeeds(t *testing.T, c Config, count int, add func(*Result), fixed func()) (ran string, named bool) {
	t.Helper()
	run := func(seed uint64) *Result {
		c.Seed = seed
		return mustHold(t, c)
	}
	if *seed != 0 {
		t.Log(run(*seed))
		return "", true
	}
	if *seeds > 0 {
		first := *from
		if first == 0 {
			first = freshSeed()
		}
		t.Logf("%d seeds from %d on", *seeds, first)
		for i := range *seeds {
			run(first + uint64(i))
		}
		return "", true
	}
	if testing.Short() {
		count /= 4
	}
	for s := range count {
		add(run(uint64(s + 1)))
	}
	fixed()
	budget := *limit
	if budget == 0 {
		budget = 3 * time.Second
		if testing.Short() {
			budget = time.Second
		}
	}
	first, n := freshSeed(), uint64(0)
	for began := time.Now(); time.Since(began) < budget; n++ {
		add(run(first + n))
	}
	return fmt.Sprintf("fixed seeds 1 to %d, fresh ones %d to %d", count, first, first+n-1), false
}

// TestSeeds: faults 1 to 3, 5 to 10, 12 to 20, 22 to 24, 27, 28. What the fault model (doc.go) says must hold does, for a
// fixed set of seeds and some fresh ones. A failure names its seed and how to run it again.
func TestSeeds(t *testing.T) {
	var sum Result
	ok, unknown := 0, 0
	ran, named := runSeeds(t, Config{}, fixed, func(r *Result) {
		sum.Applied, sum.Elections = sum.Applied+r.Applied, sum.Elections+r.Elections
		sum.Starts, sum.Installed = sum.Starts+r.Starts, sum.Installed+r.Installed
		ok, unknown = ok+r.History.OK, unknown+r.History.Ops-r.History.OK
	}, func() {
		if sum.Applied == 0 || sum.Elections == 0 || sum.Starts == 0 || sum.Installed == 0 || ok == 0 || unknown == 0 {
			t.Errorf("the fixed seeds do not reach what they are to test: %+v, %d ok, %d not", sum, ok, unknown)
		}
	})
	if !named {
		t.Logf("%s: %d entries, %d elections, %d starts, %d snapshots installed, %d operations ok, %d not",
			ran, sum.Applied, sum.Elections, sum.Starts, sum.Installed, ok, unknown)
	}
}

func freshSeed() uint64 { return uint64(time.Now().UnixNano()) % 1_000_000_000 * 1000 }

func TestTheSameSeedGivesTheSameTrace(t *testing.T) {
	for s := uint64(100); s < 104; s++ {
		c := Config{Seed: s, Keep: 1 << 20}
		a, b := Run(c), Run(c)
		if a.Hash == b.Hash && a.Events == b.Events {
			continue
		}
		for i := range min(len(a.events), len(b.events)) {
			if a.events[i] != b.events[i] {
				t.Fatalf("seed %d: event %d is %+v, and %+v the second time", s, i, a.events[i], b.events[i])
			}
		}
		t.Fatalf("seed %d: %d events with hash %016x, and %d with %016x the second time", s, a.Events, a.Hash, b.Events, b.Hash)
	}
	if a, b := Run(Config{Seed: 1}), Run(Config{Seed: 2}); a.Hash == b.Hash {
		t.Error("two seeds give the same trace")
	}
}

// TestADiskThatLiesIsNoticed: a simulator that finds nothing has to prove that it could. Bugs in the product are put there
// by package mutant; this one is in the world, so that it needs no other build.
func TestADiskThatLiesIsNoticed(t *testing.T) {
	const most = 20
	for s := uint64(1); s <= most; s++ {
		if r := Run(Config{Seed: s, Faults: &Faults{Cuts: true, Lies: true, EveryMs: 400}}); r.Failed() {
			t.Logf("seed %d: %s", s, r.Why())
			return
		}
	}
	t.Errorf("not noticed within %d seeds", most)
}
