package store

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/prakashpandey/vegadb/internal/invariants"
)

// Image is a table as it was at one instant, read while the table is written. It belongs to one goroutine.
//
// The iterator walks the homes of each stripe in order. A writer that is about to change a home which some image
// still needs, copies its entries to that image's queue first, and notes in the home the number of the newest
// image; the iterator passes over homes noted so. Each home as it was at the start thus reaches Next once, by one
// way or the other. Large blocks are not copied but pinned: who wants to change one meanwhile, moves to another
// block.
//
// What an image keeps in memory is what writers changed and Next has not yet handed out: Next takes queues before
// it walks on.
type Image struct {
	table  *Table
	len    int
	views  []view
	queued atomic.Uint64 // stripes whose view has something in its queue

	at     int // stripe that the walk has come to
	from   *view
	ready  []saved // taken from from's queue, not handed out yet
	handed saved   // what Next handed out last
	given  int
}

// view is an image's part in one stripe. Guarded by the stripe's lock, but for what never changes.
type view struct {
	image  *Image
	stripe *Stripe
	shard  *shard
	bit    uint64
	number uint32 // this image's, among those of the stripe
	pos    uint64 // first cell that the walk has not visited
	end    uint64
	queue  []saved
	spare  saved
}

// saved is a buffer of entries outside the Go heap. Each is a length and the start of a block, or 0 and a ref for
// a block that is pinned.
type saved struct {
	p    unsafe.Pointer
	size int
	len  int
}

const (
	savedSize  = 64 << 10
	walkBytes  = 16 << 10 // a walk holds the lock for no more than about this, or shape.walk homes
	savedFixed = 8        // length or 0, ref
)

// Image begins an image. It holds all stripes for an instant; the caller sees to it that no write is half applied.
func (t *Table) Image() *Image {
	t.imageMu.Lock()
	defer t.imageMu.Unlock()
	t.LockMask(t.AllStripes())
	defer t.UnlockMask(t.AllStripes())
	if t.images == maxImage {
		t.renumber()
	}
	t.images++
	i := &Image{table: t, views: make([]view, len(t.stripes))}
	for n := range i.views {
		s := &t.stripes[n]
		unit := uint64(1) << (cellBits - s.shard.bits)
		v := &i.views[n]
		*v = view{image: i, stripe: s, shard: s.shard, bit: 1 << n, number: t.images, pos: uint64(n) * unit, end: uint64(n+1) * unit}
		s.shard.holds++
		i.len += s.shard.count
		s.views = append(s.views, v)
		s.newest = t.images
	}
	return i
}

// Len is the number of entries in the image: as many as Next will hand out.
func (i *Image) Len() int { return i.len }

// Next returns more entries, in the room of dst; none means that all were handed out. They are valid until the
// next call of Next or Close.
func (i *Image) Next(dst []Entry) []Entry {
	dst = dst[:0]
	for len(dst) == 0 {
		i.settle()
		if len(i.ready) == 0 && !i.fetch() {
			if invariants.Enabled {
				invariants.Check(i.views == nil || i.given == i.len, "image of %d entries gave %d", i.len, i.given)
			}
			return dst
		}
		i.handed, i.ready = i.ready[0], i.ready[1:]
		dst = i.from.decode(i.handed, dst)
	}
	i.given += len(dst)
	return dst
}

// Close ends the image and releases what it keeps. It may be called at any time, also twice.
func (i *Image) Close() {
	if i.views == nil {
		return
	}
	i.settle()
	for n := range i.views {
		v := &i.views[n]
		v.stripe.Lock()
		if v == i.from {
			v.queue = append(v.queue, i.ready...)
		}
		v.detach()
		for _, b := range v.queue {
			v.unpin(b)
			v.free(b)
		}
		v.free(v.spare)
		i.table.drop(v.shard)
		v.stripe.Unlock()
	}
	i.views, i.ready, i.at = nil, nil, 0
	i.queued.Store(0)
	i.table.buryIfClosed()
}

// settle takes back the buffer that was handed out.
func (i *Image) settle() {
	b := i.handed
	if b.p == nil {
		return
	}
	i.handed = saved{}
	v := i.from
	v.stripe.Lock()
	v.unpin(b)
	if v.spare.p == nil && b.size == savedSize {
		b.len = 0
		v.spare, b = b, saved{}
	}
	v.stripe.Unlock()
	v.free(b)
}

// fetch fills ready: from the queues if a writer has put something there, else by walking on. False: there is no
// more.
func (i *Image) fetch() bool {
	for len(i.ready) == 0 {
		n := i.at
		mask := i.queued.Load()
		if mask != 0 {
			n = bits.TrailingZeros64(mask)
		} else if n == len(i.views) {
			return false
		}
		v := &i.views[n]
		v.stripe.Lock()
		if mask == 0 {
			v.walk()
			if v.pos == v.end {
				v.detach()
				i.at++
			}
		}
		i.queued.And(^v.bit)
		i.from, i.ready, v.queue = v, v.queue, nil
		v.stripe.Unlock()
	}
	return true
}

// walk puts the next homes into the view's own queue.
func (v *view) walk() {
	d := v.shard
	for homes, room := d.walk, walkBytes; v.pos < v.end && homes > 0 && room > 0; homes-- {
		g, at, ok := d.segmentAt(v.pos)
		if !ok || g.header().count == 0 {
			v.pos = at.end()
			continue
		}
		home := homeOf(v.pos, at.shift, d.homes)
		for ; home < d.homes && homes > 0 && room > 0; home++ {
			d.fetch(g, home+fetchAhead)
			if g.bucket(home).image() < v.number {
				room -= v.take(g, at, home)
			}
			homes--
		}
		v.pos = at.homeStart(home, d.homes)
	}
}

// save gives a home that is about to change to all images that need it.
func (s *Stripe) save(g segment, at place, home int) {
	b := g.bucket(home)
	if b.image() >= s.newest {
		return
	}
	start := at.homeStart(home, s.shard.homes)
	for _, v := range s.views {
		if b.image() < v.number && start >= v.pos {
			v.take(g, at, home)
			v.image.queued.Or(v.bit)
		}
	}
	b.setImage(s.newest)
}

// take copies the entries of a home to the view's queue and returns how many bytes that were.
func (v *view) take(g segment, at place, home int) (bytes int) {
	var refs [homeMost]uint32
	for _, ref := range refs[:v.shard.refsOfHome(g, at, home, &refs)] {
		bytes += v.put(ref)
	}
	return bytes
}

func (v *view) put(ref uint32) int {
	b := v.shard.block(ref)
	h := b.header()
	n := h.len()
	if h.blockClass() >= firstRun {
		v.shard.pin(ref)
		n = 0
	}
	w := v.room(savedFixed + n)
	binary.LittleEndian.PutUint32(w, uint32(n))
	binary.LittleEndian.PutUint32(w[4:], ref)
	copy(w[savedFixed:], b.bytes(0, n))
	return len(w)
}

// room returns n more bytes of the queue.
func (v *view) room(n int) []byte {
	last := len(v.queue) - 1
	if last < 0 || v.queue[last].size-v.queue[last].len < n {
		b := v.spare
		v.spare = saved{}
		if b.p != nil && b.size < n {
			v.free(b)
			b = saved{}
		}
		if b.p == nil {
			b.size = max(savedSize, int(pageRound(uint64(n))))
			b.p = v.stripe.table.src.alloc(uintptr(b.size))
			v.shard.mem.add(int64(b.size))
		}
		v.queue = append(v.queue, b)
		last++
	}
	b := &v.queue[last]
	w := unsafe.Slice((*byte)(unsafe.Add(b.p, b.len)), n)
	b.len += n
	return w
}

// free unmaps a buffer.
func (v *view) free(b saved) {
	if b.p != nil {
		v.stripe.table.src.free(b.p, uintptr(b.size))
		v.shard.mem.add(-int64(b.size))
	}
}

// decode appends the entries of a buffer.
func (v *view) decode(b saved, dst []Entry) []Entry {
	for ref, at := b.next(0); at > 0; ref, at = b.next(at) {
		dst = append(dst, Entry{})
		e := &dst[len(dst)-1]
		if n := int(ref.n); n > 0 {
			block{unsafe.Add(b.p, at-n)}.entry(e)
		} else {
			v.decodePinned(ref.ref, e)
		}
	}
	return dst
}

// decodePinned needs the lock for the chunk table only: the block itself does not change.
func (v *view) decodePinned(ref uint32, e *Entry) {
	v.stripe.Lock()
	v.shard.block(ref).entry(e)
	v.stripe.Unlock()
}

// savedRef is the fixed part of an entry in a buffer.
type savedRef struct{ n, ref uint32 }

// next reads the entry at an offset and returns the offset after it, or 0 at the end.
func (b saved) next(at int) (savedRef, int) {
	if at == b.len {
		return savedRef{}, 0
	}
	w := unsafe.Slice((*byte)(unsafe.Add(b.p, at)), savedFixed)
	r := savedRef{binary.LittleEndian.Uint32(w), binary.LittleEndian.Uint32(w[4:])}
	return r, at + savedFixed + int(r.n)
}

// unpin lets go of the pinned blocks of a buffer. The stripe is locked.
func (v *view) unpin(b saved) {
	if b.p == nil {
		return
	}
	for r, at := b.next(0); at > 0; r, at = b.next(at) {
		if r.n == 0 {
			v.shard.book(-v.shard.release(r.ref))
		}
	}
}

// detach takes the view out of the stripe, so that writers save nothing for it any more. The stripe is locked.
func (v *view) detach() {
	s := v.stripe
	for i, other := range s.views {
		if other == v {
			s.views = append(s.views[:i:i], s.views[i+1:]...)
			break
		}
	}
	s.newest = 0
	if n := len(s.views); n > 0 {
		s.newest = s.views[n-1].number
	}
}

// renumber starts the numbers of images anew when 24 bits are used up: running ones become 1, 2, …, and a home
// that has been saved for the first k of them becomes k. All stripes are locked.
func (t *Table) renumber() {
	t.images = 0
	for n := range t.stripes {
		s := &t.stripes[n]
		d := s.shard
		for cell, end := d.stripeRange(n); cell < end; {
			g, at, ok := d.segmentAt(cell)
			cell = at.end()
			for home := 0; ok && home < d.homes; home++ {
				k := uint32(0)
				for _, v := range s.views {
					if v.number <= g.bucket(home).image() {
						k++
					}
				}
				g.bucket(home).setImage(k)
			}
		}
		for k, v := range s.views {
			v.number = uint32(k + 1)
		}
		s.newest = uint32(len(s.views))
		t.images = max(t.images, s.newest)
	}
}

// stripeRange returns the cells of stripe n.
func (s *shard) stripeRange(n int) (from, end uint64) {
	unit := uint64(1) << (cellBits - s.bits)
	return uint64(n) * unit, uint64(n+1) * unit
}
