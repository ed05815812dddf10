package client

import (
	"context"
	"iter"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Topology says which node leads which partition.
type Topology struct {
	Epoch      uint64 // grows with every change
	ClusterID  string
	Nodes      []TopologyNode
	Partitions []TopologyPartition // partition p holds the slots s with s*len(Partitions)/16384 == p
}

// TopologyNode is one server.
type TopologyNode struct {
	ID      string
	Address string // host:port
	Zone    string
	State   string // "active", "joining", "draining" or "down"
}

// TopologyPartition says where one partition lives, as indexes into
// Topology.Nodes.
type TopologyPartition struct {
	Leader   int // -1 if unknown
	Replicas []int
}

// Topology fetches the server's topology.
func (c *Client) Topology(ctx context.Context) (Topology, error) {
	cl := c.begin(wire.OpTopology, "")
	defer c.release(cl)
	if err := c.do(ctx, cl); err != nil {
		return Topology{}, err
	}
	var w wire.Topology
	if err := w.Decode(cl.dst); err != nil {
		return Topology{}, c.malformed(cl, err)
	}
	t := Topology{Epoch: w.Epoch, ClusterID: w.ClusterID,
		Nodes:      make([]TopologyNode, len(w.Nodes)),
		Partitions: make([]TopologyPartition, len(w.Partitions))}
	for i, n := range w.Nodes {
		t.Nodes[i] = TopologyNode{ID: n.ID, Address: n.Address, Zone: n.Zone, State: n.State.String()}
	}
	for i, p := range w.Partitions {
		leader := int(p.Leader)
		if p.Leader == wire.NoLeader {
			leader = -1
		}
		replicas := make([]int, len(p.Replicas))
		for j, r := range p.Replicas {
			replicas[j] = int(r)
		}
		t.Partitions[i] = TopologyPartition{Leader: leader, Replicas: replicas}
	}
	return t, nil
}

// WatchTopology yields the topology as the client knows it, and then each newer
// one, until ctx ends, the client is closed or the loop is left. A loop that is slow
// misses what lies in between, never the last one.
func (c *Client) WatchTopology(ctx context.Context) iter.Seq[Topology] {
	return func(yield func(Topology) bool) {
		t, err := c.Topology(ctx)
		if err != nil || !yield(t) {
			return
		}
		select {
		case <-ctx.Done():
		case <-c.closing:
		}
	}
}
