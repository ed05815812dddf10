package meta

import (
	"cmp"
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// urgency orders the moves by the replica they replace or drop: what heals comes before what tidies.
type urgency int

const (
	purging     urgency = iota // of what was on a node that was removed by force
	replacing                  // of a dead node's replica
	growing                    // there are fewer than wanted
	emptying                   // a node that is drained or removed
	rebalancing                // everything else
	urgencies
)

func (p *planner) urgencyOf(r Replica) urgency {
	switch {
	case p.gone(r.Node):
		return purging
	case p.dead(r.Node):
		return replacing
	case !p.wanted(r.Node):
		return emptying
	}
	return rebalancing
}

// move is a step for one partition.
type move struct {
	partition int
	target    []Replica
}

// partitions plans the next steps of partitions.
func (p *planner) partitions() {
	members := p.members()
	if len(members) == 0 {
		p.note("no node is fit to hold replicas: nothing is moved")
		return
	}
	present := make([][]ring.NodeID, len(p.s.Placements))
	onTheMove, stuck := 0, 0
	for i := range p.s.Placements {
		pl := &p.s.Placements[i]
		present[i] = nodesOf(pl.Target)
		switch {
		case pl.Settled():
		case p.pointless(pl):
			present[i] = nodesOf(votersOf(pl.Actual))
			p.takeBack(i)
		case !moreOrFewer(votersOf(pl.Actual), pl.Target): // only a learner has to go, which costs nothing
		case p.majority(pl.Actual) && p.majority(pl.Target):
			onTheMove++
		default:
			stuck++ // waits for nodes, holds nobody up
		}
	}
	wish := ring.Place(members, len(present), p.s.Replicas, present)

	var moves [urgencies][]move
	var reorders []move
	blocked := 0
	for i := range p.s.Placements {
		pl := &p.s.Placements[i]
		if !pl.Settled() {
			continue
		}
		target, why := p.step(pl, wish[i])
		switch {
		case target[0] == pl.Target[0] && !moreOrFewer(pl.Target, target): // after the first, order means nothing
		case p.s.Paused && why != purging:
		case !p.majority(pl.Target) || !p.majority(target):
			blocked++
		case !moreOrFewer(pl.Target, target):
			if !p.mayReorder(pl.Target, wish[i]) {
				continue
			}
			reorders = append(reorders, move{i, target})
		default:
			moves[why] = append(moves[why], move{i, target})
		}
	}
	left := 0
	for _, list := range moves {
		for _, m := range list {
			if onTheMove < p.maxMoves {
				p.setTarget(m.partition, m.target)
				onTheMove++
			} else {
				left++
			}
		}
	}
	for _, m := range reorders[:min(len(reorders), maxReorders)] {
		p.setTarget(m.partition, m.target)
	}
	p.notePartitions(onTheMove, left, stuck, blocked)
}

// mayReorder: a partition that stays where it is may get another preferred leader, because it is where it should be, or
// because the present one is to have nothing. While replicas cannot go where they are wished for, the wish says nothing
// about who of the others should lead: it would say something else with every look.
func (p *planner) mayReorder(from []Replica, wish []ring.NodeID) bool {
	if !p.wanted(from[0].Node) {
		return true
	}
	return len(from) == len(wish) && !slices.ContainsFunc(from, func(r Replica) bool { return !slices.Contains(wish, r.Node) })
}

func (p *planner) notePartitions(onTheMove, left, stuck, blocked int) {
	if onTheMove > 0 || left > 0 {
		p.note("%d partitions on the move, %d wait for their turn", onTheMove, left)
	}
	if stuck > 0 {
		p.note("%d partitions cannot go on moving before nodes that are down come back", stuck)
	}
	if blocked > 0 {
		p.note("%d partitions should move and cannot: too few of their replicas are on nodes that are up", blocked)
	}
	if lost := p.withoutMajority(); lost > 0 {
		p.note("%d partitions have no live majority: bring nodes back", lost)
	}
	if n := len(p.v.Leaderless); n > 0 {
		p.note("%d partitions have no known leader", n)
	}
	if p.s.Paused {
		p.note("moves are paused")
	}
}

func (p *planner) withoutMajority() (count int) {
	for i := range p.s.Placements {
		if !p.majority(p.s.Placements[i].Actual) {
			count++
		}
	}
	return count
}

// setTarget plans a partition's new target.
func (p *planner) setTarget(partition int, target []Replica) {
	pl := &p.s.Placements[partition]
	p.targets = append(p.targets, GroupTarget{
		Group: uint64(partition) + 1, Revision: pl.Revision, ActualIndex: pl.ActualIndex, Replicas: target,
	})
}

// pointless: the group is on its way to a target that nobody wants any more. The replica that is being added is on a node
// that has died or is to be emptied, or so many nodes have died that the target would have no majority, while there is
// one now.
func (p *planner) pointless(pl *Placement) bool {
	lost := p.majority(pl.Actual) && !p.majority(pl.Target)
	for _, r := range votersOf(pl.Target) {
		if !slices.Contains(pl.Actual, r) && !p.wanted(r.Node) || lost && p.dead(r.Node) {
			return true
		}
	}
	return false
}

// takeBack plans that a partition goes back to the voters that it has. Where it goes from there, the next Plan says.
func (p *planner) takeBack(partition int) {
	pl := &p.s.Placements[partition]
	if target := votersOf(pl.Actual); p.majority(pl.Actual) {
		p.setTarget(partition, target)
	}
}

// moreOrFewer: the lists differ in more than their order.
func moreOrFewer(from, to []Replica) bool {
	more, fewer := voterChanges(from, to)
	return more+fewer > 0
}

// step returns the next target of a settled partition on the way to the nodes wished for: the same voters when there is
// nothing to do or nothing that can be done now.
func (p *planner) step(pl *Placement, wish []ring.NodeID) (target []Replica, why urgency) {
	from := pl.Target
	adds := slices.DeleteFunc(slices.Clone(wish), func(id ring.NodeID) bool { return onNode(from, id) || !p.alive(id) })
	drops := slices.DeleteFunc(slices.Clone(from), func(r Replica) bool { return slices.Contains(wish, r.Node) })
	slices.SortStableFunc(drops, func(a, b Replica) int { return cmp.Compare(p.urgencyOf(a), p.urgencyOf(b)) })
	add, drop := len(adds) > 0, len(drops) > 0
	why = growing
	if drop {
		why = p.urgencyOf(drops[0])
	}
	switch {
	case add && drop && len(from) < len(wish) && why > replacing:
		drop, why = false, growing
	case add && drop && why == rebalancing && !p.allAlive(from):
		add, drop = false, false // it can wait until everybody is back
	case drop && !add:
		drop = p.mayShrink(from, drops[0])
	}
	target = slices.Clone(from)
	if drop {
		target = slices.DeleteFunc(target, func(r Replica) bool { return r == drops[0] })
	}
	if add {
		target = append(target, Replica{Node: adds[0], ID: pl.NextID})
	}
	// In the order of the wish, whose first is the preferred leader; what is not wished for comes last.
	place := func(r Replica) int {
		if i := slices.Index(wish, r.Node); i >= 0 {
			return i
		}
		return len(wish)
	}
	slices.SortStableFunc(target, func(a, b Replica) int { return cmp.Compare(place(a), place(b)) })
	return target, why
}

func (p *planner) allAlive(list []Replica) bool {
	return !slices.ContainsFunc(list, func(r Replica) bool { return !p.alive(r.Node) })
}

// mayShrink: r can be dropped with nothing in its place.
//
// A dead replica whose place nobody can take is worth keeping, because its node may come back and then needs only what it has
// missed. It is dropped when that lets the others survive one more failure: with an even number of voters, or on the way
// there when two are dead. A node that is drained keeps its replica when the node to take it is down.
func (p *planner) mayShrink(from []Replica, r Replica) bool {
	switch {
	case len(from) == 1:
		return false
	case p.gone(r.Node), len(from) > min(p.s.Replicas, p.active()):
		return true
	case p.dead(r.Node):
		dead := 0
		for _, r := range from {
			if p.dead(r.Node) {
				dead++
			}
		}
		return len(from)%2 == 0 || dead >= 2
	}
	return false
}
