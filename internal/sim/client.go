package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// client does one operation at a time, and repeats what got no answer or one that permits it.
type client struct {
	s     *Sim
	place int
	rng   *rand.Rand

	// Of the cluster; see peers.go.
	peers     []*peer                   // by place
	seeds     []*peer                   // whose addresses it was given
	nodes     []*peer                   // of the topology
	parts     []attempt.Partition[peer] // by group, from 1 on
	epoch     uint64                    // of the topology
	sent      []sending
	stale     bool // the topology is to be asked for
	asking    bool // that is under way, or was a moment ago
	asked     int64
	askPause  attempt.Pause
	questions int

	seen   map[uint32]uint64 // session tokens, by group
	values int
	shown  map[string]uint64 // versions that it was shown, by key, for compare-and-put
	own    own
	script func() (op history.Op, e *extra, more bool) // what it does instead of what it draws; nil: it draws

	op      *operation // nil: none is under way
	ids     uint64
	proven  map[int]bool // groups in which a write has succeeded since the faults have ended
	groups  map[int]bool // of the keys it has used
	fates   map[int]sent // its writes, by their places in the history
	reading []string     // keys left to be read at the end
	ends    bool
}

// callPatience is how long a caller waits.
const callPatience = 4000 * milli

func newClient(s *Sim, i int) *client {
	return &client{
		s: s, place: firstClient + i, rng: s.cfg.stream(streamClients + uint64(i)),
		seen: make(map[uint32]uint64), groups: make(map[int]bool), fates: make(map[int]sent), shown: make(map[string]uint64),
	}
}

func (c *client) begin() {
	c.open()
	c.s.after(int64(c.rng.IntN(int(50*milli))), c.next)
}

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
	case c.script != nil:
		var more bool
		if op, extra, more = c.script(); !more {
			c.ends = true
			return
		}
	case c.s.over:
		op = history.Op{Kind: history.Get, Key: c.reading[0]}
	case c.place-firstClient <= c.s.cfg.Readers:
		op = history.Op{Kind: history.Get, Key: fmt.Sprintf("register-%d", c.rng.IntN(c.s.cfg.Keys)), Level: history.Lease}
	case c.rng.IntN(8) == 0, c.own.walk != nil && c.rng.IntN(4) == 0:
		op, extra = c.chooseExtra()
	default:
		op = c.choose()
	}
	op.Client = c.place - firstClient
	group := c.s.groupOf(op.Key)
	o := &operation{req: &request{client: c.place, group: group, op: op, extra: extra}, began: c.s.now}
	c.s.tell(Event{Kind: "call", Node: c.place, Text: op.String()})
	c.groups[int(group)] = true
	if o.place = -1; extra == nil {
		o.place = c.s.rec.Len()
		o.call = c.s.rec.Begin(op)
	}
	c.begins(o)
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

// finish ends the operation.
func (c *client) finish(o *operation, r history.Reply) {
	c.s.tell(Event{Kind: "reply", Node: c.place, Text: o.asked(r).String()})
	if o.place >= 0 {
		o.call.End(r)
	} else if !c.s.over || r.Outcome == history.OK {
		o.req.extra.check(c, o, r.Outcome)
	}
	if r.Outcome == history.OK && !o.req.op.Kind.Writes() && (o.req.extra == nil || o.req.extra.look == nil) {
		c.s.witness.shows(o)
	}
	if o.req.op.Kind.Writes() && r.Outcome == history.OK {
		c.s.witness.acknowledges(o.req.group, o.got.index)
	}
	c.s.operated(o.req.op, o.req.extra, r.Outcome)
	c.learn(o.req.op, r)
	c.op = nil
	c.conclude(o)
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
