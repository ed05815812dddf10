package sim

import (
	"math/rand/v2"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// operator is whoever runs the cluster: switches nodes on, drains and removes them, and buries those that are lost.
//
// It never asks for what would leave fewer nodes in service than a partition is to have replicas, and no more nodes are lost
// for good than a group can do without: see mayLose. Whatever comes of it, the cluster must get to its targets.
type operator struct {
	rng   *rand.Rand
	asked map[ring.NodeID]bool // nodes that it has ever wanted to be without
}

// operate has something done now and then, until the calm.
func (s *Sim) operate() {
	if !s.cfg.Membership {
		return
	}
	o := &s.operator
	o.asked = make(map[ring.NodeID]bool)
	every := int64(200 + o.rng.IntN(2000))
	var next func()
	next = func() {
		if s.calm {
			return
		}
		if s.administer() {
			s.after(1+o.rng.Int64N(2*every*milli), next)
			return
		}
		switch o.rng.IntN(8) {
		case 0, 1, 2:
			s.switchOn()
		case 3, 4:
			s.drainOne()
		case 5:
			s.undrainOne()
		case 6:
			s.wreck()
		default:
			s.ask(&meta.RequestRebalance{})
		}
		s.buryLost()
		s.after(1+o.rng.Int64N(2*every*milli), next)
	}
	s.after(o.rng.Int64N(every*milli), next)
}

// ask has a command proposed by any node that runs.
func (s *Sim) ask(op meta.Op) {
	var running []*node
	for _, n := range s.nodes {
		if n.proc != nil && n.view() != nil && !s.witness.buried[n.id] {
			running = append(running, n)
		}
	}
	if len(running) == 0 {
		return
	}
	n := running[s.operator.rng.IntN(len(running))]
	s.tell(Event{Kind: "admin", Node: n.index, Text: op.Type()})
	n.later(0, func() { n.proposeMeta(op, callPatienceMs, func(meta.Result, bool) {}) })
}

// switchOn starts a new node that is to join.
func (s *Sim) switchOn() {
	for _, n := range s.nodes {
		if n.unborn {
			n.unborn = false
			s.replaces(n)
			n.start()
			return
		}
	}
}

// inService counts the members that are to hold replicas and can.
func (s *Sim) inService() (list []*node) {
	for _, n := range s.nodes {
		m := s.witness.newest.Member(n.id)
		if m != nil && m.State == meta.Active && !s.operator.asked[n.id] && !n.lost && !n.disk.hurt {
			list = append(list, n)
		}
	}
	return list
}

// drainOne drains or removes a node.
func (s *Sim) drainOne() {
	able := s.inService()
	if len(able) <= max(3, s.cfg.Replicas, s.witness.newest.Replicas) {
		return
	}
	n := able[s.operator.rng.IntN(len(able))]
	s.operator.asked[n.id] = true
	if s.operator.rng.IntN(3) == 0 {
		s.ask(&meta.Drain{Node: n.id})
	} else {
		s.ask(&meta.Remove{Node: n.id})
	}
}

// undrainOne takes a drain or a removal back, if it is not too late.
func (s *Sim) undrainOne() {
	for _, n := range s.nodes {
		if s.operator.asked[n.id] && s.operator.rng.IntN(2) == 0 {
			s.ask(&meta.Undrain{Node: n.id})
			return
		}
	}
}

// mayLose is how many nodes may be lost for good.
func (s *Sim) mayLose() int {
	if s.cfg.Membership {
		return 1
	}
	return (len(s.nodes) - 1) / 2
}

// wreck takes a node away for good.
func (s *Sim) wreck() {
	lost := 0
	for _, n := range s.nodes {
		if n.lost || n.disk.hurt {
			lost++
		}
	}
	n := s.nodes[s.operator.rng.IntN(len(s.nodes))]
	if s.operator.rng.IntN(3) > 0 || lost >= s.mayLose() || n.proc == nil {
		return
	}
	s.strikes("node lost")
	n.cut("it burns down")
	n.lost = true
}

// buryLost removes, by force, what does not come back. It is refused until the node is known to be down.
func (s *Sim) buryLost() {
	for _, n := range s.nodes {
		if n.lost && s.witness.newest.Member(n.id) != nil && s.witness.newest.Member(n.id).State != meta.Removed {
			s.ask(&meta.Remove{Node: n.id, Force: true})
		}
	}
}

// retire switches a node off that was removed from the cluster.
func (s *Sim) retire(n *node) {
	if n.gone {
		return
	}
	n.gone = true
	if n.proc != nil {
		n.kill("it was removed and is switched off")
	}
}
