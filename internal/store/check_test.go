package store

import (
	"fmt"
	"testing"
)

// tiny makes segments that hold a few dozen entries, so that splits and merges happen all the time.
func tiny() shape { return shape{homes: 3, stash: 1, walk: 2} }

// check verifies everything the package promises itself about a table that nobody uses meanwhile.
func (t *Table) check() error {
	t.LockMask(t.AllStripes())
	defer t.UnlockMask(t.AllStripes())
	for n := range t.stripes {
		s := t.stripes[n].shard
		if err := s.checkSegments(n); err != nil {
			return fmt.Errorf("stripe %d: %w", n, err)
		}
		if err := s.checkHeap(); err != nil {
			return fmt.Errorf("stripe %d: %w", n, err)
		}
	}
	return nil
}

func (s *shard) checkSegments(n int) error {
	count, expiring := 0, 0
	var depths [cellBits + 1]uint32
	bytes := int64(len(s.dir)-1) * 8
	blocks := map[uint32]bool{}
	for cell, end := s.stripeRange(n); cell < end; {
		g, at, ok := s.segmentAt(cell)
		if cell != at.start {
			return fmt.Errorf("segment at %#x starts at %#x", cell, at.start)
		}
		cell = at.end()
		if !ok {
			continue
		}
		depths[at.shift-s.bits]++
		bytes += pageSize
		h := g.header()
		inSegment, exp := 0, 0
		var next, stash [64]int
		for i := range s.homes + s.stash {
			b := g.bucket(i)
			for slot, ref := range b.refs {
				if (ref == 0) != (b.tags[slot] == 0) {
					return fmt.Errorf("slot %d/%d: tag %d, ref %#x", i, slot, b.tags[slot], ref)
				}
				if ref == 0 {
					continue
				}
				if blocks[ref] {
					return fmt.Errorf("ref %#x twice", ref)
				}
				blocks[ref] = true
				hash := s.hashOf(ref)
				if b.tags[slot] != tagOf(hash) {
					return fmt.Errorf("slot %d/%d: wrong tag", i, slot)
				}
				if c := cellOf(hash); c < at.start || c >= at.end() {
					return fmt.Errorf("slot %d/%d: entry of another segment", i, slot)
				}
				home := homeOf(cellOf(hash), at.shift, s.homes)
				switch {
				case i == home:
				case i == s.next(home):
					next[home]++
				case i >= s.homes:
					stash[home]++
				default:
					return fmt.Errorf("entry of home %d in bucket %d", home, i)
				}
				hd := s.block(ref).header()
				if hd.ExpireAt != 0 {
					exp++
					if hd.ExpireAt < h.minExpire {
						return fmt.Errorf("entry expires at %d, before %d", hd.ExpireAt, h.minExpire)
					}
				}
				inSegment++
				bytes += s.blockBytes(ref, &hd)
			}
		}
		for i := range s.homes {
			if b := g.bucket(i); b.inNext() != next[i] || b.inStash() != stash[i] {
				return fmt.Errorf("home %d: counts %d+%d, has %d+%d away", i, b.inNext(), b.inStash(), next[i], stash[i])
			}
		}
		if int(h.count) != inSegment || int(h.expiring) != exp {
			return fmt.Errorf("header counts %d/%d, has %d/%d", h.count, h.expiring, inSegment, exp)
		}
		count += inSegment
		expiring += exp
	}
	if count != s.count || expiring != s.expiring || depths != s.atDepth {
		return fmt.Errorf("counts %d/%d %v, has %d/%d %v", s.count, s.expiring, s.atDepth, count, expiring, depths)
	}
	if bytes > s.bytes || bytes < s.bytes && s.holds == 1 {
		return fmt.Errorf("%d bytes booked, %d in use", s.bytes, bytes)
	}
	return nil
}

func (s *shard) blockBytes(ref uint32, h *header) int64 {
	if c := h.blockClass(); c != classBig {
		return int64(classSize(c))
	}
	return int64(s.chunks[ref>>offBits].used)
}

func (s *shard) checkHeap() error {
	var spanned, filled, runs, mapped int64
	var free [firstRun]uint32
	for i := 1; i < len(s.chunks); i++ {
		c := &s.chunks[i]
		mapped += int64(c.size)
		if c.meta == nil {
			runs += int64(c.used)
			continue
		}
		pages := 0
		for p := range chunkPages {
			if c.meta.free[p>>6]&(1<<(p&63)) != 0 {
				pages++
			}
		}
		if pages != c.meta.freePages {
			return fmt.Errorf("chunk %d: %d pages free, counted %d", i, pages, c.meta.freePages)
		}
		runs += int64(chunkPages-pages) * pageSize
		if pages > 0 && uint32(i) < s.low {
			return fmt.Errorf("chunk %d has room, low is %d", i, s.low)
		}
		for k := range c.meta.spans {
			p := &c.meta.spans[k]
			if p.pages == 0 || p.class >= firstRun {
				continue
			}
			r := spanRef(i<<8 | int(c.meta.owner[k*4+3]))
			if s.span(r) != p {
				return fmt.Errorf("span %#x not where its pages say", uint32(r))
			}
			var marks [maxBlocks / 64]uint64
			if n := s.freeBlocks(r, &marks); n != int(p.fresh-p.live) {
				return fmt.Errorf("span %#x: %d free, %d fresh, %d live", uint32(r), n, p.fresh, p.live)
			}
			size, blocks := int64(classSize(p.class)), spanShapes[p.class].blocks
			spanned += int64(p.pages) * pageSize
			filled += size * int64(p.live)
			free[p.class] += uint32(blocks - p.live)
		}
	}
	if spanned != s.spanned || filled != s.filled || runs != s.inRuns || mapped != s.mapped || free != s.free {
		return fmt.Errorf("spanned %d/%d filled %d/%d runs %d/%d mapped %d/%d", spanned, s.spanned, filled, s.filled, runs, s.inRuns, mapped, s.mapped)
	}
	for class, r := range s.partial {
		n := uint32(0)
		for prev := spanRef(0); r != 0; prev, r = r, s.span(r).next {
			p := s.span(r)
			if int(p.class) != class || p.prev != prev {
				return fmt.Errorf("span %#x of class %d on list %d", uint32(r), p.class, class)
			}
			n += uint32(spanShapes[class].blocks - p.live)
		}
		if n != s.free[class] {
			return fmt.Errorf("class %d: %d free on the list, %d counted", class, n, s.free[class])
		}
	}
	return nil
}

func mustCheck(t testing.TB, tab *Table) {
	t.Helper()
	if err := tab.check(); err != nil {
		t.Fatal(err)
	}
}
