package sim

import (
	"testing"
	"time"
)

// fixedMembers is how many seeds with membership are run every time, from 1 on.
const fixedMembers = 12

func mustHoldWithMembers(t *testing.T, seed uint64) *Result {
	t.Helper()
	r := Run(Config{Seed: seed, Membership: true})
	if r.Failed() {
		t.Fatal(r)
	}
	return r
}

// TestSeedsWithMembership: faults 25 and 26 besides those of TestSeeds. Nodes join, are drained, removed and lost, while
// everything else goes wrong as well; when that has ended, every group gets to its target.
func TestSeedsWithMembership(t *testing.T) {
	if *seed != 0 {
		t.Log(mustHoldWithMembers(t, *seed))
		return
	}
	if *seeds > 0 {
		first := *from
		if first == 0 {
			first = freshSeed()
		}
		t.Logf("%d seeds from %d on", *seeds, first)
		for i := range *seeds {
			mustHoldWithMembers(t, first+uint64(i))
		}
		return
	}
	var sum Result
	add := func(r *Result) {
		sum.Joined, sum.Removed, sum.Changes = sum.Joined+r.Joined, sum.Removed+r.Removed, sum.Changes+r.Changes
		sum.Installed += r.Installed
	}
	count := fixedMembers
	if testing.Short() {
		count /= 4
	}
	for s := range count {
		add(mustHoldWithMembers(t, uint64(s+1)))
	}
	if sum.Joined == 0 || sum.Changes == 0 || sum.Installed == 0 || sum.Removed == 0 && !testing.Short() {
		t.Errorf("the fixed seeds do not reach what they are to test: %+v", sum)
	}
	budget := *limit
	if budget == 0 {
		budget = 3 * time.Second
		if testing.Short() {
			budget = time.Second
		}
	}
	first, n := freshSeed(), uint64(0)
	for began := time.Now(); time.Since(began) < budget; n++ {
		add(mustHoldWithMembers(t, first+n))
	}
	t.Logf("fixed seeds 1 to %d, fresh ones %d to %d: %d nodes joined, %d were removed, %d changes of configurations, %d snapshots installed",
		count, first, first+n-1, sum.Joined, sum.Removed, sum.Changes, sum.Installed)
}

func TestTheSameSeedGivesTheSameTraceWithMembership(t *testing.T) {
	c := Config{Seed: 100, Membership: true, Keep: 1 << 20}
	a, b := Run(c), Run(c)
	for i := range min(len(a.events), len(b.events)) {
		if a.events[i] != b.events[i] {
			t.Fatalf("event %d is %+v, and %+v the second time", i, a.events[i], b.events[i])
		}
	}
	if a.Hash != b.Hash || a.Events != b.Events {
		t.Fatalf("%d events with hash %016x, and %d with %016x the second time", a.Events, a.Hash, b.Events, b.Hash)
	}
}
