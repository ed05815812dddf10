package sim

import (
	"errors"
	"strconv"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/grant"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// request is what a client asks of a node. It lives on both sides: nothing in it changes.
type request struct {
	client  int // its place
	id      uint64
	group   uint32
	op      history.Op
	session command.Session
	token   uint64 // of session reads: the index that must be applied
	extra   *extra // what is asked, if it is nothing that histories know
}

// reply is the answer.
type reply struct {
	id     uint64
	status wire.Status
	leader int // NOT_LEADER: who leads, 0: unknown
	index  uint64
	nowMs  int64 // the node's clock
	result history.Reply
	extraReply
}

// answer sends a client its reply.
func (n *node) answer(r *request, a reply) {
	a.id, a.nowMs = r.id, n.clockMs()
	c := n.s.clients[r.client-firstClient-1]
	n.s.net.send("send", n.index, r.client, 64, func() { c.replied(a) })
}

// refuse answers with the status of an error, as package server does.
func (n *node) refuseRequest(r *request, err error) {
	a := reply{status: wire.Unavailable}
	switch {
	case errors.Is(err, replica.ErrUnknown):
		a.status = wire.UnknownOutcome
	case errors.Is(err, wal.ErrBusy), errors.Is(err, wal.ErrNoSpace): // the client knows no other way to try again
		a.status = wire.Busy
	case n.leaders[r.group] != 0 && n.leaders[r.group] != n.index:
		a.status, a.leader = wire.NotLeader, n.leaders[r.group]
	}
	n.answer(r, a)
}

// serve begins to carry out a request.
func (n *node) serve(r *request) {
	p := n.part(r.group)
	if r.op.Kind.Writes() {
		if !p.view.Leads() && !p.view.HandsOver() {
			n.refuseRequest(r, replica.ErrNotLeader)
			return
		}
		if err := n.spaceFor(p); err != nil {
			n.refuseRequest(r, err)
			return
		}
		n.propose(driver.Proposal{Group: p.id, Entry: entryOf(r, n.clockMs()), Waiter: &writeWaiter{n: n, r: r, life: n.lives}})
		return
	}
	n.answerRead(p, r)
}

// entryOf encodes a write for the log.
func entryOf(r *request, now int64) []byte {
	var e []byte
	if r.session.Seq != 0 {
		e = command.BeginSession(nil, r.session)
	} else {
		e = command.Begin(nil)
	}
	key := []byte(r.op.Key)
	if r.extra != nil {
		e = r.extra.entry(e, now)
		command.SetStamp(e, now)
		return e
	}
	switch r.op.Kind {
	case history.Put:
		e = command.AppendPut(e, key, []byte(r.op.Value), command.PutOp{})
	case history.Delete:
		e = command.AppendDelete(e, key, command.DeleteOp{})
	case history.Increment:
		e = command.AppendIncr(e, key, r.op.Delta, command.IncrOp{})
	case history.CompareAndPut:
		e = command.AppendPut(e, key, []byte(r.op.Value), command.PutOp{Flags: command.IfVersion, IfVersion: r.op.Expect})
	}
	command.SetStamp(e, now)
	return e
}

// writeWaiter is told of a write.
type writeWaiter struct {
	n    *node
	r    *request
	life int
	a    reply
}

func (w *writeWaiter) Result(_ int, r *command.Result) {
	w.a.status = r.Status
	w.a.result = resultOf(w.r.op.Kind, r)
	w.a.expireAt = r.ExpireAt
}

// resultOf is a result as histories have it.
func resultOf(kind history.Kind, r *command.Result) history.Reply {
	out := history.Reply{Outcome: history.OK, Version: r.Version}
	switch {
	case r.Status == wire.SessionExpired:
		return history.Reply{Outcome: history.Unknown, Error: "session expired"}
	case kind == history.Increment:
		out.Sum = r.Int
		if r.Status != wire.OK {
			out.Outcome, out.Error = history.Failed, r.Status.String()
		}
	case kind == history.Delete:
		out.Found = r.Status == wire.OK && r.Int > 0
		if !out.Found {
			out.Version = 0
		}
	case kind == history.CompareAndPut:
		out.Found = r.Status == wire.OK
	}
	return out
}

func (w *writeWaiter) Done() {
	w.a.index = w.n.part(w.r.group).view.Applied()
	w.n.answer(w.r, w.a)
}

func (w *writeWaiter) Failed(err error) { w.n.refuseRequest(w.r, err) }

// levelOf is a level of histories as nodes know it.
func levelOf(l history.Level) wire.Consistency {
	switch l {
	case history.Lease:
		return wire.Lease
	case history.Session:
		return wire.SessionReads
	case history.Bounded:
		return wire.Bounded
	case history.Local:
		return wire.Local
	}
	return wire.Linearizable
}

// answerRead answers a read as its level promises.
func (n *node) answerRead(p *partition, r *request) {
	arg := r.token
	if r.op.Level == history.Bounded {
		arg = uint64(r.op.MaxAge.Milliseconds())
	}
	switch answer, g := p.view.Begin(levelOf(r.op.Level), arg); answer {
	case grant.Now:
		n.show(p, r, g)
	case grant.Wait:
		n.read(driver.Read{Group: p.id, At: g.Mark, Lease: g.Lease, Waiter: &readWaiter{n, p, r}})
	default:
		n.refuseRequest(r, replica.ErrNotLeader)
	}
}

// show looks, and answers with what is there if the grant holds until then. Before and behind the look, the goroutine that
// reads may stand still.
func (n *node) show(p *partition, r *request, g grant.Grant) {
	n.later(n.readerPause(), func() {
		a := n.look(p, r)
		n.later(n.readerPause(), func() {
			if p.view.End(g) != grant.Now {
				n.refuseRequest(r, replica.ErrNotLeader)
				return
			}
			n.answer(r, a)
		})
	})
}

// transfer hands a group to another replica.
func (n *node) transfer(group uint32, to uint64) {
	n.part(group).view.Handed(n.nowMs() + electionTicks*tickMs)
	n.host.Transfer(group, to)
}

// readerPause is how long a reader stands still while the others of the process go on.
func (n *node) readerPause() int64 {
	if n.s.lifeRand.IntN(64) == 0 {
		return int64(n.s.lifeRand.IntN(int(1500 * milli)))
	}
	return int64(n.s.lifeRand.IntN(30))
}

// readWaiter is told when a read may be executed. It is when its session's turn comes; as package server does, it asks for
// leave to look at what there is then, which is at least what it waited for.
type readWaiter struct {
	n *node
	p *partition
	r *request
}

func (w *readWaiter) Done() {
	w.n.later(w.n.readerPause(), func() {
		answer, g := w.p.view.Begin(wire.Local, 0)
		if answer != grant.Now {
			w.Failed(replica.ErrNotLeader)
			return
		}
		w.n.show(w.p, w.r, g)
	})
}

func (w *readWaiter) Failed(err error) { w.n.refuseRequest(w.r, err) }

// look reads the table.
func (n *node) look(p *partition, r *request) reply {
	a := reply{status: wire.NotFound, index: p.view.Applied(), result: history.Reply{Outcome: history.OK, Node: strconv.Itoa(n.index)}}
	if r.extra != nil && r.extra.look != nil {
		r.extra.look(n, p, &a)
		return a
	}
	key := []byte(r.op.Key)
	h := p.table.Hash(key)
	s := p.table.Stripe(h)
	s.Lock()
	defer s.Unlock()
	var e store.Entry
	if s.Find(h, key, &e) && !command.Expired(e.ExpireAt, n.clockMs()) {
		a.status = wire.OK
		a.result.Found, a.result.Got, a.result.Version = true, string(e.Value), e.Version
		a.expireAt = e.ExpireAt
	}
	return a
}
