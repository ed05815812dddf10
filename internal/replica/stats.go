package replica

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Counters are what the groups of a host have done since it was made.
type Counters struct {
	Elections     uint64 // a replica here stood for election; the vote before the vote counts
	Won           uint64 // a replica here began to lead
	Lost          uint64 // one that led does not any more, handing over included
	LeaderChanges uint64 // a group came to know a leader that it did not know the moment before
	Transfers     uint64 // a leader here began to hand its group over

	// Proposals made here that somebody waits for, by outcome: they took effect, surely
	// had none and will have none, or nobody knows.
	Applied, Refused, Unknown uint64
	Early                     uint64 // answered by the leader's word alone: nobody knows yet either

	ReadRounds   uint64 // begun, to confirm that a leader still leads
	ReadRoundsOK uint64 // confirmed
	ReadsFailed  uint64 // reads that waited and got no leave
}

// role counts a change of a replica's role. Of what happens between two looks, such as
// a lone voter's election, only the outcome is seen.
func (c *Counters) role(was, is raft.StateType) {
	if was == raft.StateFollower && is != raft.StateFollower {
		c.Elections++
	}
	switch {
	case was == is:
	case is == raft.StateLeader:
		c.Won++
	case was == raft.StateLeader:
		c.Lost++
	}
}

// Stats are a host's counters, and what its groups are at this moment.
type Stats struct {
	Counters
	// Every replica here is one of these.
	Leaders, Followers, Learners int
	Leaderless                   int // knows no leader, and perhaps stands for election
	Installing                   int // of them, those that load a snapshot they have received

	LogBytes   int64  // of log entries in memory
	QueueBytes int64  // of proposals that Raft has not taken yet
	Proposals  int    // made here, with no outcome yet
	Reads      int    // that wait
	ApplyLag   uint64 // entries committed here and not applied, of all groups

	// Of the groups led here: replicas elsewhere that have not caught up, and the most
	// entries that an active one lacks.
	Laggards int
	MostLag  uint64
}

// Stats returns the present figures. It looks at every group: not for the hot path.
func (h *Host) Stats() Stats {
	s := Stats{Counters: h.counters}
	for _, r := range h.order {
		s.add(r)
	}
	return s
}

func (s *Stats) add(r *Raft) {
	b := r.rn.BasicStatus()
	switch {
	case r.role == raft.StateLeader:
		s.Leaders++
		s.addProgress(r, b.GetCommit())
	case r.lead == 0:
		s.Leaderless++
	case slices.Contains(r.conf.Learners, r.c.Hard.Replica):
		s.Learners++
	default:
		s.Followers++
	}
	if r.installing {
		s.Installing++
	}
	s.LogBytes += r.log.bytes
	s.QueueBytes += r.queueBytes
	s.Proposals += len(r.queue) + len(r.stepped) + len(r.pending)
	s.Reads += len(r.reads.fresh) + len(r.reads.waiting)
	for i := range r.reads.rounds {
		s.Reads += len(r.reads.rounds[i].readers)
	}
	for i := range r.reads.asked {
		s.Reads += len(r.reads.asked[i].readers)
	}
	s.ApplyLag += b.GetCommit() - min(r.applied, b.GetCommit())
}

// addProgress looks at the other replicas of a group that is led here.
func (s *Stats) addProgress(r *Raft, commit uint64) {
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
		if id == r.c.Hard.Replica {
			return
		}
		// Not RecentActive: it is false for a moment after each time that it was looked at.
		if pr.State != tracker.StateReplicate || pr.Match+caughtUpWithin < commit {
			s.Laggards++
		}
		if pr.RecentActive {
			s.MostLag = max(s.MostLag, commit-min(pr.Match, commit))
		}
	})
}
