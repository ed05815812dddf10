package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestScanSeesWhatStaysWhileTheTableGrowsAndShrinks runs scans against a writer that adds and removes thousands
// of other keys.
func TestScanSeesWhatStaysWhileTheTableGrowsAndShrinks(t *testing.T) {
	const stay, come = 500, 6000
	tab, _ := newTable(t, Options{shape: tiny(), source: heapSource{}})
	for i := range stay {
		put(tab, fmt.Sprint("stay-", i), nil, Meta{})
	}
	var done atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for range 3 {
			for i := range come {
				put(tab, fmt.Sprint("come-", i), nil, Meta{})
			}
			for i := range come {
				del(tab, fmt.Sprint("come-", i))
			}
		}
		done.Store(true)
	})
	for rounds := 0; !done.Load() || rounds == 0; rounds++ {
		seen := map[string]int{}
		for cursor, first := uint64(0), true; cursor != 0 || first; first = false {
			cursor = tab.Scan(cursor, 50, func(e *Entry) { seen[string(e.Key)]++ })
			if cursor >= 1<<48 {
				t.Fatalf("cursor %#x", cursor)
			}
		}
		for i := range stay {
			if n := seen[fmt.Sprint("stay-", i)]; n != 1 {
				t.Fatalf("round %d: key %d seen %d times", rounds, i, n)
			}
		}
	}
	writer.Wait()
	mustCheck(t, tab)
	if s := tab.Stats().Segments; s > 4*stay/tiny().slots()*8 {
		t.Errorf("%d segments left for %d entries", s, stay)
	}
}

func TestScanDoesBoundedWorkPerCall(t *testing.T) {
	tab, _ := newTable(t, Options{SizeHint: 1_000_000}) // almost empty
	put(tab, "a", nil, Meta{})
	calls, seen := 0, 0
	for cursor, first := uint64(0), true; cursor != 0 || first; first = false {
		cursor = tab.Scan(cursor, 10, func(*Entry) { seen++ })
		calls++
	}
	if seen != 1 || calls < 10 {
		t.Fatalf("saw %d entries in %d calls over 1700 segments", seen, calls)
	}
	for i := range 10_000 {
		put(tab, fmt.Sprint(i), nil, Meta{})
	}
	for _, n := range []int{-1, 0, 1, 10, 1000} {
		seen = 0
		tab.Scan(0, n, func(*Entry) { seen++ })
		if seen > max(n, 1)+homeMost {
			t.Errorf("asked for %d, got %d", n, seen)
		}
	}
}

func TestScanTakesAnyCursor(t *testing.T) {
	tab, _ := newTable(t, Options{shape: tiny()})
	for i := range 1000 {
		put(tab, fmt.Sprint(i), nil, Meta{})
	}
	for _, cursor := range []uint64{1, 1<<48 - 1, 1 << 48, 1<<64 - 1, 0xdeadbeefcafe} {
		for calls := 0; cursor != 0; calls++ {
			if cursor = tab.Scan(cursor, 100, func(*Entry) {}); calls > 1000 {
				t.Fatal("the scan does not end")
			}
		}
	}
}
