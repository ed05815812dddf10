package mover

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
)

// hurt has the nodes of these replicas say that they are damaged.
func (s *scene) hurt(ids ...uint64) {
	for _, id := range ids {
		for i := range s.all {
			if s.all[i].ID == id {
				s.all[i].Active = false
			}
		}
	}
	s.v.Damaged = func(_ uint32, r replica.Replica) bool {
		for _, id := range ids {
			if r.ID == id {
				return true
			}
		}
		return false
	}
}

func gives(id, revision uint64) Action {
	return Action{Change: &replica.Change{Remove: []uint64{id}, Revision: revision}, Damaged: id}
}

func TestADamagedReplicaIsRemovedBeforeAnotherIsMade(t *testing.T) {
	s := newScene([]int{1, 2, 3})
	s.hurt(3)
	s.wants(t, "it goes", gives(3, 3))
	s.wants(t, "that is under way", Action{})
	s = newScene([]int{1, 2, 3}, 4)
	s.hurt(4)
	s.wants(t, "so does a learner", gives(4, 3))
	s = newScene([]int{1, 2, 3})
	s.retarget(1, 2, 4)
	s.hurt(2)
	s.wants(t, "before the next move", gives(2, 4))
}

// TestAReplicaThatTookTheDamagedOnesPlaceIsAddedUnderANewID: what the meta group makes of the report.
func TestAReplicaThatTookTheDamagedOnesPlaceIsAddedUnderANewID(t *testing.T) {
	s := newScene([]int{1, 2})
	s.hurt(3)
	s.pl.Target = append(target(1, 2), meta.Replica{Node: node(3), ID: 4})
	s.pl.Revision = 4
	s.wants(t, "the new one on the same node", change(replica.Change{Add: []replica.Replica{{ID: 4, Node: node(3)}}}))
}

func TestADamagedReplicaStaysWhileTheOthersAreNoMajority(t *testing.T) {
	for what, s := range map[string]*scene{
		"one of two": newScene([]int{1, 2}), "two of three": newScene([]int{1, 2, 3}), "three of five": newScene([]int{1, 2, 3, 4, 5}),
	} {
		s.hurt(2, 3, 4)
		s.wants(t, what, Action{})
	}
	s := newScene([]int{1, 2, 3})
	s.hurt(3)
	s.progress(2).Active = false
	s.wants(t, "one of the two that stay is away", Action{})
	s = newScene([]int{1, 2, 3})
	s.st.Group, s.v.Damaged = 0, func(uint32, replica.Replica) bool { return true }
	s.wants(t, "the meta group is none of this", Action{})
}
