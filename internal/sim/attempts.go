package sim

import (
	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// What package client does to carry a request out, in steps: an attempt, what it has come to, another one. What follows from what
// is package attempt's to say.

// operation is what is under way.
type operation struct {
	req   *request
	call  history.Call
	place int // in the history; -1: it is not in it
	began int64

	try    attempt.State
	step   uint64        // counts what has happened to it: tells an event that was meant for an earlier step
	turn   uint32        // counts choices among replicas
	poll   attempt.Pause // between looks for a connection
	waits  bool          // for a connection
	flies  bool          // an attempt is under way
	via    *conn         // the last connection taken
	ticket *ticket       // of a write; nil: it has no session
	plain  bool          // it is to have none
	got    reply         // the last
}

// ticket is a write's place in a session. It is settled when nobody can ask for the write's outcome any more.
type ticket struct {
	session *attempt.Session
	conn    *conn // on which the session began
	number  uint64
	copies  int  // sent and not answered
	left    bool // by the operation, without its outcome
}

// pay settles what was left when its last copy is answered or lost.
func (t *ticket) pay() {
	if t.left && t.copies == 0 {
		t.left = false
		t.session.Settle(t.number)
	}
}

// How long an attempt may take at least, and how much longer by chance, before its connection breaks or is taken for a silent one.
const (
	attemptShortest = 300 * milli
	attemptSpread   = 2000 * milli
)

// request is what the rules have to know of the operation.
func (o *operation) request() attempt.Request {
	return attempt.Request{Writes: o.req.op.Kind.Writes(), Numbered: o.ticket != nil, Own: o.ticket != nil}
}

// relaxed reports whether it is a read that need not come from the leader.
func (o *operation) relaxed() bool {
	l := o.req.op.Level
	return (l == history.Session || l == history.Bounded || l == history.Local) && !o.try.AtLeader
}

// begins has the operation carried out.
func (c *client) begins(o *operation) {
	c.op = o
	c.s.after(callPatience, func() {
		if c.op == o {
			if o.try.Outcome = attempt.TimedOut; o.flies {
				o.try.Outcome = attempt.TimedOutSent
			}
			c.fails(o, "time is up")
		}
	})
	c.attempt(o)
}

// attempt sends the operation once, as soon as there is a connection for it.
func (c *client) attempt(o *operation) {
	o.step++
	p := c.target(o)
	if o.waits = p.conn == nil; o.waits {
		c.connect(p)
		c.refreshSoon() // somebody else may lead by now
		c.later(o, inMicros(o.poll.Take(attempt.ElectPauses(), c.rng.Uint64())))
		return
	}
	var session *attempt.Session
	if o.ticket != nil {
		session = o.ticket.session
	}
	switch o.try.Resend(o.request(), session, true, ages(), c.time()) {
	case attempt.Refused:
		c.fails(o, "its session is too old for another attempt")
		return
	case attempt.Renumber:
		c.conclude(o)
	}
	c.submit(o, p.conn)
}

// changed lets an operation that waits for a connection look again.
func (c *client) changed() {
	if o := c.op; o != nil && o.waits {
		o.waits = false
		o.step++
		c.later(o, 0)
	}
}

// later attempts once more, unless something else has happened by then.
func (c *client) later(o *operation, us int64) {
	step := o.step
	c.s.after(us, func() {
		if c.op == o && o.step == step {
			c.attempt(o)
		}
	})
}

// target is whom to ask.
func (c *client) target(o *operation) *peer {
	// Now and then it asks anybody, as one with another map of the cluster would.
	if c.rng.IntN(16) != 0 {
		if p := c.parts[o.req.group-1].Pick(o.relaxed(), &o.turn, c.rng.Uint64, (*peer).health); p != nil {
			return p
		}
	}
	return attempt.Any(c.nodes, c.rng.Uint64(), (*peer).health)
}

// submit sends the operation over a connection.
func (c *client) submit(o *operation, cn *conn) {
	c.ids++ // each attempt has a number of its own: a late reply to an earlier one is recognised
	r := *o.req
	r.id, r.token = c.ids, c.seen[r.group]
	if r.op.Kind.Writes() && o.ticket == nil {
		delete(c.fates, o.place) // that of a session that has expired says nothing about this attempt
		if r.session = (command.Session{}); !o.plain {
			c.enlist(o, cn, &r)
		}
	}
	o.req, o.via, o.flies = &r, cn, true
	if o.ticket != nil {
		o.ticket.copies++
	}
	c.sent = append(c.sent, sending{r.id, cn, o, o.ticket})
	n := c.s.nodes[cn.peer.place-1]
	c.s.net.send("try", c.place, n.index, 64+len(r.op.Value), func() {
		switch {
		case n.proc != nil && n.host != nil && n.lives == cn.life:
			n.later(int64(n.s.lifeRand.IntN(40)), func() { n.serve(&r) })
		case !n.dark: // the machine runs, and knows of no such connection any more
			c.s.net.send("reset", n.index, c.place, 40, func() { c.lose(cn) })
		}
	})
	c.s.after(attemptShortest+int64(c.rng.IntN(int(attemptSpread))), func() { c.misses(r.id) })
}

// enlist gives a write its place in the session of the connection that it goes over first.
func (c *client) enlist(o *operation, cn *conn, r *request) {
	if cn.session == nil || cn.session.Full() || !cn.session.Joins(ages(), c.time()) {
		cn.session = new(attempt.Session)
		cn.session.Begin(cn.clock, c.time(), c.rng.Uint64())
	}
	number, acked := cn.session.Number()
	o.ticket = &ticket{session: cn.session, conn: cn, number: number}
	r.session = command.Session{ID: cn.session.ID, Seq: number, Acked: acked}
	if fate := c.s.witness.expects(r.session, r.op.Kind); o.place >= 0 {
		c.fates[o.place] = fate
	}
}

// conclude ends the operation's part in its session.
func (c *client) conclude(o *operation) {
	t := o.ticket
	if t == nil {
		return
	}
	o.ticket = nil
	if o.try.Decided() {
		t.session.Settle(t.number)
		return
	}
	t.left = true
	t.pay()
}

// misses is for a request whose reply has not come for a while. The node is silent: the client goes elsewhere if
// another one serves by now; or the connection breaks, or it takes some more time.
func (c *client) misses(id uint64) {
	at := c.find(id)
	if at < 0 {
		return
	}
	s := c.sent[at]
	if !c.awaits(s) {
		c.lose(s.conn)
		return
	}
	o := s.op
	s.conn.peer.silent = true
	c.refreshSoon()
	more := attemptShortest + int64(c.rng.IntN(int(attemptSpread)))
	switch breaks := c.rng.IntN(2) == 0; {
	case o.request().Repeatable() && c.parts[o.req.group-1].Elsewhere(o.relaxed(), s.conn.peer, (*peer).health):
		c.s.after(more, func() { c.misses(id) })
		o.try.Outcome = attempt.Stalled
		c.ended(o)
	case breaks:
		c.lose(s.conn)
	default:
		c.s.after(more, func() { c.misses(id) })
	}
}

// replied takes a reply that has arrived.
func (c *client) replied(a reply) {
	at := c.find(a.id)
	if at < 0 {
		return // its connection is gone
	}
	awaited := c.awaits(c.sent[at])
	s := c.answered(at)
	s.conn.useful, s.conn.peer.silent = true, false
	c.seen[s.op.req.group] = max(c.seen[s.op.req.group], a.index)
	if !awaited {
		return // to an attempt that was given up
	}
	o := s.op
	o.try.Outcome, o.try.Status, o.got = attempt.Replied, a.status, a
	c.ended(o)
}

// ended is for an attempt that has come to something.
func (c *client) ended(o *operation) {
	o.flies = false
	o.step++
	switch {
	case o.try.Decided():
		c.finish(o, o.got.result)
		return
	case !o.try.Retriable(o.request(), true):
		c.fails(o, "no further attempt may be made")
		return
	}
	elsewhere := o.try.Outcome == attempt.Replied && o.try.Status == wire.NotLeader && c.redirect(o)
	lesson := o.try.Learn(elsewhere, 0, c.rng.Uint64())
	if lesson.Refresh {
		c.refreshSoon()
	}
	if lesson.Renew != attempt.Keep {
		c.renew(o, lesson.Renew == attempt.Plain)
	}
	if !lesson.Again {
		c.fails(o, "unknown outcome")
		return
	}
	o.poll.Reset()
	c.later(o, inMicros(lesson.Wait))
}

// renew gives a write another session, or none, because its own was refused.
func (c *client) renew(o *operation, plain bool) {
	t := o.ticket
	c.conclude(o)
	o.plain = plain
	if t.conn.session == t.session {
		t.conn.session = nil
	}
	if t.conn.clock.Doubted(t.session, ages(), c.time()) {
		c.lose(t.conn)
	}
}

// fails ends an operation without an answer that decides.
func (c *client) fails(o *operation, why string) {
	r := history.Reply{Outcome: history.Failed, Error: why}
	if o.try.Unknown(o.request()) {
		r.Outcome = history.Unknown
	}
	c.finish(o, r)
}
