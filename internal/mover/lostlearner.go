package mover

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
)

// learnerPatience is long enough for a node that has just come back to load its data, as a
// rule: to give up a learner too early costs sending its data once more.
const learnerPatience = 15 * time.Second

// lostLearner returns a learner that is on its way to a vote and will not arrive: its node
// is there, and it is not. A target that was changed to and fro can name a replica that its
// node has dropped meanwhile, because nobody had told the meta group yet that it was in the
// configuration; and a node never takes an id back under which it may have acknowledged
// something. When the learner has left the configuration, the meta group gives the
// target's replica a new id (meta.Report), and the move begins again. 0: there is none.
func (m *Mover) lostLearner(st *replica.Status, pl *meta.Placement, v *View, live map[uint64]bool, now time.Time) uint64 {
	s := m.steps[st.Group]
	silent := uint64(0)
	for _, r := range st.Conf.Replicas() {
		if st.Group > 0 && r.Role == replica.Learner && !live[r.ID] && find(pl.Target, r.ID) != nil && v.Heard(r.Node) {
			silent = r.ID
			break
		}
	}
	if silent != s.silent {
		s.silent, s.since = silent, now
		m.steps[st.Group] = s
	}
	if silent == 0 || now.Sub(s.since) < m.LearnerPatience {
		return 0
	}
	return silent
}

// find returns the replica with an id; nil if there is none.
func find(list []meta.Replica, id uint64) *meta.Replica {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}
