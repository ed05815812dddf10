package history

import "testing"

const simSeeds = 60

func TestHistoriesOfACorrectStoreAreLegal(t *testing.T) {
	for name, set := range map[string]func(*simulation){
		"with versions":    func(*simulation) {},
		"without versions": func(s *simulation) { s.silent = true },
		"with weak reads":  func(s *simulation) { s.levels = []Level{Session, Bounded, Local, Linearizable} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(simSeeds) {
				s := newSimulation(seed, "")
				set(s)
				if r := Check(s.run(), Options{}); r.Verdict != Legal {
					t.Fatalf("seed %d: %s", seed, r)
				}
			}
		})
	}
}

func TestEachBugIsCaughtInEveryHistoryThatShowsIt(t *testing.T) {
	for _, bug := range []string{
		"stale read", "lost acknowledged write", "early acknowledgement", "double increment", "version used twice",
		"compare-and-put without the comparison", "read of a write that is then lost", "read of a refused write",
	} {
		t.Run(bug, func(t *testing.T) { catch(t, bug, func(*simulation) {}) })
	}
	t.Run("session and bounded reads that are too old", func(t *testing.T) {
		catch(t, "stale read", func(s *simulation) { s.levels = []Level{Session, Bounded} })
	})
}

func TestBugsAreCaughtWithoutVersionsToo(t *testing.T) {
	for _, bug := range []string{
		"stale read", "lost acknowledged write", "early acknowledgement", "double increment",
		"read of a write that is then lost", "read of a refused write",
	} {
		t.Run(bug, func(t *testing.T) { catch(t, bug, func(s *simulation) { s.silent = true }) })
	}
}

// catch runs a mutant over many seeds: every history in which the bug shows must be illegal, and it must show in most.
func catch(t *testing.T, bug string, set func(*simulation)) {
	showed := 0
	for seed := range uint64(simSeeds) {
		s := newSimulation(seed, bug)
		set(s)
		h := s.run()
		if s.shown == 0 {
			continue
		}
		showed++
		if r := Check(h, Options{MinimiseTime: -1}); r.Verdict != Illegal {
			t.Errorf("seed %d: the bug showed %d times, the verdict is %s", seed, s.shown, r.Verdict)
		}
	}
	if showed < simSeeds*3/4 {
		t.Errorf("the bug showed for %d of %d seeds only", showed, simSeeds)
	}
}
