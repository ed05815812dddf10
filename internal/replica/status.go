package replica

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// Status is what a replica knows of its group.
type Status struct {
	Group        uint32
	Replica      uint64
	Leader       uint64 // 0: unknown
	LeaderNode   ring.NodeID
	Leads        bool
	Term         uint64
	Commit       uint64
	Applied      uint64
	Last         uint64
	Transferring bool
	Installing   bool
	Sealed       bool // of a leader: Conf is known, on disk, to a majority of its voters
	Conf         *Configuration
	LogBytes     int64
}

// Progress is how far the leader knows another replica to have come.
type Progress struct {
	ID       uint64
	Match    uint64
	Active   bool // heard from within an election time-out
	Learner  bool
	Snapshot bool // it waits for a snapshot
	Probing  bool // the leader is finding out what it has
	// CaughtUp: it takes part in replication and lacks little.
	CaughtUp bool
}

// Groups calls f with the number of every group that has a replica here, ascending.
func (h *Host) Groups(f func(group uint32)) {
	for _, r := range h.order {
		f(r.c.Group)
	}
}

// Status returns what is known of a group; false when there is no replica of it.
func (h *Host) Status(group uint32) (Status, bool) {
	r := h.rafts[group]
	if r == nil {
		return Status{}, false
	}
	b := r.rn.BasicStatus()
	s := Status{
		Group: group, Replica: r.c.Hard.Replica, Leader: r.lead, Leads: r.role == raft.StateLeader,
		Term: b.GetTerm(), Commit: b.GetCommit(), Applied: r.applied, Last: r.log.last(),
		Sealed: r.role == raft.StateLeader && r.sealed(), Transferring: r.transferring != 0, Installing: r.installing, Conf: r.conf, LogBytes: r.log.bytes,
	}
	if r.lead != 0 {
		s.LeaderNode, _ = r.nodeOf(r.lead)
	}
	return s, true
}

// caughtUpWithin is how many entries a replica may lack and count as caught up.
const caughtUpWithin = 1024

// Progress calls f with the progress of every other replica, if this one leads.
func (h *Host) Progress(group uint32, f func(Progress)) {
	r := h.rafts[group]
	if r == nil || r.role != raft.StateLeader {
		return
	}
	commit := r.rn.BasicStatus().GetCommit()
	r.rn.WithProgress(func(id uint64, typ raft.ProgressType, pr tracker.Progress) {
		if id == r.c.Hard.Replica {
			return
		}
		active := r.active(id, &pr)
		f(Progress{
			ID: id, Match: pr.Match, Active: active, Learner: typ == raft.ProgressTypeLearner,
			Snapshot: pr.State == tracker.StateSnapshot, Probing: pr.State == tracker.StateProbe,
			CaughtUp: active && pr.State == tracker.StateReplicate && pr.Match+caughtUpWithin >= commit,
		})
	})
}

// noteHeard remembers who is active: Raft forgets it once in an election time-out, and
// has to hear from everybody anew.
func (r *Raft) noteHeard() {
	if r.role != raft.StateLeader {
		r.heard = r.heard[:0]
		return
	}
	old := r.host.now - r.host.electionMs()
	r.heard = slices.DeleteFunc(r.heard, func(h heardAt) bool { return h.at < old })
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
		if !pr.RecentActive || id == r.c.Hard.Replica {
			return
		}
		for i := range r.heard {
			if r.heard[i].id == id {
				r.heard[i].at = r.host.now
				return
			}
		}
		r.heard = append(r.heard, heardAt{id, r.host.now})
	})
}

// active reports whether a replica has been heard from within an election time-out.
func (r *Raft) active(id uint64, pr *tracker.Progress) bool {
	return pr.RecentActive || slices.ContainsFunc(r.heard, func(h heardAt) bool { return h.id == id })
}

// slowest is the least that an active replica is known to have.
func (r *Raft) slowest() uint64 {
	least := r.applied
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
		if id != r.c.Hard.Replica && pr.Match > 0 && r.active(id, &pr) {
			least = min(least, pr.Match)
		}
	})
	return least
}

func (r *Raft) nodeOf(id uint64) (ring.NodeID, bool) {
	if node, ok := r.conf.Node(id); ok {
		return node, true
	}
	node, ok := r.strangers[id]
	return node, ok
}
