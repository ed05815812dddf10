package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// counterKey and counterValue make entries whose value tells which write made them.
func counterKey(i int) []byte { return fmt.Appendf(nil, "key-%d", i) }

func counterValue(n uint64, size int) []byte {
	v := bytes.Repeat([]byte{byte(n)}, max(size, 8))
	binary.LittleEndian.PutUint64(v, n)
	return v
}

// TestImageIsExactWhileWritersRun lets writers number their writes under one lock per key, takes images between
// writes of all of them (as a partition's lock does in the server), and compares each image with the numbers of
// that moment. Memory comes from the Go heap, so that the race detector sees it.
func TestImageIsExactWhileWritersRun(t *testing.T) {
	const keys, writers, images = 800, 3, 6
	tab, mem := newTable(t, Options{shape: tiny(), source: heapSource{}})
	var gate sync.RWMutex // a write holds it shared, taking an image holds it alone
	var last [keys]uint64 // guarded by gate and by which writer owns the key; 0: absent
	var stop atomic.Bool
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for n := uint64(1); !stop.Load(); n++ {
				i := rng.IntN(keys/writers)*writers + w
				gate.RLock()
				last[i] = writeOne(tab, rng, i, n, last[i])
				gate.RUnlock()
			}
		})
	}
	var reading sync.WaitGroup
	for k := range images {
		gate.Lock()
		img, want := tab.Image(), last
		gate.Unlock()
		reading.Go(func() {
			defer img.Close()
			if err := compareImage(img, want[:]); err != nil {
				t.Errorf("image %d: %v", k, err)
			}
		})
		if k%3 == 2 {
			reading.Wait() // three at a time
		}
	}
	reading.Wait()
	stop.Store(true)
	writing.Wait()
	mustCheck(t, tab)
	for i := range last {
		del(tab, string(counterKey(i)))
	}
	if used := mem.Used(); used > 16*accountLot {
		t.Errorf("%d bytes in use by an empty table without images", used)
	}
}

// writeOne changes one key in a random way and returns the number that its value then has.
func writeOne(tab *Table, rng *rand.Rand, i int, n, was uint64) uint64 {
	key := counterKey(i)
	h := tab.Hash(key)
	s := tab.Stripe(h)
	s.Lock()
	defer s.Unlock()
	switch rng.IntN(10) {
	case 0, 1, 2:
		s.Delete(h, key)
		return 0
	case 3:
		if was != 0 {
			s.Append(h, key, make([]byte, rng.IntN(200)), Meta{Version: was})
		}
		return was
	case 4:
		s.Put(h, key, counterValue(n, 40_000+rng.IntN(2)*600_000), Meta{Version: n})
		return n
	}
	s.Put(h, key, counterValue(n, rng.IntN(300)), Meta{Version: n})
	return n
}

func compareImage(img *Image, want []uint64) error {
	expected := 0
	for _, n := range want {
		if n != 0 {
			expected++
		}
	}
	if img.Len() != expected {
		return fmt.Errorf("has %d entries, want %d", img.Len(), expected)
	}
	var buf []Entry
	for buf = img.Next(buf); len(buf) > 0; buf = img.Next(buf) {
		for _, e := range buf {
			var i int
			if _, err := fmt.Sscanf(string(e.Key), "key-%d", &i); err != nil {
				return err
			}
			n := binary.LittleEndian.Uint64(e.Value)
			if n != want[i] || e.Version != n {
				return fmt.Errorf("%s is number %d, version %d; want %d", e.Key, n, e.Version, want[i])
			}
			want[i] = 0 // once only
			expected--
		}
	}
	if expected != 0 {
		return fmt.Errorf("%d entries missing", expected)
	}
	return nil
}

func TestImageHandsOutSavedHomesBeforeItWalksOn(t *testing.T) {
	tab, mem := newTable(t, Options{Stripes: 1})
	const n = 20_000
	for i := range n {
		put(tab, string(counterKey(i)), pattern(100), Meta{Version: 1})
	}
	before := mem.Used()
	img := tab.Image()
	defer img.Close()
	var buf []Entry
	seen := 0
	highest := int64(0)
	for i := 0; ; i++ {
		if buf = img.Next(buf); len(buf) == 0 {
			break
		}
		seen += len(buf)
		for k := range 50 { // writers touch 50 keys per call of Next
			put(tab, string(counterKey((i*50+k)*7919%n)), pattern(100), Meta{Version: 2})
		}
		highest = max(highest, mem.Used()-before)
	}
	if seen != n {
		t.Fatalf("saw %d entries of %d", seen, n)
	}
	// 50 homes of about 10 entries of 120 bytes make a buffer; one is in hand, one spare, the rest wait
	if highest > 8*savedSize {
		t.Fatalf("the image kept %d bytes although it was read in step", highest)
	}
}

// TestSplitsKeepWhatWasSavedApart splits every segment again and again between writes and reads of two images.
func TestSplitsKeepWhatWasSavedApart(t *testing.T) {
	tab, _ := newTable(t, Options{Stripes: 1})
	const n = 3000
	for i := range n {
		put(tab, string(counterKey(i)), counterValue(1, 8), Meta{Version: 1})
	}
	want := bytes.Repeat([]byte{1}, n)
	first, second := tab.Image(), (*Image)(nil)
	seen := [2][]byte{make([]byte, n), make([]byte, n)}
	read := func(which int, img *Image) bool {
		got := img.Next(nil)
		for _, e := range got {
			var i int
			if _, err := fmt.Sscanf(string(e.Key), "key-%d", &i); err != nil || e.Version != uint64(which+1) {
				t.Fatalf("image %d: %q, version %d: %v", which, e.Key, e.Version, err)
			}
			seen[which][i]++
		}
		return len(got) > 0
	}
	for round := range 4 {
		for i := range n { // a part of the homes is saved before they are split
			if round == 1 || i%29 == 0 {
				put(tab, string(counterKey(i)), nil, Meta{Version: uint64(round + 2)})
			}
		}
		read(0, first)
		splitAll(&tab.stripes[0])
		if round == 1 {
			for i := range n {
				put(tab, string(counterKey(i)), nil, Meta{Version: 2})
			}
			second = tab.Image()
		}
	}
	mustCheck(t, tab)
	for which, img := range []*Image{first, second} {
		for read(which, img) {
		}
		img.Close()
		if !bytes.Equal(seen[which], want) {
			t.Errorf("image %d did not give every entry once", which)
		}
	}
}

// splitAll splits every segment of a stripe.
func splitAll(s *Stripe) {
	s.Lock()
	defer s.Unlock()
	for cell, end := s.shard.stripeRange(0); cell < end; {
		g, at, _ := s.shard.segmentAt(cell)
		cell = at.end()
		s.shard.split(g, at)
	}
}

func TestSplitsDuringAnImageSaveNothing(t *testing.T) {
	tab, mem := newTable(t, Options{Stripes: 1})
	const n = 5_000
	for i := range n {
		put(tab, string(counterKey(i)), pattern(1000), Meta{})
	}
	img := tab.Image()
	defer img.Close()
	before, segments := mem.Used(), tab.Stats().Segments
	splitAll(&tab.stripes[0])
	if after := tab.Stats().Segments; after != 2*segments {
		t.Fatalf("%d segments became %d", segments, after)
	}
	if grown := mem.Used() - before; grown > int64(segments+2)*(pageSize+8) {
		t.Fatalf("splitting %d segments took %d bytes", segments, grown)
	}
	mustCheck(t, tab)
	seen := map[string]bool{}
	for buf := img.Next(nil); len(buf) > 0; buf = img.Next(buf) {
		for _, e := range buf {
			seen[string(e.Key)] = true
		}
	}
	if len(seen) != n || img.given != n {
		t.Fatalf("saw %d entries, %d keys; want %d", img.given, len(seen), n)
	}
}

func TestClosingAnImageEarlyReleasesWhatItKept(t *testing.T) {
	tab, mem := newTable(t, Options{})
	for i := range 3000 {
		put(tab, string(counterKey(i)), pattern(i%300), Meta{})
	}
	put(tab, "large", pattern(100_000), Meta{})
	put(tab, "huge", pattern(1_000_000), Meta{})
	before := mem.Used()
	img, other := tab.Image(), tab.Image()
	img.Next(nil)
	for i := range 3000 {
		put(tab, string(counterKey(i)), pattern(i%300), Meta{})
	}
	put(tab, "large", pattern(100_001), Meta{})
	put(tab, "huge", pattern(1_000_001), Meta{})
	if mem.Used() < before+1_100_000 {
		t.Fatalf("%d bytes in use, %d before: images keep nothing?", mem.Used(), before)
	}
	img.Close()
	img.Close()
	other.Close()
	if grown := mem.Used() - before; grown > 8*accountLot {
		t.Fatalf("%d bytes more in use than before the images", grown)
	}
	if got := img.Next(nil); len(got) != 0 {
		t.Fatalf("%d entries from a closed image", len(got))
	}
	mustCheck(t, tab)
}

func TestImageOutlivesClearAndClose(t *testing.T) {
	mem := NewMemory(0)
	tab := New(Options{Memory: mem})
	for i := range 5000 {
		put(tab, string(counterKey(i)), pattern(50), Meta{})
	}
	img := tab.Image()
	tab.Clear()
	put(tab, "later", nil, Meta{})
	later := tab.Image()
	tab.Close()
	if _, ok := get(tab, "later"); ok || tab.Len() != 0 {
		t.Fatal("a closed table has entries")
	}
	for want, i := range map[int]*Image{5000: img, 1: later} {
		n := 0
		for buf := i.Next(nil); len(buf) > 0; buf = i.Next(buf) {
			n += len(buf)
		}
		if n != want || i.Len() != want {
			t.Errorf("image of %d gave %d entries, want %d", i.Len(), n, want)
		}
		i.Close()
	}
	if mem.Used() != 0 || len(tab.grave) != 0 {
		t.Fatalf("%d bytes booked, %d shards mapped after the last image closed", mem.Used(), len(tab.grave))
	}
	defer func() {
		if recover() == nil {
			t.Error("a write to a closed table went through")
		}
	}()
	put(tab, "too late", nil, Meta{})
}
