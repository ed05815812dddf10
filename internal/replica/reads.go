package replica

import (
	"encoding/binary"

	"go.etcd.io/raft/v3"
)

// readQueue holds a group's reads that wait.
//
// A round asks a majority whether the leader still leads; all reads that have come
// before it share it, and each round has a context of its own. What a round confirms
// may be executed once everything up to its index is applied.
type readQueue struct {
	fresh   []ReadWaiter // in no round yet
	since   int64        // when the first of them came
	rounds  []round      // under way, oldest first
	next    uint64       // context of the next round
	waiting []waitingRead
}

type round struct {
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

// maxRounds bounds the rounds of a group that are under way at a time.
const maxRounds = 4

// startReads begins a round for the reads that have come.
func (r *Raft) startReads() {
	q := &r.reads
	if len(q.fresh) == 0 || len(q.rounds) >= maxRounds || r.lead == 0 || r.untold() {
		return
	}
	q.next++
	r.host.counters.ReadRounds++
	q.rounds = append(q.rounds, round{q.next, r.host.now, q.fresh})
	q.fresh = nil
	r.rn.ReadIndex(binary.LittleEndian.AppendUint64(nil, q.next))
}

// untold reports whether this replica leads and does not know yet what had been committed
// before: until an entry of its own term is. Raft sees to that, but not where the leader is
// the only voter.
func (r *Raft) untold() bool { return r.role == raft.StateLeader && r.appliedTerm != r.term }

// confirmed ends a round, and those before it whose confirmation got lost.
func (r *Raft) confirmed(s *raft.ReadState) {
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
	if r.applied >= s.Index {
		// Not earlier: what former leaders have acknowledged must be here first.
		if r.role == raft.StateLeader && r.transferTerm != r.term {
			r.c.Machine.Lease(done.began + r.host.leaseMs())
		}
		r.c.Machine.Fresh(done.began)
		for _, w := range done.readers {
			w.Done()
		}
		return
	}
	expires := r.host.now + r.host.electionMs()
	for _, w := range done.readers {
		q.waiting = append(q.waiting, waitingRead{s.Index, expires, w, done.began})
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
		q.fresh = nil
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
	for i := len(q.rounds) - 1; i >= 0; i-- {
		q.fresh = append(q.rounds[i].readers, q.fresh...)
		q.since = q.rounds[i].began // as long as they have waited already
	}
	q.rounds = nil
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
	for i := range q.waiting {
		r.failRead(q.waiting[i].w, err)
	}
	q.fresh, q.rounds, q.waiting = nil, nil, nil
}
