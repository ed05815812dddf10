package sim

import "testing"

// fixedMembers is how many seeds with membership are run every time, from 1 on.
const fixedMembers = 12

// TestSeedsWithMembership: faults 25 and 26 besides those of TestSeeds. Nodes join, are drained, removed and lost, while
// everything else goes wrong as well; when that has ended, every group gets to its target.
func TestSeedsWithMembership(t *testing.T) {
	var sum Result
	ran, named := runSeeds(t, Config{Membership: true}, fixedMembers, func(r *Result) {
		sum.Joined, sum.Removed, sum.Changes = sum.Joined+r.Joined, sum.Removed+r.Removed, sum.Changes+r.Changes
		sum.Installed += r.Installed
	}, func() {
		if sum.Joined == 0 || sum.Changes == 0 || sum.Installed == 0 || sum.Removed == 0 && !testing.Short() {
			t.Errorf("the fixed seeds do not reach what they are to test: %+v", sum)
		}
	})
	if !named {
		t.Logf("%s: %d nodes joined, %d were removed, %d changes of configurations, %d snapshots installed",
			ran, sum.Joined, sum.Removed, sum.Changes, sum.Installed)
	}
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
