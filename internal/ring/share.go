package ring

import (
	"cmp"
	"math/bits"
	"slices"
)

// Shares are fixed-point numbers with 32 bits of fraction: enough that rounding shows nowhere, and the same on every
// machine.
const (
	shareBits = 32
	shareOne  = uint64(1) << shareBits
)

func shareFloor(s uint64) int { return int(s >> shareBits) }
func shareCeil(s uint64) int  { return int((s + shareOne - 1) >> shareBits) }

// mulDiv is a×b/c, rounded down. The quotient must fit 64 bits: b ≤ c, or a small.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	q, _ := bits.Div64(hi, lo, c)
	return q
}

// quota is a claimant in divide: it wants a part in proportion to weight, and can take from lo to hi.
type quota struct {
	weight, lo, hi uint64
	got            uint64
}

// divide gives total to the claimants in proportion to their weights as far as their limits allow: got =
// clamp(λ × weight, lo, hi) with the λ that makes the sum total. The sum of the lo may not exceed total, nor total
// the sum of the hi.
//
// The λ is found by fixing, round by round, all that exceed a limit on the side that outweighs the other; those can
// be shown to stay at their limit. At most one round per claimant.
func divide(total uint64, claims []quota) {
	free := make([]int, len(claims))
	for i := range free {
		free[i] = i
	}
	for len(free) > 0 {
		var weight, over, under uint64
		for _, i := range free {
			weight += claims[i].weight
		}
		for _, i := range free {
			c := &claims[i]
			c.got = mulDiv(total, c.weight, weight)
			if c.got > c.hi {
				over += c.got - c.hi
			} else if c.got < c.lo {
				under += c.lo - c.got
			}
		}
		if over == 0 && under == 0 {
			return
		}
		rest := free[:0]
		for _, i := range free {
			c := &claims[i]
			switch {
			case over >= under && c.got > c.hi:
				c.got = c.hi
				total -= c.got
			case over < under && c.got < c.lo:
				c.got = c.lo
				total -= c.got
			default:
				rest = append(rest, i)
			}
		}
		free = rest
	}
}

// zone is a zone with its part of every partition.
type zone struct {
	name  string
	nodes []int // indexes into placement.nodes
	// lo and hi: how many replicas of one partition are in this zone. "Distinct zones first" means that they are dealt
	// out one per zone, round after round, until R are dealt; zones with fewer nodes drop out. lo is what every zone has
	// got when the last full round is over, hi what some have more after the round that cannot be dealt to all.
	lo, hi int
}

// makeZones groups the nodes and deals r replicas to the zones.
func makeZones(nodes []node, r int) []zone {
	var zones []zone
	for i := range nodes {
		at := slices.IndexFunc(zones, func(z zone) bool { return z.name == nodes[i].zoneName })
		if at < 0 {
			at = len(zones)
			zones = append(zones, zone{name: nodes[i].zoneName})
		}
		zones[at].nodes = append(zones[at].nodes, i)
	}
	slices.SortFunc(zones, func(a, b zone) int { return cmp.Compare(a.name, b.name) })
	for left := r; left > 0; {
		wanted := 0
		for z := range zones {
			if zones[z].hi < len(zones[z].nodes) {
				wanted++
			}
		}
		for z := range zones {
			if zones[z].hi < len(zones[z].nodes) {
				zones[z].hi++
				if wanted <= left {
					zones[z].lo++
				}
			}
		}
		left -= min(wanted, left)
	}
	for z := range zones {
		for _, n := range zones[z].nodes {
			nodes[n].zone = z
		}
	}
	return zones
}

// setShares computes each node's fair share: of all replicas, and of the firsts.
//
// A share is in proportion to the node's capacity as far as the rules allow: a node holds at most one replica of a
// partition, and a zone holds lo to hi of each. A node alone in its zone, or one with half of the capacity, therefore
// may have another share than its capacity alone would give.
func (pl *placement) setShares() {
	perZone := make([]quota, len(pl.zones))
	all := uint64(pl.partitions) << shareBits
	for z := range pl.zones {
		perZone[z] = quota{lo: uint64(pl.zones[z].lo) * all, hi: uint64(pl.zones[z].hi) * all}
		for _, n := range pl.zones[z].nodes {
			perZone[z].weight += pl.nodes[n].weight
		}
	}
	divide(uint64(pl.replicas)*all, perZone)
	for z := range pl.zones {
		perNode := make([]quota, len(pl.zones[z].nodes))
		for i, n := range pl.zones[z].nodes {
			perNode[i] = quota{weight: pl.nodes[n].weight, hi: all}
		}
		divide(perZone[z].got, perNode)
		for i, n := range pl.zones[z].nodes {
			pl.nodes[n].held.share = perNode[i].got
		}
	}
	firsts := make([]quota, len(pl.nodes))
	for n := range pl.nodes {
		firsts[n] = quota{weight: pl.nodes[n].weight, hi: pl.nodes[n].held.share}
	}
	if pl.replicas > 0 {
		divide(all, firsts)
	}
	for n := range pl.nodes {
		pl.nodes[n].first.share = firsts[n].got
	}
}
