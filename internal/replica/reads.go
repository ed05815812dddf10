package replica

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/raft/v3"
)

// readQueue holds a group's reads that wait.
//
// A round asks a majority whether the leader still leads; all reads that have come
// before it share it. What a round confirms may be executed once everything up to its
// index is applied. There are two kinds: those of the host, for all groups led here, and
// Raft's own, of which each has a context of its own. Those are for followers, and for reads
// that are to begin a lease.
type readQueue struct {
	fresh   []ReadWaiter // in no round yet
	since   int64        // when the first of them came
	lease   bool         // one of them is to begin a lease
	rounds  []raftRound  // under way, oldest first
	next    uint64       // context of the next of them
	waiting []waitingRead

	asking  bool      // in the host's next round
	asked   []inRound // in the host's rounds, oldest first
	answers []roundAnswer
	spare   []ReadWaiter // empty memory
}

type raftRound struct {
	context uint64
	began   int64 // on the host's clock, before anything was sent
	readers []ReadWaiter
}

// waitingRead may be executed once index is applied.
type waitingRead struct {
	index   uint64
	expires int64
	w       ReadWaiter
	began   int64 // of its round; 0: it was in none
}

// maxRounds bounds the rounds of each kind of a group that are under way at a time.
const maxRounds = 4

// startReads begins a round for the reads that have come.
func (r *Raft) startReads() {
	q := &r.reads
	if len(q.fresh) == 0 || r.lead == 0 || r.untold() {
		return
	}
	if r.role == raft.StateLeader && !q.lease {
		r.askNext()
		return
	}
	if len(q.rounds) >= maxRounds {
		return
	}
	q.next++
	r.host.counters.ReadRounds++
	q.rounds = append(q.rounds, raftRound{q.next, r.host.now, q.fresh})
	q.fresh, q.lease = nil, false
	r.rn.ReadIndex(binary.LittleEndian.AppendUint64(nil, q.next))
}

// untold reports whether this replica leads and does not know yet what had been committed
// before: until an entry of its own term is. Raft sees to that, but not where the leader is
// the only voter.
func (r *Raft) untold() bool { return r.role == raft.StateLeader && r.appliedTerm != r.term }

// raftConfirmed ends a round of Raft's, and those before it whose confirmation got lost.
func (r *Raft) raftConfirmed(s *raft.ReadState) {
	q := &r.reads
	if len(s.RequestCtx) != 8 {
		return
	}
	context := binary.LittleEndian.Uint64(s.RequestCtx)
	for len(q.rounds) > 0 && q.rounds[0].context < context {
		q.fresh = append(q.rounds[0].readers, q.fresh...)
		q.rounds = q.rounds[1:]
	}
	if len(q.rounds) == 0 || q.rounds[0].context != context {
		return
	}
	done := q.rounds[0]
	q.rounds = q.rounds[1:]
	r.host.counters.ReadRoundsOK++
	// Not earlier: what former leaders have acknowledged must be here first.
	if r.applied >= s.Index && r.role == raft.StateLeader && r.transferTerm != r.term {
		r.c.Machine.Lease(done.began + r.host.leaseMs())
	}
	r.confirmed(s.Index, done.began, done.readers)
}

// confirmed lets the readers of a round go, when its index is applied.
func (r *Raft) confirmed(index uint64, began int64, readers []ReadWaiter) {
	if r.applied >= index {
		r.c.Machine.Fresh(began)
		for _, w := range readers {
			w.Done()
		}
		return
	}
	expires := r.host.now + r.host.electionMs()
	for _, w := range readers {
		r.reads.waiting = append(r.reads.waiting, waitingRead{index, expires, w, began})
	}
}

// applied lets reads go whose index has been reached.
func (q *readQueue) applied(r *Raft) {
	if len(q.waiting) == 0 {
		return
	}
	kept := q.waiting[:0]
	for _, w := range q.waiting {
		if w.index > r.applied {
			kept = append(kept, w)
			continue
		}
		if w.began != 0 {
			r.c.Machine.Fresh(w.began)
		}
		w.w.Done()
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
}

// expire fails reads that have waited for an election time-out.
func (q *readQueue) expire(r *Raft) {
	old := r.host.now - r.host.electionMs()
	refusal := func() error {
		if r.lead == 0 {
			return r.c.Machine.Refusal(ErrTimeout)
		}
		return r.c.Machine.Refusal(ErrNotLeader)
	}
	if len(q.fresh) > 0 && q.since < old {
		for _, w := range q.fresh {
			r.failRead(w, refusal())
		}
		q.fresh, q.lease = nil, false
	}
	for len(q.asked) > 0 && q.asked[0].since < old {
		for _, w := range q.asked[0].readers {
			r.failRead(w, refusal())
		}
		q.asked = slices.Delete(q.asked, 0, 1)
	}
	for len(q.rounds) > 0 && q.rounds[0].began < old {
		for _, w := range q.rounds[0].readers {
			r.failRead(w, refusal())
		}
		q.rounds = q.rounds[1:]
	}
	kept := q.waiting[:0]
	for _, w := range q.waiting {
		if w.expires < r.host.now {
			r.failRead(w.w, refusal())
			continue
		}
		kept = append(kept, w)
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
}

func (r *Raft) failRead(w ReadWaiter, refusal error) {
	r.host.counters.ReadsFailed++
	w.Failed(refusal)
}

// again has the reads of rounds that will come to nothing wait for another one.
func (q *readQueue) again() {
	for i := range q.rounds {
		q.back(q.rounds[i].readers, q.rounds[i].began)
	}
	for i := range q.asked {
		q.back(q.asked[i].readers, q.asked[i].since)
	}
	q.rounds, q.asked, q.answers = nil, nil, nil
}

// back has the reads of a round wait for another one. since is how long they have already.
func (q *readQueue) back(readers []ReadWaiter, since int64) {
	if len(readers) == 0 {
		return
	}
	if len(q.fresh) == 0 || since < q.since {
		q.since = since
	}
	q.fresh = append(q.fresh, readers...)
}

// fail fails every read.
func (q *readQueue) fail(r *Raft, err error) {
	err = r.c.Machine.Refusal(err)
	for _, w := range q.fresh {
		r.failRead(w, err)
	}
	for i := range q.rounds {
		for _, w := range q.rounds[i].readers {
			r.failRead(w, err)
		}
	}
	for i := range q.asked {
		for _, w := range q.asked[i].readers {
			r.failRead(w, err)
		}
	}
	for i := range q.waiting {
		r.failRead(q.waiting[i].w, err)
	}
	*q = readQueue{next: q.next, asking: q.asking}
}
