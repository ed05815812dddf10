package ring

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// virtualNodes is how many virtual nodes a node of average capacity has on the circle.
const virtualNodes = 64

// circle is the hash circle: virtual nodes in the order of their places.
type circle []virtual

type virtual struct {
	at   uint64
	node int
}

// makeCircle gives each node virtual nodes in proportion to its weight, at least one.
func makeCircle(nodes []node) circle {
	var total uint64
	for i := range nodes {
		total += nodes[i].weight
	}
	c := make(circle, 0, virtualNodes*len(nodes)+len(nodes))
	for i := range nodes {
		count := max(1, int(mulDiv(uint64(virtualNodes*len(nodes)), nodes[i].weight, total)))
		for v := range count {
			c = append(c, virtual{hashVirtual(nodes[i].hash, v), i})
		}
	}
	slices.SortFunc(c, func(a, b virtual) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.node, b.node)) })
	return c
}

// walk visits all nodes, each once, in the order in which their first virtual node comes clockwise from p's place.
func (pl *placement) walk(p int) iter.Seq[int] {
	if pl.circle == nil {
		pl.circle = makeCircle(pl.nodes) // only now: a placement that lacks nothing does without
	}
	return func(yield func(int) bool) {
		c, place := pl.circle, hashPartition(p)
		start := sort.Search(len(c), func(i int) bool { return c[i].at >= place })
		seen := make([]bool, len(pl.nodes))
		for i := range c {
			n := c[(start+i)%len(c)].node
			if seen[n] {
				continue
			}
			seen[n] = true
			if !yield(n) {
				return
			}
		}
	}
}
