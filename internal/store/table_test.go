package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestSizeHintSparesAllSplits(t *testing.T) {
	const n = 100_000
	tab, _ := newTable(t, Options{SizeHint: n})
	var depths []uint
	for i := range tab.stripes {
		depths = append(depths, tab.stripes[i].shard.depth)
	}
	for i := range n {
		put(tab, fmt.Sprint(i), nil, Meta{})
	}
	for i := range tab.stripes {
		d := tab.stripes[i].shard
		if d.depth != depths[i] || int(d.atDepth[d.depth]) != 1<<d.depth {
			t.Errorf("stripe %d: depth %d became %d, %v", i, depths[i], d.depth, d.atDepth)
		}
	}
	mustCheck(t, tab)
}

func TestSegmentsFillToNineTenthsBeforeTheySplit(t *testing.T) {
	tab, _ := newTable(t, Options{Stripes: 1})
	s := &tab.stripes[0]
	total, splits, was := 0, 0, uint32(0)
	for i := range 200_000 {
		put(tab, fmt.Sprint(i), nil, Meta{})
		d := s.shard
		if n := d.atDepth[0] + d.atDepth[1]; i < 800 && n > 1 && was == 0 {
			was = n
			t.Logf("the first segment split at %d of %d slots", i, d.slots())
		}
	}
	d := s.shard
	for _, n := range d.atDepth {
		splits += int(n)
	}
	total = d.count
	load := float64(total) / float64(splits*d.slots())
	t.Logf("%d entries in %d segments: %.2f of the slots", total, splits, load)
	if load < 0.42 || load > 0.95 {
		t.Fatalf("load %.2f", load)
	}
}

func TestMemoryIsSharedAndKnowsItsLimit(t *testing.T) {
	mem := NewMemory(1 << 20)
	a, b := New(Options{Memory: mem}), New(Options{Memory: mem})
	defer b.Close()
	for i := 0; !mem.Over(); i++ {
		put(a, fmt.Sprint(i), pattern(500), Meta{})
		put(b, fmt.Sprint(i), pattern(500), Meta{})
		if i > 2000 {
			t.Fatal("2 MB are not over 1 MiB")
		}
	}
	exact := a.Bytes() + b.Bytes()
	if off := mem.Used() - exact; off > 8*accountLot || off < -8*accountLot {
		t.Fatalf("the account says %d, the tables %d", mem.Used(), exact)
	}
	a.Close()
	if mem.Over() {
		t.Fatal("over the limit after half of it was given back")
	}
	mem.SetLimit(1)
	if !mem.Over() || mem.Limit() != 1 {
		t.Fatal("a new limit does not count")
	}
	mem.SetLimit(0)
	if mem.Over() {
		t.Fatal("over no limit")
	}
}

func TestFullWarnsBeforeAddressesEnd(t *testing.T) {
	tab, _ := newTable(t, Options{})
	if tab.Full() {
		t.Fatal("an empty table is full")
	}
	d := tab.stripes[2].shard
	d.chunks = make([]chunk, maxChunks-10)
	if !tab.Full() {
		t.Fatal("10 chunks are left and it is not full")
	}
	d.chunks = nil
}

func TestStripesMustBeAPowerOfTwo(t *testing.T) {
	for _, n := range []int{-1, 3, 65, 128} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d stripes were taken", n)
				}
			}()
			New(Options{Stripes: n})
		}()
	}
	for _, n := range []int{1, 64} {
		tab, _ := newTable(t, Options{Stripes: n})
		for i := range 1000 {
			put(tab, fmt.Sprint(i), nil, Meta{})
		}
		seen := 0
		tab.Scan(0, 10_000, func(*Entry) { seen++ })
		if seen != 1000 {
			t.Errorf("%d stripes: saw %d of 1000", n, seen)
		}
		mustCheck(t, tab)
	}
}

// TestEverythingAtOnce is for the race detector: all methods that lock for themselves, beside readers and writers.
func TestEverythingAtOnce(t *testing.T) {
	tab, _ := newTable(t, Options{shape: tiny(), source: heapSource{}})
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for i := range 4000 {
				key := fmt.Sprint(w, i%500)
				put(tab, key, pattern(i%400), Meta{Version: uint64(i), ExpireAt: int64(i % 7)})
				get(tab, key)
				app(tab, key, pattern(9))
				if i%3 == 0 {
					del(tab, key)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 60 {
			img := tab.Image()
			for buf := img.Next(nil); len(buf) > 0 && i%5 > 0; buf = img.Next(buf) {
			}
			img.Close()
			if i%20 == 10 {
				tab.Clear()
			}
		}
	})
	wg.Go(func() {
		cursor := uint64(0)
		for i := range 1500 {
			cursor = tab.Scan(cursor, 20, func(*Entry) {})
			tab.Sweep(int64(i%6), 6, 100)
			tab.Stats()
			tab.Full()
			h := tab.Hash([]byte{byte(i)})
			tab.PrefetchBucket(h)
			tab.PrefetchEntry(h)
			tab.LockMask(tab.AllStripes() & 5)
			tab.UnlockMask(tab.AllStripes() & 5)
		}
	})
	wg.Wait()
	mustCheck(t, tab)
}

func TestEqualHashesMakeTablesOfEqualOrder(t *testing.T) {
	order := func() (keys []string) {
		tab := New(Options{Stripes: 1, Hash: func(key []byte) uint64 {
			h := uint64(14695981039346656037)
			for _, b := range key {
				h = (h ^ uint64(b)) * 1099511628211
			}
			return h
		}})
		defer tab.Close()
		for i := range 1000 {
			key := []byte{byte(i), byte(i >> 8), 'k'}
			h := tab.Hash(key)
			s := tab.Stripe(h)
			s.Lock()
			s.Put(h, key, key, Meta{})
			s.Unlock()
		}
		for cursor := uint64(0); ; {
			if cursor = tab.Scan(cursor, 64, func(e *Entry) { keys = append(keys, string(e.Key)) }); cursor == 0 {
				return keys
			}
		}
	}
	if a, b := order(), order(); len(a) != 1000 || !slices.Equal(a, b) {
		t.Errorf("%d and %d entries, in the same order: %v", len(a), len(b), slices.Equal(a, b))
	}
}
