package node

import (
	"sync"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/grant"
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
	group   *replica.Group // guarded by mu
	rec     wal.Record     // guarded by mu; scratch, so that an append allocates nothing
	waiting waitQueue      // guarded by mu; accepted, not yet durable (policy always)
	// replacing says that a received snapshot is being loaded into Table, which is then
	// no image of anything. Guarded by mu.
	replacing bool

	// snapshotting is held while a snapshot is written: the snapshotter's, or one for a backup.
	// Both it and publishing are held while the partition is dropped.
	snapshotting sync.Mutex
	// publishing is held from when a received snapshot is about to be published until the
	// worker has decided on it.
	publishing sync.Mutex
	// snapshotIndex is what the newest published snapshot covers.
	snapshotIndex atomic.Uint64

	// mode says how the partition's writes are ordered. It changes with mu held.
	mode atomic.Int32
	// view is what reads of a group with peers depend on. Written by the worker, whose clock it is on.
	view grant.Replica

	reads readCounters
}

// The modes of a partition.
const (
	modeSolo       = iota // a lone node's group: see replica.Group
	modeConverting        // becomes a group with peers: writes wait
	modeRaft              // a group with peers
	modeAbsent            // this node has no replica
)

// State returns what has been applied to p.
func (p *Partition) State() replica.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.group.State()
}

// Waiter is told of a write that could not be answered at once.
type Waiter interface {
	command.Sink
	// Later reports whether the waiter can be told after Submit has returned. One
	// that cannot is refused with wal.ErrBusy should the node have become Deferred
	// since the caller looked.
	Later() bool
	// Done is called once after the entry has been applied, on a goroutine of the
	// node's, or within Submit on a partition that has no peers while others have.
	// Locks of the node may be held: like Result and Failed, it must neither block
	// nor ask anything of the node.
	Done()
	// Failed is called in place of Result and Done when a write that was accepted
	// did not make it: *NotLeaderError, ErrNoLeader or what Submit could have said (it
	// was not executed and will not be), or ErrUnknownOutcome.
	Failed(err error)
}
