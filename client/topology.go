package client

import (
	"context"
	"iter"
	"slices"

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

// Topology returns the topology as the client knows it, leaders that it has learnt
// of by itself included, or fetches it from a server that does not tell news of it.
func (c *Client) Topology(ctx context.Context) (Topology, error) {
	if t, _, ok := c.view(); ok {
		return t, nil
	}
	cl := c.begin(wire.OpTopology, "")
	defer c.release(cl)
	if err := c.do(ctx, cl); err != nil {
		return Topology{}, err
	}
	var w wire.Topology
	if err := w.Decode(cl.dst); err != nil {
		return Topology{}, c.malformed(cl, err)
	}
	return publicTopology(&w), nil
}

// WatchTopology yields the topology as the client knows it, and then each newer
// one, until ctx ends, the client is closed or the loop is left. A loop that is slow
// misses what lies in between, never the last one. While nothing is known yet it
// waits; a server that does not tell news leaves it waiting.
func (c *Client) WatchTopology(ctx context.Context) iter.Seq[Topology] {
	return func(yield func(Topology) bool) {
		seen := uint64(0)
		for {
			changed := c.changes()
			if t, number, ok := c.view(); ok && number != seen {
				if seen = number; !yield(t) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-c.closing:
				return
			}
		}
	}
}

// view returns the topology that the client works with and the count of its changes;
// ok is false as long as it knows none.
func (c *Client) view() (t Topology, number uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.topology == nil {
		return t, 0, false
	}
	t = publicTopology(c.topology)
	r := c.routes.Load()
	if r == nil {
		if t.Nodes[0].Address == "" { // alone, it need not know where it is
			t.Nodes[0].Address = c.seeds[c.preferred.Load()].address
		}
		return t, c.views, true
	}
	for p := range t.Partitions {
		leader := r.parts[p].Leader()
		t.Partitions[p].Leader = -1
		if leader != nil {
			t.Partitions[p].Leader = slices.Index(r.nodes, leader)
		}
	}
	return t, c.views, true
}

func publicTopology(w *wire.Topology) Topology {
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
	return t
}
