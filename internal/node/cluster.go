package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// NotLeaderError refuses what only the leader of a partition may do. Nothing was
// executed and nothing will be.
type NotLeaderError struct {
	Partition int
	Leader    ring.NodeID // who leads it, as far as this node knows
	Addr      string      // the leader's address for clients, host:port
}

func (e *NotLeaderError) Error() string {
	return fmt.Sprintf("partition %d is led by the node at %s", e.Partition, e.Addr)
}

// ErrNoLeader refuses what only a leader may do, of a partition that has none this
// node knows of: an election is under way, or a majority cannot talk. Nothing was
// executed.
var ErrNoLeader = errors.New("the partition has no leader at present; try again in a moment")

// ErrNotHere refuses a read of a partition of which this node has no replica, or
// none that may be read yet, when no leader is known either.
var ErrNotHere = errors.New("this node has no replica of the partition that may be read")

// ErrUnknownOutcome tells the Waiter of a write that leadership was lost before
// the write was known to be committed: it may or may not take effect.
var ErrUnknownOutcome = errors.New("leadership was lost before the write was known to be committed")

// ReadWaiter is told when a read that had to wait may be executed.
type ReadWaiter interface {
	// Done is called once when the read may be executed, or
	Failed(err error)
	// Failed when it may not: NotLeaderError, ErrNoLeader. Both are called on a
	// goroutine of the node's without locks held, and must not block.
	Done()
}

// ReadGrant is BeginRead's answer.
type ReadGrant struct {
	// Wait: the ReadWaiter will be told. Otherwise the read may be executed now.
	Wait bool
	// Recheck: after the entry was looked up, and before it is shown to anybody,
	// EndRead must be asked (level lease).
	Recheck bool
	// Level is what the read gets, for receipts: at least what was asked for.
	Level wire.Consistency
	term  uint64
}

// BeginRead asks for leave to read p as the level promises. arg is the level's: of
// SessionReads the lowest index that must have been applied, of Bounded the greatest
// age in ms. w is kept only when the grant says Wait.
//
// Errors: *NotLeaderError, ErrNoLeader, ErrNotHere.
func (n *Node) BeginRead(p *Partition, level wire.Consistency, arg uint64, w ReadWaiter) (ReadGrant, error) {
	return ReadGrant{Level: wire.Linearizable}, nil
}

// EndRead tells whether a read granted with Recheck still holds: an error means
// that what was read must be thrown away and the error answered.
func (n *Node) EndRead(p *Partition, g ReadGrant) error { return nil }

// Clustered reports whether the node has ever had company: clients may have to be
// sent elsewhere, and keys of one command must be in one slot.
func (n *Node) Clustered() bool { return false }

// Leads reports whether this node leads p, so that writes and linearizable reads
// of it are served here.
func (n *Node) Leads(p *Partition) bool { return true }

// Holds reports whether this node has a replica of p that may be read.
func (n *Node) Holds(p *Partition) bool { return true }

// Leader returns who leads p: a *NotLeaderError that says where to go, ErrNoLeader
// when nobody is known to, nil when it is this node.
func (n *Node) Leader(p *Partition) error { return nil }

// Applied returns the log index up to which p's table holds every write: what a
// client keeps as its session's token.
func (n *Node) Applied(p *Partition) uint64 { return p.State().Index }

// Term returns the term of p's group, for receipts.
func (n *Node) Term(p *Partition) uint64 { return p.State().Term }

// Topology returns the topology as this node knows it, and a number that grows
// with every change of it, changes of leaders included. Not to be changed. Addresses
// of a lone node's topology are empty: it is where the client has found it.
func (n *Node) Topology() (*wire.Topology, uint64) {
	t := &wire.Topology{
		Epoch: 1, ClusterID: n.clusterID,
		Nodes:      []wire.TopologyNode{{ID: n.nodeID}},
		Partitions: make([]wire.TopologyPartition, len(n.partitions)),
	}
	for p := range t.Partitions {
		t.Partitions[p].Replicas = []uint16{0}
	}
	return t, 1
}

// OnTopology has f called, on a goroutine of the node's, after each change that
// Topology's number counts. f must not block. To be called before Load.
func (n *Node) OnTopology(f func()) {}

// ErrNotClustered answers what only a node with peers can do.
var ErrNotClustered = errors.New("this node was started without a peer address: it is not part of a cluster")

// Admin carries out one administrative request of JSON, as docs/protocol.md
// describes them under ADMIN, and returns JSON.
func (n *Node) Admin(ctx context.Context, request []byte) ([]byte, error) {
	return nil, ErrNotClustered
}
