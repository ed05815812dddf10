// Package store is the in-memory table of one partition: entries with versions and expiry, in memory that the
// garbage collector does not see, with point-in-time images that need no fork.
//
// # Use
//
//	t := store.New(store.Options{Memory: mem})
//	h := t.Hash(key)
//	s := t.Stripe(h)
//	s.Lock()
//	if s.Find(h, key, &e) { … e.Value is valid up to Unlock … }
//	s.Put(h, key, value, store.Meta{Version: index})
//	s.Unlock()
//
// The methods of Stripe need the stripe's lock; those of Table take it themselves, so they must not be called
// while a stripe is held (ClearLocked excepted). Lock order: a table's image or sweep mutex, then its stripes in
// ascending order, then its grave's. Nothing under a stripe's lock waits for a disk, a peer or a channel.
//
// Someone has to call Sweep now and then, also when nothing expires: it does the housekeeping. The package starts
// no goroutine.
//
// # Invariants
//
//  1. A write never fails. Whoever accepts writes asks Memory.Over and Table.Full beforehand. Running out of
//     memory or addresses ends the process, as there is no one left who could be told: the write is in the log.
//  2. An image gives every entry as of its start exactly once, whatever is written meanwhile.
//  3. A Scan gives every key that is there from its first call to its last exactly once, across splits and
//     merges.
//  4. Find, Put, SetMeta, Delete allocate nothing on the Go heap, but for the directory when it doubles and the
//     chunk table when it grows.
//  5. No single operation depends on the number of entries: segments split one at a time, and only Close, and one
//     Image in 2^24, walk a whole table. (A directory that doubles copies 8 bytes per segment, i.e. per 350 to
//     700 entries of one stripe.)
//  6. Memory.Used is what entries, segments and images take, exact to accountLot per stripe.
//
// # From a hash to an entry
//
//	hash   63          58              47…         16 15     8 7      0
//	       ┌──────────┬───────────────┬──────────────┬────────┬────────┐
//	       │ stripe   │ directory     │ home         │ unused │ tag    │    the upper 48 bits are the *cell*
//	       └────┬─────┴──────┬────────┴──────┬───────┴────────┴───┬────┘
//	            ▼            ▼               ▼                    ▼
//	         Stripe ──► dir[2^depth] ──► segment: 64 lines ──► bucket: 12 tags, meta, 12 refs ──► block in a chunk
//
// A segment (bucket.go) serves one range of cells and divides it evenly, in order, into 59 homes. A segment that
// fills is replaced by two halves, and two that become almost empty by one; the directory (shard.go) doubles and
// halves as needed. Because homes are in order, a home of a half lies within one home of the whole: a cell is
// thus a cursor for Scan, Sweep and Image that no split or merge invalidates, and a home's image number can be
// handed down by a split, which therefore has nothing to save.
//
// # From a ref to a block
//
// A stripe has a heap of its own (heap.go, span.go): chunks of 1 MiB, mapped one by one and made resident by the
// kernel page by page as they are written. A chunk's 256 pages are handed out in runs: a segment takes one page;
// a span takes four or more and is carved into blocks of one size class; a block above 32 KiB has a run to
// itself, and one above 512 KiB a mapping of its own. The layout of a block is drawn in entry.go, the classes in
// class.go.
//
// # What memory is given back when
//
//   - A block goes to its span's free list and serves the next entry of its class.
//   - A span without entries gives its pages to the chunk at once: any class of the stripe, and segments, may
//     use them.
//   - A span at most half full is emptied by Sweep when more than 1/8 of the bytes in spans (and 128 KiB) is
//     free: its entries move to others of the class.
//   - Free pages (in lots of 16 KiB, on Linux) and chunks without entries go back to the system in Sweep.
//   - A value above 512 KiB is unmapped the moment it is deleted or replaced, unless an image reads it.
//   - What Clear leaves is unmapped by Sweep, 16 MiB per call; Close unmaps at once.
//
// # Left out
//
// Types of values, expiry as commands see it, eviction, and who may write when: that is for the packages above.
// Keys and values are bytes, and Kind is only kept.
package store
