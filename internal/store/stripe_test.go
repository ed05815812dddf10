package store

import (
	"bytes"
	"fmt"
	"testing"
)

// put, get, del and app do one operation under its lock.
func put(t *Table, key string, value []byte, m Meta) bool {
	h := t.Hash([]byte(key))
	s := t.Stripe(h)
	s.Lock()
	defer s.Unlock()
	return s.Put(h, []byte(key), value, m)
}

func get(t *Table, key string) (value []byte, ok bool) {
	h := t.Hash([]byte(key))
	s := t.Stripe(h)
	s.Lock()
	defer s.Unlock()
	var e Entry
	ok = s.Find(h, []byte(key), &e)
	return bytes.Clone(e.Value), ok
}

func del(t *Table, key string) bool {
	h := t.Hash([]byte(key))
	s := t.Stripe(h)
	s.Lock()
	defer s.Unlock()
	return s.Delete(h, []byte(key))
}

func app(t *Table, key string, tail []byte) int {
	h := t.Hash([]byte(key))
	s := t.Stripe(h)
	s.Lock()
	defer s.Unlock()
	return s.Append(h, []byte(key), tail, Meta{})
}

// pattern is a value that shows when a part of it is in the wrong place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func newTable(t testing.TB, o Options) (*Table, *Memory) {
	o.Memory = NewMemory(0)
	tab := New(o)
	t.Cleanup(func() {
		tab.Close()
		if used := o.Memory.Used(); used != 0 {
			t.Errorf("%d bytes booked after Close", used)
		}
	})
	return tab, o.Memory
}

func TestValuesOfEverySizeAroundClassLimitsComeBack(t *testing.T) {
	tab, mem := newTable(t, Options{Stripes: 1})
	sizes := map[int]bool{0: true, 1: true}
	for c := range uint8(classes) {
		step := 1
		if c >= firstRun {
			step = 5
		}
		for d := -14; d <= 2; d += step { // the header and the key take about 12
			sizes[max(0, int(classSize(c))+d)] = true
		}
	}
	for _, n := range []int{maxRun + 1, 1 << 20, 1<<20 + 1} {
		sizes[n] = true
	}
	was := 0
	for n := range sizes { // in random order: the value grows and shrinks
		put(tab, "grow", pattern(n), Meta{Version: uint64(n)})
		if v, _ := get(tab, "grow"); !bytes.Equal(v, pattern(n)) {
			t.Fatalf("value of %d bytes after one of %d differs", n, was)
		}
		put(tab, "new", pattern(n), Meta{Version: uint64(n), ExpireAt: 1})
		if v, _ := get(tab, "new"); !bytes.Equal(v, pattern(n)) {
			t.Fatalf("value of %d bytes differs", n)
		}
		del(tab, "new")
		was = n
	}
	mustCheck(t, tab)
	del(tab, "grow")
	if used := mem.Used(); used > 2*accountLot {
		t.Fatalf("%d bytes in use by an empty table", used)
	}
}

func TestEmptyAndBinaryKeysAndValues(t *testing.T) {
	tab, _ := newTable(t, Options{})
	keys := []string{"", "\x00", "\x00\x00", "a", "a\x00", "\r\n", "\xff\xfe", string(pattern(255)), string(pattern(256)), string(pattern(100_000))}
	for i, k := range keys {
		if !put(tab, k, []byte(k), Meta{Version: uint64(i)}) {
			t.Fatalf("key of %d bytes is not new", len(k))
		}
	}
	put(tab, "nothing", nil, Meta{})
	for _, k := range keys {
		if v, ok := get(tab, k); !ok || string(v) != k {
			t.Fatalf("key of %d bytes has a value of %d", len(k), len(v))
		}
	}
	if v, ok := get(tab, "nothing"); !ok || len(v) != 0 {
		t.Fatalf("nil value: %q, %v", v, ok)
	}
	mustCheck(t, tab)
}

func TestHugeValuesAreMappedAloneAndGivenBack(t *testing.T) {
	tab, mem := newTable(t, Options{})
	const n = 64 << 20
	value := pattern(n)
	before := tab.Stats().Mapped
	put(tab, "huge", value, Meta{Version: 1})
	if v, _ := get(tab, "huge"); !bytes.Equal(v, value) {
		t.Fatal("64 MiB differ")
	}
	if mem.Used() < n || tab.Stats().Mapped < before+n {
		t.Fatalf("used %d, mapped %d", mem.Used(), tab.Stats().Mapped)
	}
	tail := pattern(100)
	if got := app(tab, "huge", tail); got != n+100 {
		t.Fatalf("%d bytes after Append", got)
	}
	if v, _ := get(tab, "huge"); !bytes.Equal(v[:n], value) || !bytes.Equal(v[n:], tail) {
		t.Fatal("64 MiB and a tail differ")
	}
	put(tab, "huge", []byte("small"), Meta{Version: 2})
	if used, mapped := mem.Used(), tab.Stats().Mapped; used > 2*accountLot || mapped > before+2*chunkSize {
		t.Fatalf("used %d, mapped %d after the huge value went", used, mapped)
	}
	mustCheck(t, tab)
}

func TestAppendCopiesAFewTimesOnly(t *testing.T) {
	for _, c := range []struct{ tail, total, moves int }{{1, 100_000, 60}, {1000, 8 << 20, 60}} {
		t.Run(fmt.Sprintf("%d bytes by %d", c.total, c.tail), func(t *testing.T) {
			tab, _ := newTable(t, Options{Stripes: 1})
			tail := pattern(c.tail)
			var want []byte
			moves := 0
			var ref uint32
			for len(want) < c.total {
				app(tab, "k", tail)
				want = append(want, tail...)
				f, ok := tab.stripes[0].shard.find(tab.Hash([]byte("k")), []byte("k"))
				if !ok {
					t.Fatal("the key is gone")
				}
				if f.ref != ref {
					ref = f.ref
					moves++
				}
			}
			if v, _ := get(tab, "k"); !bytes.Equal(v, want) {
				t.Fatal("value differs")
			}
			if moves > c.moves {
				t.Fatalf("the value moved %d times", moves)
			}
			mustCheck(t, tab)
		})
	}
}

func TestSetMetaChangesWidthsInPlaceAndKeepsTheValue(t *testing.T) {
	tab, _ := newTable(t, Options{Stripes: 1})
	for _, n := range []int{0, 10, 64, 71, 72, 73, 250, 256, 4000, 40_000, 600_000} {
		value := pattern(n)
		put(tab, "k", value, Meta{Version: 1})
		for _, m := range []Meta{{Version: 1 << 40, ExpireAt: 5, Kind: 3}, {Version: 2}, {Version: 1 << 60, ExpireAt: -1}, {}} {
			s := &tab.stripes[0]
			h := tab.Hash([]byte("k"))
			var e Entry
			if !s.SetMeta(h, []byte("k"), m) || !s.Find(h, []byte("k"), &e) {
				t.Fatal("the key is gone")
			}
			if !bytes.Equal(e.Value, value) || (Meta{e.Version, e.ExpireAt, e.Kind}) != m {
				t.Fatalf("value of %d bytes after SetMeta %+v: %d bytes, %+v", n, m, len(e.Value), e)
			}
		}
	}
	mustCheck(t, tab)
}

func TestPrefetchIsHarmlessOnEmptyAndFullTables(t *testing.T) {
	tab, _ := newTable(t, Options{shape: tiny()})
	for i := range 500 {
		h := tab.Hash(fmt.Append(nil, i))
		tab.PrefetchBucket(h)
		tab.PrefetchEntry(h)
		put(tab, fmt.Sprint(i), nil, Meta{})
		tab.PrefetchEntry(h)
	}
	mustCheck(t, tab)
}
