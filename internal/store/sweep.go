package store

import "github.com/prakashpandey/vegadb/internal/mutant"

// SweepResult says what one call of Sweep found.
type SweepResult struct {
	Removed int  // entries taken out: their time had come by the stamp
	Due     bool // an entry's time has come by the wall clock but not yet by the stamp
	Wrapped bool // this call came to the end of the table: the next one starts anew
}

// sweeper is where the last Sweep stopped.
type sweeper struct {
	cell  uint64
	tidy  int      // stripe whose turn it is
	spots [64]spot // by stripe
}

// Sweep removes entries that expired before stamp, the log's time, as far as a budget of about so many entries
// goes; the next call goes on where this one stopped. wall is the node's clock: with Due, the caller may move the
// log's time ahead. Segments in which nothing can have expired cost one look.
//
// Sweep also does the housekeeping, so it is to be called now and then even if nothing expires: it unmaps what
// Clear left, moves entries out of spans that have become sparse, joins segments that have, and gives free pages
// back.
func (t *Table) Sweep(stamp, wall int64, budget int) (r SweepResult) {
	if mutant.On(mutant.LocalExpiry) {
		stamp = wall // "its time has come"
	}
	t.sweepMu.Lock()
	defer t.sweepMu.Unlock()
	t.bury(buryChunks)
	for left := budget; left > 0 && !r.Wrapped; {
		s := t.Stripe(t.sweep.cell << hashRest)
		s.Lock()
		t.sweep.cell = s.sweep(t.sweep.cell, stamp, wall, &left, &r)
		s.Unlock()
		if t.sweep.cell >= 1<<cellBits {
			t.sweep.cell = 0
			r.Wrapped = true
		}
	}
	n := t.sweep.tidy
	t.sweep.tidy = (n + 1) % len(t.stripes)
	t.stripes[n].tidy(n, &t.sweep.spots[n], budget)
	return r
}

const (
	buryChunks = 16 // unmapped per Sweep: a millisecond
	skipMost   = 64 // segments passed over under one lock
)

// sweep goes through segments from a cell on, until it has looked into one.
func (s *Stripe) sweep(cell uint64, stamp, wall int64, left *int, r *SweepResult) uint64 {
	d := s.shard
	_, end := d.stripeRange(int(s.table.StripeIndex(cell << hashRest)))
	if d.expiring == 0 {
		*left--
		return end
	}
	for skipped := 0; cell < end && skipped < skipMost && *left > 0; skipped++ {
		g, at, ok := d.segmentAt(cell)
		cell = at.end()
		*left--
		if !ok || g.header().expiring == 0 || g.header().minExpire >= max(stamp, wall) {
			continue
		}
		*left -= int(g.header().count)
		if s.sweepSegment(g, at, stamp, wall, r) && len(s.views) == 0 {
			d.merge(at.start)
		}
		break
	}
	return cell
}

// sweepSegment removes what has expired from one segment.
func (s *Stripe) sweepSegment(g segment, at place, stamp, wall int64, r *SweepResult) (removed bool) {
	d := s.shard
	earliest := int64(0)
	for i := range d.homes + d.stash {
		for slot, ref := range g.bucket(i).refs {
			if ref == 0 {
				continue
			}
			t := d.block(ref).expireAt()
			switch {
			case t == 0:
			case t < stamp:
				f := found{g: g, at: at, home: homeOf(cellOf(d.hashOf(ref)), at.shift, d.homes), bucket: i, slot: slot, ref: ref}
				if s.newest != 0 {
					s.save(g, at, f.home)
				}
				s.delete(&f)
				r.Removed++
				removed = true
			default:
				if earliest == 0 || t < earliest {
					earliest = t
				}
				r.Due = r.Due || t < wall
			}
		}
	}
	g.header().minExpire = earliest
	return removed
}
