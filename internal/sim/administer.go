package sim

import (
	"fmt"

	"github.com/prakashpandey/vegadb/internal/meta"
)

// What an operator does in some worlds with membership: see Features.

// administer does one of the things that the world's features allow, or reports false: then it is time for something else.
func (s *Sim) administer() bool {
	f, rng := s.cfg.Features, s.operator.rng
	if !f.Settings && !f.Addresses || rng.IntN(3) > 0 {
		return false
	}
	switch kind := rng.IntN(3); {
	case f.Addresses && (kind == 0 || !f.Settings):
		s.readdress()
	case kind == 1:
		s.setReplicas()
	case s.witness.newest.Paused:
		s.strikes("moves resumed")
		s.ask(&meta.Resume{})
	default:
		s.strikes("moves paused")
		s.ask(&meta.Pause{})
	}
	return true
}

// setReplicas asks for another number of replicas: three at least, so that the loss of a node is never that of data.
func (s *Sim) setReplicas() {
	replicas := 3 + s.operator.rng.IntN(3)
	if len(s.inService()) < replicas || s.witness.newest.Replicas == replicas {
		return
	}
	s.strikes("replicas changed")
	s.ask(&meta.SetReplicas{Replicas: replicas})
}

// readdress has a node that does not run, or is stopped for it, come back at another address.
func (s *Sim) readdress() {
	n := s.nodes[s.operator.rng.IntN(len(s.nodes))]
	if n.away() {
		return
	}
	n.kill("it gets another address")
	n.moves++
	s.strikes("address changed")
	s.after(s.operator.rng.Int64N(2000*milli), n.start)
}

// replaces gives a new node the address of one that is lost, if nobody has it yet: its machine, set up anew, with nothing on its
// disk and therefore another identity.
func (s *Sim) replaces(n *node) {
	if !s.cfg.Features.Replacements {
		return
	}
	for _, o := range s.nodes {
		if o.lost && !s.housed(o) {
			n.home, n.moves = o.home, o.moves
			s.strikes("node replaced at its address")
			return
		}
	}
}

// housed reports whether another node has a lost one's address.
func (s *Sim) housed(lost *node) bool {
	for _, o := range s.nodes {
		if o != lost && o.home == lost.home {
			return true
		}
	}
	return false
}

// huddled says where replicas of a partition are in fewer zones than they could be.
func (s *Sim) huddled(group uint32, pl *meta.Placement, view *meta.State) string {
	if !s.cfg.Features.Zones || group == 0 {
		return ""
	}
	all, used := make(map[string]bool), make(map[string]bool)
	for i := range view.Members {
		if m := &view.Members[i]; m.State == meta.Active {
			all[m.Zone] = true
		}
	}
	for _, r := range pl.Actual {
		used[view.Member(r.Node).Zone] = true
	}
	if len(used) < min(len(all), len(pl.Actual)) {
		return fmt.Sprintf("group %d has replicas in %d of %d zones: %s", group, len(used), len(all), s.where(view))
	}
	return ""
}
