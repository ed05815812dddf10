package sim

import "testing"

// TestWorldsWithEverything: what only some of the worlds have, in every one of these, and twice: it must not cost the
// repeatability. Faults 28 and 34 among those of TestSeeds.
func TestWorldsWithEverything(t *testing.T) {
	var sum Figures
	worlds := []Config{
		{Seed: 1, Features: &Features{Backups: true}},
		{Seed: 2, Features: &Features{Backups: true}, Membership: true},
		{Seed: 6, Features: &Features{EverySec: true}},
		{Seed: 7, Features: &Features{Never: true}},
		{Seed: 3, Features: &Features{Settings: true, Zones: true, Addresses: true, Replacements: true}, Membership: true},
		{Seed: 5, Features: &Features{Settings: true, Zones: true, Addresses: true, Replacements: true}, Membership: true},
		{Seed: 4, Features: &Features{Settings: true, Zones: true, Addresses: true, Replacements: true}, Membership: true, Faults: &Faults{Cuts: true, Damage: true, EveryMs: 100}},
	}
	for _, c := range worlds {
		a, b := Run(c), Run(c)
		if a.Failed() {
			t.Fatal(a)
		}
		if a.Hash != b.Hash || a.Events != b.Events {
			t.Errorf("%s: %d events with hash %016x, and %d with %016x the second time", a.Replay(), a.Events, a.Hash, b.Events, b.Hash)
		}
		sum.Add(&a.Figures)
	}
	for _, what := range []string{"backups taken", "backups cut off", "restores"} {
		if sum.Worlds[what] == 0 {
			t.Errorf("no %s: %v", what, sum.Worlds)
		}
	}
	for _, what := range []string{"address changed", "moves paused", "replicas changed", "node replaced at its address"} {
		if sum.Faults[what] == 0 {
			t.Errorf("no %s: %v", what, sum.Faults)
		}
	}
}
