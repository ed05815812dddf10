package store

import "fmt"

// Find looks a key up and fills e with views that are valid while the stripe is locked. It finds entries whose time
// has come as well: the caller judges expiry with its clock. h is the key's Hash, here and below.
func (s *Stripe) Find(h uint64, key []byte, e *Entry) bool {
	f, ok := s.shard.find(h, key)
	if ok {
		s.shard.block(f.ref).entry(e)
	}
	return ok
}

// Put sets a key's value and meta, and reports whether the key is new. Neither key nor value may be a view into
// the table, with the exception of the entry's own key. Nothing is allocated when the value's size class stays
// the same.
func (s *Stripe) Put(h uint64, key, value []byte, m Meta) (created bool) {
	f, ok := s.touch(h, key)
	if ok {
		b, at := s.resize(&f, 0, len(value), m, false)
		copy(b.bytes(at, len(value)), value)
		return false
	}
	s.create(&f, h, key, value, m)
	return true
}

// Append adds a tail to a key's value, sets its meta, and returns the value's new length. Room to grow is taken
// ahead, so that the value is copied about four times in its life, however small the tails are. An absent key is
// created.
func (s *Stripe) Append(h uint64, key, tail []byte, m Meta) (newLen int) {
	f, ok := s.touch(h, key)
	if !ok {
		s.create(&f, h, key, tail, m)
		return len(tail)
	}
	was := s.shard.block(f.ref).header().valueLen
	newLen = was + len(tail)
	b, at := s.resize(&f, was, newLen, m, true)
	copy(b.bytes(at+was, len(tail)), tail)
	return newLen
}

// SetMeta changes a key's meta and leaves the value. False: there is no such key.
func (s *Stripe) SetMeta(h uint64, key []byte, m Meta) bool {
	f, ok := s.touch(h, key)
	if ok {
		n := s.shard.block(f.ref).header().valueLen
		s.resize(&f, n, n, m, false)
	}
	return ok
}

// Delete removes a key. False: there is no such key.
func (s *Stripe) Delete(h uint64, key []byte) bool {
	f, ok := s.touch(h, key)
	if ok {
		s.delete(&f)
		if len(s.views) == 0 {
			s.shard.merge(cellOf(h))
		}
	}
	return ok
}

// touch finds a key that is about to be written and saves its home for the images that do not have it yet.
func (s *Stripe) touch(h uint64, key []byte) (f found, ok bool) {
	f, ok = s.shard.find(h, key)
	if s.newest != 0 && f.g.p != nil {
		f.at.start = f.at.startOf(cellOf(h))
		s.save(f.g, f.at, f.home)
	}
	return f, ok
}

// delete takes an entry out whose home has been saved.
func (s *Stripe) delete(f *found) {
	d := s.shard
	expireAt := d.block(f.ref).expireAt()
	d.remove(f, expireAt)
	d.book(-d.release(f.ref))
	d.count--
	if expireAt != 0 {
		d.expiring--
	}
	d.shrunk = true
}

// create adds a key that touch did not find.
func (s *Stripe) create(f *found, h uint64, key, value []byte, m Meta) {
	d := s.shard
	prefetch(f.g.p) // the header: needed when the block is written
	n := header{Meta: m, flags: flagsFor(len(key), len(value), m), keyLen: len(key), valueLen: len(value)}
	ref := d.newBlock(&n, false)
	b := d.block(ref)
	b.putHeader(&n)
	copy(b.bytes(n.keyAt(), len(key)), key)
	copy(b.bytes(n.valueAt(), len(value)), value)
	d.insert(h, ref, m.ExpireAt, s.newest)
	d.count++
	if m.ExpireAt != 0 {
		d.expiring++
	}
}

// resize gives an entry a value of valueLen bytes, of which the first keep are those it has now, and a new meta.
// It returns the block and where in it the value starts; the caller writes the rest. If roomy, a block that has
// to move takes room for more.
func (s *Stripe) resize(f *found, keep, valueLen int, m Meta, roomy bool) (block, int) {
	d := s.shard
	b := d.block(f.ref)
	was := b.header()
	now := header{Meta: m, flags: flagsFor(was.keyLen, valueLen, m), keyLen: was.keyLen, valueLen: valueLen}
	if was.ExpireAt != now.ExpireAt {
		s.expire(f, was.ExpireAt, now.ExpireAt)
	}
	if d.fits(f.ref, &was, &now) {
		if was.keyAt() != now.keyAt() {
			copy(b.bytes(now.keyAt(), now.keyLen+keep), b.bytes(was.keyAt(), now.keyLen+keep))
		}
		b.putHeader(&now)
		return b, now.valueAt()
	}
	ref := d.newBlock(&now, roomy)
	to := d.block(ref)
	b = d.block(f.ref)
	to.putHeader(&now)
	copy(to.bytes(now.keyAt(), now.keyLen+keep), b.bytes(was.keyAt(), now.keyLen+keep))
	f.g.bucket(f.bucket).refs[f.slot] = ref
	d.book(-d.release(f.ref))
	return to, now.valueAt()
}

func (s *Stripe) expire(f *found, from, to int64) {
	f.g.header().expire(from, to)
	if from != 0 {
		s.shard.expiring--
	}
	if to != 0 {
		s.shard.expiring++
	}
}

// newBlock allocates a block for an entry; if roomy, with room for a value 1/4 longer.
func (s *shard) newBlock(n *header, roomy bool) uint32 {
	if uint64(n.keyLen) > MaxLen || uint64(n.valueLen) > MaxLen {
		panic(fmt.Sprintf("store: a key of %d and a value of %d bytes: neither may exceed %d", n.keyLen, n.valueLen, uint64(MaxLen)))
	}
	size := uint64(n.len())
	class := classOf(size)
	if roomy && class == classBig {
		ref, grown := s.allocBig(size, 2*size)
		s.book(grown)
		return ref
	}
	if roomy {
		if up := min(classOf(size+size/4+1), classes-1); up > class {
			class = up
			n.flags |= flagClass
			n.class = class
		}
	}
	ref, grown := s.alloc(class, size)
	s.book(grown)
	return ref
}

// fits tells whether an entry can be rewritten in the block it has: nobody else reads the block, and it is
// neither too small nor much too large. If it can, the header is completed for that block.
func (s *shard) fits(ref uint32, was, now *header) bool {
	size := uint64(now.len())
	class := was.blockClass()
	if class >= firstRun && s.pinned(ref) {
		return false
	}
	switch {
	case class == classBig:
		c := &s.chunks[ref>>offBits]
		need := uintptr(pageRound(size))
		if need > c.size || need < c.used || size <= maxRun {
			return false
		}
		s.inRuns += int64(need - c.used)
		s.book(int64(need - c.used))
		c.used = need
		return true
	case was.flags&flagClass != 0:
		room := classSize(class)
		if size++; size > room || size < room/2 {
			return false
		}
		now.flags |= flagClass
		now.class = class
		return true
	}
	return classOf(size) == class
}
