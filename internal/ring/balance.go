package ring

import "slices"

// balance moves replicas until every node holds between the floor and the ceiling of its share, one path at a time.
//
// A path leads from a node that has something to give, by steps "a replica moves from a to b", to a node that may take
// one more; in between nobody's load changes. This is the augmenting path of a flow (Ford and Fulkerson), with
// partitions and zones as the inner nodes: as the shares are a flow that keeps all the rules, a lawful integral
// one lies within their floors and ceilings, and as long as it is not reached there is a path. Shortest paths cannot be in
// their own way: two steps that concern the same zone of a partition could be one.
//
// Nearly all paths have one step. Each lessens what is above ceilings or below floors by one, so that no more moves
// than needed.
func (pl *placement) balance() {
	lists := make([][]int, len(pl.nodes)) // per node the partitions it holds
	for p, set := range pl.sets {
		for _, n := range set {
			lists[n] = append(lists[n], p)
		}
	}
	b := balancer{
		nodes: len(pl.nodes),
		acct:  func(n int) *account { return &pl.nodes[n].held },
		find: func(from, to int) int {
			best, bestRank := -1, rank{}
			for _, p := range lists[from] {
				if !pl.mayReplace(p, from, to) {
					continue
				}
				at := slices.Index(pl.sets[p], from)
				r := rank{at < pl.kept[p], at == 0, hashPair(pl.nodes[to].hash, p)}
				if best < 0 || r.before(bestRank) {
					best, bestRank = p, r
				}
			}
			return best
		},
		move: func(p, from, to int) {
			pl.replace(p, from, to)
			at := slices.Index(lists[from], p)
			lists[from] = slices.Delete(lists[from], at, at+1)
			lists[to] = append(lists[to], p)
		},
	}
	b.run()
}

// rank orders the replicas that a step could move: one that has only just been given a home moves at no cost, one
// that is not its partition's first leaves the leader alone, after that the hash decides.
type rank struct {
	costs, leads bool
	hash         uint64
}

func (r rank) before(o rank) bool {
	if r.costs != o.costs {
		return o.costs
	}
	if r.leads != o.leads {
		return o.leads
	}
	return r.hash < o.hash
}

// balanceFirsts does the same for the firsts: a step makes another replica of a partition its first.
func (pl *placement) balanceFirsts() {
	if pl.replicas == 0 {
		return
	}
	lists := make([][]int, len(pl.nodes)) // per node the partitions whose first it is
	for p, set := range pl.sets {
		lists[set[0]] = append(lists[set[0]], p)
		pl.nodes[set[0]].first.have++
	}
	b := balancer{
		nodes: len(pl.nodes),
		acct:  func(n int) *account { return &pl.nodes[n].first },
		find: func(from, to int) int {
			best, bestRank := -1, rank{}
			for _, p := range lists[from] {
				at := slices.Index(pl.sets[p], to)
				if at < 0 {
					continue
				}
				r := rank{costs: at >= pl.kept[p], hash: hashPair(pl.nodes[to].hash, p)}
				if best < 0 || r.before(bestRank) {
					best, bestRank = p, r
				}
			}
			return best
		},
		move: func(p, from, to int) {
			at := slices.Index(pl.sets[p], to)
			pl.sets[p][0], pl.sets[p][at] = to, from
			pl.nodes[from].first.have--
			pl.nodes[to].first.have++
			at = slices.Index(lists[from], p)
			lists[from] = slices.Delete(lists[from], at, at+1)
			lists[to] = append(lists[to], p)
		},
	}
	b.run()
}

// balancer brings accounts within their bounds by moves from one node to another.
type balancer struct {
	nodes int
	acct  func(n int) *account
	find  func(from, to int) int // the partition that a step from → to would best move, -1: none can
	move  func(p, from, to int)  // takes the step, accounts included
}

// run ends because each path it takes lessens the sum of what is above ceilings and below floors. Where the shares
// cannot be reached (only firsts: they depend on where the replicas are) it comes as near as paths lead.
func (b *balancer) run() {
	stuck := make([]bool, b.nodes)
	for {
		source, sink := b.extremes(stuck)
		switch {
		case source >= 0 && b.acct(source).over():
			if sink >= 0 && b.acct(sink).room() && b.step(source, sink) {
				continue
			}
			if !b.path(source, func(n int) bool { return b.acct(n).room() }, false) {
				stuck[source] = true
			}
		case sink >= 0 && b.acct(sink).under():
			if source >= 0 && b.acct(source).spare() && b.step(source, sink) {
				continue
			}
			if !b.path(sink, func(n int) bool { return b.acct(n).spare() }, true) {
				stuck[sink] = true
			}
		default:
			return
		}
	}
}

// extremes returns the node furthest above its share and the one furthest below, leaving out those that are stuck.
func (b *balancer) extremes(stuck []bool) (source, sink int) {
	source, sink = -1, -1
	for n := range b.nodes {
		if stuck[n] {
			continue
		}
		if source < 0 || b.acct(n).excess() > b.acct(source).excess() {
			source = n
		}
		if sink < 0 || b.acct(n).excess() < b.acct(sink).excess() {
			sink = n
		}
	}
	return source, sink
}

func (b *balancer) step(from, to int) bool {
	p := b.find(from, to)
	if p >= 0 {
		b.move(p, from, to)
	}
	return p >= 0
}

// path takes a shortest path from start to a node that end accepts; backwards, a path from such a node to start. It
// reports whether it did.
func (b *balancer) path(start int, end func(n int) bool, backwards bool) bool {
	const unseen, root = -2, -1
	previous := make([]int, b.nodes)
	for n := range previous {
		previous[n] = unseen
	}
	previous[start] = root
	queue := []int{start}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for next := range b.nodes {
			if previous[next] != unseen {
				continue
			}
			from, to := at, next
			if backwards {
				from, to = next, at
			}
			if b.find(from, to) < 0 {
				continue
			}
			previous[next] = at
			if end(next) {
				return b.take(next, previous, backwards)
			}
			queue = append(queue, next)
		}
	}
	return false
}

// take moves along the path that previous leads back from last. It reports whether every step could be taken.
func (b *balancer) take(last int, previous []int, backwards bool) bool {
	for at := last; previous[at] >= 0; at = previous[at] {
		from, to := previous[at], at
		if backwards {
			from, to = to, from
		}
		if !b.step(from, to) {
			return false
		}
	}
	return true
}
