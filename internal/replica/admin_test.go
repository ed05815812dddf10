package replica

import "slices"

// The admin is what the meta state is in earnest: which replicas are wanted, on which
// nodes, and what the group consists of as far as its leader has reported.
type admin struct {
	w        *world
	next     uint64         // the highest id given to a replica
	wanted   map[uint64]int // by replica: its node
	reported *Configuration
	dropping bool // replicas that are not wanted are dropped
}

// look takes the leader's report.
func (a *admin) look() {
	l := a.w.leader()
	if l == nil {
		return
	}
	s, _ := l.status()
	if !s.Conf.Joint() && s.Sealed && (a.reported == nil || s.Conf.Index > a.reported.Index) {
		a.reported = s.Conf
	}
	if !a.dropping {
		return
	}
	for _, n := range a.w.nodes {
		if st, ok := n.status(); ok && !st.Installing && !n.paused() && !a.wants(st.Replica, n.index) && a.w.rng.IntN(20) == 0 {
			n.drop()
		}
	}
}

// wants reports whether a node is to have, or keep, a replica.
func (a *admin) wants(id uint64, index int) bool {
	if at, ok := a.wanted[id]; ok && at == index {
		return true
	}
	if a.reported == nil {
		return false
	}
	at, ok := a.reported.Node(id)
	return ok && nodeIndex(at) == index
}

// leads returns the leader and its state if a change may be made: if what it has is what
// is known.
func (a *admin) leads() (*node, Status) {
	l := a.w.leader()
	if l == nil || a.reported == nil || l.paused() {
		return nil, Status{}
	}
	s, _ := l.status()
	if s.Conf.Index != a.reported.Index || s.Transferring {
		return nil, Status{}
	}
	return l, s
}

// change has the leader make a change, in its next turn.
func (a *admin) change(l *node, c Change) {
	l.calls = append(l.calls, func() { _ = l.host.Reconfigure(testGroup, c) })
}

// addLearner adds one on a node without a replica.
func (a *admin) addLearner(n *node) bool {
	l, s := a.leads()
	if l == nil || n.replica() != 0 || slices.ContainsFunc(s.Conf.Replicas(), func(r Replica) bool { return r.Node == nodeID(n.index) }) {
		return false
	}
	a.next++
	a.wanted[a.next] = n.index
	a.change(l, Change{Add: []Replica{{ID: a.next, Node: nodeID(n.index)}}})
	return true
}

// promote makes a learner that has caught up a voter, and removes another voter in the
// same step if out is not 0.
func (a *admin) promote(id, out uint64) bool {
	l, _ := a.leads()
	if l == nil {
		return false
	}
	ready := false
	l.host.Progress(testGroup, func(p Progress) { ready = ready || p.ID == id && p.CaughtUp })
	if !ready {
		return false
	}
	c := Change{Promote: []uint64{id}}
	if out != 0 {
		delete(a.wanted, out)
		c.Remove = []uint64{out}
	}
	a.change(l, c)
	return true
}

// remove removes a replica.
func (a *admin) remove(id uint64) bool {
	l, _ := a.leads()
	if l == nil || l.replica() == id {
		return false
	}
	delete(a.wanted, id)
	a.change(l, Change{Remove: []uint64{id}})
	return true
}

// promoteOne gives a learner that has caught up a vote, perhaps in another's place.
func (a *admin) promoteOne() {
	l, s := a.leads()
	if l == nil || len(s.Conf.Learners) == 0 {
		return
	}
	rng, out := a.w.rng, uint64(0)
	if len(s.Conf.Voters) > 1 && rng.IntN(3) > 0 {
		if out = s.Conf.Voters[rng.IntN(len(s.Conf.Voters))]; out == l.replica() {
			out = 0
		}
	}
	a.promote(s.Conf.Learners[rng.IntN(len(s.Conf.Learners))], out)
}
