package ring

import (
	"bytes"
	"cmp"
	"slices"
)

// Member is a node that may hold replicas.
type Member struct {
	ID       NodeID
	Capacity uint32 // relative to the others'; 0 counts as 1
	Zone     string // what fails together; nodes without a zone are one zone together
}

// Place says which nodes hold each partition: min(replicas, number of members) of them, distinct, the first being the
// one that should lead. present is where the partitions are now (nil, or any shorter or outdated list, is fine): what
// the rules allow to stay stays. doc.go lists the rules in their order.
//
// The result depends on the arguments alone and not on the order of members; a member given twice counts once. Given
// its own result as present, Place returns it unchanged.
func Place(members []Member, partitions, replicas int, present [][]NodeID) [][]NodeID {
	pl := newPlacement(members, partitions, replicas)
	pl.keep(present)
	pl.fill()
	pl.balance()
	pl.balanceFirsts()
	out := make([][]NodeID, partitions)
	for p, set := range pl.sets {
		out[p] = make([]NodeID, len(set))
		for i, n := range set {
			out[p][i] = pl.nodes[n].id
		}
	}
	return out
}

// node is a member at work.
type node struct {
	id       NodeID
	hash     uint64
	weight   uint64
	zoneName string
	zone     int // index into placement.zones
	held     account
	first    account
}

// account compares what a node has with its fair share.
type account struct {
	share uint64 // fixed point
	have  int
}

// The aim is to have every account within one of its share: from the floor to the ceiling of it.
func (a *account) floor() int    { return shareFloor(a.share) }
func (a *account) ceil() int     { return shareCeil(a.share) }
func (a *account) over() bool    { return a.have > a.ceil() }
func (a *account) under() bool   { return a.have < a.floor() }
func (a *account) room() bool    { return a.have < a.ceil() }
func (a *account) spare() bool   { return a.have > a.floor() }
func (a *account) excess() int64 { return int64(a.have)<<shareBits - int64(a.share) }

// placement is one call of Place. Nodes are named by their index in nodes, which is sorted by id.
type placement struct {
	partitions, replicas int
	nodes                []node
	zones                []zone
	circle               circle
	sets                 [][]int // per partition the nodes that hold it, in order
	kept                 []int   // per partition how many of set, from its start, it held before
}

func newPlacement(members []Member, partitions, replicas int) *placement {
	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b Member) int {
		return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Capacity, b.Capacity), cmp.Compare(a.Zone, b.Zone))
	})
	sorted = slices.CompactFunc(sorted, func(a, b Member) bool { return a.ID == b.ID })
	pl := &placement{
		partitions: partitions,
		replicas:   min(max(replicas, 0), len(sorted)),
		nodes:      make([]node, len(sorted)),
		sets:       make([][]int, partitions),
		kept:       make([]int, partitions),
	}
	for i, m := range sorted {
		pl.nodes[i] = node{id: m.ID, hash: hashNode(m.ID), weight: uint64(max(m.Capacity, 1)), zoneName: m.Zone}
	}
	pl.zones = makeZones(pl.nodes, pl.replicas)
	pl.setShares()
	return pl
}

// add puts a replica of p on n, at the end of p's order.
func (pl *placement) add(p, n int) {
	pl.sets[p] = append(pl.sets[p], n)
	pl.nodes[n].held.have++
}

// inZone counts p's replicas in a zone.
func (pl *placement) inZone(p, zone int) int {
	count := 0
	for _, n := range pl.sets[p] {
		if pl.nodes[n].zone == zone {
			count++
		}
	}
	return count
}

// keep takes over what of the present placement can be part of a lawful one: members, once each, and no more in a
// zone than belongs there. What is too much goes from the nodes that have most to give away.
func (pl *placement) keep(present [][]NodeID) {
	index := make(map[NodeID]int, len(pl.nodes))
	for n := range pl.nodes {
		index[pl.nodes[n].id] = n
	}
	for p := range min(len(present), pl.partitions) {
		for _, id := range present[p] {
			if n, ok := index[id]; ok && !slices.Contains(pl.sets[p], n) {
				pl.add(p, n)
			}
		}
	}
	for p := range pl.sets {
		for {
			at := pl.surplus(p)
			if at < 0 {
				break
			}
			pl.nodes[pl.sets[p][at]].held.have--
			pl.sets[p] = slices.Delete(pl.sets[p], at, at+1)
		}
		pl.kept[p] = len(pl.sets[p])
	}
}

// surplus returns which replica of p has to go, as its place in the set, or -1 when what p has can stay. Of those
// in a zone with too many it is the one on the node furthest above its share, of equals the later one: the first
// is the leader.
func (pl *placement) surplus(p int) int {
	var counts = make([]int, len(pl.zones))
	for _, n := range pl.sets[p] {
		counts[pl.nodes[n].zone]++
	}
	// Above the lo of its zone a replica takes one of the extra places; there are replicas − Σ lo of them.
	used, places := 0, pl.replicas
	for z := range pl.zones {
		used += max(0, counts[z]-pl.zones[z].lo)
		places -= pl.zones[z].lo
	}
	worst := -1
	for at, n := range pl.sets[p] {
		z := pl.nodes[n].zone
		tooMany := counts[z] > pl.zones[z].hi || used > places && counts[z] > pl.zones[z].lo
		if tooMany && (worst < 0 || pl.nodes[n].held.excess() >= pl.nodes[pl.sets[p][worst]].held.excess()) {
			worst = at
		}
	}
	return worst
}

// fill gives every partition the replicas it lacks. Each goes to the first node clockwise from the partition's place
// on the circle that may hold it and has room (consistent hashing with bounded loads: Mirrokni, Thorup,
// Zadimoghaddam, 2016). When no such node has room the first that may hold it gets it, and balance makes room.
func (pl *placement) fill() {
	for p := range pl.sets {
		for len(pl.sets[p]) < pl.replicas {
			pl.add(p, pl.successor(p))
		}
	}
}

func (pl *placement) successor(p int) int {
	fallback := -1
	for n := range pl.walk(p) {
		if !pl.mayAdd(p, n) {
			continue
		}
		if pl.nodes[n].held.room() {
			return n
		}
		if fallback < 0 {
			fallback = n
		}
	}
	return fallback
}

// mayAdd: n does not hold p, and its zone is not full. While zones lack what each of them must have, those come first.
func (pl *placement) mayAdd(p, n int) bool {
	if slices.Contains(pl.sets[p], n) {
		return false
	}
	z := pl.nodes[n].zone
	count := pl.inZone(p, z)
	if count < pl.zones[z].lo {
		return true
	}
	missing := 0
	for other := range pl.zones {
		missing += max(0, pl.zones[other].lo-pl.inZone(p, other))
	}
	return count < pl.zones[z].hi && missing == 0
}

// mayReplace: p may have its replica on a replaced by one on b.
func (pl *placement) mayReplace(p, a, b int) bool {
	if slices.Contains(pl.sets[p], b) {
		return false
	}
	za, zb := pl.nodes[a].zone, pl.nodes[b].zone
	return za == zb || pl.inZone(p, za) > pl.zones[za].lo && pl.inZone(p, zb) < pl.zones[zb].hi
}

// replace has b hold p instead of a. b comes last in p's order: it should not lead before it has to.
func (pl *placement) replace(p, a, b int) {
	at := slices.Index(pl.sets[p], a)
	if at < pl.kept[p] {
		pl.kept[p]--
	}
	pl.sets[p] = append(slices.Delete(pl.sets[p], at, at+1), b)
	pl.nodes[a].held.have--
	pl.nodes[b].held.have++
}
