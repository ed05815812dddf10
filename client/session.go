package client

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// session is the numbering of the writes that start on one connection. All of it is
// guarded by the mu of that connection, which every write takes anyway.
type session struct {
	attempt.Session
	conn  *conn
	timer *time.Timer // ends its use for new writes
}

// enlist gives a write that has none yet its place in the connection's session, and
// every other request nothing. Needs mu.
func (cn *conn) enlist(cl *call) {
	if !cn.sessions || cl.session != nil || cl.plain || !cl.enlists() {
		return
	}
	s := cn.session
	if s == nil || s.Full() {
		s = cn.newSession()
	}
	cl.session = s
	cl.req.Flags |= wire.FlagSession
	cl.req.Session = s.ID
	cl.req.Sequence, cl.req.Acknowledged = s.Number()
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
	s := &session{conn: cn}
	s.Begin(cn.clock, time.Now(), rand.Uint64())
	s.timer = time.AfterFunc(attempt.DefaultAges().Use, func() { cn.dropSession(s) })
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
		d.session.Settle(d.sequence)
		d.session.conn.mu.Unlock()
	}
}

// conclude ends a write's part in its session, when its caller has the outcome or
// leaves without.
func (cl *call) conclude() {
	d := &debt{session: cl.session, sequence: cl.req.Sequence}
	cl.session = nil
	d.copies.Store(1)
	if !cl.try.Decided() {
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
