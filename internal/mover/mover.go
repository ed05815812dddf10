package mover

import (
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// Mover drives the groups that one node leads.
type Mover struct {
	// LearnerPatience is how long a learner may be silent whose node is not.
	LearnerPatience time.Duration

	steps         map[uint32]step
	begins, hands spacing // of moves that tidy, and of leaderships handed over
}

// step is when a group's configuration or leader was last changed by this node.
type step struct {
	conf     uint64 // index of the configuration that it started from
	at       time.Time
	handed   time.Time // leadership; see Hold
	reported uint64    // index of the configuration that was reported
	// silent is a learner that is to vote and does not answer, since since.
	silent uint64
	since  time.Time
}

const (
	// Every is how often a shell should look at a group of which nothing is new.
	Every = 100 * time.Millisecond
	// stepPatience is how long a change of the configuration may take to show until it is
	// tried again.
	stepPatience = 2 * time.Second
	// HandPatience is between two attempts to hand a group to its preferred leader.
	HandPatience = 3 * time.Second
)

// New returns the mover of a node with that many partitions.
func New(partitions int) *Mover {
	return &Mover{
		LearnerPatience: learnerPatience, steps: make(map[uint32]step),
		begins: newSpacing(movesSpread, partitions, movesApart), hands: newSpacing(handsSpread, partitions, handsApart),
	}
}

// View is what the node sees beside a group's status and placement.
type View struct {
	// Progress tells of every other replica of a group that this node leads: replica.Host's.
	Progress func(group uint32, f func(replica.Progress))
	// Rests: this node wants no leadership; Resting: another one does not.
	Rests   bool
	Resting func(node ring.NodeID) bool
	// Heard: a node has been heard of within a few seconds.
	Heard func(node ring.NodeID) bool
	// Damaged: the node of a group's replica has said that damage has put that replica out of action. nil: none has.
	Damaged func(group uint32, r replica.Replica) bool
}

// Action is what is to be done; the zero Action is nothing.
type Action struct {
	Report   *meta.GroupReport // the meta state does not know this configuration yet
	Change   *replica.Change   // to be proposed
	Transfer uint64            // the replica that leadership is to be handed to
	Lost     uint64            // the learner that Change gives up, although its node is there
	Damaged  uint64            // the replica that Change gives up because its node has said that it is damaged
}

// Drive says how to take a group that this node leads one step further.
func (m *Mover) Drive(st *replica.Status, pl *meta.Placement, v *View, now time.Time) Action {
	if v.Rests {
		return m.prefer(st, pl, v, now)
	}
	if st.Transferring || st.Conf.Joint() || !st.Sealed {
		return Action{}
	}
	s := m.steps[st.Group]
	if st.Conf.Index != pl.ActualIndex {
		// No further step before the meta state here knows of the last one: what it says is
		// to be done may have been said before that.
		if st.Conf.Index < pl.ActualIndex || st.Conf.Index == s.reported {
			return Action{}
		}
		s.reported = st.Conf.Index
		m.steps[st.Group] = s
		return Action{Report: &meta.GroupReport{Group: uint64(st.Group), Index: st.Conf.Index, Replicas: actual(st.Conf)}}
	}
	if st.Conf.Index == s.conf && now.Sub(s.at) < stepPatience || pl.Revision < st.Conf.Revision {
		return Action{}
	}
	if id := damaged(st, v); id != 0 {
		s.conf, s.at = st.Conf.Index, now
		m.steps[st.Group] = s
		return Action{Change: &replica.Change{Remove: []uint64{id}, Revision: pl.Revision}, Damaged: id}
	}
	change, lost, wait := m.next(st, pl, v, now)
	switch {
	case len(change.Add) > 0 && tidies(st, pl, v) && !m.begins.take(now):
		return Action{}
	case len(change.Add)+len(change.Promote)+len(change.Demote)+len(change.Remove) > 0:
		s = m.steps[st.Group]
		s.conf, s.at = st.Conf.Index, now
		m.steps[st.Group] = s
		change.Revision = pl.Revision
		return Action{Change: &change, Lost: lost}
	case wait:
		return Action{}
	}
	return m.prefer(st, pl, v, now)
}

// NotReported says that a report may not have reached the meta group: Drive will give it again.
func (m *Mover) NotReported(group uint32) {
	s := m.steps[group]
	s.reported = 0
	m.steps[group] = s
}

// Hold keeps a group from being handed to a replica that is preferred until then.
func (m *Mover) Hold(group uint32, until time.Time) {
	s := m.steps[group]
	s.handed = until
	m.steps[group] = s
}

// actual is a configuration as the meta state has it.
func actual(c *replica.Configuration) []meta.Replica {
	var all []meta.Replica
	for _, r := range c.Replicas() {
		role := meta.Voter
		if r.Role == replica.Learner {
			role = meta.Learner
		}
		all = append(all, meta.Replica{Node: r.Node, ID: r.ID, Role: role})
	}
	return all
}

// next is the step from a group's configuration towards its target. lost is the learner that it gives up; wait says
// that replicas have yet to catch up.
func (m *Mover) next(st *replica.Status, pl *meta.Placement, v *View, now time.Time) (c replica.Change, lost uint64, wait bool) {
	have := st.Conf.Replicas()
	for _, t := range pl.Target {
		if !slices.ContainsFunc(have, func(r replica.Replica) bool { return r.ID == t.ID }) {
			c.Add = append(c.Add, replica.Replica{ID: t.ID, Node: t.Node})
		}
	}
	if len(c.Add) > 0 {
		return c, 0, false
	}
	ready, live := make(map[uint64]bool), map[uint64]bool{st.Replica: true}
	v.Progress(st.Group, func(p replica.Progress) { ready[p.ID], live[p.ID] = p.CaughtUp, p.Active })
	if id := m.lostLearner(st, pl, v, live, now); id != 0 {
		return replica.Change{Remove: []uint64{id}}, id, false
	}
	voters, alive := 0, 0
	for _, t := range pl.Target {
		if t.Role == meta.Voter {
			voters++
			if live[t.ID] {
				alive++
			}
		}
	}
	if alive <= voters/2 { // the change could not be completed
		return replica.Change{}, 0, true
	}
	for _, r := range have {
		t := find(pl.Target, r.ID)
		switch {
		case t == nil:
			if r.ID != st.Replica {
				c.Remove = append(c.Remove, r.ID)
			}
		case t.Role == meta.Voter && r.Role == replica.Learner:
			if !ready[r.ID] {
				return replica.Change{}, 0, true
			}
			c.Promote = append(c.Promote, r.ID)
		case t.Role == meta.Learner && r.Role == replica.Voter && r.ID != st.Replica:
			c.Demote = append(c.Demote, r.ID)
		}
	}
	return c, 0, false
}

// tidies reports whether a group loses nothing by waiting for its next move: it has as many
// voters as it is to have, and all of them are active.
func tidies(st *replica.Status, pl *meta.Placement, v *View) bool {
	active := map[uint64]bool{st.Replica: true}
	v.Progress(st.Group, func(p replica.Progress) { active[p.ID] = p.Active })
	voters := 0
	for _, r := range st.Conf.Replicas() {
		if r.Role == replica.Learner {
			continue
		}
		if !active[r.ID] {
			return false
		}
		voters++
	}
	for _, t := range pl.Target {
		if t.Role == meta.Voter {
			voters--
		}
	}
	return voters >= 0
}

// prefer hands leadership on: to the preferred replica, or away from one that is to
// go, or from a node that wants none.
func (m *Mover) prefer(st *replica.Status, pl *meta.Placement, v *View, now time.Time) Action {
	s := m.steps[st.Group]
	mine := slices.IndexFunc(pl.Target, func(r meta.Replica) bool { return r.ID == st.Replica && r.Role == meta.Voter })
	held := s.handed.After(now) && mine >= 0 // see Hold; not by a replica that is to go
	if (held || !s.handed.After(now) && now.Sub(s.handed) < HandPatience) && !v.Rests {
		return Action{}
	}
	if mine == 0 && !v.Rests || mine > 0 && st.Group == 0 && !v.Rests {
		return Action{}
	}
	ready := make(map[uint64]bool)
	v.Progress(st.Group, func(p replica.Progress) { ready[p.ID] = p.CaughtUp && !p.Learner })
	for i, t := range pl.Target {
		if i == mine && !v.Rests {
			return Action{} // those that are preferred to this one are not ready
		}
		if t.ID != st.Replica && ready[t.ID] && !v.Resting(t.Node) {
			if !v.Rests && !m.hands.take(now) {
				return Action{}
			}
			s.handed = now
			m.steps[st.Group] = s
			return Action{Transfer: t.ID}
		}
	}
	return Action{}
}

// Unwanted reports whether the replica of st, on node self, is to be dropped: its group has removed it. What says so is
// the meta state, because the group itself may never tell. It must be one of after the node's start: an older one
// may not know yet that the replica is wanted.
func Unwanted(st *replica.Status, pl *meta.Placement, self ring.NodeID) bool {
	mine := func(r meta.Replica) bool { return r.Node == self && r.ID == st.Replica }
	return !slices.ContainsFunc(pl.Target, mine) && !slices.ContainsFunc(pl.Actual, mine) && !st.Installing
}

// Welcome reports whether node self is to make an empty replica of that id when its group writes to it. gone is the
// highest id of a replica of the group that was dropped there.
func Welcome(pl *meta.Placement, self ring.NodeID, id, gone uint64) bool {
	return id > gone && slices.ContainsFunc(pl.Target, func(r meta.Replica) bool { return r.Node == self && r.ID == id })
}
