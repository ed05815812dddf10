package wal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

func TestTruncateFollowsTheFloors(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, small(m, Always))
	for i := range 60 {
		mustAppend(t, l, rec(1, uint64(i+1), 1000))
		if i == 0 {
			mustAppend(t, l, rec(2, 1, 10), rec(1_000_000, 5, 10)) // groups that write little
		}
		mustSync(t, l)
	}
	truncate := func(want int) {
		t.Helper()
		if n, err := l.Truncate(); n != want || err != nil {
			t.Fatalf("truncated %d segments, %v, want %d", n, err, want)
		}
	}
	before := l.Stats().LiveBytes
	truncate(0)
	if got := l.Laggards(); !slices.Equal(got, []uint32{1, 2, 1_000_000}) {
		t.Fatalf("laggards %v", got)
	}
	l.SetFloor(1, 60)
	truncate(0)
	l.SetFloor(2, 1)
	if got := l.Laggards(); !slices.Equal(got, []uint32{1_000_000}) {
		t.Fatalf("laggards %v, want the group that wrote little", got)
	}
	l.SetFloor(1_000_000, 5)
	l.SetFloor(1, 40) // a floor never goes down
	n, err := l.Truncate()
	if n < 3 || err != nil {
		t.Fatalf("truncated %d segments, %v, want all full ones", n, err)
	}
	if s := l.Stats(); s.Truncated != uint64(n) || s.LiveBytes >= before-int64(n)*(16<<10)+1 {
		t.Fatalf("after truncating %d segments of %d bytes: %+v", n, before, s)
	}
	if got := l.Laggards(); len(got) != 0 {
		t.Fatalf("laggards %v of a log without full segments", got)
	}
	mustClose(t, l)
	l, got := mustOpen(t, small(m, Always))
	if len(got) == 0 || got[len(got)-1].Index != 60 {
		t.Fatal("the newest records are gone")
	}
	for i := 1; i < len(got); i++ {
		if got[i].Index != got[i-1].Index+1 {
			t.Fatalf("index %d after %d", got[i].Index, got[i-1].Index)
		}
	}
	mustClose(t, l)
}

// A snapshot may cover records that are not yet durable in the log. Their segment must stay until the log goes on
// durably after it, or a power cut would leave a log without a beginning.
func TestTruncateKeepsASegmentUntilTheNextHoldsSomethingDurable(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, small(m, Never))
	index := uint64(0)
	for l.Stats().LiveBytes <= 16<<10 { // into the second segment
		index++
		if err := l.Flush(mustAppend(t, l, rec(1, index, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	l.SetFloor(1, index)
	if n, err := l.Truncate(); n != 0 || err != nil {
		t.Fatalf("truncated %d segments, %v, before anything after them was durable", n, err)
	}
	if _, err := openDamaged(t, m.CrashClone(nil)); err != nil {
		t.Fatal(err)
	}
	mustSync(t, l)
	if n, err := l.Truncate(); n != 1 || err != nil {
		t.Fatalf("truncated %d segments, %v, want the first", n, err)
	}
	if _, err := openDamaged(t, m.CrashClone(nil)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
}

// A record of index 0 that ends a segment is kept with it, if what it says is needed.
func TestTruncateBeforeKeepsWhatWasAppendedSince(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, small(m, Always))
	index := uint64(0)
	for l.Stats().LiveBytes <= 32<<10 { // into the third segment
		index++
		mustAppend(t, l, rec(1, index, 1000))
		mustSync(t, l)
	}
	pos := l.AppendedPos()
	mustAppend(t, l, rec(1, 0, 10))
	for l.Stats().LiveBytes <= 48<<10 { // and the fourth
		mustAppend(t, l, rec(2, 0, 1000))
		mustSync(t, l)
	}
	l.SetFloor(1, index)
	if n, err := l.TruncateBefore(pos); n != 2 || err != nil {
		t.Errorf("truncated %d segments, %v, want those before the record", n, err)
	}
	mustClose(t, l)
	l, got := mustOpen(t, small(m, Always))
	if !slices.ContainsFunc(got, func(r Record) bool { return r.Group == 1 && r.Index == 0 }) {
		t.Error("the record is gone")
	}
	// What was there at the start was appended before anything is now.
	l.SetFloor(1, index)
	if n, err := l.TruncateBefore(0); n != 1 || err != nil {
		t.Errorf("after a start: truncated %d segments, %v, want the full one", n, err)
	}
	mustClose(t, l)
}

func TestGroupIndexesAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g, floors groupIndexes
		model, floorModel := map[uint32]uint64{}, map[uint32]uint64{}
		group := rapid.OneOf(rapid.Uint32Range(0, 20), rapid.Uint32Range(denseGroups-2, denseGroups+2))
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			n, i := group.Draw(t, "group"), rapid.Uint64Range(1, 9).Draw(t, "index")
			if rapid.Bool().Draw(t, "floor") {
				floors.raise(n, i)
				floorModel[n] = max(floorModel[n], i)
			} else {
				g.raise(n, i)
				model[n] = max(model[n], i)
			}
		}
		var want []uint32
		for n, i := range model {
			if g.get(n) != i {
				t.Fatalf("group %d: %d, want %d", n, g.get(n), i)
			}
			if i > floorModel[n] {
				want = append(want, n)
			}
		}
		slices.Sort(want)
		if got := g.above(&floors); !slices.Equal(got, want) {
			t.Fatalf("above the floors: %v, want %v", got, want)
		}
	})
}
