package store

import "github.com/prakashpandey/vegadb/internal/invariants"

// spot is where tidying a stripe stopped.
type spot struct {
	cell  uint64 // for merging segments
	chunk uint32 // for evacuating spans and trimming
}

const (
	mergeLooks  = 64        // segments looked at per call
	chunkLooks  = 4         // chunks looked at per call
	moveMost    = 256       // entries moved under one lock
	sparseLeast = 128 << 10 // bytes free within spans that a stripe may always have
)

// tidy does a bounded part of a stripe's housekeeping: about budget entries may be moved.
func (s *Stripe) tidy(n int, at *spot, budget int) {
	s.Lock()
	if d := s.shard; d.shrunk && len(s.views) == 0 {
		from, end := d.stripeRange(n)
		if at.cell < from || at.cell >= end {
			at.cell = from
		}
		for looks := 0; looks < mergeLooks && at.cell < end; looks++ {
			d.merge(at.cell)
			_, p, _ := d.segmentAt(at.cell)
			at.cell = p.end()
		}
	}
	s.Unlock()
	for looks := 0; looks < chunkLooks; looks++ {
		s.Lock()
		d := s.shard
		if at.chunk++; int(at.chunk) >= len(d.chunks) {
			at.chunk = 1
		}
		if int(at.chunk) < len(d.chunks) && d.chunks[at.chunk].meta != nil {
			if d.spanned-d.filled > max(sparseLeast, d.spanned/8) {
				budget -= d.evacuateChunk(at.chunk, min(budget, moveMost))
			}
			d.trim(at.chunk)
		}
		s.Unlock()
	}
}

// evacuateChunk empties sparse spans of a chunk and returns how many entries it moved: about budget at most.
func (s *shard) evacuateChunk(c uint32, budget int) (moved int) {
	m := s.chunks[c].meta
	for i := range m.spans {
		if moved >= budget {
			break
		}
		if p := &m.spans[i]; p.pages != 0 && p.class < firstRun && s.sparse(p) {
			first := m.owner[i*4+3] // a span has ≥ 4 pages and starts in this group of 4, so it covers the group's last page
			moved += s.evacuate(spanRef(c<<8 | uint32(first)))
		}
	}
	return moved
}

// sparse tells whether a span is at most half full and the others of its class can take what is in it.
func (s *shard) sparse(p *span) bool {
	blocks := int(spanShapes[p.class].blocks)
	live := int(p.live)
	return live*2 <= blocks && int(s.free[p.class])-(blocks-live) >= live
}

// evacuate moves the entries of a span to others of its class and gives its pages back. An entry that moves does
// not change, so images need not know.
func (s *shard) evacuate(r spanRef) (moved int) {
	p := s.span(r)
	shape := &spanShapes[p.class]
	var gone [maxBlocks / 64]uint64
	s.freeBlocks(r, &gone)
	s.unlink(r, p)
	base := pageRef(uint32(r>>8), int(uint8(r)))
	for i := uint32(0); i < uint32(p.fresh); i++ {
		if gone[i>>6]&(1<<(i&63)) == 0 {
			s.move(base+i*(shape.size>>unitShift), p.class)
			moved++
		}
	}
	if invariants.Enabled {
		invariants.Check(moved == int(p.live), "span %#x: %d live, %d moved", uint32(r), p.live, moved)
	}
	s.filled -= int64(moved) * int64(shape.size)
	s.free[p.class] -= uint32(shape.blocks) - uint32(moved)
	s.dropSpan(r, p)
	return moved
}

// move copies an entry to another block of its class and points its slot there.
func (s *shard) move(ref uint32, class uint8) {
	to := s.allocSmall(class)
	from := s.block(ref)
	h := from.header()
	copy(s.block(to).bytes(0, h.len()), from.bytes(0, h.len()))
	*s.slotOf(ref) = to
}

// slotOf finds the slot that holds a ref.
func (s *shard) slotOf(ref uint32) *uint32 {
	cell := cellOf(s.hashOf(ref))
	g, at, _ := s.segmentAt(cell)
	home := homeOf(cell, at.shift, s.homes)
	if p := slotIn(g.bucket(home), ref); p != nil {
		return p
	}
	if p := slotIn(g.bucket(s.next(home)), ref); p != nil {
		return p
	}
	for i := s.homes; i < s.homes+s.stash; i++ {
		if p := slotIn(g.bucket(i), ref); p != nil {
			return p
		}
	}
	panic("store: a block is in use, but no slot points at it")
}

func slotIn(b *bucket, ref uint32) *uint32 {
	for i := range b.refs {
		if b.refs[i] == ref {
			return &b.refs[i]
		}
	}
	return nil
}
