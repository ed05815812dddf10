package store

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"unsafe"
)

// shard is the content of one stripe: a directory, its segments and the heap they and the entries live in. Clear
// gives the stripe a new shard; the old one lives on while images read it. Guarded by the stripe's lock.
//
// Invariants: the directory has 2^depth entries; a segment of depth d fills 2^(depth-d) of them, next to each
// other and aligned; entry 0 means that nothing was ever put there.
type shard struct {
	// what every lookup reads
	dir   []uintptr // address of a segment | its depth: the address is a multiple of pageSize
	depth uint
	bits  uint // upper bits of the hash that choose the stripe
	shape
	seed maphash.Seed
	hash func(key []byte) uint64 // see Options.Hash
	heap

	atDepth  [cellBits + 1]uint32 // segments by depth
	mem      *Memory
	count    int
	expiring int
	bytes    int64 // in use
	unbooked int64 // part of bytes that mem does not know yet
	holds    int   // the stripe, and each image that reads the shard
	shrunk   bool  // something was deleted: segments may be worth merging
}

// shape is the size of segments: fixed in production, tiny in tests that want many splits.
type shape struct {
	homes int
	stash int
	walk  int // homes that an image walks under one lock
}

// fullShape fills a page: 1 header + 59 + 4 lines.
func fullShape() shape { return shape{homes: 59, stash: 4, walk: 256} }

func (p shape) slots() int { return (p.homes + p.stash) * bucketSlots }

// next is the bucket that takes what does not fit into a home's own.
func (p shape) next(home int) int {
	if home++; home < p.homes {
		return home
	}
	return 0
}

// book records that n bytes more are in use.
func (s *shard) book(n int64) {
	s.bytes += n
	s.unbooked += n
	if s.unbooked >= accountLot || s.unbooked <= -accountLot {
		s.mem.add(s.unbooked)
		s.unbooked = 0
	}
}

// index is the directory entry of a cell.
func (s *shard) index(cell uint64) uint64 {
	return cell << (hashRest + s.bits) >> (64 - s.depth)
}

// segmentAt returns the segment that a cell belongs to and its place. Without one, ok is false and the place is
// that of the directory entry.
func (s *shard) segmentAt(cell uint64) (g segment, at place, ok bool) {
	d := s.dir[s.index(cell)]
	depth := s.depth
	if d != 0 {
		depth = uint(d & (pageSize - 1))
	}
	at.shift = s.bits + depth
	at.start = at.startOf(cell)
	return segmentOf(d), at, d != 0
}

// segmentOf makes a pointer of a directory entry. The memory is not the garbage collector's, or (heapSource) is
// held by the chunk table.
func segmentOf(d uintptr) segment {
	d &^= pageSize - 1
	return segment{*(*unsafe.Pointer)(unsafe.Pointer(&d))}
}

// found is where an entry sits.
type found struct {
	g      segment
	at     place
	home   int
	bucket int
	slot   int
	ref    uint32
}

// find looks a key up; when it is absent, g, at.shift and home are set if there is a segment. at.start is left to
// touch.
func (s *shard) find(h uint64, key []byte) (f found, ok bool) {
	d := s.dir[h<<s.bits>>(64-s.depth)]
	if d == 0 {
		return f, false
	}
	f.at.shift = s.bits + uint(d&(pageSize-1))
	f.g = segmentOf(d)
	f.home = homeOf(cellOf(h), f.at.shift, s.homes)
	tag := tagOf(h)
	b := f.g.bucket(f.home)
	if s.findIn(b, tag, key, &f) {
		f.bucket = f.home
		return f, true
	}
	if b.meta&(nextMask|stashMask) == 0 {
		return f, false
	}
	return f, s.findAway(b, tag, key, &f)
}

// findAway looks outside the home's own bucket.
func (s *shard) findAway(home *bucket, tag uint8, key []byte, f *found) bool {
	if home.inNext() > 0 {
		f.bucket = s.next(f.home)
		if s.findIn(f.g.bucket(f.bucket), tag, key, f) {
			return true
		}
	}
	if home.inStash() > 0 {
		for f.bucket = s.homes; f.bucket < s.homes+s.stash; f.bucket++ {
			if s.findIn(f.g.bucket(f.bucket), tag, key, f) {
				return true
			}
		}
	}
	return false
}

func (s *shard) findIn(b *bucket, tag uint8, key []byte, f *found) bool {
	lo, hi := b.match(tag)
	for lo != 0 {
		i := bits.TrailingZeros64(lo) >> 3
		lo &= lo - 1
		if s.isKey(b.refs[i], key) {
			f.slot, f.ref = i, b.refs[i]
			return true
		}
	}
	for hi != 0 {
		i := 8 + bits.TrailingZeros64(hi)>>3
		hi &= hi - 1
		if s.isKey(b.refs[i], key) {
			f.slot, f.ref = i, b.refs[i]
			return true
		}
	}
	return false
}

func (s *shard) isKey(ref uint32, key []byte) bool {
	return ref != 0 && bytes.Equal(s.block(ref).key(), key)
}

func (s *shard) block(ref uint32) block { return block{s.addr(ref)} }

// hashOf is the hash of the entry in a block.
func (s *shard) hashOf(ref uint32) uint64 {
	if s.hash != nil {
		return s.hash(s.block(ref).key())
	}
	return maphash.Bytes(s.seed, s.block(ref).key())
}

// refsOfHome collects the entries of one home, wherever in the segment they live. dst has room for the most there
// can be.
func (s *shard) refsOfHome(g segment, at place, home int, dst *[homeMost]uint32) (n int) {
	b := g.bucket(home)
	prev := home - 1
	if prev < 0 {
		prev = s.homes - 1
	}
	strangers := s.homes > 1 && g.bucket(prev).inNext() > 0
	n = s.gather(b, at, home, strangers, dst, 0)
	if b.inNext() > 0 {
		n = s.gather(g.bucket(s.next(home)), at, home, true, dst, n)
	}
	if b.inStash() > 0 {
		for i := s.homes; i < s.homes+s.stash; i++ {
			n = s.gather(g.bucket(i), at, home, true, dst, n)
		}
	}
	return n
}

// homeMost bounds the entries of a home: its bucket, and what 4 bits can count twice.
const homeMost = bucketSlots + 15 + 15

func (s *shard) gather(b *bucket, at place, home int, check bool, dst *[homeMost]uint32, n int) int {
	for _, ref := range b.refs {
		if ref == 0 || check && homeOf(cellOf(s.hashOf(ref)), at.shift, s.homes) != home {
			continue
		}
		dst[n] = ref
		n++
	}
	return n
}
