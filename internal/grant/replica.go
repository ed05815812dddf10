package grant

import (
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Replica is what leave to read one replica depends on. One goroutine, who drives the group's host, tells it what changes;
// any may ask. Times are on the clock of the host, in ms.
type Replica struct {
	nowMs    func() int64
	unled    func() bool
	leads    atomic.Bool
	readable atomic.Bool // it holds a state of the group
	term     atomic.Uint64
	applied  atomic.Uint64
	leased   atomic.Int64  // until when reads need no round
	fresh    atomic.Int64  // as of when what is applied is complete
	installs atomic.Uint64 // how often its state was replaced, or dropped
	handing  atomic.Int64  // until when requests may wait for the leader to whom the group was handed
}

// Answer is what comes of asking for leave.
type Answer uint8

// The answers.
const (
	Now       Answer = iota // it may be read, or shown
	Wait                    // the host is to be asked
	NotLeader               // only the leader may read
	NotHere                 // the replica may not be read
)

// Grant is leave to read, or, with Wait, what to ask the host for.
type Grant struct {
	// Recheck: after the entry was looked up, and before it is shown to anybody, End must be asked.
	Recheck bool
	// Level is what the read gets: at least what was asked for.
	Level wire.Consistency
	// Lease: the round is to begin one. With Wait.
	Lease bool
	// Mark is with Wait the index that must be applied; 0: a round is wanted. Otherwise it is what End compares: of a lease
	// the term, of other levels the number of times that the state was replaced.
	Mark uint64
}

// Init says how to tell the time, and whether nobody is known to lead the group. It comes before all else.
func (r *Replica) Init(nowMs func() int64, unled func() bool) { r.nowMs, r.unled = nowMs, unled }

// leaseSpareMs is how much of a lease must be left for a read to begin under it.
const leaseSpareMs = 20

// Begin asks for leave to read as the level, which is not the default one, promises. arg is the level's: of SessionReads
// the lowest index that must have been applied, of Bounded the greatest age in ms.
func (r *Replica) Begin(level wire.Consistency, arg uint64) (Answer, Grant) {
	if level == wire.Linearizable || level == wire.Lease {
		if !r.leads.Load() && !r.HandsOver() {
			return NotLeader, Grant{}
		}
		if level == wire.Lease && r.leased.Load() > r.nowMs()+leaseSpareMs {
			return Now, Grant{Recheck: true, Level: wire.Lease, Mark: r.term.Load()}
		}
		return Wait, Grant{Level: wire.Linearizable, Lease: level == wire.Lease}
	}
	if !r.readable.Load() {
		return NotHere, Grant{}
	}
	mark := r.installs.Load()
	switch level {
	case wire.SessionReads:
		if r.applied.Load() < arg {
			return Wait, Grant{Level: level, Mark: arg}
		}
	case wire.Bounded:
		if fresh := r.fresh.Load(); fresh == 0 || uint64(r.nowMs()-fresh) > arg {
			return Wait, Grant{Level: level}
		}
	}
	return Now, Grant{Recheck: true, Level: level, Mark: mark}
}

// End tells whether what was read by a grant with Recheck may be shown: Now. Otherwise it must be thrown away.
func (r *Replica) End(g Grant) Answer {
	switch {
	case !g.Recheck:
	case g.Level == wire.Lease:
		if !replica.LeaseHolds(r.leased.Load(), r.nowMs(), g.Mark, r.term.Load(), r.leads.Load()) {
			return NotLeader
		}
	case r.installs.Load() != g.Mark || !r.readable.Load():
		return NotHere
	}
	return Now
}

// Leads reports whether this replica leads its group, as far as is known here.
func (r *Replica) Leads() bool { return r.leads.Load() }

// Readable reports whether it holds a state that may be read.
func (r *Replica) Readable() bool { return r.readable.Load() }

// Term is the group's term, and Applied the index up to which entries are applied.
func (r *Replica) Term() uint64    { return r.term.Load() }
func (r *Replica) Applied() uint64 { return r.applied.Load() }

// HandsOver reports whether this node has just handed the group over, and the next leader is not known yet. What is asked
// for now waits here until it is, which takes as long as an election that nobody contests, and is then sent there at once:
// a client that was told that nobody leads would have to guess when to ask again.
func (r *Replica) HandsOver() bool {
	handing := r.handing.Load()
	return handing != 0 && handing >= r.nowMs() && r.unled()
}

// Begun says that there is a replica now, and what it has applied. It can be read if its configuration has a voter: an
// empty one holds nothing yet.
func (r *Replica) Begun(applied uint64, voters int) {
	r.applied.Store(applied)
	r.readable.Store(voters > 0)
}

// Changed takes note of a new role or configuration.
func (r *Replica) Changed(st *replica.Status) {
	r.term.Store(st.Term)
	r.leads.Store(st.Leads)
	r.readable.Store(len(st.Conf.Voters) > 0 && !st.Installing)
}

// Reached says that the table shows all entries up to index. It comes after they are there.
func (r *Replica) Reached(index uint64) { r.applied.Store(index) }

// Leased says until when a leader's reads need no round; 0: they need one from now on.
func (r *Replica) Leased(until int64) {
	if until == 0 || until > r.leased.Load() {
		r.leased.Store(until)
	}
}

// Complete says that what is applied was complete at a time.
func (r *Replica) Complete(at int64) { r.fresh.Store(max(r.fresh.Load(), at)) }

// Handed says that the group is being handed over; until then requests may wait for who leads next.
func (r *Replica) Handed(until int64) { r.handing.Store(until) }

// Replacing comes before a received snapshot begins to replace the state.
func (r *Replica) Replacing() {
	r.readable.Store(false)
	r.installs.Add(1)
}

// Dropped comes before the replica is taken away.
func (r *Replica) Dropped() {
	r.Replacing()
	r.leads.Store(false)
}
