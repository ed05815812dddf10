package meta

import (
	"cmp"
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// The meta group has fewVoters voters, and manyVoters from as many nodes on: it then survives the loss of two. Everybody
// else is a learner.
const (
	fewVoters  = 3
	manyVoters = 5
)

// metaGroup plans who votes in the meta group: one voter more, one fewer, or one replaced at a time. Learners need no plan:
// a node becomes one when it joins and ceases to be one when it is forgotten.
func (p *planner) metaGroup() {
	pl := &p.s.Meta
	now := votersOf(pl.Actual)
	if moreOrFewer(now, votersOf(pl.Target)) {
		p.note("the meta group is changing its voters")
		if p.pointless(pl) {
			p.setVoters(now)
		}
		return
	}
	wish, want := p.metaWish(now)
	if len(wish) == 0 {
		return
	}
	voters := slices.Clone(now)
	promote := slices.IndexFunc(wish, func(id ring.NodeID) bool { return !onNode(now, id) })
	var demote []Replica
	for _, r := range now {
		if !slices.Contains(wish, r.Node) {
			demote = append(demote, r)
		}
	}
	slices.SortStableFunc(demote, func(a, b Replica) int { return cmp.Compare(p.urgencyOf(a), p.urgencyOf(b)) })
	if p.s.Paused && (len(demote) == 0 || !p.gone(demote[0].Node)) {
		return
	}
	if len(demote) > 0 && promote < 0 && !p.dead(demote[0].Node) && len(now) <= want {
		p.note("node %v keeps its vote in the meta group until another node can take it", demote[0].Node)
		return
	}
	if len(demote) > 0 && (promote < 0 || len(now) >= len(wish) || p.dead(demote[0].Node)) {
		voters = slices.DeleteFunc(voters, func(r Replica) bool { return r == demote[0] })
	}
	if promote >= 0 {
		at := slices.IndexFunc(pl.Target, func(r Replica) bool { return r.Node == wish[promote] })
		voters = append(voters, Replica{pl.Target[at].Node, pl.Target[at].ID, Voter})
	}
	p.setVoters(voters)
}

// setVoters plans that these replicas of the meta group vote and its others do not.
func (p *planner) setVoters(voters []Replica) {
	pl := &p.s.Meta
	target := slices.Clone(pl.Target)
	for i, r := range target {
		target[i].Role = Learner
		if find(voters, r.Node, r.ID) >= 0 {
			target[i].Role = Voter
		}
	}
	switch {
	case slices.Equal(target, pl.Target):
	case !p.majority(pl.Actual) || !p.majority(target):
		p.note("the meta group should change its voters and cannot: too few of them are up")
	default:
		p.targets = append(p.targets, GroupTarget{Group: 0, Revision: pl.Revision, ActualIndex: pl.ActualIndex, Replicas: target})
	}
}

// metaWish says who should vote: distinct zones first, those who vote already before others. A node can begin to vote only when it
// is up and its learner has caught up; want is how many are to vote once all have.
func (p *planner) metaWish(now []Replica) (wish []ring.NodeID, want int) {
	var fit []ring.Member
	nodes := 0
	for i := range p.s.Members {
		m := &p.s.Members[i]
		if !p.wanted(m.ID) {
			continue
		}
		nodes++
		if onNode(now, m.ID) || p.alive(m.ID) && p.caughtUp(m.ID) {
			fit = append(fit, ring.Member{ID: m.ID, Zone: m.Zone})
		}
	}
	count := fewVoters
	if nodes >= manyVoters {
		count = manyVoters
	}
	return ring.Place(fit, 1, count, [][]ring.NodeID{nodesOf(now)})[0], min(count, nodes)
}

func (p *planner) caughtUp(id ring.NodeID) bool {
	return slices.ContainsFunc(p.s.Meta.Actual, func(r Replica) bool { return r.Node == id && p.v.MetaCaughtUp[r.ID] })
}
