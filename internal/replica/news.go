package replica

import "go.etcd.io/raft/v3/raftpb"

// commitNews is what a follower was last told by its leader, this replica.
type commitNews struct {
	id     uint64
	commit uint64 // or would have been, had an append not been left out
	owed   bool   // the newest append was left out
}

// superfluous reports whether an append without entries need not be sent: all that it says
// is how far the log is committed, and that is soon said again. With many writers, half of
// all messages would be such ones. later are the messages that follow m.
//
// Either a later message says it, or there are entries that are not committed yet: the
// news of those says it as well. Two in a row are not left out, nor one that brings no news:
// it makes a follower repeat what it has. Should the newest entries never be committed, the next
// heartbeat says it.
func (r *Raft) superfluous(m *raftpb.Message, later []*raftpb.Message) bool {
	if m.GetType() != raftpb.MsgApp {
		return false
	}
	n := r.newsOf(m.GetTo())
	if len(m.GetEntries()) == 0 {
		for _, l := range later {
			if l.GetType() == raftpb.MsgApp && l.GetTo() == m.GetTo() && l.GetTerm() == m.GetTerm() {
				return true
			}
		}
		if m.GetCommit() > n.commit && !n.owed && m.GetCommit() < r.log.last() {
			n.commit, n.owed = m.GetCommit(), true
			return true
		}
	}
	n.commit, n.owed = m.GetCommit(), false
	return false
}

// newsOf returns what replica id was told.
func (r *Raft) newsOf(id uint64) *commitNews {
	for i := range r.news {
		if r.news[i].id == id {
			return &r.news[i]
		}
	}
	r.news = append(r.news, commitNews{id: id})
	return &r.news[len(r.news)-1]
}
