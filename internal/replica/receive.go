package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// maxTerm is more than any group reaches. Raft adds to terms without looking.
const maxTerm = 1 << 62

// isPeer reports whether id can be that of another replica. With its own id in it, a
// message would have Raft answer itself; some ids are those of its own threads.
func (r *Raft) isPeer(id uint64) bool {
	return id != 0 && id != r.c.Hard.Replica && !raft.IsLocalMsgTarget(id)
}

// acceptable reports whether Raft is to get a message of another replica.
func (r *Raft) acceptable(m *raftpb.Message) bool {
	h := r.host
	switch m.GetType() {
	case raftpb.MsgVote, raftpb.MsgPreVote:
		// A replica that has just come back does not know whom it has promised its vote
		// to: that of a leader whose lease may still run.
		return h.now >= h.quiet || mutant.On(mutant.VoteAfterRestart)
	case raftpb.MsgVoteResp, raftpb.MsgPreVoteResp, raftpb.MsgHeartbeatResp:
		// To a follower they say nothing, but would have it forget its leader if their term is
		// higher: and with that, that the leader's lease may still run.
		return r.role != raft.StateFollower && (m.GetType() != raftpb.MsgHeartbeatResp || r.asked(m))
	case raftpb.MsgAppResp:
		if r.role == raft.StateFollower {
			return false
		}
		// The other has committed more than there is here: this leader has been elected
		// without what it had. Raft would count the other for entries that it does not have.
		if !m.GetReject() && m.GetTerm() == r.term && r.leads() && m.GetIndex() > r.log.last() && r.conf.Has(m.GetFrom()) {
			h.amnesia(r, m.GetIndex())
			return false
		}
	case raftpb.MsgHeartbeat:
		if m.GetCommit() > r.log.last() && m.GetTerm() >= r.term {
			h.amnesia(r, m.GetCommit())
			return false
		}
		// Its log was cut since it was looked at: the leader will say it again.
		return m.GetCommit() <= r.cut
	case raftpb.MsgReadIndex:
		return len(r.conf.Voters) != 1 || !r.untold()
	case raftpb.MsgProp:
		if !r.c.Forward {
			return false
		}
		for _, e := range m.GetEntries() { // none that could not be applied, by anybody
			if len(e.GetData()) < r.c.StampAt+8 {
				return false
			}
		}
	}
	return true
}

// noteAsked remembers how many of its reads the leader has asked others to confirm.
func (r *Raft) noteAsked(m *raftpb.Message) {
	if len(m.GetContext()) != 8 {
		return
	}
	if m.GetTerm() != r.askedTerm {
		r.askedTerm, r.askedUpTo = m.GetTerm(), 0
	}
	r.askedUpTo = max(r.askedUpTo, binary.LittleEndian.Uint64(m.GetContext()))
}

// asked reports whether a reply confirms no reads but those that it was asked for. An
// earlier life of this leader could have asked for more, or in another order.
func (r *Raft) asked(m *raftpb.Message) bool {
	return len(m.GetContext()) != 8 || m.GetTerm() == r.askedTerm && binary.LittleEndian.Uint64(m.GetContext()) <= r.askedUpTo
}

// overwrites reports whether entries are others than those that are here at their indexes.
func (r *Raft) overwrites(m *raftpb.Message) bool {
	for _, e := range m.GetEntries() {
		if term, err := r.log.Term(e.GetIndex()); err == nil && term != e.GetTerm() {
			return true
		}
	}
	return false
}

// step gives Raft a message of another replica. An error is a refusal: from a replica
// that is not in the group. A panic means that what the two know of the group cannot both
// be true; what this one has now is not to be used any more.
func (r *Raft) step(m *raftpb.Message) {
	defer func() {
		if p := recover(); p != nil && r.host.failed == nil {
			r.host.failed = fmt.Errorf("group %d: %w: a %v of replica %d at term %d: %v", r.c.Group, ErrImpossible, m.GetType(), m.GetFrom(), m.GetTerm(), p)
		}
	}()
	_ = r.rn.Step(m)
}

// ErrImpossible is matched by the error of a replica that was told what cannot be.
var ErrImpossible = errors.New("another replica's message contradicts what is known here")

// ErrAmnesia is matched by the error of a replica that proves to have lost what it had
// acknowledged.
var ErrAmnesia = errors.New("the replica has lost what it had acknowledged")

// amnesia ends the host: the leader knows that the log here reached index, and it does not
// any more. Raft relies on what was acknowledged.
func (h *Host) amnesia(r *Raft, index uint64) {
	if h.failed == nil {
		h.failed = fmt.Errorf("group %d: %w: up to index %d, its log ends at %d: was an older copy of the disk put back? "+
			"Start the node with a new data directory, as a new member", r.c.Group, ErrAmnesia, index, r.log.last())
	}
}

// heardFrom remembers the way back to a replica that the configuration here does not
// know, or not yet.
func (r *Raft) heardFrom(id uint64, node ring.NodeID) {
	if _, known := r.conf.Node(id); known {
		return
	}
	if len(r.strangers) < maxStrangers {
		r.strangers[id] = node
	}
}

// maxStrangers bounds how many replicas outside its configuration a replica answers.
const maxStrangers = 64
