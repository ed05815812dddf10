package store

import (
	"fmt"
	"unsafe"

	"github.com/prakashpandey/vegadb/internal/invariants"
)

// newSegment makes an empty segment that is in no directory entry yet.
func (s *shard) newSegment() segment {
	ref, p := s.newPage()
	g := segment{p}
	g.header().ref = ref
	s.book(pageSize)
	return g
}

func (s *shard) freeSegment(g segment) {
	ref := g.header().ref
	s.freeRun(ref>>offBits, pageOf(ref), 1)
	s.book(-pageSize)
}

// enter writes a segment into all its directory entries.
func (s *shard) enter(g segment, at place) {
	depth := at.shift - s.bits
	first := s.index(at.start)
	for i := range uint64(1) << (s.depth - depth) {
		s.dir[first+i] = uintptr(g.p) | uintptr(depth)
	}
	s.atDepth[depth]++
}

// insert puts an entry with a key that is not there yet.
func (s *shard) insert(h uint64, ref uint32, expireAt int64, newest uint32) {
	for {
		g, at, ok := s.segmentAt(cellOf(h))
		if !ok {
			g = s.newSegment()
			s.enter(g, at)
			g.bucket(homeOf(cellOf(h), at.shift, s.homes)).setImage(newest)
		}
		if s.settle(g, at, h, ref, expireAt) {
			return
		}
		s.split(g, at)
	}
}

// settle finds a slot for an entry: in its home's bucket, the next one, or the stash. False: the segment is full.
func (s *shard) settle(g segment, at place, h uint64, ref uint32, expireAt int64) bool {
	home := homeOf(cellOf(h), at.shift, s.homes)
	b := g.bucket(home)
	tag := tagOf(h)
	if slot := b.vacant(); slot >= 0 {
		b.set(slot, tag, ref)
	} else if !s.settleAway(g, home, tag, ref) {
		return false
	}
	g.header().add(expireAt)
	return true
}

func (s *shard) settleAway(g segment, home int, tag uint8, ref uint32) bool {
	b := g.bucket(home)
	if s.homes > 1 && b.inNext() < nextMask {
		next := g.bucket(s.next(home))
		if slot := next.vacant(); slot >= 0 {
			next.set(slot, tag, ref)
			b.meta += nextOne
			return true
		}
	}
	if b.inStash() == stashMask/stashOne {
		return false
	}
	for i := s.homes; i < s.homes+s.stash; i++ {
		stash := g.bucket(i)
		if slot := stash.vacant(); slot >= 0 {
			stash.set(slot, tag, ref)
			b.meta += stashOne
			return true
		}
	}
	return false
}

// remove empties the slot of an entry.
func (s *shard) remove(f *found, expireAt int64) {
	f.g.bucket(f.bucket).set(f.slot, 0, 0)
	if f.bucket != f.home {
		one := uint32(nextOne)
		if f.bucket >= s.homes {
			one = stashOne
		}
		f.g.bucket(f.home).meta -= one
	}
	f.g.header().drop(expireAt)
}

func (g *segmentHeader) add(expireAt int64) {
	g.count++
	g.expire(0, expireAt)
}

func (g *segmentHeader) drop(expireAt int64) {
	g.count--
	g.expire(expireAt, 0)
}

// expire records that an entry's expiry changes.
func (g *segmentHeader) expire(from, to int64) {
	if from != 0 {
		g.expiring--
	}
	if to != 0 {
		if g.expiring == 0 || to < g.minExpire {
			g.minExpire = to
		}
		g.expiring++
	}
}

// eachRef calls fn for all entries of a segment.
func (s *shard) eachRef(g segment, fn func(ref uint32) bool) bool {
	n := s.homes + s.stash
	for i := range n {
		s.fetch(g, i+fetchAhead)
		for _, ref := range g.bucket(i).refs {
			if ref != 0 && !fn(ref) {
				return false
			}
		}
	}
	return true
}

// fetch fetches the entries of a bucket into the cache.
func (s *shard) fetch(g segment, bucket int) {
	if bucket < s.homes+s.stash {
		for _, ref := range g.bucket(bucket).refs {
			if ref != 0 {
				prefetch(s.addr(ref))
			}
		}
	}
}

// fetchAhead is how many buckets ahead of their turn entries are fetched into the cache.
const fetchAhead = 2

// split replaces a segment by two halves. Nothing is saved for images: each home of a half lies within one home
// of the whole, and takes over its image number.
func (s *shard) split(g segment, at place) {
	depth := at.shift - s.bits
	if depth == s.depth {
		s.double()
	}
	s.atDepth[depth]--
	old := whole{g: g, at: at}
	s.rebuild(&old, place{at.start, at.shift + 1})
	s.rebuild(&old, place{at.start + 1<<(cellBits-at.shift-1), at.shift + 1})
	s.freeSegment(g)
}

// whole is a segment that is being split, with the place it has.
type whole struct {
	g  segment
	at place
}

// rebuild makes the segment for one part of a segment that is being split. Should all entries crowd into a few
// homes, a part can be too full as well; then it is split in turn.
func (s *shard) rebuild(old *whole, at place) {
	if at.shift > maxShift {
		panic(fmt.Sprintf("store: more than %d keys share %d bits of their hash", bucketSlots, at.shift))
	}
	g := s.newSegment()
	end := at.end()
	if s.eachRef(old.g, func(ref uint32) bool {
		h := s.hashOf(ref)
		if c := cellOf(h); c < at.start || c >= end {
			return true
		}
		return s.settle(g, at, h, ref, s.block(ref).expireAt())
	}) {
		for i := range s.homes {
			from := homeOf(at.homeStart(i, s.homes), old.at.shift, s.homes)
			g.bucket(i).setImage(old.g.bucket(from).image())
		}
		s.enter(g, at)
		return
	}
	s.freeSegment(g)
	if at.shift-s.bits == s.depth {
		s.double()
	}
	s.rebuild(old, place{at.start, at.shift + 1})
	s.rebuild(old, place{at.start + 1<<(cellBits-at.shift-1), at.shift + 1})
}

// maxShift leaves the cells of a segment more numerous than its homes, by far.
const maxShift = cellBits - 8

// double makes the directory twice as long.
func (s *shard) double() {
	dir := make([]uintptr, 2*len(s.dir))
	for i, d := range s.dir {
		dir[2*i], dir[2*i+1] = d, d
	}
	s.bookDir(len(dir) - len(s.dir))
	s.dir = dir
	s.depth++
}

func (s *shard) bookDir(entries int) {
	s.book(int64(entries) * int64(unsafe.Sizeof(uintptr(0))))
}

// merge joins a segment that has become almost empty with its other half, and again while that is possible. It
// must not be called while images read the shard: two homes with different image numbers would become one.
func (s *shard) merge(cell uint64) {
	for {
		g, at, ok := s.segmentAt(cell)
		if !ok || at.shift == s.bits || int(g.header().count) > s.slots()/8 {
			return
		}
		up := place{at.start &^ (1 << (cellBits - at.shift)), at.shift - 1}
		start := up.start // of the other half
		if start == at.start {
			start += 1 << (cellBits - at.shift)
		}
		other, otherAt, ok := s.segmentAt(start)
		if otherAt.shift != at.shift || ok && int(g.header().count+other.header().count) > s.slots()/3 {
			return
		}
		if !s.join(g, other, up) {
			return
		}
	}
}

// join makes one segment of two halves; the second may be absent.
func (s *shard) join(g, other segment, up place) bool {
	joined := s.newSegment()
	move := func(ref uint32) bool {
		return s.settle(joined, up, s.hashOf(ref), ref, s.block(ref).expireAt())
	}
	if !s.eachRef(g, move) || other.p != nil && !s.eachRef(other, move) {
		s.freeSegment(joined)
		return false
	}
	depth := up.shift + 1 - s.bits
	s.freeSegment(g)
	s.atDepth[depth]--
	if other.p != nil {
		s.freeSegment(other)
		s.atDepth[depth]--
	}
	s.enter(joined, up)
	for s.depth > 0 && s.atDepth[s.depth] == 0 {
		s.halve()
	}
	return true
}

// halve makes the directory half as long: no segment needs its last bit.
func (s *shard) halve() {
	dir := make([]uintptr, len(s.dir)/2)
	for i := range dir {
		dir[i] = s.dir[2*i]
		if invariants.Enabled {
			invariants.Check(dir[i] == s.dir[2*i+1], "directory entries %d and %d differ", 2*i, 2*i+1)
		}
	}
	s.bookDir(len(dir) - len(s.dir))
	s.dir = dir
	s.depth--
}
