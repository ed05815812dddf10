package store

import "github.com/prakashpandey/vegadb/internal/invariants"

// checkSpan verifies a span's invariants. Only for builds with assertions, and for tests.
func (h *heap) checkSpan(r spanRef) {
	s := h.span(r)
	shape := &spanShapes[s.class]
	var marks [maxBlocks / 64]uint64
	n := h.freeBlocks(r, &marks)
	invariants.Check(s.pages == shape.pages && s.fresh <= shape.blocks && s.live <= s.fresh,
		"span %#x: %d pages, %d live, %d fresh", uint32(r), s.pages, s.live, s.fresh)
	invariants.Check(n == int(s.fresh-s.live), "span %#x: %d blocks on the free list, %d fresh, %d live", uint32(r), n, s.fresh, s.live)
}

// isFree tells whether a block of a span is not in use.
func (h *heap) isFree(r spanRef, block uint32) bool {
	var marks [maxBlocks / 64]uint64
	h.freeBlocks(r, &marks)
	return block >= uint32(h.span(r).fresh) || marks[block>>6]&(1<<(block&63)) != 0
}
