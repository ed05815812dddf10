package store

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// bucket is one cache line of a segment:
//
//	 0          12     16                                    64
//	┌──────────┬──────┬──────────────────────────────────────┐
//	│ 12 tags  │ meta │ 12 refs                              │
//	└──────────┴──────┴──────────────────────────────────────┘
//
// A tag is 8 bits of the hash, never 0; tag 0 marks a slot that is empty. meta belongs to the *home* of the same
// number (see segment): 4 bits count its entries that live in the next bucket, 4 bits those in the stash, 24 bits
// are the number of the last image that has this home's entries.
type bucket struct {
	tags [bucketSlots]uint8
	meta uint32
	refs [bucketSlots]uint32
}

const (
	bucketSlots = 12
	bucketSize  = 64

	nextOne   = 1 << 0 // one entry in the next bucket
	nextMask  = 15 << 0
	stashOne  = 1 << 4 // one entry in the stash
	stashMask = 15 << 4
	imageBits = 8
	maxImage  = 1<<24 - 1
)

func (b *bucket) inNext() int   { return int(b.meta & nextMask) }
func (b *bucket) inStash() int  { return int(b.meta & stashMask / stashOne) }
func (b *bucket) image() uint32 { return b.meta >> imageBits }
func (b *bucket) setImage(n uint32) {
	b.meta = b.meta&(1<<imageBits-1) | n<<imageBits
}

// tagOf takes bits that do not choose the bucket.
func tagOf(h uint64) uint8 {
	return uint8(max(h&0xff, 1))
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// zeros marks the zero bytes of w with their high bit. A byte above a zero byte may be marked wrongly, so a mark
// is a hint.
func zeros(w uint64) uint64 { return (w - lows) &^ w & highs }

// match marks the slots whose tag may be t: bit 8i+7 of lo is slot i, bit 8i+7 of hi is slot 8+i.
func (b *bucket) match(t uint8) (lo, hi uint64) {
	w := uint64(t) * lows
	lo = zeros(binary.LittleEndian.Uint64(b.tags[:8]) ^ w)
	hi = zeros((uint64(binary.LittleEndian.Uint32(b.tags[8:])) ^ w) | 0xffffffff<<32)
	return lo, hi
}

// vacant returns the first empty slot, or -1.
func (b *bucket) vacant() int {
	lo, hi := b.match(0) // the lowest mark is always right
	if lo != 0 {
		return bits.TrailingZeros64(lo) >> 3
	}
	if hi != 0 {
		return 8 + bits.TrailingZeros64(hi)>>3
	}
	return -1
}

func (b *bucket) set(slot int, tag uint8, ref uint32) {
	b.tags[slot], b.refs[slot] = tag, ref
}

// segment is a page of buckets for one range of hash space. Its length is fixed: a segment that is full splits in
// two.
//
//	┌────────┬────────────────────────────┬─────────────┐
//	│ header │ homes (59)                 │ stash (4)   │   64 × 64 bytes
//	└────────┴────────────────────────────┴─────────────┘
//
// The range is divided evenly and *in order* among the homes. An entry lives in its home's bucket, else in the
// next one (the last one's next is the first), else in the stash. Order is what makes the rest simple: a split
// divides every home's range in two, a merge joins two, so a place in hash space is a cursor that survives both.
type segment struct{ p unsafe.Pointer }

// segmentHeader is the first line of a segment. A page of zeros is an empty segment, but for ref.
type segmentHeader struct {
	ref       uint32 // the page, for giving it back
	count     uint32
	expiring  uint32
	minExpire int64 // no entry expires before this; means nothing while expiring is 0
}

func (g segment) header() *segmentHeader { return (*segmentHeader)(g.p) }

func (g segment) bucket(i int) *bucket { return (*bucket)(g.at(i)) }

// at is the address of a bucket.
func (g segment) at(i int) unsafe.Pointer { return unsafe.Add(g.p, (1+i)*bucketSize) }
