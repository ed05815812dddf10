package client

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// routes says which node serves which partition. A newer topology replaces the
// whole; only leaders change in place, when a node names another one.
type routes struct {
	nodes []*node                   // in the order of the topology; nil: cannot be dialled
	parts []attempt.Partition[node] // by partition; changed under client.mu
}

// unplaced is the partition of a call as long as it was not computed.
const unplaced = -2

// cursorBits: a scan's cursor has the partition above them.
const cursorBits = 48

// route returns the node to send the call to. It may be one that is not connected.
func (c *Client) route(cl *call) *node {
	if cl.target != nil {
		return cl.target
	}
	if cl.pin != nil {
		return cl.pin.link.node
	}
	r := c.routes.Load()
	if r == nil {
		if cl.hint != nil {
			return cl.hint
		}
		return c.pick()
	}
	if cl.partition == unplaced {
		cl.partition = r.place(cl)
	}
	if cl.partition < 0 || cl.partition >= len(r.parts) {
		return c.anyNode(r)
	}
	if n := r.parts[cl.partition].Pick(cl.relaxed(), &cl.turn, rand.Uint64, (*node).health); n != nil {
		return n
	}
	return c.anyNode(r)
}

// place returns the partition of a call, AnyPartition if it has none.
func (r *routes) place(cl *call) int {
	key := cl.tag
	switch cl.req.Op {
	case wire.OpGet, wire.OpPut, wire.OpDelete, wire.OpIncrement, wire.OpExpire, wire.OpPersist:
		key = viewOf(cl.key)
	case wire.OpCommand:
	case wire.OpScan:
		return int(cl.cursor >> cursorBits)
	default:
		return AnyPartition
	}
	return ring.PartitionOf(key, len(r.parts))
}

// anyNode returns a node for what every node can do: one that is connected, if there
// is any.
func (c *Client) anyNode(r *routes) *node {
	if n := attempt.Any(r.nodes, rand.Uint64(), (*node).health); n != nil {
		return n
	}
	return c.pick()
}

// learn takes up an encoded topology that came over a connection, if it is news. It
// reports whether it could be understood.
func (c *Client) learn(encoded []byte, from *conn) bool {
	c.mu.Lock()
	known := c.knows(encoded)
	c.mu.Unlock()
	if known { // every node tells the same news
		return true
	}
	t := new(wire.Topology)
	if t.Decode(encoded) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(t.Nodes) == 0 || len(t.Partitions) == 0 || t.ClusterID != c.clusterID ||
		c.topology != nil && t.Epoch < c.topology.Epoch || c.knows(encoded) {
		return true
	}
	c.adopt(t, from)
	c.encoded = append(c.encoded[:0], encoded...)
	return true
}

// knows reports whether an encoded topology is what the client goes by. Needs mu.
func (c *Client) knows(encoded []byte) bool {
	return c.topology != nil && bytes.Equal(encoded, c.encoded) && !c.routes.Load().isMoved()
}

// adopt goes by a topology from here on. Needs mu.
func (c *Client) adopt(t *wire.Topology, from *conn) {
	old := c.routes.Load()
	if isLone(t, from) {
		if old != nil { // it was a cluster once
			for _, n := range *c.all.Load() {
				if n.named = false; !n.seed {
					n.retire()
				}
			}
			from.link.node.startLocked()
			c.preferred.Store(int32(slices.Index(c.seeds, from.link.node)))
			c.seen.Store(nil)
			c.routes.Store(nil)
		}
	} else {
		r := c.newRoutes(t, from, old)
		if seen := c.seen.Load(); seen == nil || len(*seen) != len(r.parts) {
			fresh := make(tokens, len(r.parts))
			c.seen.Store(&fresh)
		}
		c.routes.Store(r)
	}
	c.topology = t
	c.views++
	c.tidy()
	c.announceLocked()
}

// isMoved reports whether any leader was changed in place. Needs client.mu.
func (r *routes) isMoved() bool {
	if r == nil {
		return false
	}
	for i := range r.parts {
		if r.parts[i].Moved() {
			return true
		}
	}
	return false
}

// isLone reports whether the topology is that of a server alone: it was found where
// it is, whatever its address is to others.
func isLone(t *wire.Topology, from *conn) bool {
	if len(t.Nodes) != 1 || !from.link.node.seed {
		return false
	}
	n := &t.Nodes[0]
	return n.ID == from.nodeID || !dialable(n.Address)
}

// dialable reports whether an address can be one to connect to.
func dialable(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || port == "0" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsUnspecified()
}

// newRoutes makes routes of a topology; old are those in use. Needs mu.
func (c *Client) newRoutes(t *wire.Topology, from *conn, old *routes) *routes {
	for _, n := range *c.all.Load() {
		n.named = false
	}
	r := &routes{nodes: make([]*node, len(t.Nodes)), parts: make([]attempt.Partition[node], len(t.Partitions))}
	inZone := make([]bool, len(t.Nodes))
	for i := range t.Nodes {
		inZone[i] = c.opts.Zone != "" && t.Nodes[i].Zone == c.opts.Zone
		if r.nodes[i] = c.nodeOf(&t.Nodes[i], from); r.nodes[i] != nil {
			r.nodes[i].named = true
			r.nodes[i].startLocked()
		}
	}
	for p := range r.parts {
		part, told := &r.parts[p], &t.Partitions[p]
		var leader *node
		var replicas, near []*node
		for _, i := range told.Replicas {
			n := r.nodes[i]
			if n == nil {
				continue
			}
			replicas = append(replicas, n)
			if inZone[i] {
				near = append(near, n)
			}
		}
		if told.Leader != wire.NoLeader {
			leader = r.nodes[told.Leader]
		}
		part.Set(leader, told.Term, replicas, near)
		if old != nil && len(old.parts) == len(r.parts) {
			part.KeepNewer(&old.parts[p], func(n *node) bool { return n.named }, (*node).health)
		}
	}
	return r
}

// nodeOf returns the node that a topology names; nil if it cannot be dialled. Needs mu.
func (c *Client) nodeOf(t *wire.TopologyNode, from *conn) *node {
	if !dialable(t.Address) {
		if t.ID == from.nodeID {
			return from.link.node
		}
		return nil
	}
	return c.nodeAt(c.mapped(t.Address))
}

// mapped is the address to dial for one that a node advertises.
func (c *Client) mapped(address string) string {
	if c.opts.AddressMap != nil {
		if to := c.opts.AddressMap(address); to != "" {
			return to
		}
	}
	return address
}

// redirect takes up that a node has named another one as the leader of the call's
// partition, and reports whether the call has somewhere to go at once. An empty
// address means that it does not lead and does not know who does.
func (c *Client) redirect(cl *call, from *node, address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n *node
	if dialable(address) && !c.closed {
		if n = c.nodeAt(c.mapped(address)); n != nil {
			n.named = true // until the next topology
			n.startLocked()
		}
	}
	r := c.routes.Load()
	if r == nil || cl.partition < 0 || cl.partition >= len(r.parts) {
		cl.hint = n
		return n != nil && n != from
	}
	elsewhere, changed := r.parts[cl.partition].Redirect(from, n)
	if changed {
		c.views++
		c.announceLocked()
	}
	return elsewhere
}
