package store

import "github.com/prakashpandey/vegadb/internal/mutant"

// Scan visits entries in the order of their hash, from a cursor on (0: the start), and returns the cursor to go
// on from; 0 means that the end was reached. Cursors are below 2^48 and say all there is to know: they stay valid
// for ever, across splits and merges. A key that is present from the first call to the last is visited exactly
// once; one that comes or goes meanwhile, at most once for as long as it stays.
//
// A call visits about n entries, or passes over a bounded number of empty homes. fn runs under the stripe's lock:
// it must not call the table, and e is valid until it returns. Entries whose time has come are visited too.
func (t *Table) Scan(cursor uint64, n int, fn func(e *Entry)) (next uint64) {
	cursor &= 1<<cellBits - 1
	n = max(n, 1)
	homes := 4*n + 64
	var e Entry // once per call: fn makes it escape
	for n > 0 && homes > 0 {
		s := t.Stripe(cursor << hashRest)
		s.Lock()
		cursor = s.shard.scanSegment(cursor, &n, &homes, &e, fn)
		s.Unlock()
		if cursor >= 1<<cellBits {
			return 0
		}
	}
	return cursor
}

// scanSegment goes on in one segment until it ends or a budget is used up.
func (s *shard) scanSegment(cell uint64, n, homes *int, e *Entry, fn func(e *Entry)) uint64 {
	g, at, ok := s.segmentAt(cell)
	*homes--
	if !ok || g.header().count == 0 {
		return at.end()
	}
	var refs [homeMost]uint32
	for home := homeOf(cell, at.shift, s.homes); home < s.homes; home++ {
		if *n <= 0 || *homes <= 0 {
			if mutant.On(mutant.SkippingScan) { // the page ends behind a home that was not visited
				home++
			}
			return max(cell, at.homeStart(home, s.homes))
		}
		*homes--
		// The cursor stands within a home when segments were merged since: then the home's first entries were
		// visited.
		within := at.homeStart(home, s.homes) < cell
		for _, ref := range refs[:s.refsOfHome(g, at, home, &refs)] {
			if within && cellOf(s.hashOf(ref)) < cell {
				continue
			}
			s.block(ref).entry(e)
			fn(e)
			*n--
		}
	}
	return at.end()
}
