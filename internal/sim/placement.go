package sim

import (
	"fmt"
	"slices"

	"github.com/prakashpandey/vegadb/internal/meta"
)

// placementMs is how long the cluster may take, without faults, to get to where it should be: moves are spaced, a silent
// learner is given up after 15 s, a node that is lost is found to be down and buried first.
const placementMs = 90_000

// placement is the phase in which nothing is asked of the cluster but to bring everything to its place. It reports
// whether the run goes on.
func (s *Sim) placement() bool {
	s.phase("placement")
	var bury func()
	bury = func() {
		if s.placing {
			s.buryLost()
			if s.witness.newest.Paused {
				s.ask(&meta.Resume{})
			}
			s.after(1000*milli, bury)
		}
	}
	s.placing = true
	bury()
	ok := s.run(s.now+placementMs*milli, func() bool { return s.misplaced() == "" })
	s.placing = false
	if !ok && len(s.failure) == 0 {
		s.fail("not in its place: %d ms after the last fault %s", placementMs, s.misplaced())
	}
	return ok
}

// metaLeader returns the node that leads the meta group.
func (s *Sim) metaLeader() (leader *node) {
	term := uint64(0)
	for _, n := range s.nodes {
		if n.proc == nil {
			continue
		}
		if st, ok := n.host.Status(0); ok && st.Leads && st.Term > term {
			leader, term = n, st.Term
		}
	}
	return leader
}

// misplaced says what is not as it should be; "" when everything is.
func (s *Sim) misplaced() string {
	leader := s.metaLeader()
	if leader == nil {
		return "the meta group has no leader"
	}
	view := leader.view()
	active := 0
	for i := range view.Members {
		switch m := &view.Members[i]; {
		case m.State == meta.Active:
			active++
		case m.State != meta.Draining:
			return fmt.Sprintf("node %d is %v and still a member: %s", nodeIndex(m.ID), m.State, s.where(view))
		}
		if n := s.nodes[nodeIndex(view.Members[i].ID)-1]; n.lost {
			return fmt.Sprintf("node %d is lost and still a member", n.index)
		}
	}
	for _, n := range s.nodes {
		switch {
		case n.away():
		case n.proc == nil:
			return fmt.Sprintf("node %d does not run", n.index)
		case view.Member(n.id) == nil:
			return fmt.Sprintf("node %d is no member yet", n.index)
		case view.Member(n.id).PeerAddr != n.describe().PeerAddr:
			return fmt.Sprintf("node %d is at %s, and by the meta group at %s", n.index, n.describe().PeerAddr, view.Member(n.id).PeerAddr)
		}
	}
	if have, want := voters(view.Meta.Actual), metaVoters(active); have != want {
		return fmt.Sprintf("%d nodes vote in the meta group, not %d: %s", have, want, s.where(view))
	}
	for _, g := range s.groups() {
		pl := view.Group(uint64(g))
		if !pl.Settled() || g > 0 && len(pl.Actual) != min(view.Replicas, active) {
			return fmt.Sprintf("group %d is not settled: %s", g, s.where(view))
		}
		for _, r := range pl.Actual {
			if m := view.Member(r.Node); m == nil || g > 0 && m.State != meta.Active {
				return fmt.Sprintf("group %d has a replica on node %d: %s", g, nodeIndex(r.Node), s.where(view))
			}
		}
		if what := s.huddled(g, pl, view); what != "" {
			return what
		}
		if what := s.misheld(g, pl); what != "" {
			return what
		}
	}
	return ""
}

// misheld compares who has a replica of a group with who should.
func (s *Sim) misheld(g uint32, pl *meta.Placement) string {
	led := false
	for _, n := range s.nodes {
		if n.proc == nil {
			continue
		}
		st, here := n.host.Status(g)
		wanted := slices.ContainsFunc(pl.Actual, func(r meta.Replica) bool { return r.Node == n.id && (!here || r.ID == st.Replica) })
		switch {
		case here != wanted:
			return fmt.Sprintf("group %d: node %d has a replica: %v; it should: %v", g, n.index, here, wanted)
		case here && st.Leads && st.Conf.Index != pl.ActualIndex:
			return fmt.Sprintf("group %d: its configuration is that of index %d, and reported is %d", g, st.Conf.Index, pl.ActualIndex)
		}
		led = led || here && st.Leads
	}
	if !led {
		return fmt.Sprintf("group %d has no leader", g)
	}
	return ""
}

// metaVoters is how many nodes are to vote in the meta group.
func metaVoters(nodes int) int {
	if nodes >= 5 {
		return 5
	}
	return min(nodes, 3)
}

func voters(list []meta.Replica) (count int) {
	for _, r := range list {
		if r.Role == meta.Voter {
			count++
		}
	}
	return count
}

// where describes members and placements.
func (s *Sim) where(view *meta.State) string {
	text := fmt.Sprintf("at index %d, members", view.Index)
	for i := range view.Members {
		m := &view.Members[i]
		text += fmt.Sprintf(" %d (%v, up %v, boot %d)", nodeIndex(m.ID), m.State, m.Up(), m.Boot)
	}
	for _, g := range s.groups() {
		pl := view.Group(uint64(g))
		text += fmt.Sprintf("; group %d revision %d target %s actual (at %d) %s", g, pl.Revision, replicas(pl.Target), pl.ActualIndex, replicas(pl.Actual))
	}
	return text
}

func replicas(list []meta.Replica) (text string) {
	for _, r := range list {
		text += fmt.Sprintf("[%d on %d %v]", r.ID, nodeIndex(r.Node), r.Role)
	}
	return text
}
