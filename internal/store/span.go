package store

import (
	"encoding/binary"
	"unsafe"

	"github.com/prakashpandey/vegadb/internal/invariants"
)

// span is a run of pages: carved into blocks of one class, or one block of a class ≥ firstRun.
//
// Invariants (class < firstRun): blocks ≥ fresh were never handed out; the free list has exactly fresh - live
// blocks, all below fresh; the span is on its class's partial list exactly when live < the shape's blocks.
type span struct {
	class uint8
	pages uint8  // 0: no span starts here
	live  uint16 // blocks in use
	fresh uint16
	free  uint16 // first block of the free list, plus 1; the next one's number stands in the block itself
	refs  uint32 // class ≥ firstRun: the table's hold and one for each image that reads the block
	next  spanRef
	prev  spanRef
}

// spanRef is chunk<<8 | first page; 0 is none.
type spanRef uint32

func (h *heap) span(r spanRef) *span {
	return &h.chunks[r>>8].meta.spans[uint8(r)/4]
}

// spanOf finds the span that a block within a chunk belongs to.
func (h *heap) spanOf(ref uint32) (spanRef, *span) {
	c := ref >> offBits
	m := h.chunks[c].meta
	first := m.owner[pageOf(ref)]
	return spanRef(c<<8 | uint32(first)), &m.spans[first/4]
}

// alloc returns a block of the class; size is used for classBig only. It returns the bytes by which use has grown.
func (h *heap) alloc(class uint8, size uint64) (ref uint32, grown int64) {
	switch {
	case class < firstRun:
		return h.allocSmall(class), int64(spanShapes[class].size)
	case class != classBig:
		n := int(classSize(class) / pageSize)
		c, page := h.newRun(n)
		m := h.chunks[c].meta
		m.dirty.unset(page, n)
		m.spans[page/4] = span{class: class, pages: uint8(n), live: 1, refs: 1}
		return pageRef(c, page), int64(n) * pageSize
	}
	return h.allocBig(size, size)
}

func pageRound(n uint64) uint64 { return (n + pageSize - 1) &^ (pageSize - 1) }

// allocBig makes a mapping with room for capacity bytes, of which size count as used: pages that were never
// written take no memory.
func (h *heap) allocBig(size, capacity uint64) (ref uint32, grown int64) {
	n, used := uintptr(pageRound(capacity)), uintptr(pageRound(size))
	c := h.addChunk(chunk{base: h.source().alloc(n), size: n, used: used, refs: 1})
	h.inRuns += int64(used)
	return c << offBits, int64(used)
}

func (h *heap) allocSmall(class uint8) uint32 {
	shape := &spanShapes[class]
	r := h.partial[class]
	if r == 0 {
		r = h.newSpan(class)
	}
	s := h.span(r)
	base := pageRef(uint32(r>>8), int(uint8(r)))
	var block uint32
	if s.free != 0 {
		block = uint32(s.free - 1)
		ref := base + block*(shape.size>>unitShift)
		s.free = binary.LittleEndian.Uint16(unsafe.Slice((*byte)(h.addr(ref)), 2))
	} else {
		block = uint32(s.fresh)
		s.fresh++
	}
	s.live++
	h.free[class]--
	h.filled += int64(shape.size)
	if s.live == shape.blocks {
		h.unlink(r, s)
	}
	return base + block*(shape.size>>unitShift)
}

func (h *heap) newSpan(class uint8) spanRef {
	shape := &spanShapes[class]
	n := int(shape.pages)
	c, page := h.newRun(n)
	m := h.chunks[c].meta
	m.dirty.unset(page, n)
	m.spans[page/4] = span{class: class, pages: shape.pages}
	h.spanned += int64(n) * pageSize
	h.free[class] += uint32(shape.blocks)
	r := spanRef(c<<8 | uint32(page))
	h.link(r, h.span(r))
	return r
}

// release gives a block back. It returns the bytes by which use has shrunk: 0 while an image still reads the block.
func (h *heap) release(ref uint32) int64 {
	c := &h.chunks[ref>>offBits]
	if c.meta == nil {
		if c.refs--; c.refs > 0 {
			return 0
		}
		used := int64(c.used)
		h.inRuns -= used
		h.dropChunk(ref >> offBits)
		return used
	}
	r, s := h.spanOf(ref)
	if s.class >= firstRun {
		if s.refs--; s.refs > 0 {
			return 0
		}
		n := int(s.pages)
		*s = span{}
		h.freeRun(uint32(r>>8), int(uint8(r)), n)
		return int64(n) * pageSize
	}
	return h.releaseSmall(ref, r, s)
}

func (h *heap) releaseSmall(ref uint32, r spanRef, s *span) int64 {
	shape := &spanShapes[s.class]
	block := (ref - pageRef(uint32(r>>8), int(uint8(r)))) / (shape.size >> unitShift)
	if invariants.Enabled {
		h.checkSpan(r)
		invariants.Check(!h.isFree(r, block), "block %#x freed twice", ref)
	}
	binary.LittleEndian.PutUint16(unsafe.Slice((*byte)(h.addr(ref)), 2), s.free)
	s.free = uint16(block + 1)
	h.filled -= int64(shape.size)
	h.free[s.class]++
	if s.live == shape.blocks {
		h.link(r, s)
	}
	if s.live--; s.live == 0 {
		h.unlink(r, s)
		h.free[s.class] -= uint32(shape.blocks)
		h.dropSpan(r, s)
	}
	return int64(shape.size)
}

// dropSpan gives the pages of a span back in which nothing is in use, and which is on no list.
func (h *heap) dropSpan(r spanRef, s *span) {
	n := int(s.pages)
	*s = span{}
	h.spanned -= int64(n) * pageSize
	h.freeRun(uint32(r>>8), int(uint8(r)), n)
}

// pin keeps a block of a class ≥ firstRun as it is until it is released once more.
func (h *heap) pin(ref uint32) {
	if c := &h.chunks[ref>>offBits]; c.meta == nil {
		c.refs++
		return
	}
	_, s := h.spanOf(ref)
	s.refs++
}

// pinned tells whether somebody besides the table reads a block of a class ≥ firstRun.
func (h *heap) pinned(ref uint32) bool {
	if c := &h.chunks[ref>>offBits]; c.meta == nil {
		return c.refs > 1
	}
	_, s := h.spanOf(ref)
	return s.refs > 1
}

func (h *heap) link(r spanRef, s *span) {
	head := h.partial[s.class]
	s.prev, s.next = 0, head
	if head != 0 {
		h.span(head).prev = r
	}
	h.partial[s.class] = r
}

func (h *heap) unlink(r spanRef, s *span) {
	if s.prev != 0 {
		h.span(s.prev).next = s.next
	} else {
		h.partial[s.class] = s.next
	}
	if s.next != 0 {
		h.span(s.next).prev = s.prev
	}
	s.prev, s.next = 0, 0
}

// freeBlocks marks the blocks of a span that are on its free list.
func (h *heap) freeBlocks(r spanRef, marks *[maxBlocks / 64]uint64) (n int) {
	s := h.span(r)
	shape := &spanShapes[s.class]
	base := pageRef(uint32(r>>8), int(uint8(r)))
	for next := s.free; next != 0; n++ {
		block := uint32(next - 1)
		if invariants.Enabled {
			invariants.Check(block < uint32(s.fresh) && n <= int(s.fresh), "span %#x: free list runs wild", uint32(r))
		}
		marks[block>>6] |= 1 << (block & 63)
		p := h.addr(base + block*(shape.size>>unitShift))
		next = binary.LittleEndian.Uint16(unsafe.Slice((*byte)(p), 2))
	}
	return n
}

// maxBlocks bounds the blocks of a span: 16 KiB of 8 bytes.
const maxBlocks = 4 * pageSize / 8
