package sim

import (
	"fmt"
	"strconv"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/history"
)

// extra is an operation that histories have no model of: entries that expire, batches, scans. Each client has keys of
// its own for them, so that what it must be shown follows from what it did.
type extra struct {
	name  string                                             // for figures
	entry func(e []byte, now int64) []byte                   // of a write: the ops, behind the header
	look  func(n *node, p *partition, a *reply)              // of a read; nil: the key's entry
	check func(c *client, o *operation, how history.Outcome) // when it is over
}

// extraReply is what such an operation brings beside what others do.
type extraReply struct {
	expireAt int64
	page     page
	pair     [2]string
}

// own is what a client knows of its own keys.
type own struct {
	ttlVersion uint64 // of the entry that expires; 0: not known
	expireAt   int64
	batch      int   // the newest batch that was asked for
	batched    int   // and that was acknowledged
	walk       *walk // that is under way
}

// chooseExtra draws one of them.
func (c *client) chooseExtra() (history.Op, *extra) {
	if c.own.walk != nil && c.rng.IntN(2) == 0 {
		return c.scan()
	}
	switch c.rng.IntN(6) {
	case 0:
		return c.putExpiring()
	case 1:
		return c.getExpiring()
	case 2:
		return c.putBatch()
	case 3:
		return c.getBatch()
	case 4:
		return c.putStaying()
	}
	return c.scan()
}

func (c *client) key(name string) string { return fmt.Sprintf("%s-of-%d", name, c.place-firstClient) }

// putExpiring puts an entry that lives between a moment and some seconds.
func (c *client) putExpiring() (history.Op, *extra) {
	op := history.Op{Kind: history.Put, Key: c.key("expiring")}
	ttl := int64(1 + c.rng.IntN(4000))
	c.own.ttlVersion = 0
	return op, &extra{
		name: "put expiring",
		entry: func(e []byte, now int64) []byte {
			return command.AppendPut(e, []byte(op.Key), []byte("v"), command.PutOp{ExpireAt: now + ttl})
		},
		check: func(c *client, o *operation, how history.Outcome) {
			if how == history.OK {
				c.own.ttlVersion, c.own.expireAt = o.got.result.Version, o.got.expireAt
			}
		},
	}
}

// getExpiring: an entry is there until some clock has reached its expiry, and not any more once the log's time has.
func (c *client) getExpiring() (history.Op, *extra) {
	op := history.Op{Kind: history.Get, Key: c.key("expiring")}
	group := c.s.groupOf(op.Key)
	floor := c.s.witness.stamps[group]
	return op, &extra{name: "get expiring", check: func(c *client, o *operation, how history.Outcome) {
		w := c.s.witness
		if how != history.OK || c.own.ttlVersion == 0 {
			return
		}
		r := o.got.result
		switch {
		case r.Found && r.Version != c.own.ttlVersion:
			c.s.fail("client %d put version %d of %s and reads version %d", op.Client, c.own.ttlVersion, op.Key, r.Version)
		case r.Found && o.got.expireAt <= floor:
			c.s.fail("client %d is shown %s, which expired at %d, when the log's time was %d before it asked", op.Client, op.Key, o.got.expireAt, floor)
		case !r.Found && c.own.expireAt > w.clock:
			c.s.fail("client %d misses %s, which expires at %d: no clock has reached that, the latest is at %d", op.Client, op.Key, c.own.expireAt, w.clock)
		}
	}}
}

// pairOf are two keys of one partition.
func (c *client) pairOf() (a, b string) {
	tag := fmt.Sprintf("{batch-%d}", c.place-firstClient)
	return tag + "a", tag + "b"
}

// putBatch puts two entries in one write.
func (c *client) putBatch() (history.Op, *extra) {
	a, b := c.pairOf()
	c.own.batch++
	value := strconv.Itoa(c.own.batch)
	return history.Op{Kind: history.Put, Key: a}, &extra{
		name: "put batch",
		entry: func(e []byte, _ int64) []byte {
			e = command.AppendPut(e, []byte(a), []byte(value), command.PutOp{})
			e = command.AppendPut(e, []byte(b), []byte(value), command.PutOp{})
			command.SetCount(e, 2)
			return e
		},
		check: func(c *client, _ *operation, how history.Outcome) {
			if how == history.OK {
				c.own.batched = c.own.batch
			}
		},
	}
}

// getBatch: both entries of a batch are there or none is, and what was acknowledged is.
func (c *client) getBatch() (history.Op, *extra) {
	a, b := c.pairOf()
	return history.Op{Kind: history.Get, Key: a}, &extra{
		name: "get batch",
		look: func(n *node, p *partition, reply *reply) {
			for i, key := range []string{a, b} {
				reply.pair[i] = p.value(key)
			}
		},
		check: func(c *client, o *operation, how history.Outcome) {
			pair := o.got.pair
			if how != history.OK || !c.s.witness.reaches(o) {
				return
			}
			m := c.s.witness.models[o.req.group]
			if one, other := m.at(a, o.got.index), m.at(b, o.got.index); one.value != pair[0] || other.value != pair[1] {
				c.s.fail("client %d reads %q and %q of a batch at index %d; by the log it is %+v and %+v", c.place-firstClient, pair[0], pair[1], o.got.index, one, other)
			}
			first, _ := strconv.Atoi(pair[0])
			if pair[0] != pair[1] || first < c.own.batched || first > c.own.batch {
				c.s.fail("client %d reads %q and %q of a batch; it was acknowledged number %d and has asked for %d",
					c.place-firstClient, pair[0], pair[1], c.own.batched, c.own.batch)
			}
		},
	}
}

// putStaying puts an entry that nobody removes.
func (c *client) putStaying() (history.Op, *extra) {
	op := history.Op{Kind: history.Put, Key: fmt.Sprintf("staying-%d-of-%d", c.rng.IntN(30), c.place-firstClient)}
	return op, &extra{
		name: "put staying",
		entry: func(e []byte, _ int64) []byte {
			return command.AppendPut(e, []byte(op.Key), []byte("stays"), command.PutOp{})
		},
		check: func(*client, *operation, history.Outcome) {},
	}
}
