package meta

import (
	"fmt"
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// SetTargets changes the targets of groups. Each group is judged by itself: those that cannot be changed stay as they
// are, and the result says how many and why the first.
type SetTargets struct {
	Groups []GroupTarget `json:"groups"`
}

// GroupTarget is the wanted target of one group, decided from the placement with this Revision and ActualIndex: if it has
// changed since, the decision no longer counts.
type GroupTarget struct {
	Group       uint64    `json:"group"`
	Revision    uint64    `json:"revision"`
	ActualIndex uint64    `json:"actual_index"`
	Replicas    []Replica `json:"replicas"`
}

// Type is "set-targets".
func (c *SetTargets) Type() string { return "set-targets" }

func (c *SetTargets) apply(s *State) (bool, Result) {
	var changed bool
	var refused int
	var first Result
	for i := range c.Groups {
		did, r := s.setTarget(&c.Groups[i])
		changed = changed || did
		if r.Code != OK {
			if refused++; refused == 1 {
				first = r
			}
		}
	}
	switch {
	case refused == 0:
		return changed, Result{}
	case refused == len(c.Groups):
		return changed, first
	default:
		return changed, Result{OK, refuse(OK, "%d of %d groups stay as they are; the first because: %s", refused, len(c.Groups), first.Text).Text}
	}
}

func (s *State) setTarget(t *GroupTarget) (bool, Result) {
	pl := s.Group(t.Group)
	if pl == nil {
		return false, refuse(Invalid, "there is no group %d", t.Group)
	}
	if t.Revision != pl.Revision || t.ActualIndex != pl.ActualIndex {
		return false, refuse(Stale, "group %d has changed since", t.Group)
	}
	next, err := s.checkTarget(t, pl)
	if err != nil {
		return false, refuse(Invalid, "group %d: %v", t.Group, err)
	}
	if slices.Equal(t.Replicas, pl.Target) {
		return false, Result{}
	}
	pl.Target, pl.NextID, pl.Revision = slices.Clone(t.Replicas), next, s.Index
	return true, Result{}
}

// checkTarget enforces what must hold for every target, however it was decided. It returns the group's NextID when
// the target is accepted.
func (s *State) checkTarget(t *GroupTarget, pl *Placement) (next uint64, err error) {
	limit := MaxReplicas
	if t.Group == 0 {
		limit = MaxMembers
	}
	if len(t.Replicas) > limit {
		return 0, fmt.Errorf("%d replicas, at most %d are allowed", len(t.Replicas), limit)
	}
	next = pl.NextID
	for i, r := range t.Replicas {
		if slices.ContainsFunc(t.Replicas[:i], func(o Replica) bool { return o.Node == r.Node || o.ID == r.ID }) {
			return 0, fmt.Errorf("node %v or replica %d twice", r.Node, r.ID)
		}
		if r.Role > Learner || t.Group != 0 && r.Role != Voter {
			return 0, fmt.Errorf("replica %d is a %v: a partition's target has voters only", r.ID, r.Role)
		}
		if find(pl.Actual, r.Node, r.ID) >= 0 || find(pl.Target, r.Node, r.ID) >= 0 {
			continue
		}
		// A new one.
		if r.ID != next {
			return 0, fmt.Errorf("replica %d is new, its id should be %d", r.ID, next)
		}
		next++
		if m := s.Member(r.Node); m == nil || m.State != Active {
			return 0, fmt.Errorf("a new replica on node %v, which is not an active member", r.Node)
		}
		if slices.ContainsFunc(pl.Actual, func(o Replica) bool { return o.Node == r.Node }) {
			return 0, fmt.Errorf("a new replica on node %v, which has another one still", r.Node)
		}
	}
	if more, fewer := voterChanges(pl.Actual, t.Replicas); more > 1 || fewer > 1 {
		return 0, fmt.Errorf("%d voters more and %d fewer than there are: one of each at a time", more, fewer)
	}
	if voters(t.Replicas) == 0 {
		return 0, fmt.Errorf("no voter")
	}
	return next, nil
}

// find returns the place of a replica in a list, whatever its role, or -1.
func find(list []Replica, node ring.NodeID, id uint64) int {
	return slices.IndexFunc(list, func(r Replica) bool { return r.Node == node && r.ID == id })
}

func voters(list []Replica) (count int) {
	for _, r := range list {
		if r.Role == Voter {
			count++
		}
	}
	return count
}

// voterChanges counts the voters of to that from has not, and the other way round.
func voterChanges(from, to []Replica) (more, fewer int) {
	for _, r := range to {
		if r.Role == Voter && !slices.Contains(from, r) {
			more++
		}
	}
	for _, r := range from {
		if r.Role == Voter && !slices.Contains(to, r) {
			fewer++
		}
	}
	return more, fewer
}

// Report tells which replicas groups have, by the leaders of these groups. A report that is older than what is known
// has no effect.
type Report struct {
	Groups []GroupReport `json:"groups"`
}

// GroupReport is the configuration of one group. Index is its place in the group's log: the index of the entry that
// made it, 0 for the one a group was created with. Replicas are all it consists of, learners included; a leader does not
// report a joint configuration.
type GroupReport struct {
	Group    uint64    `json:"group"`
	Index    uint64    `json:"index"`
	Replicas []Replica `json:"replicas"`
}

// Type is "report".
func (c *Report) Type() string { return "report" }

func (c *Report) apply(s *State) (bool, Result) {
	for _, g := range c.Groups {
		if s.Group(g.Group) == nil {
			return false, refuse(Invalid, "there is no group %d", g.Group)
		}
		most := maxActual
		if g.Group == 0 {
			most = MaxMembers
		}
		if voters(g.Replicas) == 0 || len(g.Replicas) > most {
			return false, refuse(Invalid, "group %d: a configuration has 1 to %d replicas and at least one voter", g.Group, most)
		}
		for i, r := range g.Replicas {
			if r.ID == 0 || r.ID >= 1<<63 || r.Role > Learner || slices.ContainsFunc(g.Replicas[:i], func(o Replica) bool { return o.ID == r.ID }) {
				return false, refuse(Invalid, "group %d: replica %d is not one or is there twice", g.Group, r.ID)
			}
		}
	}
	changed := false
	for i := range c.Groups {
		changed = s.report(&c.Groups[i]) || changed
	}
	return changed, Result{}
}

func (s *State) report(g *GroupReport) bool {
	pl := s.Group(g.Group)
	if g.Index <= pl.ActualIndex {
		return false
	}
	left := pl.Actual
	pl.Actual, pl.ActualIndex = slices.Clone(g.Replicas), g.Index
	for _, r := range pl.Actual {
		pl.NextID = max(pl.NextID, r.ID+1) // whoever gave it that id: it is taken
	}
	// A replica that the group has left behind while its target was changed back to include it is gone: it must not
	// return under an id with which it has voted.
	for i, r := range pl.Target {
		if find(left, r.Node, r.ID) >= 0 && find(pl.Actual, r.Node, r.ID) < 0 {
			pl.Target = slices.Clone(pl.Target)
			pl.Target[i].ID = pl.NextID
			pl.NextID++
			pl.Revision = s.Index
		}
	}
	return true
}
