package server

import (
	"errors"

	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

// A scan's cursor, as docs/protocol.md says:
//
//	63     48 47           16 15      0
//	partition | place in table | tag
//
// The place is the upper part of the table's own cursor, which it stays when rounded
// down: some entries may come twice. The tag tells whose table it is a place in, since
// each has an order of its own: a cursor that another node gave, or this one before it
// restarted or got the partition anew, starts the partition over rather than leave out what
// is elsewhere here. So a cursor is good on every node, for clients that a proxy or a
// failover takes from one to another. With a place of 0 there is no tag. The cursor 0
// starts a scan and ends it.
const (
	cursorBits = 48
	tagBits    = 16
	tagMask    = 1<<tagBits - 1
)

// tagOf tells a table from others but for one in 32,768. It is never 0.
func tagOf(t *store.Table) uint64 { return t.Hash(nil)>>(64-tagBits) | 1 }

// placeIn is where in a table the lower bits of a cursor stand.
func placeIn(t *store.Table, inner uint64) uint64 {
	if inner&tagMask != tagOf(t) {
		return 0
	}
	return inner &^ tagMask
}

// walk visits about limit entries of a table from a place on, and returns the lower bits
// of the cursor to go on from, 0 at the end.
func walk(t *store.Table, inner uint64, limit int, visit func(*store.Entry)) (next uint64) {
	place := placeIn(t, inner)
	for next = t.Scan(place, limit, visit); next != 0 && next&^tagMask <= place; {
		next = t.Scan(next, limit, visit) // a cursor that leads nowhere would be asked again and again
	}
	if next == 0 {
		return 0
	}
	return next&^tagMask | tagOf(t)
}

// emptyPartitions is how many partitions without a visit one call of scan passes.
const emptyPartitions = 256

// cursorAt splits a cursor.
func cursorAt(cursor uint64) (partition int, inner uint64) {
	return int(cursor >> cursorBits), cursor & (1<<cursorBits - 1)
}

// cursorOf joins what cursorAt splits. It is 0 behind the last partition.
func (s *Server) cursorOf(partition int, inner uint64) uint64 {
	if partition >= len(s.partitions) {
		return 0
	}
	return uint64(partition)<<cursorBits | inner
}

// scan visits about limit entries of the partitions that shown accepts, from cursor
// on, and returns the cursor to go on from, 0 at the end. Entries that are there
// throughout a whole scan are visited at least once. visit is called under a stripe's
// lock, expired entries included.
func (s *Server) scan(cursor uint64, limit int, shown func(*node.Partition) bool, visit func(*store.Entry)) (next uint64) {
	at, inner := cursorAt(cursor)
	visited := 0
	counted := func(e *store.Entry) {
		visited++
		visit(e)
	}
	for range emptyPartitions {
		if at >= len(s.partitions) {
			return 0
		}
		if p := s.partitions[at]; shown(p) {
			inner = walk(p.Table, inner, max(limit-visited, 1), counted)
		} else {
			inner = 0
		}
		if inner == 0 {
			at++
		}
		if visited >= limit || inner != 0 {
			break
		}
	}
	return s.cursorOf(at, inner)
}

// scanWithin is scan within the cursor's partition: where that ends, the cursor is the
// start of the next one.
func (s *Server) scanWithin(cursor uint64, limit int, visit func(*store.Entry)) (next uint64) {
	at, inner := cursorAt(cursor)
	if inner = walk(s.partitions[at].Table, inner, max(limit, 1), visit); inner == 0 {
		at++
	}
	return s.cursorOf(at, inner)
}

// keys returns the number of entries of the partitions that shown accepts, expired
// ones that have not been reclaimed yet included.
func (s *Server) keys(shown func(*node.Partition) bool) (n int64) {
	for _, p := range s.partitions {
		if shown(p) {
			n += int64(p.Table.Len())
		}
	}
	return n
}

// listing is what a RESP client's listing or count extends to, with an eye on what it
// would leave out without a word. One goroutine's.
type listing struct {
	node  Node
	shown func(*node.Partition) bool
	// strict: partitions that nobody is known to lead are missed. A node that is cut off
	// from the others leads nothing: to show nothing then would be a lie.
	strict bool
	gap    bool // one was passed over
}

// listing is the session's at present.
func (s *Session) listing() *listing {
	return &listing{node: s.srv.node, shown: s.shown(), strict: s.clustered && !s.reads.fromReplicas}
}

// has tells whether the entries of p belong to the listing.
func (l *listing) has(p *node.Partition) bool {
	if l.shown(p) {
		return true
	}
	if l.strict && errors.Is(l.node.Leader(p), node.ErrNoLeader) {
		l.gap = true
	}
	return false
}

// errGap refuses a listing that would lack partitions. Never changed.
var errGap = &resp.Error{Code: "CLUSTERDOWN", Text: "Some partitions have no leader that this node knows, and their keys would be missing: try again in a moment, or read from replicas (READONLY)"}

// shown tells which partitions a client's scans and counts extend to: on a node with
// peers those it leads, so that the nodes' answers add up to the whole, and for a
// client that reads from replicas those it holds.
func (s *Session) shown() func(*node.Partition) bool {
	n := s.srv.node
	switch {
	case !s.clustered:
		return func(*node.Partition) bool { return true }
	case s.reads.fromReplicas:
		return n.Holds
	}
	return n.Leads
}
