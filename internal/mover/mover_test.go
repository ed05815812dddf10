package mover

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// scene is a group led by replica 1, and a mover that looks at it.
type scene struct {
	m    *Mover
	st   replica.Status
	pl   meta.Placement
	all  []replica.Progress
	v    View
	now  time.Time
	rest map[ring.NodeID]bool
	deaf map[ring.NodeID]bool // not heard of
}

func node(i int) ring.NodeID { return ring.NodeID{byte(i)} }

// target is replicas 1, 2, … as voters: replica i on node i.
func target(ids ...int) (list []meta.Replica) {
	for _, id := range ids {
		list = append(list, meta.Replica{Node: node(id), ID: uint64(id)})
	}
	return list
}

// newScene returns a group that has the voters and learners given, and is where it should be.
func newScene(voters []int, learners ...int) *scene {
	s := &scene{m: New(4), now: time.Unix(1_000_000, 0), rest: map[ring.NodeID]bool{}, deaf: map[ring.NodeID]bool{}}
	var list []replica.Replica
	for _, id := range voters {
		list = append(list, replica.Replica{ID: uint64(id), Node: node(id)})
	}
	for _, id := range learners {
		list = append(list, replica.Replica{ID: uint64(id), Node: node(id), Role: replica.Learner})
	}
	conf := replica.Among(list...)
	conf.Index, conf.Revision = 7, 3
	s.st = replica.Status{Group: 1, Replica: 1, Leads: true, Sealed: true, Conf: conf}
	s.pl = meta.Placement{Target: target(voters...), Revision: 3, ActualIndex: 7}
	for _, r := range list[1:] {
		s.all = append(s.all, replica.Progress{ID: r.ID, Active: true, CaughtUp: true, Learner: r.Role == replica.Learner})
	}
	s.v = View{
		Progress: func(_ uint32, f func(replica.Progress)) {
			for _, p := range s.all {
				f(p)
			}
		},
		Resting: func(n ring.NodeID) bool { return s.rest[n] },
		Heard:   func(n ring.NodeID) bool { return !s.deaf[n] },
	}
	return s
}

func (s *scene) drive() Action { return s.m.Drive(&s.st, &s.pl, &s.v, s.now) }

func (s *scene) progress(id uint64) *replica.Progress {
	i := slices.IndexFunc(s.all, func(p replica.Progress) bool { return p.ID == id })
	return &s.all[i]
}

func (s *scene) wants(t *testing.T, what string, want Action) {
	t.Helper()
	if got := s.drive(); !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %+v (change %+v), want %+v (change %+v)", what, got, got.Change, want, want.Change)
	}
}

func change(c replica.Change) Action {
	c.Revision = 4
	return Action{Change: &c}
}

// retarget gives the group another target.
func (s *scene) retarget(ids ...int) { s.pl.Target, s.pl.Revision = target(ids...), 4 }

func TestAConfigurationIsReportedOnceBeforeAnythingElse(t *testing.T) {
	s := newScene([]int{1, 2}, 3)
	s.retarget(1, 2, 3)
	s.pl.ActualIndex = 5
	report := Action{Report: &meta.GroupReport{Group: 1, Index: 7, Replicas: []meta.Replica{
		{Node: node(1), ID: 1}, {Node: node(2), ID: 2}, {Node: node(3), ID: 3, Role: meta.Learner},
	}}}
	s.wants(t, "the state does not know it", report)
	s.wants(t, "it has been reported", Action{})
	s.m.NotReported(1)
	s.wants(t, "the report was lost", report)
	s.pl.ActualIndex = 7
	s.wants(t, "the state knows it", change(replica.Change{Promote: []uint64{3}}))
	s.pl.ActualIndex = 9
	s.wants(t, "the state is ahead of this leader", Action{})
}

func TestNothingIsChangedAtTheWrongTime(t *testing.T) {
	for what, spoil := range map[string]func(*scene){
		"joint":        func(s *scene) { s.st.Conf.Outgoing = []uint64{1} },
		"not sealed":   func(s *scene) { s.st.Sealed = false },
		"transferring": func(s *scene) { s.st.Transferring = true },
		"older target": func(s *scene) { s.st.Conf.Revision = 5 },
		"resting":      func(s *scene) { s.v.Rests, s.rest[node(2)] = true, true },
	} {
		s := newScene([]int{1, 2})
		s.retarget(1, 2, 3)
		spoil(s)
		s.wants(t, what, Action{})
	}
}

func TestAMoveGoesByALearnerThatHasCaughtUp(t *testing.T) {
	s := newScene([]int{1, 2, 3})
	s.retarget(1, 2, 4)
	s.wants(t, "first the learner", change(replica.Change{Add: []replica.Replica{{ID: 4, Node: node(4)}}}))
	s.wants(t, "that is under way", Action{})
	s.now = s.now.Add(stepPatience)
	s.wants(t, "it seems to be lost", change(replica.Change{Add: []replica.Replica{{ID: 4, Node: node(4)}}}))

	s = newScene([]int{1, 2, 3}, 4)
	s.retarget(1, 2, 4)
	s.progress(4).CaughtUp = false
	s.wants(t, "it has not caught up", Action{})
	s.progress(4).CaughtUp = true
	s.wants(t, "then one change", change(replica.Change{Promote: []uint64{4}, Remove: []uint64{3}}))
}

func TestNoChangeWithoutMostOfTheTarget(t *testing.T) {
	s := newScene([]int{1, 2, 3})
	s.retarget(1, 2)
	s.progress(2).Active = false
	s.wants(t, "one of two", Action{})
	s.progress(2).Active = true
	s.wants(t, "both", change(replica.Change{Remove: []uint64{3}}))
}

func TestALeaderRemovesEverybodyButItself(t *testing.T) {
	s := newScene([]int{1, 2, 3})
	s.retarget(2, 3)
	s.wants(t, "it hands over first", Action{Transfer: 2})
	s = newScene([]int{1, 2})
	s.pl.Target = []meta.Replica{{Node: node(1), ID: 1, Role: meta.Learner}, {Node: node(2), ID: 2}}
	s.st.Group = 0
	s.wants(t, "nor does it make itself a learner", Action{Transfer: 2})
}

func TestMovesThatTidyAreSpacedAndThoseThatHealAreNot(t *testing.T) {
	s := newScene([]int{1, 2, 3})
	s.retarget(1, 2, 4)
	add := change(replica.Change{Add: []replica.Replica{{ID: 4, Node: node(4)}}})
	s.wants(t, "the first", add)
	s.st.Group = 2
	s.wants(t, "another at once", Action{})
	s.progress(3).Active = false
	s.wants(t, "one that heals", add)
	s.progress(3).Active = true
	s.st.Group, s.now = 3, s.now.Add(movesApart)
	s.wants(t, "another later", add)
}

func TestLeadershipGoesToThePreferredReplica(t *testing.T) {
	s := newScene([]int{1, 2, 3})
	s.pl.Target = target(2, 3, 1)
	s.rest[node(2)] = true
	s.progress(3).CaughtUp = false
	s.wants(t, "nobody is fit", Action{})
	s.progress(3).CaughtUp = true
	s.m.Hold(1, s.now.Add(time.Minute))
	s.wants(t, "it is held", Action{})
	s.m.Hold(1, time.Time{})
	s.wants(t, "the next best", Action{Transfer: 3})
	s.wants(t, "that is under way", Action{})
	delete(s.rest, node(2))
	s.now = s.now.Add(HandPatience)
	s.wants(t, "the best", Action{Transfer: 2})
	s.now = s.now.Add(HandPatience)
	s.st.Group = 0
	s.wants(t, "the meta group stays", Action{})
	s.pl.Target = target(1, 2, 3)
	s.st.Group = 1
	s.wants(t, "it is preferred itself", Action{})
	s.v.Rests = true
	s.wants(t, "it wants none", Action{Transfer: 2})
}

func TestALearnerWhoseNodeIsThereAndThatIsNotIsGivenUp(t *testing.T) {
	s := newScene([]int{1, 2}, 3)
	s.retarget(1, 2, 3)
	s.progress(3).Active, s.progress(3).CaughtUp = false, false
	s.wants(t, "at first", Action{})
	s.now = s.now.Add(learnerPatience - 1)
	s.deaf[node(3)] = true
	s.wants(t, "its node is gone", Action{})
	delete(s.deaf, node(3))
	s.wants(t, "its node is back", Action{})
	s.now = s.now.Add(learnerPatience)
	want := change(replica.Change{Remove: []uint64{3}})
	want.Lost = 3
	s.wants(t, "its node has been there all the time", want)
}

func TestWhatANodeKeepsAndWhatItMakes(t *testing.T) {
	s := newScene([]int{1, 2})
	s.pl.Actual = target(1)
	s.pl.Target = target(2)
	for i, unwanted := range []bool{1: false, 2: false, 3: true} {
		s.st.Replica = uint64(i)
		if got := Unwanted(&s.st, &s.pl, node(i)); i > 0 && got != unwanted {
			t.Errorf("replica %d: unwanted %v", i, got)
		}
	}
	s.st.Replica = 2
	if !Unwanted(&s.st, &s.pl, node(3)) {
		t.Error("another node's replica is kept")
	}
	if s.st.Installing = true; Unwanted(&s.st, &s.pl, node(3)) {
		t.Error("a replica is dropped while it is being filled")
	}
	if !Welcome(&s.pl, node(2), 2, 1) || Welcome(&s.pl, node(2), 2, 2) || Welcome(&s.pl, node(3), 2, 0) || Welcome(&s.pl, node(1), 1, 0) {
		t.Error("only a replica that the target has, and that was not dropped before, is welcome")
	}
}
