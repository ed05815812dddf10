package store

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Entry is one key with its value and what is known about it. Key and Value are views into the table: valid only
// while the stripe is locked, and not to be changed. A view that an Image or a Scan hands out says for itself how
// long it holds.
type Entry struct {
	Key, Value []byte
	Version    uint64 // log index of the last write
	ExpireAt   int64  // unix ms; 0: never
	Kind       uint8  // what the value is; the table only keeps it
}

// Meta is what a write sets beside the value.
type Meta struct {
	Version  uint64
	ExpireAt int64
	Kind     uint8
}

// A block holds one entry. All numbers are little-endian; widths follow from flags, so that a small entry pays 8
// bytes:
//
//	┌───────┬──────┬─────────┬────────┬──────────┬─────────┬───────────┬─────┬───────┐
//	│ flags │ kind │ [class] │ keyLen │ valueLen │ version │ [expires] │ key │ value │
//	│   1   │  1   │  0|1    │  1|4   │  1|2|4   │  4|6|8  │    0|8    │     │       │
//	└───────┴──────┴─────────┴────────┴──────────┴─────────┴───────────┴─────┴───────┘
const (
	flagExpires = 1 << 0
	flagVersion = 3 << 1 // width of version: 4 + 2 × this, 0 … 2
	flagLongKey = 1 << 3
	flagValue   = 3 << 4 // width of valueLen: 1 << this, 0 … 2
	flagClass   = 1 << 6 // the block is larger than its content asks for; class says how large

	oneVersionStep = 1 << 1
	oneValueStep   = 1 << 4
)

// headerLens is the offset of the key by flags; computed once, never changed.
var headerLens = func() (lens [128]uint8) {
	for f := range lens {
		n := 2 + 1 + 1<<(f&flagValue/oneValueStep) + 4 + f&flagVersion
		if f&flagLongKey != 0 {
			n += 3
		}
		if f&flagExpires != 0 {
			n += 8
		}
		if f&flagClass != 0 {
			n++
		}
		lens[f] = uint8(n)
	}
	return lens
}()

// MaxLen is the largest key and the largest value that a table takes. The caller's limits lie far below.
const MaxLen = math.MaxUint32

// flagsFor chooses the smallest header.
func flagsFor(keyLen, valueLen int, m Meta) uint8 {
	var f uint8
	if m.ExpireAt != 0 {
		f |= flagExpires
	}
	switch {
	case m.Version > 1<<48-1:
		f |= 2 * oneVersionStep
	case m.Version > 1<<32-1:
		f |= oneVersionStep
	}
	if keyLen > 255 {
		f |= flagLongKey
	}
	switch {
	case valueLen > 1<<16-1:
		f |= 2 * oneValueStep
	case valueLen > 255:
		f |= oneValueStep
	}
	return f
}

// block is the start of a block in off-heap memory.
type block struct{ p unsafe.Pointer }

// header is a block's header, decoded.
type header struct {
	Meta
	flags    uint8
	class    uint8 // only with flagClass
	keyLen   int
	valueLen int
}

func (h *header) keyAt() int   { return int(headerLens[h.flags&127]) }
func (h *header) valueAt() int { return h.keyAt() + h.keyLen }
func (h *header) len() int     { return h.valueAt() + h.valueLen }

// blockClass is the class of the block that holds the entry.
func (h *header) blockClass() uint8 {
	if h.flags&flagClass != 0 {
		return h.class
	}
	return classOf(uint64(h.len()))
}

func (b block) bytes(from, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(b.p, from)), n)
}

func (b block) u8(at int) uint8   { return *(*uint8)(unsafe.Add(b.p, at)) }
func (b block) u16(at int) uint16 { return binary.LittleEndian.Uint16(b.bytes(at, 2)) }
func (b block) u32(at int) uint32 { return binary.LittleEndian.Uint32(b.bytes(at, 4)) }
func (b block) u64(at int) uint64 { return binary.LittleEndian.Uint64(b.bytes(at, 8)) }

// header decodes the header.
func (b block) header() (h header) {
	f := b.u8(0)
	h.flags, h.Kind = f, b.u8(1)
	at := 2
	if f&flagClass != 0 {
		h.class = b.u8(at)
		at++
	}
	if f&flagLongKey == 0 {
		h.keyLen = int(b.u8(at))
		at++
	} else {
		h.keyLen = int(b.u32(at))
		at += 4
	}
	switch f & flagValue {
	case 0:
		h.valueLen = int(b.u8(at))
		at++
	case oneValueStep:
		h.valueLen = int(b.u16(at))
		at += 2
	default:
		h.valueLen = int(b.u32(at))
		at += 4
	}
	switch f & flagVersion {
	case 0:
		h.Version = uint64(b.u32(at))
		at += 4
	case oneVersionStep:
		h.Version = uint64(b.u32(at)) | uint64(b.u16(at+4))<<32
		at += 6
	default:
		h.Version = b.u64(at)
		at += 8
	}
	if f&flagExpires != 0 {
		h.ExpireAt = int64(b.u64(at))
	}
	return h
}

// putHeader writes a header; the key and the value stay where they are.
func (b block) putHeader(h *header) {
	f := h.flags
	n := int(headerLens[f&127])
	w := b.bytes(0, n)
	w[0], w[1] = f, h.Kind
	at := 2
	if f&flagClass != 0 {
		w[at] = h.class
		at++
	}
	if f&flagLongKey == 0 {
		w[at] = uint8(h.keyLen)
		at++
	} else {
		binary.LittleEndian.PutUint32(w[at:], uint32(h.keyLen))
		at += 4
	}
	switch f & flagValue {
	case 0:
		w[at] = uint8(h.valueLen)
		at++
	case oneValueStep:
		binary.LittleEndian.PutUint16(w[at:], uint16(h.valueLen))
		at += 2
	default:
		binary.LittleEndian.PutUint32(w[at:], uint32(h.valueLen))
		at += 4
	}
	switch f & flagVersion {
	case 0:
		binary.LittleEndian.PutUint32(w[at:], uint32(h.Version))
		at += 4
	case oneVersionStep:
		binary.LittleEndian.PutUint32(w[at:], uint32(h.Version))
		binary.LittleEndian.PutUint16(w[at+4:], uint16(h.Version>>32))
		at += 6
	default:
		binary.LittleEndian.PutUint64(w[at:], h.Version)
		at += 8
	}
	if f&flagExpires != 0 {
		binary.LittleEndian.PutUint64(w[at:], uint64(h.ExpireAt))
	}
}

// entry fills e with views into the block.
func (b block) entry(e *Entry) {
	h := b.header()
	at := h.keyAt()
	e.Key = b.bytes(at, h.keyLen)
	e.Value = b.bytes(at+h.keyLen, h.valueLen)
	e.Version, e.ExpireAt, e.Kind = h.Version, h.ExpireAt, h.Kind
}

// key returns the key alone.
func (b block) key() []byte {
	f := b.u8(0)
	at := 2
	if f&flagClass != 0 {
		at++
	}
	n := int(b.u8(at))
	if f&flagLongKey != 0 {
		n = int(b.u32(at))
	}
	return b.bytes(int(headerLens[f&127]), n)
}

// expireAt returns the expiry alone: the last field before the key.
func (b block) expireAt() int64 {
	f := b.u8(0)
	if f&flagExpires == 0 {
		return 0
	}
	return int64(b.u64(int(headerLens[f&127]) - 8))
}
