package store

import (
	"fmt"
	"testing"
)

func TestSweepSkipsWhatCannotHaveExpired(t *testing.T) {
	tab, _ := newTable(t, Options{Stripes: 1})
	const n = 100_000
	for i := range n {
		put(tab, fmt.Sprint(i), nil, Meta{ExpireAt: int64(1_000_000 + i)})
	}
	segments := tab.Stats().Segments
	calls := 0
	for wrapped := false; !wrapped; calls++ {
		r := tab.Sweep(999_999, 1_000_000, 50)
		if wrapped = r.Wrapped; r.Removed != 0 || r.Due {
			t.Fatalf("%+v before anything expires", r)
		}
	}
	if calls > segments/50+2 {
		t.Fatalf("%d calls with a budget of 50 for %d segments: entries were read", calls, segments)
	}
}

func TestSweepKeepsToItsBudgetAndGoesOn(t *testing.T) {
	tab, _ := newTable(t, Options{})
	const n = 50_000
	for i := range n {
		put(tab, fmt.Sprint(i), pattern(40), Meta{ExpireAt: 100})
	}
	removed := 0
	for calls := 0; removed < n; calls++ {
		r := tab.Sweep(101, 101, 1000)
		if removed += r.Removed; r.Removed > 1000+fullShape().slots() {
			t.Fatalf("%d removed with a budget of 1000", r.Removed)
		}
		if calls > n/100 {
			t.Fatalf("%d of %d removed after %d calls", removed, n, calls)
		}
	}
	if tab.Len() != 0 || tab.Expiring() != 0 {
		t.Fatalf("%d entries left, %d expiring", tab.Len(), tab.Expiring())
	}
	mustCheck(t, tab)
}

func TestSweepAgreesWithTheLogsTime(t *testing.T) {
	tab, _ := newTable(t, Options{})
	put(tab, "k", nil, Meta{ExpireAt: 100})
	if r := tab.Sweep(100, 100, 1000); r.Removed != 0 || r.Due {
		t.Fatalf("%+v at the very millisecond", r)
	}
	if r := tab.Sweep(50, 101, 1000); r.Removed != 0 || !r.Due {
		t.Fatalf("%+v: due by the wall clock only", r)
	}
	if r := tab.Sweep(101, 50, 1000); r.Removed != 1 || r.Due || !r.Wrapped {
		t.Fatalf("%+v: due by the stamp", r)
	}
}

// sweepAll lets housekeeping run until it finds nothing more to do.
func sweepAll(tab *Table) {
	for range 4 * (int(tab.Stats().Mapped>>chunkShift) + len(tab.grave) + 64) {
		tab.Sweep(0, 0, 10_000)
	}
}

func TestDeletingEverythingGivesTheMemoryBack(t *testing.T) {
	tab, mem := newTable(t, Options{})
	const n = 100_000
	for i := range n {
		put(tab, fmt.Sprint(i), pattern(i%500), Meta{})
	}
	for i := range n {
		del(tab, fmt.Sprint(i))
	}
	mustCheck(t, tab)
	if used := mem.Used(); used > 8*accountLot {
		t.Fatalf("%d bytes in use by an empty table", used)
	}
	sweepAll(tab)
	if s := tab.Stats(); s.Mapped > 4*chunkSize || s.Held > 4*pageSize || s.Segments > 4 {
		t.Fatalf("an empty table holds %+v", s)
	}
}

// TestRefillingWithOtherSizesReusesTheMemory deletes nine entries of ten and refills with values of another size
// class, over and over: what the table holds must stay in proportion to what is in it.
func TestRefillingWithOtherSizesReusesTheMemory(t *testing.T) {
	tab, mem := newTable(t, Options{Stripes: 1})
	const n = 40_000
	for round := range 6 {
		size := 60 + round*37
		for i := range n {
			put(tab, fmt.Sprint(round, "-", i), pattern(size), Meta{})
		}
		for i := range n {
			if i%10 != 0 {
				del(tab, fmt.Sprint(round, "-", i))
			}
		}
		sparse := tab.Stats().Held
		sweepAll(tab)
		s := tab.Stats()
		t.Logf("round %d: %d entries use %d KiB; held %d KiB, %d KiB after sweeping; mapped %d KiB", round, s.Entries, mem.Used()>>10, sparse>>10, s.Held>>10, s.Mapped>>10)
		if limit := mem.Used()*5/4 + 2*sparseLeast; s.Held > limit {
			t.Fatalf("round %d: %d bytes held for %d in use", round, s.Held, mem.Used())
		}
	}
	mustCheck(t, tab)
	for round := range 6 {
		for i := 0; i < n; i += 10 {
			if v, ok := get(tab, fmt.Sprint(round, "-", i)); !ok || len(v) != 60+round*37 {
				t.Fatalf("round %d, key %d: %d bytes, %v", round, i, len(v), ok)
			}
		}
	}
}

func TestClearUnmapsLaterInBoundedSteps(t *testing.T) {
	tab, mem := newTable(t, Options{Stripes: 1})
	for i := range 60_000 {
		put(tab, fmt.Sprint(i), pattern(1000), Meta{})
	}
	chunks := int(tab.Stats().Mapped >> chunkShift)
	tab.Clear()
	if tab.Len() != 0 || mem.Used() != 0 {
		t.Fatalf("%d entries, %d bytes after Clear", tab.Len(), mem.Used())
	}
	for calls := 1; len(tab.grave) > 0; calls++ {
		tab.Sweep(0, 0, 1)
		if calls > chunks/buryChunks+1 {
			t.Fatalf("%d chunks are not unmapped after %d calls", chunks, calls)
		}
	}
}
