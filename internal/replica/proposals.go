package replica

import (
	"encoding/binary"
	"errors"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// What a replica has been asked to append passes through three lists, until it is applied
// or lost: Raft.queue, what Raft has not taken yet; Raft.stepped, taken in this term;
// Raft.pending, in the log here under an index.

// proposal is an entry that was proposed here.
type proposal struct {
	entry []byte
	w     Waiter
	early bool // w is satisfied once this replica has the entry
}

// pending is a proposal that has an index. Its waiter is nil if that is satisfied already.
type pending struct {
	index, term uint64
	w           Waiter
	size        int64 // of the entry, in bytes
}

// lostTerm ends what belongs to leading in one term, if this replica did.
func (r *Raft) lostTerm(now uint64) {
	handed := r.transferTerm == r.term && r.term != 0
	r.term = now
	r.c.Machine.Lease(0)
	r.failStepped()
	r.news = r.news[:0]
	if handed { // the next leader will be known in a moment, and can confirm them
		r.reads.again()
		return
	}
	r.reads.fail(r, ErrNotLeader)
}

func (r *Raft) fail(w Waiter, err error) {
	if w == nil {
		return
	}
	if errors.Is(err, ErrUnknown) {
		r.host.counters.Unknown++
	} else {
		r.host.counters.Refused++
	}
	w.Failed(r.c.Machine.Refusal(err))
}

// failStepped ends the wait for what Raft has taken, in a term that is over.
func (r *Raft) failStepped() {
	for i := range r.stepped {
		r.waitingBytes -= int64(len(r.stepped[i].entry))
		r.fail(r.stepped[i].w, ErrUnknown)
	}
	clear(r.stepped)
	r.stepped = r.stepped[:0]
}

// takePending returns who waits for the committed entry at index, if it is the one that
// was proposed here. Another one in its place means that the proposal is lost for good.
func (r *Raft) takePending(index, term uint64) Waiter {
	r.skipPending(index - 1)
	if len(r.pending) == 0 || r.pending[0].index != index {
		return nil
	}
	p := r.pending[0]
	r.pending[0] = pending{}
	r.pending = r.pending[1:]
	r.waitingBytes -= p.size
	if p.term == term {
		return p.w
	}
	r.fail(p.w, ErrNotLeader)
	return nil
}

// skipPending fails the proposals up to index: what became of them is hidden in a
// snapshot.
func (r *Raft) skipPending(index uint64) {
	for len(r.pending) > 0 && r.pending[0].index <= index {
		r.waitingBytes -= r.pending[0].size
		r.fail(r.pending[0].w, ErrUnknown)
		r.pending[0] = pending{}
		r.pending = r.pending[1:]
	}
}

// maxProposal is how many bytes of entries are proposed in one step.
const maxProposal = 1 << 20

// proposeSeal proposes the entry that seals the configuration.
func (r *Raft) proposeSeal() {
	if !r.seal || r.role != raft.StateLeader || r.transferring != 0 {
		return
	}
	r.seal = r.rn.Propose(nil) != nil
}

// proposeQueued gives Raft what it will take.
func (r *Raft) proposeQueued() {
	for len(r.queue) > 0 {
		if r.role != raft.StateLeader && !(r.c.Forward && r.lead != 0) || r.transferring != 0 {
			r.blocked = cmpZero(r.blocked, r.host.now)
			return
		}
		n, size := 0, 0
		for n < len(r.queue) && (n == 0 || size+len(r.queue[n].entry) <= maxProposal) {
			size += len(r.queue[n].entry)
			n++
		}
		batch := make([]raftpb.Entry, n)
		entries := make([]*raftpb.Entry, n)
		for i := range n {
			e := r.queue[i].entry
			r.stamp = max(r.stamp, stampAt(e, r.c.StampAt))
			setStampAt(e, r.c.StampAt, r.stamp)
			batch[i].Data = e
			entries[i] = &batch[i]
		}
		err := r.rn.Step(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: proto.Uint64(r.c.Hard.Replica), Entries: entries})
		if err != nil { // too much is uncommitted, or a transfer has begun: later
			r.blocked = cmpZero(r.blocked, r.host.now)
			return
		}
		r.blocked = 0
		if r.role == raft.StateLeader && !r.c.Forward {
			r.stepped = append(r.stepped, r.queue[:n]...)
		} else { // it is another's to answer
			r.waitingBytes -= int64(size)
		}
		r.queue = slices.Delete(r.queue, 0, n)
		r.queueBytes -= int64(size)
	}
}

func stampAt(entry []byte, at int) int64 { return int64(binary.LittleEndian.Uint64(entry[at:])) }

func setStampAt(entry []byte, at int, stamp int64) {
	binary.LittleEndian.PutUint64(entry[at:], uint64(stamp))
}

// cmpZero returns v unless it is 0.
func cmpZero(v, otherwise int64) int64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// giveUp ends the wait for what was proposed under a leadership that is lost. This replica
// may lead again meanwhile: without them, if another leader has overwritten them here.
func (r *Raft) giveUp() {
	r.giveUpAt = 0
	n := 0
	for n < len(r.pending) && (r.role != raft.StateLeader || r.pending[n].term != r.term) {
		r.waitingBytes -= r.pending[n].size
		r.fail(r.pending[n].w, ErrUnknown)
		n++
	}
	r.pending = slices.Delete(r.pending, 0, n)
}

func (r *Raft) failQueue(err error) {
	for i := range r.queue {
		r.fail(r.queue[i].w, err)
	}
	r.waitingBytes -= r.queueBytes
	r.queue, r.queueBytes, r.blocked = nil, 0, 0
}
