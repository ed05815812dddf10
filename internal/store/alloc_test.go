//go:build !invariants

package store

import (
	"fmt"
	"testing"
)

// Assertions box their arguments, so this is promised without them only.
func TestHotPathsAllocateNothing(t *testing.T) {
	tab, _ := newTable(t, Options{})
	for i := range 10_000 {
		put(tab, fmt.Sprint(i), pattern(64), Meta{Version: 1})
	}
	key, value := []byte("77"), pattern(64)
	h := tab.Hash(key)
	s := tab.Stripe(h)
	var e Entry
	for name, op := range map[string]func(){
		"Hash":            func() { h = tab.Hash(key) },
		"Find":            func() { s.Find(h, key, &e) },
		"Put in place":    func() { s.Put(h, key, value, Meta{Version: 2}) },
		"SetMeta":         func() { s.SetMeta(h, key, Meta{Version: 2}) },
		"Put of new size": func() { s.Put(h, key, value[:8], Meta{Version: 2}); s.Put(h, key, value, Meta{Version: 2}) },
		"Delete and Put":  func() { s.Delete(h, key); s.Put(h, key, value, Meta{Version: 2}) },
		"Append":          func() { s.Put(h, key, value[:40], Meta{}); s.Append(h, key, value[:8], Meta{}) },
	} {
		s.Lock()
		n := testing.AllocsPerRun(100, op)
		s.Unlock()
		if n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { tab.PrefetchBucket(h); tab.PrefetchEntry(h) }); n != 0 {
		t.Errorf("Prefetch allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { tab.Scan(1<<40, 100, func(*Entry) {}) }); n > 1 {
		t.Errorf("Scan allocates %v times, the Entry alone is one", n)
	}
}
