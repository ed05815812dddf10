package server

import (
	"context"

	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Node is what a Server needs of the node whose data it serves. *node.Node is one,
// and says what each method does; tests stand in for a node that has peers.
type Node interface {
	dataNode
	clusterNode
	ownerNode
	backupNode
}

// dataNode reads and writes.
type dataNode interface {
	Partitions() []*node.Partition
	Now() int64
	Ready() bool
	Deferred() bool
	Persistent() bool
	DurabilityName() string
	OverMemoryLimit() bool
	Submit(p *node.Partition, now int64, entry []byte, sink node.Waiter) (pos uint64, err error)
	SubmitAll(now int64, parts []node.Part) (pos uint64, err error)
	Settle(pos uint64) error
	Kick()
	NotifyDurable(pos uint64, f func())
	FlushAll(ctx context.Context) error
}

// clusterNode says who leads what, and when a read may be executed here.
type clusterNode interface {
	Clustered() bool
	Leads(p *node.Partition) bool
	Holds(p *node.Partition) bool
	Leader(p *node.Partition) error
	BeginRead(p *node.Partition, level wire.Consistency, arg uint64, w node.ReadWaiter) (node.ReadGrant, error)
	EndRead(p *node.Partition, g node.ReadGrant) error
	Applied(p *node.Partition) uint64
	Term(p *node.Partition) uint64
	Topology() (*wire.Topology, uint64)
	OnTopology(f func())
	Admin(ctx context.Context, request []byte) ([]byte, error)
}

// ownerNode is for those who look after the node.
type ownerNode interface {
	Identity() (nodeID, clusterID string)
	Memory() *store.Memory
	Stats() node.Stats
	StartSnapshot() (<-chan error, error)
	Snapshot(ctx context.Context) error
	SnapshotStatus() node.SnapshotStatus
}
