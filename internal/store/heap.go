package store

import (
	"math/bits"
	"unsafe"
)

// heap is the allocator of one stripe. What it hands out is addressed by a ref of 32 bits:
//
//	31            17 16                    0
//	┌───────────────┬───────────────────────┐
//	│ chunk (1 …)   │ offset in 8-byte units│
//	└───────────────┴───────────────────────┘
//
// A chunk is 1 MiB of 256 pages, or one very large block in a mapping of its own, then with offset 0. Within a
// chunk, pages are handed out in runs: a segment (1 page), a span of small blocks (≥ 4 pages), a large block (≥ 9
// pages).
//
// Invariants: chunk 0 does not exist, so that ref 0 means "none". A page is in exactly one run or free. A free page
// that is not dirty reads as zero. A run of ≥ 4 pages has spans[first page / 4] for itself.
type heap struct {
	chunks  []chunk
	src     source            // nil after Close
	roomy   []uint16          // per chunk: no free run is longer than this; a hint that may be too high
	low     uint32            // no chunk below this one has a free page
	vacant  []uint32          // chunk numbers that can be used again
	spanned int64             // bytes in spans
	filled  int64             // bytes of them in blocks that are in use
	mapped  int64             // bytes of address space
	inRuns  int64             // bytes in runs and own mappings: what may be resident, besides dirty pages
	partial [firstRun]spanRef // by class: spans with a free block
	free    [firstRun]uint32  // by class: free blocks
}

const (
	unitShift  = 3
	chunkShift = 20
	chunkSize  = 1 << chunkShift
	chunkPages = chunkSize / pageSize
	offBits    = chunkShift - unitShift
	offMask    = 1<<offBits - 1
	maxChunks  = 1 << (32 - offBits)
)

// chunk is an entry of the chunk table.
type chunk struct {
	base unsafe.Pointer
	meta *chunkMeta // nil: a block with a mapping of its own
	size uintptr    // bytes mapped
	used uintptr    // own mapping: bytes that count as in use, a multiple of pageSize
	refs uint32     // own mapping: the table's hold and one for each image that reads the block
}

// chunkMeta has no pointers, so the garbage collector does not look into it.
type chunkMeta struct {
	free      bitmap // pages in no run
	dirty     bitmap // free pages that have been written
	freePages int
	owner     [chunkPages]uint8 // first page of the run that a page belongs to
	spans     [chunkPages / 4]span
}

type bitmap [chunkPages / 64]uint64

func (b *bitmap) set(from, n int) {
	for i := from; i < from+n; i++ {
		b[i>>6] |= 1 << (i & 63)
	}
}

func (b *bitmap) unset(from, n int) {
	for i := from; i < from+n; i++ {
		b[i>>6] &^= 1 << (i & 63)
	}
}

// run returns the first run of set bits at or after from: its start and length; the start is chunkPages if there
// is none.
func (b *bitmap) run(from int) (start, n int) {
	start = b.next(from, 0)
	return start, b.next(start, ^uint64(0)) - start
}

// next returns the first bit at or after i that is set, or with flip = ^0 clear; chunkPages if there is none.
func (b *bitmap) next(i int, flip uint64) int {
	for i < chunkPages {
		if w := (b[i>>6] ^ flip) >> (i & 63); w != 0 {
			return i + bits.TrailingZeros64(w)
		}
		i = i&^63 + 64
	}
	return chunkPages
}

// addr is where a ref points.
func (h *heap) addr(ref uint32) unsafe.Pointer {
	return unsafe.Add(h.chunks[ref>>offBits].base, uintptr(ref&offMask)<<unitShift)
}

func pageRef(c uint32, page int) uint32 {
	return c<<offBits | uint32(page)<<(12-unitShift)
}

func pageOf(ref uint32) int { return int(ref&offMask) >> (12 - unitShift) }

// addChunk puts a mapping into the chunk table and returns its number.
func (h *heap) addChunk(c chunk) uint32 {
	h.mapped += int64(c.size)
	if n := len(h.vacant); n > 0 {
		i := h.vacant[n-1]
		h.vacant = h.vacant[:n-1]
		h.chunks[i], h.roomy[i] = c, 0
		return i
	}
	if len(h.chunks) == 0 { // chunk 0 does not exist
		h.chunks, h.roomy = make([]chunk, 1, 4), make([]uint16, 1, 4)
	}
	if len(h.chunks) == maxChunks {
		panic("store: a stripe's 32 GiB of addresses are used up: use more partitions, or ask Full before writing")
	}
	h.chunks, h.roomy = append(h.chunks, c), append(h.roomy, 0)
	return uint32(len(h.chunks) - 1)
}

func (h *heap) dropChunk(i uint32) {
	c := &h.chunks[i]
	h.mapped -= int64(c.size)
	h.source().free(c.base, c.size)
	*c, h.roomy[i] = chunk{}, 0
	h.vacant = append(h.vacant, i)
}

func (h *heap) source() source {
	if h.src == nil {
		panic("store: write to a table that was closed")
	}
	return h.src
}

// newRun takes n ≤ chunkPages pages, next to each other, from the lowest chunk that has them.
func (h *heap) newRun(n int) (c uint32, page int) {
	for i := int(h.low); i < len(h.roomy); i++ {
		if int(h.roomy[i]) < n {
			if h.roomy[i] == 0 && i == int(h.low) {
				h.low++
			}
			continue
		}
		if page, ok := h.runIn(uint32(i), n); ok {
			return uint32(i), page
		}
	}
	m := &chunkMeta{freePages: chunkPages}
	m.free.set(0, chunkPages)
	c = h.addChunk(chunk{base: h.source().alloc(chunkSize), meta: m, size: chunkSize})
	h.roomy[c] = chunkPages
	h.low = min(h.low, c)
	page, _ = h.runIn(c, n)
	return c, page
}

// runIn takes a run from one chunk: the first that is long enough. If there is none, the hint becomes exact.
func (h *heap) runIn(c uint32, n int) (page int, ok bool) {
	m := h.chunks[c].meta
	longest := 0
	for start, length := m.free.run(0); length > 0; start, length = m.free.run(start + length) {
		if length >= n {
			m.free.unset(start, n)
			m.freePages -= n
			for i := start; i < start+n; i++ {
				m.owner[i] = uint8(start)
			}
			if m.freePages == 0 {
				h.roomy[c] = 0
			}
			h.inRuns += int64(n) * pageSize
			return start, true
		}
		longest = max(longest, length)
	}
	h.roomy[c] = uint16(longest)
	return 0, false
}

// freeRun gives pages back to their chunk. They stay resident until trim.
func (h *heap) freeRun(c uint32, page, n int) {
	m := h.chunks[c].meta
	m.free.set(page, n)
	m.dirty.set(page, n)
	m.freePages += n
	h.roomy[c] = chunkPages // exact again when a search fails
	h.low = min(h.low, c)
	h.inRuns -= int64(n) * pageSize
}

// newPage returns one zero page.
func (h *heap) newPage() (uint32, unsafe.Pointer) {
	c, page := h.newRun(1)
	ref := pageRef(c, page)
	p := h.addr(ref)
	h.clean(h.chunks[c].meta, page, 1, p)
	return ref, p
}

// clean zeroes the first n pages of a run if they may hold something else.
func (h *heap) clean(m *chunkMeta, page, n int, p unsafe.Pointer) {
	for i := range n {
		if m.dirty[(page+i)>>6]&(1<<((page+i)&63)) != 0 {
			clear(unsafe.Slice((*byte)(unsafe.Add(p, i*pageSize)), pageSize))
		}
	}
	m.dirty.unset(page, n)
}

// trim gives a chunk's dirty free pages back to the system, or the whole chunk if nothing is in it. It reports
// whether there was something to do.
func (h *heap) trim(c uint32) bool {
	m := h.chunks[c].meta
	if m == nil || m.freePages == 0 {
		return false
	}
	if m.freePages == chunkPages {
		h.dropChunk(c)
		return true
	}
	did := false
	for start, n := m.dirty.run(0); n > 0; start, n = m.dirty.run(start + n) {
		if n*pageSize < trimLeast {
			continue
		}
		if !h.src.discard(h.addr(pageRef(c, start)), uintptr(n)*pageSize) {
			return did
		}
		m.dirty.unset(start, n)
		did = true
	}
	return did
}

// trimLeast is the smallest run of pages that is worth a system call.
const trimLeast = 16 << 10
