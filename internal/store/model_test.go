package store

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// modelEntry is what the model knows about a key.
type modelEntry struct {
	value string
	Meta
}

// tableModel drives a table and a plain map with the same operations.
type tableModel struct {
	t      *Table
	mem    *Memory
	want   map[string]modelEntry
	images []*imageModel
	scan   *scanModel
	clock  int64
}

// imageModel is an image with what it has to give.
type imageModel struct {
	img  *Image
	want map[string]modelEntry
}

// scanModel is a scan on its way: keys that were there all the time must have been seen at its end.
type scanModel struct {
	cursor uint64
	stayed map[string]bool
	seen   map[string]int
}

func (m *tableModel) key(t *rapid.T) []byte {
	n := rapid.IntRange(0, 300).Draw(t, "key")
	switch {
	case n == 0:
		return []byte{}
	case n == 1:
		return bytes.Repeat([]byte("long"), 100)
	}
	return fmt.Appendf(nil, "k\x00%d", n)
}

func (m *tableModel) value(t *rapid.T) []byte {
	n := rapid.SampledFrom([]int{0, 1, 8, 30, 64, 200, 255, 256, 257, 1000, 5000, 33 << 10, 70 << 10, 600 << 10}).Draw(t, "len")
	if n > 1000 && rapid.IntRange(0, 3).Draw(t, "seldom") != 0 {
		n %= 1000
	}
	return bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(t, "byte"))}, n)
}

func (m *tableModel) meta(t *rapid.T) Meta {
	r := Meta{Version: rapid.Uint64().Draw(t, "version"), Kind: rapid.Byte().Draw(t, "kind")}
	if rapid.Bool().Draw(t, "expires") {
		r.ExpireAt = m.clock + int64(rapid.IntRange(-5, 20).Draw(t, "ttl"))
	}
	return r
}

func (m *tableModel) locked(key []byte, fn func(s *Stripe, h uint64)) {
	h := m.t.Hash(key)
	s := m.t.Stripe(h)
	s.Lock()
	defer s.Unlock()
	fn(s, h)
}

func (m *tableModel) put(t *rapid.T) {
	for range rapid.IntRange(1, 20).Draw(t, "times") {
		key, value, meta := m.key(t), m.value(t), m.meta(t)
		m.locked(key, func(s *Stripe, h uint64) {
			_, had := m.want[string(key)]
			if created := s.Put(h, key, value, meta); created == had {
				t.Fatalf("Put of %q created: %v, was there: %v", key, created, had)
			}
		})
		m.want[string(key)] = modelEntry{string(value), meta}
	}
}

func (m *tableModel) append(t *rapid.T) {
	key, tail, meta := m.key(t), m.value(t), m.meta(t)
	e := modelEntry{m.want[string(key)].value + string(tail), meta}
	if len(e.value) > 4<<20 {
		return
	}
	m.locked(key, func(s *Stripe, h uint64) {
		if n := s.Append(h, key, tail, meta); n != len(e.value) {
			t.Fatalf("Append to %q: %d bytes, want %d", key, n, len(e.value))
		}
	})
	m.want[string(key)] = e
}

func (m *tableModel) setMeta(t *rapid.T) {
	key, meta := m.key(t), m.meta(t)
	e, had := m.want[string(key)]
	m.locked(key, func(s *Stripe, h uint64) {
		if ok := s.SetMeta(h, key, meta); ok != had {
			t.Fatalf("SetMeta of %q: %v, was there: %v", key, ok, had)
		}
	})
	if had {
		m.want[string(key)] = modelEntry{e.value, meta}
	}
}

func (m *tableModel) gone(key string) {
	delete(m.want, key)
	if m.scan != nil {
		delete(m.scan.stayed, key)
		delete(m.scan.seen, key)
	}
}

func (m *tableModel) delete(t *rapid.T) {
	for range rapid.IntRange(1, 40).Draw(t, "times") {
		key := m.key(t)
		_, had := m.want[string(key)]
		m.locked(key, func(s *Stripe, h uint64) {
			if ok := s.Delete(h, key); ok != had {
				t.Fatalf("Delete of %q: %v, was there: %v", key, ok, had)
			}
		})
		m.gone(string(key))
	}
}

func (m *tableModel) clear(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "seldom") != 0 {
		return
	}
	m.t.Clear()
	for key := range m.want {
		m.gone(key)
	}
}

func (m *tableModel) sweep(t *rapid.T) {
	m.clock += int64(rapid.IntRange(0, 5).Draw(t, "later"))
	wall := m.clock + int64(rapid.IntRange(-2, 3).Draw(t, "ahead"))
	removed, due := 0, false
	for wrapped := 0; wrapped < 2; { // the first pass may start in the middle
		r := m.t.Sweep(m.clock, wall, rapid.IntRange(1, 300).Draw(t, "budget"))
		removed += r.Removed
		due = due || r.Due
		if r.Wrapped {
			wrapped++
		}
	}
	wantDue := false
	for key, e := range m.want {
		switch {
		case e.ExpireAt == 0:
		case e.ExpireAt < m.clock:
			m.gone(key)
			removed--
		case e.ExpireAt < wall:
			wantDue = true
		}
	}
	if removed != 0 || due != wantDue {
		t.Fatalf("Sweep removed %d more than had expired; due %v, want %v", removed, due, wantDue)
	}
}

func (m *tableModel) scanOn(t *rapid.T) {
	if m.scan == nil {
		m.scan = &scanModel{stayed: map[string]bool{}, seen: map[string]int{}}
		for key := range m.want {
			m.scan.stayed[key] = true
		}
	}
	c := m.scan
	c.cursor = m.t.Scan(c.cursor, rapid.IntRange(1, 60).Draw(t, "n"), func(e *Entry) {
		m.same(t, e, m.want)
		if c.seen[string(e.Key)]++; c.seen[string(e.Key)] > 1 {
			t.Fatalf("Scan saw %q twice", e.Key)
		}
	})
	if c.cursor >= 1<<48 {
		t.Fatalf("cursor %#x", c.cursor)
	}
	if c.cursor == 0 {
		for key := range c.stayed {
			if c.seen[key] == 0 {
				t.Fatalf("Scan missed %q", key)
			}
		}
		m.scan = nil
	}
}

func (m *tableModel) image(t *rapid.T) {
	if len(m.images) == 4 {
		return
	}
	i := &imageModel{img: m.t.Image(), want: map[string]modelEntry{}}
	for key, e := range m.want {
		i.want[key] = e
	}
	if i.img.Len() != len(i.want) {
		t.Fatalf("image of %d entries, want %d", i.img.Len(), len(i.want))
	}
	m.images = append(m.images, i)
}

func (m *tableModel) imageNext(t *rapid.T) {
	if len(m.images) == 0 {
		return
	}
	n := rapid.IntRange(0, len(m.images)-1).Draw(t, "image")
	i := m.images[n]
	var buf []Entry
	for range rapid.IntRange(1, 5).Draw(t, "calls") {
		buf = i.img.Next(buf)
		for k := range buf {
			m.same(t, &buf[k], i.want)
			delete(i.want, string(buf[k].Key)) // a second time is a failure
		}
		if len(buf) == 0 {
			if len(i.want) != 0 {
				for k, e := range i.want {
					t.Fatalf("image ended without %q (%d bytes), %d missing", k, len(e.value), len(i.want))
				}
			}
			i.img.Close()
			m.images = append(m.images[:n], m.images[n+1:]...)
			return
		}
	}
}

func (m *tableModel) imageClose(t *rapid.T) {
	if len(m.images) > 0 && rapid.IntRange(0, 3).Draw(t, "seldom") == 0 {
		m.images[0].img.Close()
		m.images = m.images[1:]
	}
}

func (m *tableModel) same(t *rapid.T, e *Entry, in map[string]modelEntry) {
	want, ok := in[string(e.Key)]
	got := modelEntry{string(e.Value), Meta{e.Version, e.ExpireAt, e.Kind}}
	if !ok || got != want {
		t.Fatalf("key %q: value of %d bytes, %+v; want (%v) %d bytes, %+v", e.Key, len(got.value), got.Meta, ok, len(want.value), want.Meta)
	}
}

func (m *tableModel) checkAll(t *rapid.T) {
	if err := m.t.check(); err != nil {
		t.Fatal(err)
	}
	var e Entry
	expiring := 0
	for key, want := range m.want {
		m.locked([]byte(key), func(s *Stripe, h uint64) {
			if !s.Find(h, []byte(key), &e) {
				t.Fatalf("%q is missing", key)
			}
			m.same(t, &e, m.want)
		})
		if want.ExpireAt != 0 {
			expiring++
		}
	}
	m.locked([]byte("absent"), func(s *Stripe, h uint64) {
		if s.Find(h, []byte("absent"), &e) {
			t.Fatal("found a key that was never put")
		}
	})
	if m.t.Len() != len(m.want) || m.t.Expiring() != expiring {
		t.Fatalf("%d entries, %d expiring; want %d, %d", m.t.Len(), m.t.Expiring(), len(m.want), expiring)
	}
}

func TestTableBehavesLikeAMapWithImagesScansAndExpiry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			Stripes: rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "stripes"), Memory: NewMemory(0),
			SizeHint: rapid.SampledFrom([]int{0, 0, 1000}).Draw(t, "hint"),
			images:   rapid.SampledFrom([]uint32{0, maxImage - 2}).Draw(t, "images"),
			shape:    rapid.SampledFrom([]shape{tiny(), {homes: 1, stash: 1, walk: 1}, {homes: 7, stash: 2, walk: 5}}).Draw(t, "shape"),
		}
		m := &tableModel{t: New(o), mem: o.Memory, want: map[string]modelEntry{}, clock: 1000}
		t.Repeat(map[string]func(*rapid.T){
			"put": m.put, "put again": m.put, "append": m.append, "set meta": m.setMeta, "delete": m.delete, "clear": m.clear,
			"sweep": m.sweep, "scan": m.scanOn, "image": m.image, "image next": m.imageNext, "image on": m.imageNext,
			"image close": m.imageClose, "": m.checkAll,
		})
		for _, i := range m.images {
			i.img.Close()
		}
		m.t.Close()
		if used := m.mem.Used(); used != 0 {
			t.Fatalf("%d bytes booked after Close", used)
		}
	})
}
