package node

import (
	"sync"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Partition is this node's replica of one partition: the group that orders its
// writes and the table that holds its entries. Reads go to Table directly and
// take only a stripe's lock.
type Partition struct {
	Number int
	Table  *store.Table

	mu      sync.Mutex
	group   *replica.Group  // guarded by mu
	applier command.Applier // guarded by mu; scratch of Apply
	rec     wal.Record      // guarded by mu; scratch, so that an append allocates nothing
	waiting waitQueue       // guarded by mu; accepted, not yet durable (policy always)

	// snapshotIndex is what the newest published snapshot covers.
	snapshotIndex atomic.Uint64
	// floor is the index up to which the log has been given up.
	floor atomic.Uint64
}

// Waiter is told of a write that could not be answered at once.
type Waiter interface {
	command.Sink
	// Done is called once after the entry has been applied, on the applier's
	// goroutine, without locks held. It must not block.
	Done()
}

// waiting is one accepted entry whose record is not durable yet.
type waiting struct {
	index uint64
	pos   uint64 // durable when the log is durable up to here
	entry []byte // own copy
	sink  Waiter // nil: nobody waits
}

// waitQueue is a FIFO of waiting entries that keeps its memory. The entries'
// bytes are bounded by the log's queue, which has admitted each of them.
type waitQueue struct {
	ring []waiting
	head int
	size int
}

func (q *waitQueue) push(index, pos uint64, entry []byte, sink Waiter) {
	if q.size == len(q.ring) {
		q.grow()
	}
	w := &q.ring[(q.head+q.size)&(len(q.ring)-1)]
	w.index, w.pos, w.sink = index, pos, sink
	w.entry = append(w.entry[:0], entry...)
	q.size++
}

// front returns the oldest entry, nil when there is none. It stays valid until
// the next pop or push.
func (q *waitQueue) front() *waiting {
	if q.size == 0 {
		return nil
	}
	return &q.ring[q.head]
}

func (q *waitQueue) pop() {
	w := &q.ring[q.head]
	w.sink = nil
	if cap(w.entry) > waitingKeepBytes {
		w.entry = nil // a rare large value must not pin its memory for ever
	}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.size--
}

// waitingKeepBytes is the largest entry buffer that a queue keeps for reuse.
const waitingKeepBytes = 4 << 10

func (q *waitQueue) grow() {
	ring := make([]waiting, max(16, 2*len(q.ring)))
	for i := range q.size {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}
