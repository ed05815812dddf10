package mover

import (
	"math/rand/v2"
	"testing"
	"time"
)

// begun lets everybody who wants to begin do so at irregular looks during a minute.
func begun(s spacing, rng *rand.Rand) (at []time.Time) {
	start := time.Unix(1_000_000, 0)
	for now := start; now.Sub(start) < time.Minute; now = now.Add(time.Duration(rng.Int64N(int64(Every)))) {
		for s.take(now) {
			at = append(at, now)
		}
	}
	return at
}

func TestNoWindowHoldsMoreThanItsShare(t *testing.T) {
	for _, partitions := range []int{1, 16, 64, 1024, 16384} {
		for _, s := range []spacing{newSpacing(movesSpread, partitions, movesApart), newSpacing(handsSpread, partitions, handsApart)} {
			at := begun(s, rand.New(rand.NewPCG(1, uint64(partitions))))
			for _, window := range []time.Duration{Every, time.Second, 10 * time.Second} {
				most := int((window+Every)/s.apart) + 1
				end := 0
				for i := range at {
					for end < len(at) && at[end].Sub(at[i]) <= window {
						end++
					}
					if n := end - i; n > most {
						t.Fatalf("%d partitions, %v apart: %d in %v, at most %d are promised", partitions, s.apart, n, window, most)
					}
				}
			}
		}
	}
}

func TestWhatIsSpacedIsNotSlowedByRareLooks(t *testing.T) {
	for _, partitions := range []int{16, 64, 1024, 16384} {
		s := newSpacing(movesSpread, partitions, movesApart)
		n := len(begun(s, rand.New(rand.NewPCG(2, uint64(partitions)))))
		if want := int(time.Minute / s.apart); n < want*9/10 {
			t.Errorf("%d partitions, %v apart: %d in a minute, want about %d", partitions, s.apart, n, want)
		}
	}
}

func TestAPauseIsNotFollowedByABurst(t *testing.T) {
	s := newSpacing(handsSpread, 64, handsApart)
	now := time.Unix(1_000_000, 0)
	s.take(now)
	now = now.Add(time.Hour)
	n := 0
	for s.take(now) {
		n++
	}
	if n != 1 {
		t.Errorf("%d at once after a pause", n)
	}
}
