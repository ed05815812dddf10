package store

import (
	"math/bits"
)

// PrefetchBucket and PrefetchEntry fetch what a lookup will read into the processor's cache, for callers that
// have several lookups to do: first PrefetchBucket for all of them, then PrefetchEntry for all, then the lookups.
// The waits for memory then overlap. Both lock for themselves and change nothing.
func (t *Table) PrefetchBucket(h uint64) {
	s := t.Stripe(h)
	s.Lock()
	d := s.shard
	if e := d.dir[h<<d.bits>>(64-d.depth)]; e != 0 {
		home := homeOf(cellOf(h), d.bits+uint(e&(pageSize-1)), d.homes)
		prefetch(segmentOf(e).at(home))
	}
	s.Unlock()
}

// PrefetchEntry fetches the block of the entry that probably has the hash: see PrefetchBucket.
func (t *Table) PrefetchEntry(h uint64) {
	s := t.Stripe(h)
	s.Lock()
	d := s.shard
	if e := d.dir[h<<d.bits>>(64-d.depth)]; e != 0 {
		home := homeOf(cellOf(h), d.bits+uint(e&(pageSize-1)), d.homes)
		b := segmentOf(e).bucket(home)
		lo, hi := b.match(tagOf(h))
		slot := -1
		if lo != 0 {
			slot = bits.TrailingZeros64(lo) >> 3
		} else if hi != 0 {
			slot = 8 + bits.TrailingZeros64(hi)>>3
		}
		if slot >= 0 && b.refs[slot] != 0 {
			prefetch(d.addr(b.refs[slot]))
		}
	}
	s.Unlock()
}
