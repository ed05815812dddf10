package replica

import (
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
		Transferring: r.transferring != 0, Installing: r.installing, Conf: r.conf, LogBytes: r.log.bytes,
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
		f(Progress{
			ID: id, Match: pr.Match, Active: pr.RecentActive, Learner: typ == raft.ProgressTypeLearner,
			Snapshot: pr.State == tracker.StateSnapshot,
			CaughtUp: pr.RecentActive && pr.State == tracker.StateReplicate && pr.Match+caughtUpWithin >= commit,
		})
	})
}

// slowest is the least that an active replica is known to have.
func (r *Raft) slowest() uint64 {
	least := r.applied
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
		if id != r.c.Hard.Replica && pr.RecentActive && pr.Match > 0 {
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
