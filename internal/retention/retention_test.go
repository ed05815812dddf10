package retention

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// world is a Node and a Log that write down what happens to them.
type world struct {
	events      []string
	infos       []snapshot.Info
	idle        map[uint32]bool
	laggards    [][]uint32 // at each look; the last stays
	truncatable bool
	fails       map[string]error
	recordBytes uint64
}

func (w *world) tell(format string, args ...any) error {
	e := fmt.Sprintf(format, args...)
	w.events = append(w.events, e)
	return w.fails[e]
}

func (w *world) Groups() []uint32 { return []uint32{0, 1, 2} }
func (w *world) Idle(group uint32) (uint64, bool, bool) {
	return 10 * uint64(group+1), group > 0, w.idle[group]
}
func (w *world) WriteSnapshot(group uint32) (int64, error) { return 100, w.tell("write %d", group) }
func (w *world) Snapshots() ([]snapshot.Info, error)       { return w.infos, nil }
func (w *world) SetFloors(floors map[uint32]uint64) error  { return w.tell("floors %v", floors) }
func (w *world) RecordStates() (uint64, error)             { return 77, w.tell("record") }
func (w *world) MoveOn(group uint32) (int64, error)        { return 10, w.tell("move %d", group) }
func (w *world) Shortening() func() {
	w.tell("(")
	return func() { w.tell(")") }
}
func (w *world) Progress(done, groups int) {}

func (w *world) SetFloor(group uint32, index uint64) { w.tell("floor %d %d", group, index) }
func (w *world) Laggards() []uint32 {
	if len(w.laggards) == 0 {
		return nil
	}
	now := w.laggards[0]
	if len(w.laggards) > 1 {
		w.laggards = w.laggards[1:]
	}
	return now
}
func (w *world) Truncatable() bool { return w.truncatable }
func (w *world) TruncateBefore(pos uint64) (int, error) {
	return 1, w.tell("truncate before %d", pos)
}
func (w *world) Stats() wal.Stats { return wal.Stats{RecordBytes: w.recordBytes} }

func (w *world) keeper(o Options) *Keeper {
	k := New(w, o)
	k.Begin(w, 0)
	return k
}

// images are so many snapshots of a group, the newest at index.
func images(group uint32, index uint64, count int) (infos []snapshot.Info) {
	for i := range count {
		infos = append(infos, snapshot.Info{Meta: snapshot.Meta{Group: group, Index: index - 5*uint64(i)}})
	}
	return infos
}

func TestTheLogGoesAfterItIsDurableThatItMayAndWhatMustStayIsThereAgain(t *testing.T) {
	w := &world{truncatable: true, infos: slices.Concat(images(0, 10, 2), images(1, 20, 3), images(2, 30, 1))}
	if err := w.keeper(Options{Keep: 2}).Truncate(); err != nil {
		t.Fatal(err)
	}
	// Group 2 has fewer snapshots than are kept: all of its log stays.
	want := []string{"(", "floors map[0:5 1:15]", "floor 0 5", "floor 1 15", "record", "truncate before 77", ")"}
	if !slices.Equal(w.events, want) {
		t.Errorf("%q", w.events)
	}
}

func TestNothingOfTheLogGoesAfterAFailure(t *testing.T) {
	for _, step := range []string{"floors map[1:15]", "record"} {
		w := &world{truncatable: true, infos: images(1, 20, 2), fails: map[string]error{step: errors.New("no")}}
		if err := w.keeper(Options{Keep: 2}).Truncate(); err == nil {
			t.Errorf("%s fails, and nobody hears of it", step)
		}
		if slices.ContainsFunc(w.events, func(e string) bool { return strings.HasPrefix(e, "truncate") }) {
			t.Errorf("%s fails: %q", step, w.events)
		}
	}
}

func TestNothingIsWrittenForALogThatCannotBecomeShorter(t *testing.T) {
	w := &world{infos: images(1, 20, 2)}
	if err := w.keeper(Options{Keep: 2}).Truncate(); err != nil || slices.Contains(w.events, "record") {
		t.Errorf("%q, %v", w.events, err)
	}
}

func TestARoundWritesThenShortensThenMovesOnWhoeverIsIdleAndPinsTheLog(t *testing.T) {
	w := &world{idle: map[uint32]bool{0: true, 2: true}, laggards: [][]uint32{{0, 2}, {0}}}
	bytes, err := w.keeper(Options{Keep: 2}).Round()
	want := []string{
		"floor 2 30", // it has peers to get another snapshot from
		"write 0", "write 1", "write 2",
		"(", "floors map[]", ")",
		"move 0", "move 2", "(", "floors map[]", ")",
	} // and group 0, which pins the log again, waits for another round
	if err != nil || bytes != 320 || !slices.Equal(w.events, want) {
		t.Errorf("%d bytes, %v, %q", bytes, err, w.events)
	}
}

func TestIdleGroupsAreLeftAloneWhileABusyOnePinsTheLogToo(t *testing.T) {
	w := &world{idle: map[uint32]bool{2: true}, laggards: [][]uint32{{1, 2}}}
	if _, err := w.keeper(Options{Keep: 2}).Round(); err != nil || slices.Contains(w.events, "move 2") {
		t.Errorf("%v, %q", err, w.events)
	}
}

func TestAGroupThatCannotBeMovedOnIsNoFailure(t *testing.T) {
	for _, why := range []error{ErrStands, wal.ErrNoSpace} {
		w := &world{idle: map[uint32]bool{0: true}, laggards: [][]uint32{{0}}, fails: map[string]error{"move 0": fmt.Errorf("it: %w", why)}}
		if _, err := w.keeper(Options{Keep: 2}).Round(); err != nil {
			t.Errorf("%v", err)
		}
	}
	w := &world{idle: map[uint32]bool{0: true}, laggards: [][]uint32{{0}}, fails: map[string]error{"move 0": syscall.EIO}}
	if _, err := w.keeper(Options{Keep: 2}).Round(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "meta group") {
		t.Errorf("%v", err)
	}
}

func TestOnlyARoundThatEndsWellCountsAsSuch(t *testing.T) {
	w := &world{fails: map[string]error{}}
	k := New(w, Options{Keep: 2, LogBytes: 1000})
	k.Begin(w, 600) // replayed
	grown := func(want bool) {
		t.Helper()
		if got := k.HasGrown(0); got != want {
			t.Errorf("grown by %d: %v", k.Grown(int64(w.recordBytes)), got)
		}
	}
	w.recordBytes = 400
	grown(false)
	w.recordBytes = 401
	grown(true)
	if k.HasGrown(1002) {
		t.Error("by less than the data's size, and it counts as grown")
	}
	w.fails["write 1"] = syscall.ENOSPC
	if _, err := k.Round(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	grown(true)
	delete(w.fails, "write 1")
	if _, err := k.Round(); err != nil {
		t.Fatal(err)
	}
	grown(false)
	w.recordBytes += 1001
	grown(true)
}

func TestWhenARoundIsDue(t *testing.T) {
	const free = 10 << 20
	disk := func(cramped bool, bytes uint64) Disk {
		return Disk{Cramped: cramped, Free: func() (uint64, error) { return bytes, nil }}
	}
	type step struct {
		nowMs int64
		disk  Disk
		due   bool
	}
	full := fmt.Errorf("write: %w", syscall.ENOSPC)
	for _, c := range []struct {
		name   string
		rounds []error // that have ended at 1000
		disk   Disk
		again  bool // after the last
		steps  []step
	}{
		{"after none", nil, disk(false, free), false, []step{{0, disk(false, free), false}, {0, disk(true, free), true}}},
		{"after a good one", []error{nil}, disk(false, free), false, []step{{1000, disk(true, free), true}}},
		{"after a failure", []error{syscall.EIO}, disk(true, free), false, []step{{1099, disk(true, math.MaxUint64), false}, {1100, disk(true, free), true}}},
		{"after a failure for lack of space", []error{full}, disk(true, free), false, []step{
			{1001, disk(true, free+worthATry-1), false}, {1001, disk(true, free+worthATry), true}, {1100, disk(true, free), true}}},
		{"after one that has not helped", []error{nil}, disk(true, free), true, []step{{1000, disk(true, free), true}}},
		{"after as many as are kept", []error{nil, nil}, disk(true, free), false, []step{{1009, disk(true, free), false}, {1010, disk(true, free), true}}},
	} {
		w := &world{}
		k := w.keeper(Options{Keep: 2, RetryMs: 100, CrampedMs: 10})
		again := false
		for _, err := range c.rounds {
			again = k.Ended(1000, err, c.disk)
		}
		if again != c.again {
			t.Errorf("%s: another at once: %v", c.name, again)
		}
		for _, s := range c.steps {
			if got := k.Due(s.nowMs, 0, s.disk); got != s.due {
				t.Errorf("%s: due at %d, cramped %v: %v", c.name, s.nowMs, s.disk.Cramped, got)
			}
		}
	}
}
