package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// client does one operation at a time, and repeats what got no answer or one that permits it.
type client struct {
	s     *Sim
	place int
	rng   *rand.Rand

	leaders  map[uint32]int    // whom it takes for the leader, by group
	seen     map[uint32]uint64 // session tokens, by group
	conns    map[int]*conn     // by node
	refusing map[int]int64     // until when it passes over a node that refused its connection, by node
	values   int
	shown    map[string]uint64 // versions that it was shown, by key, for compare-and-put
	own      own

	op      *operation // nil: none is under way
	ids     uint64
	proven  map[int]bool // groups in which a write has succeeded since the faults have ended
	groups  map[int]bool // of the keys it has used
	fates   map[int]sent // its writes, by their places in the history
	reading []string     // keys left to be read at the end
	ends    bool
}

// conn is a client's connection to a node as far as it matters here: the session of the writes that begin on it, and
// what its greeting told of the server's clock.
type conn struct {
	timeMs int64 // the server's clock, in unix ms, when it was
	at     int64 // told; 0: not told yet
	id     [16]byte
	born   int64
	next   uint64 // the last number given away; 0: there is no session
	acked  uint64
}

// operation is what is under way.
type operation struct {
	req      *request
	call     history.Call
	deadline int64
	to       int
	pause    int64
	doubt    bool // an attempt may have been executed without an answer
	doubts   int
	hops     int
	renewed  int
	plain    bool  // it is to have no session
	conn     *conn // whose session it has
	place    int   // in the history; -1: it is not in it
	got      reply // the last
}

const (
	callPatience    = 4000 * milli
	attemptShortest = 300 * milli
	attemptSpread   = 2000 * milli
	pauseFirst      = 1 * milli
	pauseLast       = 100 * milli
	reconnectAfter  = 500 * milli
	maxDoubts       = 3
	maxRenewals     = 2
	sessionUse      = 5000 * milli
)

func newClient(s *Sim, i int) *client {
	return &client{
		s: s, place: firstClient + i, rng: s.cfg.stream(streamClients + uint64(i)),
		leaders: make(map[uint32]int), seen: make(map[uint32]uint64), groups: make(map[int]bool), fates: make(map[int]sent), conns: make(map[int]*conn),
		shown: make(map[string]uint64), refusing: make(map[int]int64),
	}
}

func (c *client) begin() { c.s.after(int64(c.rng.IntN(int(50*milli))), c.next) }

func (c *client) idle() bool { return c.op == nil && (c.ends || len(c.reading) == 0) }

// next begins another operation.
func (c *client) next() {
	if c.op != nil || c.s.over && len(c.reading) == 0 {
		c.ends = true
		return
	}
	var op history.Op
	var extra *extra
	switch {
	case c.s.over:
		op = history.Op{Kind: history.Get, Key: c.reading[0]}
	case c.place-firstClient <= c.s.cfg.Readers:
		op = history.Op{Kind: history.Get, Key: fmt.Sprintf("register-%d", c.rng.IntN(c.s.cfg.Keys)), Level: history.Lease}
	case c.rng.IntN(8) == 0:
		op, extra = c.chooseExtra()
	default:
		op = c.choose()
	}
	op.Client = c.place - firstClient
	group := c.s.groupOf(op.Key)
	c.ids++
	o := &operation{
		req:      &request{client: c.place, id: c.ids, group: group, op: op, token: c.seen[group], extra: extra},
		deadline: c.s.now + callPatience, pause: pauseFirst,
	}
	c.op = o
	c.s.tell(Event{Kind: "call", Node: c.place, Text: op.String()})
	c.groups[int(group)] = true
	if o.place = -1; extra == nil {
		o.place = c.s.rec.Len()
		o.call = c.s.rec.Begin(op)
	}
	c.attempt(o)
}

// enlist gives a write its place in the session of the connection that it goes over first.
func (c *client) enlist(o *operation, r *request) {
	cn := c.conns[o.to]
	if cn == nil {
		cn = &conn{}
		c.conns[o.to] = cn
	}
	if cn.next == 0 || c.s.now-cn.born > sessionUse {
		cn.born, cn.next, cn.acked = c.s.now, 0, 0
		ms := epochMs + c.s.now/milli
		if cn.at != 0 {
			ms = cn.timeMs + (c.s.now-cn.at)/milli
		}
		binary.BigEndian.PutUint64(cn.id[:], uint64(ms))
		binary.LittleEndian.PutUint64(cn.id[8:], c.rng.Uint64())
	}
	cn.next++
	r.session = command.Session{ID: cn.id, Seq: cn.next, Acked: cn.acked}
	o.conn = cn
	if fate := c.s.witness.expects(r.session, r.op.Kind); o.place >= 0 {
		c.fates[o.place] = fate
	}
}

// choose draws an operation.
func (c *client) choose() history.Op {
	if c.rng.IntN(3) == 0 {
		key := fmt.Sprintf("counter-%d", c.rng.IntN((c.s.cfg.Keys+1)/2))
		if c.rng.IntN(3) > 0 {
			return history.Op{Kind: history.Increment, Key: key, Delta: 1}
		}
		return c.read(key)
	}
	key := fmt.Sprintf("register-%d", c.rng.IntN(c.s.cfg.Keys))
	switch c.rng.IntN(10) {
	case 0, 1, 2, 3:
		c.values++
		return history.Op{Kind: history.Put, Key: key, Value: fmt.Sprintf("%d-%d", c.place-firstClient, c.values)}
	case 4:
		return history.Op{Kind: history.Delete, Key: key}
	case 5, 6:
		c.values++
		return history.Op{Kind: history.CompareAndPut, Key: key, Expect: c.shown[key], Value: fmt.Sprintf("%d-%d", c.place-firstClient, c.values)}
	}
	return c.read(key)
}

// learn remembers the version that an outcome shows.
func (c *client) learn(op history.Op, r history.Reply) {
	switch {
	case r.Outcome != history.OK:
	case op.Kind == history.Delete, op.Kind == history.Get && !r.Found:
		c.shown[op.Key] = 0
	default:
		c.shown[op.Key] = r.Version
	}
}

func (c *client) read(key string) history.Op {
	op := history.Op{Kind: history.Get, Key: key}
	switch c.rng.IntN(8) {
	case 0, 1:
		op.Level = history.Lease
	case 2:
		op.Level = history.Session
	case 3:
		op.Level, op.MaxAge = history.Bounded, time.Duration(c.rng.IntN(1000))*time.Millisecond
	case 4:
		op.Level = history.Local
	}
	return op
}

// attempt sends the request once.
func (c *client) attempt(o *operation) {
	if c.op != o {
		return
	}
	if c.s.now >= o.deadline {
		c.finish(o, history.Reply{Outcome: history.Unknown, Error: "time is up"})
		return
	}
	o.to = c.target(o)
	// Every attempt has a number of its own: a late reply to an earlier one is recognised.
	c.ids++
	r := *o.req
	r.id = c.ids
	if r.op.Kind.Writes() && r.session.Seq == 0 {
		delete(c.fates, o.place) // that of a session that has expired says nothing about this attempt
		if !o.plain {
			c.enlist(o, &r)
		}
	}
	o.req = &r
	n := c.s.nodes[o.to-1]
	c.s.net.send("try", c.place, o.to, 64+len(r.op.Value), func() {
		switch {
		case n.proc != nil && n.host != nil:
			n.later(int64(n.s.lifeRand.IntN(40)), func() { n.serve(&r) })
		case !n.dark:
			c.s.net.send("reset", n.index, c.place, 40, func() { c.refused(o, &r) })
		}
	})
	c.s.after(attemptShortest+int64(c.rng.IntN(int(attemptSpread))), func() {
		if c.op == o && o.req.id == r.id {
			o.doubt = true
			c.leaders[r.group] = 0
			delete(c.conns, o.to) // it is silent: another one, with another session
			if r.op.Kind.Writes() && r.session.Seq == 0 {
				c.finish(o, history.Reply{Outcome: history.Unknown, Error: "no answer, and no session"})
				return
			}
			c.again(o, 0)
		}
	})
}

// refused takes the news that nobody listens where the request went to: the machine runs, the server does not. Nothing
// was executed by this attempt.
func (c *client) refused(o *operation, r *request) {
	if c.op != o || o.req.id != r.id {
		return
	}
	delete(c.conns, o.to)
	c.leaders[r.group] = 0
	c.refusing[o.to] = c.s.now + reconnectAfter
	wait := o.pause
	o.pause = min(2*o.pause, pauseLast)
	c.again(o, wait)
}

// target is whom to ask.
func (c *client) target(o *operation) int {
	level := o.req.op.Level
	relaxed := level == history.Session || level == history.Bounded || level == history.Local
	// Now and then it asks anybody, as one with another map of the cluster would.
	if anybody := c.rng.IntN(16) == 0; !anybody && (!relaxed || o.hops > 0) {
		if to := c.leaders[o.req.group]; to != 0 {
			return to
		}
	}
	known := c.s.known()
	listening := slices.DeleteFunc(slices.Clone(known), func(n *node) bool { return c.refusing[n.index] > c.s.now })
	if len(listening) > 0 {
		known = listening
	}
	return known[c.rng.IntN(len(known))].index
}

// again attempts once more, after a pause.
func (c *client) again(o *operation, wait int64) {
	if wait > 0 {
		wait = wait/2 + int64(c.rng.IntN(int(wait)))
	}
	id := o.req.id
	c.s.after(wait, func() {
		if o.req.id == id {
			c.attempt(o)
		}
	})
}

// replied takes a reply that has arrived.
func (c *client) replied(a reply) {
	o := c.op
	if o == nil || o.req.id != a.id {
		return // to an attempt that was given up
	}
	o.req = &request{client: o.req.client, group: o.req.group, op: o.req.op, session: o.req.session, token: o.req.token, extra: o.req.extra}
	group := o.req.group
	if cn := c.conns[o.to]; cn != nil && cn.at == 0 {
		cn.timeMs, cn.at = a.nowMs, c.s.now // as its greeting would have told
	}
	switch a.status {
	case wire.NotLeader:
		c.leaders[group] = a.leader
		o.hops++
		if o.hops == 1 {
			c.again(o, 0)
			return
		}
	case wire.UnknownOutcome:
		o.doubt = true
		o.doubts++
		if o.doubts > maxDoubts || o.req.op.Kind.Writes() && o.req.session.Seq == 0 {
			c.finish(o, history.Reply{Outcome: history.Unknown, Error: "unknown outcome"})
			return
		}
	case wire.SessionExpired:
		if o.doubt {
			c.finish(o, history.Reply{Outcome: history.Unknown, Error: "session expired"})
			return
		}
		o.renewed++
		o.plain = o.renewed > maxRenewals
		r := *o.req
		r.session, o.conn = command.Session{}, nil
		o.req = &r
		delete(c.conns, o.to)
		c.conns[o.to] = &conn{timeMs: a.nowMs, at: c.s.now}
		c.again(o, 0)
		return
	case wire.Unavailable, wire.Busy, wire.ShuttingDown:
		c.leaders[group] = 0
		o.hops++
	default:
		c.leaders[group] = cmpOr(o.req.op.Kind.Writes(), o.to, c.leaders[group])
		c.seen[group] = max(c.seen[group], a.index)
		o.got = a
		c.finish(o, a.result)
		return
	}
	wait := o.pause
	o.pause = min(2*o.pause, pauseLast)
	c.again(o, wait)
}

func cmpOr(yes bool, a, b int) int {
	if yes {
		return a
	}
	return b
}

// finish ends the operation.
func (c *client) finish(o *operation, r history.Reply) {
	if r.Outcome == history.Unknown && !o.req.op.Kind.Writes() || r.Outcome == history.Unknown && !o.doubt {
		r.Outcome = history.Failed
	}
	c.s.tell(Event{Kind: "reply", Node: c.place, Text: o.asked(r).String()})
	if o.place >= 0 {
		o.call.End(r)
	} else if !c.s.over || r.Outcome == history.OK {
		o.req.extra.check(c, o, r.Outcome)
	}
	c.s.operated(o.req.op, o.req.extra, r.Outcome)
	c.learn(o.req.op, r)
	c.op = nil
	if o.conn != nil && o.req.session.ID == o.conn.id {
		o.conn.acked = o.req.session.Seq
	}
	if o.req.op.Kind.Writes() && r.Outcome == history.OK && c.s.calm && c.proven != nil {
		c.proven[int(o.req.group)] = true
	}
	if len(c.reading) > 0 && c.s.over {
		if r.Outcome == history.OK {
			c.reading = c.reading[1:]
		}
		c.s.after(0, c.next)
		return
	}
	c.s.after(1+int64(c.rng.IntN(int(30*milli))), c.next)
}

// readAll reads every key once, linearizably: what is there at the end.
func (c *client) readAll(keys []string) {
	c.reading = keys
	c.ends = false
	c.s.after(0, c.next)
}

// asked is the operation with its outcome, for the trace.
func (o *operation) asked(r history.Reply) history.Op {
	op := o.req.op
	op.Reply = r
	return op
}

// groupOf is the group of a key's partition.
func (s *Sim) groupOf(key string) uint32 {
	return uint32(ring.PartitionOf([]byte(key), s.cfg.Partitions) + 1)
}
