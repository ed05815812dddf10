package server

import (
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// The topology in Redis Cluster's terms. There a shard is a master with its replicas
// and the slots that they serve; a node belongs to one. Here each partition has its own
// leader and replicas, so that a node leads some partitions and follows in others: it is
// then the master of one shard and a replica in others, which clients take well.

// slotRange is some slots in a row, both ends inclusive, and who serves them.
type slotRange struct {
	first, last uint16
	nodes       []uint16 // indexes into the topology's nodes: the leader, then the other replicas
}

// slotRanges are all slots in order, where neighbours that are served alike are one
// range. A partition whose leader is not known is shown with its first replica in the
// leader's place: it knows best who will lead, and clients that find no node for a slot
// do not ask again for long.
func slotRanges(t *wire.Topology) (ranges []slotRange) {
	for p := range t.Partitions {
		first, last := ring.SlotRange(p, len(t.Partitions))
		nodes := serving(&t.Partitions[p])
		if n := len(ranges); n > 0 && slices.Equal(ranges[n-1].nodes, nodes) {
			ranges[n-1].last = last
			continue
		}
		ranges = append(ranges, slotRange{first, last, nodes})
	}
	return slices.DeleteFunc(ranges, func(r slotRange) bool { return len(r.nodes) == 0 })
}

// serving is a partition's leader, then its other replicas in ascending order.
func serving(p *wire.TopologyPartition) []uint16 {
	others := slices.Clone(p.Replicas)
	leader := p.Leader
	if leader == wire.NoLeader {
		if len(others) == 0 {
			return nil
		}
		leader = others[0]
	}
	others = slices.DeleteFunc(others, func(n uint16) bool { return n == leader })
	slices.Sort(others)
	return slices.Insert(others, 0, leader)
}

// shard is what is served by one leader with the same replicas.
type shard struct {
	nodes  []uint16
	ranges []slotRange
}

// shardsOf gathers the ranges of each shard, in the order of their first slots.
func shardsOf(t *wire.Topology) (shards []shard) {
	for _, r := range slotRanges(t) {
		i := slices.IndexFunc(shards, func(s shard) bool { return slices.Equal(s.nodes, r.nodes) })
		if i < 0 {
			i = len(shards)
			shards = append(shards, shard{nodes: r.nodes})
		}
		shards[i].ranges = append(shards[i].ranges, r)
	}
	return shards
}

// ledBy are the slots that a node leads, neighbours joined.
func ledBy(ranges []slotRange, n uint16) (led []slotRange) {
	for _, r := range ranges {
		switch last := len(led) - 1; {
		case r.nodes[0] != n:
		case last >= 0 && led[last].last+1 == r.first:
			led[last].last = r.last
		default:
			led = append(led, slotRange{first: r.first, last: r.last})
		}
	}
	return led
}

// masterOf is whom CLUSTER NODES calls the master of a node that leads nothing itself:
// the leader of the first slots of which it has a replica; itself if there are none.
func masterOf(ranges []slotRange, n uint16) uint16 {
	for _, r := range ranges {
		if r.nodes[0] == n {
			return n
		}
	}
	for _, r := range ranges {
		if slices.Contains(r.nodes, n) {
			return r.nodes[0]
		}
	}
	return n
}
