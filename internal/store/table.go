package store

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
)

// Options say how a table is built. The zero value works.
type Options struct {
	Stripes  int     // locks per table: a power of two ≤ 64; 0 means 4
	Memory   *Memory // shared byte accounting; nil means one of its own, without a limit
	SizeHint int     // entries expected; sizes the directory so that a bulk load does not split
	// Hash replaces the hash of keys, whose seed is otherwise random: with one that depends on the key alone,
	// equal histories give equal tables, in the order of their entries as well. For simulations: whoever knows
	// the hash can choose keys that collide.
	Hash func(key []byte) uint64

	source source // tests: where memory comes from
	shape  shape  // tests: tiny segments
	images uint32 // tests: number of the last image
}

// Table holds the entries of one partition. Entries are reached through their Stripe, under its lock; everything
// else locks for itself, and must not be called while a stripe is held, unless it says so.
type Table struct {
	seed    maphash.Seed
	hash    func(key []byte) uint64 // in place of one by seed; nil: none
	shift   uint                    // 64 - stripe bits
	stripes []Stripe
	mem     *Memory
	src     source
	shape   shape

	imageMu sync.Mutex // one Image at a time gets its number; taken before stripes
	images  uint32     // number of the last image; guarded by imageMu

	sweepMu sync.Mutex // taken before stripes
	sweep   sweeper    // guarded by sweepMu

	buryMu  sync.Mutex // one unmaps at a time, without graveMu, for which Clear may wait; taken before graveMu
	graveMu sync.Mutex // innermost
	grave   []*shard   // shards that nobody reads, for Sweep to unmap; guarded by graveMu
}

// Stripe is the part of a table that one lock guards. Every method but Lock needs the lock held.
type Stripe struct {
	mu     sync.Mutex
	shard  *shard
	table  *Table
	views  []*view // images that still read shard, by ascending number
	newest uint32  // the last one's number; 0: none
	_      [128 - 8 - 8 - 8 - 24 - 8]byte
}

// New returns an empty table. It takes memory as it is filled; Close gives everything back.
func New(o Options) *Table {
	n := o.Stripes
	if n == 0 {
		n = 4
	}
	if n < 0 || n > 64 || n&(n-1) != 0 {
		panic(fmt.Sprintf("store: %d stripes: want a power of two from 1 to 64", n))
	}
	t := &Table{
		seed: maphash.MakeSeed(), hash: o.Hash, shift: 64 - uint(bits.TrailingZeros(uint(n))), stripes: make([]Stripe, n),
		mem: o.Memory, src: o.source, shape: o.shape, images: o.images,
	}
	if t.mem == nil {
		t.mem = NewMemory(0)
	}
	if t.src == nil {
		t.src = defaultSource()
	}
	if t.shape == (shape{}) {
		t.shape = fullShape()
	}
	// A segment splits at about 9/10; aim at 3/4 so that chance does not make some split after all.
	depth := uint(0)
	for o.SizeHint/n>>depth > t.shape.slots()*3/4 && depth < maxHintDepth {
		depth++
	}
	for i := range t.stripes {
		s := &t.stripes[i]
		s.table, s.shard = t, t.newShard(t.src, depth)
	}
	return t
}

// maxHintDepth bounds what a hint can make of a directory: 32 MiB.
const maxHintDepth = 22

func (t *Table) newShard(src source, depth uint) *shard {
	s := &shard{
		dir: make([]uintptr, 1<<depth), depth: depth, bits: 64 - t.shift,
		shape: t.shape, seed: t.seed, hash: t.hash, mem: t.mem, holds: 1,
	}
	s.src = src
	s.bookDir(len(s.dir) - 1) // one entry is nothing to speak of, and an empty table shall count as empty
	return s
}

// Hash returns the hash of a key: the same for the life of the table, another in every table.
func (t *Table) Hash(key []byte) uint64 {
	if t.hash != nil {
		return t.hash(key)
	}
	return maphash.Bytes(t.seed, key)
}

// StripeIndex tells which stripe a hash belongs to: its bit in LockMask.
func (t *Table) StripeIndex(h uint64) uint { return uint(h >> t.shift) }

// Stripe returns the stripe a hash belongs to.
func (t *Table) Stripe(h uint64) *Stripe { return &t.stripes[h>>t.shift] }

// AllStripes is the mask of all stripes.
func (t *Table) AllStripes() uint64 { return 1<<uint(len(t.stripes)) - 1 }

// LockMask locks the stripes whose bits are set, in ascending order: callers that lock no other way cannot
// deadlock.
func (t *Table) LockMask(mask uint64) {
	for ; mask != 0; mask &= mask - 1 {
		t.stripes[bits.TrailingZeros64(mask)].Lock()
	}
}

// UnlockMask unlocks what LockMask locked.
func (t *Table) UnlockMask(mask uint64) {
	for ; mask != 0; mask &= mask - 1 {
		t.stripes[bits.TrailingZeros64(mask)].Unlock()
	}
}

// Lock takes the stripe's lock. Nothing that can wait is done under it.
func (s *Stripe) Lock() { s.mu.Lock() }

// TryLock takes the lock if nobody has it, and reports whether it did: for checks that nobody could get it.
func (s *Stripe) TryLock() bool { return s.mu.TryLock() }

// Unlock releases the lock. What Find returned is not valid any more.
func (s *Stripe) Unlock() { s.mu.Unlock() }

// Stats are figures of one table.
type Stats struct {
	Entries  int
	Expiring int   // entries that have an expiry
	Bytes    int64 // in use, as Memory counts it
	Held     int64 // in use, or free within spans: what a table keeps from other tables
	Mapped   int64 // address space
	Segments int
	Images   int // running
}

// Stats adds up the stripes, one lock after the other.
func (t *Table) Stats() (r Stats) {
	for i := range t.stripes {
		s := &t.stripes[i]
		s.Lock()
		h := s.shard
		r.Entries += h.count
		r.Expiring += h.expiring
		r.Bytes += h.bytes
		r.Held += h.inRuns
		r.Mapped += h.mapped
		for _, n := range h.atDepth {
			r.Segments += int(n)
		}
		r.Images = max(r.Images, len(s.views))
		s.Unlock()
	}
	return r
}

// Len is the number of entries, expired ones that nobody has removed yet included.
func (t *Table) Len() int { return t.Stats().Entries }

// Expiring is the number of entries that have an expiry.
func (t *Table) Expiring() int { return t.Stats().Expiring }

// Bytes is what the table has in use, as Memory counts it.
func (t *Table) Bytes() int64 { return t.Stats().Bytes }

// Full tells that a stripe has used 31/32 of its addresses (32 GiB; a value above 512 KiB takes at least 1 MiB of
// them). A write that runs out of addresses panics: whoever accepts writes refuses them when a table is Full.
func (t *Table) Full() bool {
	for i := range t.stripes {
		s := &t.stripes[i]
		s.Lock()
		full := len(s.shard.chunks)-len(s.shard.vacant) > maxChunks/32*31
		s.Unlock()
		if full {
			return true
		}
	}
	return false
}

// Clear removes all entries. Its time does not depend on how many there are: the memory is unmapped by later
// Sweeps. Images that are running keep their view.
func (t *Table) Clear() {
	t.LockMask(t.AllStripes())
	defer t.UnlockMask(t.AllStripes())
	t.ClearLocked()
}

// ClearLocked is Clear for a caller that holds all stripes.
func (t *Table) ClearLocked() { t.replaceShards(t.src) }

func (t *Table) replaceShards(src source) {
	for i := range t.stripes {
		s := &t.stripes[i]
		old := s.shard
		s.shard = t.newShard(src, 0)
		s.views, s.newest = nil, 0 // the images hold the old shard: nobody changes it any more
		t.drop(old)
	}
}

// Close gives all memory back. Afterwards the table is empty, and a write panics. Images still running keep their
// view.
func (t *Table) Close() {
	t.LockMask(t.AllStripes())
	t.replaceShards(nil)
	t.UnlockMask(t.AllStripes())
	t.buryIfClosed()
}

// buryIfClosed unmaps what nobody reads, once there are no Sweeps any more that would.
func (t *Table) buryIfClosed() {
	t.stripes[0].Lock()
	closed := t.stripes[0].shard.src == nil
	t.stripes[0].Unlock()
	for closed && t.bury(maxChunks) {
	}
}

// drop lets go of a shard. The caller holds its stripe's lock.
func (t *Table) drop(s *shard) {
	if s.holds--; s.holds > 0 {
		return
	}
	t.mem.add(s.unbooked - s.bytes)
	s.bytes, s.unbooked = 0, 0
	t.graveMu.Lock()
	t.grave = append(t.grave, s)
	t.graveMu.Unlock()
}

// bury unmaps up to n chunks of shards that nobody reads. It reports whether there was one.
func (t *Table) bury(n int) bool {
	t.buryMu.Lock()
	defer t.buryMu.Unlock()
	s := t.exhume()
	if s == nil {
		return false
	}
	for ; n > 0 && len(s.chunks) > 1; n-- {
		last := len(s.chunks) - 1
		if c := s.chunks[last]; c.base != nil {
			s.src.free(c.base, c.size)
		}
		s.chunks = s.chunks[:last]
	}
	if len(s.chunks) > 1 {
		t.graveMu.Lock()
		t.grave = append(t.grave, s)
		t.graveMu.Unlock()
	}
	return true
}

func (t *Table) exhume() (s *shard) {
	t.graveMu.Lock()
	defer t.graveMu.Unlock()
	if n := len(t.grave); n > 0 {
		s, t.grave = t.grave[n-1], t.grave[:n-1]
	}
	return s
}
