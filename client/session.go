package client

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// A session numbers the writes that start on one connection, so that a repetition of
// one, over whatever connection, takes effect once. The server remembers the
// outcomes above the acknowledged mark; the mark travels with each write.
//
// Invariants:
//
//   - A sequence number is sent for one write only, which it stays with for all
//     its attempts.
//   - acked never passes a write whose outcome somebody may still ask for.
//   - next - acked ≤ sessionWindow: no more outcomes than a server remembers of one
//     session. A session that is full (one write is stuck, while thousands after
//     it are done) is left to its writes, and the next ones begin another.
//
// All under the mu of conn, which every write takes anyway.
type session struct {
	id    wire.SessionID
	conn  *conn // whose mu guards what follows
	born  time.Time
	timer *time.Timer // ends its use for new writes
	next  uint64      // the last number given away
	acked uint64
	done  [sessionWindow / 64]uint64 // bit n mod sessionWindow: n > acked is settled
}

const (
	sessionWindow = 4096
	// sessionUse is for how long new writes join a session, and sessionRetry until
	// when, counted from its birth, writes are repeated. Both lie well within what the
	// server promises (10 minutes), as its clock is another one.
	sessionUse   = 150 * time.Second
	sessionRetry = 5 * time.Minute
)

// enlist gives a write that has none yet its place in the connection's session, and
// every other request nothing. Needs mu.
func (cn *conn) enlist(cl *call) {
	if !cn.sessions || cl.session != nil || cl.plain || !cl.enlists() {
		return
	}
	s := cn.session
	if s == nil || s.next-s.acked >= sessionWindow {
		s = cn.newSession()
	}
	s.next++
	cl.session = s
	cl.req.Flags |= wire.FlagSession
	cl.req.Session, cl.req.Sequence, cl.req.Acknowledged = s.id, s.next, s.acked
}

// enlistLarge does so before a large request is encoded outside the lock.
func (cn *conn) enlistLarge(cl *call) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.err == nil {
		cn.enlist(cl)
	}
}

// newSession begins another session. Needs mu.
func (cn *conn) newSession() *session {
	if cn.session != nil {
		cn.session.timer.Stop()
	}
	s := &session{conn: cn, born: time.Now()}
	ms := cn.timeMs + uint64(s.born.Sub(cn.born)/time.Millisecond)
	if cn.timeMs == 0 {
		ms = uint64(s.born.UnixMilli())
	}
	binary.BigEndian.PutUint64(s.id[:], ms)
	binary.LittleEndian.PutUint64(s.id[8:], rand.Uint64())
	s.timer = time.AfterFunc(sessionUse, func() { cn.dropSession(s) })
	cn.session = s
	return s
}

// dropSession lets no further writes join the session.
func (cn *conn) dropSession(s *session) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.session == s {
		s.timer.Stop()
		cn.session = nil
	}
}

// settle notes that nobody will ask for the outcome of a write again. Needs conn's mu.
func (s *session) settle(sequence uint64) {
	if sequence != s.acked+1 {
		s.done[sequence/64%uint64(len(s.done))] |= 1 << (sequence % 64)
		return
	}
	s.acked++
	for {
		at := s.acked + 1
		word := &s.done[at/64%uint64(len(s.done))]
		run := uint64(bits.TrailingZeros64(^(*word >> (at % 64)))) // settled ones from here on
		if run == 0 {
			return
		}
		*word &^= (1<<run - 1) << (at % 64)
		s.acked += run
	}
}

// copyOf is a request that was sent and whose reply nobody waits for.
type copyOf struct {
	conn *conn
	slot uint32
	turn uint16
}

// debt is a write whose caller has left while it was under way: it is settled when
// the last of its copies is answered or lost.
type debt struct {
	session  *session
	sequence uint64
	copies   atomic.Int32
}

// pay notes the end of one copy. Needs no lock.
func (d *debt) pay() {
	if d.copies.Add(-1) == 0 {
		d.session.conn.mu.Lock()
		d.session.settle(d.sequence)
		d.session.conn.mu.Unlock()
	}
}

// conclude ends a write's part in its session, when its caller has the outcome or
// leaves without.
func (cl *call) conclude() {
	d := &debt{session: cl.session, sequence: cl.req.Sequence}
	cl.session = nil
	d.copies.Store(1)
	if !cl.decided() {
		for _, cp := range cl.copies {
			cp.conn.owe(cp, d)
		}
	}
	d.pay()
}

// owe ties the debt to a copy, if that is still under way.
func (cn *conn) owe(cp copyOf, d *debt) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if s := &cn.slots[cp.slot]; cn.err == nil && s.taken && s.turn == cp.turn {
		d.copies.Add(1)
		s.left = d
	}
}

// enlists reports whether the call is a write that may be part of a session.
func (cl *call) enlists() bool {
	op := cl.req.Op
	return cl.req.Flags&wire.FlagSession == 0 && !cl.early() && (op >= 32 && op < 64 || op == wire.OpCommand && cl.req.OpFlags&wire.CommandReads == 0)
}

// early reports whether the call is a put that the leader's word is enough for. What
// may be lost after it was acknowledged has no need to count exactly once, and without a
// session the leader can answer at once.
func (cl *call) early() bool {
	return cl.req.Flags&wire.FlagDurability != 0 && cl.req.Acks == wire.AcksLeader && cl.req.Op == wire.OpPut &&
		cl.req.OpFlags&^(wire.WriteTTL|wire.WriteExpireAt|wire.WriteKeepTTL) == 0
}

// isVerdict reports whether a status tells what the execution of a write brought, as
// opposed to why it was not executed.
func isVerdict(s wire.Status) bool {
	return s < wire.InvalidArgument || s == wire.WrongType || s == wire.NotInteger || s == wire.Overflow
}

// decided reports whether the write's outcome is known.
func (cl *call) decided() bool { return cl.outcome == replied && isVerdict(cl.status) }
