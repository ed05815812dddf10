package snapshot

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func replayOf(snapshot, mustReach uint64, floors map[uint32]uint64) *Replay {
	l := Loaded{Group: 1, Meta: Meta{Group: 1, Index: snapshot}, MustReach: mustReach}
	if snapshot > 0 {
		l.Path = pathOf(1, snapshot)
	}
	return NewReplay([]Loaded{l}, floors)
}

func TestSnapshotAndLogMustJoinUp(t *testing.T) {
	for name, c := range map[string]struct {
		snapshot, mustReach, floor uint64
		log                        []uint64
		applied                    int
		gap                        string // in the error; empty: none
	}{
		"nothing at all":                        {},
		"log alone":                             {log: []uint64{1, 2, 3}, applied: 3},
		"snapshot alone":                        {snapshot: 5},
		"log goes on where the snapshot ends":   {snapshot: 5, log: []uint64{6, 7}, applied: 2},
		"log overlaps the snapshot":             {snapshot: 5, log: []uint64{3, 4, 5, 6}, applied: 1},
		"log ends before the snapshot":          {snapshot: 5, log: []uint64{3, 4}},
		"log has a hole the snapshot covers":    {snapshot: 5, log: []uint64{1, 2, 6, 7}, applied: 2},
		"log begins too late":                   {log: []uint64{2}, gap: "no snapshot reaches index 0 and the log goes on at 2"},
		"log begins too late for the snapshot":  {snapshot: 5, log: []uint64{7}, gap: "reaches index 5 and the log goes on at 7"},
		"a record is missing":                   {snapshot: 5, log: []uint64{6, 8}, applied: 1, gap: "reaches index 6 and the log goes on at 8"},
		"a record is there twice":               {snapshot: 5, log: []uint64{6, 6}, applied: 1, gap: "twice or in the wrong place"},
		"a covered record is there twice":       {snapshot: 5, log: []uint64{4, 4, 6}, applied: 1},
		"the log goes back":                     {snapshot: 5, log: []uint64{6, 7, 5}, applied: 2, gap: "twice or in the wrong place"},
		"index zero":                            {log: []uint64{0}, gap: "twice or in the wrong place"},
		"fell back and the log reaches":         {snapshot: 5, mustReach: 8, log: []uint64{6, 7, 8}, applied: 3},
		"fell back and the log ends early":      {snapshot: 5, mustReach: 8, log: []uint64{6, 7}, applied: 2, gap: "reach index 7, but the group had reached at least 8"},
		"fell back and the log is gone":         {snapshot: 5, mustReach: 8, gap: "at least 8"},
		"truncated and the snapshot is gone":    {floor: 9, gap: "at least 9"},
		"truncated and the snapshot is older":   {snapshot: 5, floor: 9, log: []uint64{}, gap: "at least 9"},
		"floor passed, not yet truncated":       {snapshot: 5, floor: 6, log: []uint64{4, 5, 6}, applied: 1},
		"truncated as far as the snapshot goes": {snapshot: 9, floor: 9, log: []uint64{10}, applied: 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := replayOf(c.snapshot, c.mustReach, map[uint32]uint64{1: c.floor})
			applied := 0
			var err error
			for _, i := range c.log {
				var apply bool
				if apply, err = r.Next(1, i); err != nil {
					break
				}
				if apply {
					applied++
				}
			}
			if err == nil {
				err = r.Finish()
			}
			if applied != c.applied {
				t.Errorf("%d records applied, want %d", applied, c.applied)
			}
			if c.gap == "" {
				check(t, err)
				if want := c.snapshot + uint64(applied); r.Reached(1) != want {
					t.Errorf("reached %d, want %d", r.Reached(1), want)
				}
			} else if !errors.Is(err, ErrGap) || !strings.Contains(err.Error(), c.gap) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestARecordOfAGroupThatIsNotHereIsRefused(t *testing.T) {
	if _, err := replayOf(0, 0, nil).Next(2, 1); !errors.Is(err, ErrGap) {
		t.Errorf("error is %v", err)
	}
}

func TestEveryGroupThatIsBehindIsNamed(t *testing.T) {
	r := NewReplay([]Loaded{{Group: 3, MustReach: 4}, {Group: 1}, {Group: 2, MustReach: 1}}, nil)
	err := r.Finish()
	if err == nil || !strings.Contains(err.Error(), "group 2") || !strings.Contains(err.Error(), "group 3") || strings.Contains(err.Error(), "group 1:") {
		t.Errorf("error is %v", err)
	}
}

// TestReplayNeverLosesSilently compares with what was written: whichever snapshot
// is used and whichever records the log still has, either every index up to the
// last acknowledged one is restored exactly once, or there is an error.
func TestReplayNeverLosesSilently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.Uint64Range(1, 30).Draw(t, "last")
		published := rapid.Uint64Range(0, last).Draw(t, "newest published")
		used := rapid.Uint64Range(0, published).Draw(t, "used")
		floor := rapid.Uint64Range(0, published).Draw(t, "floor")
		restored := used
		r := replayOf(used, published, map[uint32]uint64{1: floor})
		var err error
		for i := uint64(1); i <= last && err == nil; i++ {
			// Truncation takes whole segments: any record up to the floor may be gone.
			if i <= floor && rapid.Bool().Draw(t, "truncated") {
				continue
			}
			var apply bool
			if apply, err = r.Next(1, i); apply {
				if i != restored+1 {
					t.Fatalf("index %d is applied after %d", i, restored)
				}
				restored = i
			}
		}
		if err == nil {
			err = r.Finish()
		}
		if err == nil && restored != last {
			t.Fatalf("restored %d of %d without an error", restored, last)
		}
		if used >= floor && err != nil {
			t.Fatalf("nothing is missing, but %v", err)
		}
	})
}
