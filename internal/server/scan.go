package server

import (
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/store"
)

// A scan's cursor holds the partition above cursorBits and its table's own cursor
// below, as docs/protocol.md says. The cursor 0 starts a scan and ends it.
const cursorBits = 48

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
			inner = p.Table.Scan(inner, max(limit-visited, 1), counted)
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
	if inner = s.partitions[at].Table.Scan(inner, max(limit, 1), visit); inner == 0 {
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
