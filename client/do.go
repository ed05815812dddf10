package client

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// do carries the call out: on the fast path one attempt on a live connection.
// It returns nil, or an *Error.
func (c *Client) do(ctx context.Context, cl *call) error {
	deadline, ok := c.bound(ctx, cl)
	if !ok {
		return c.failure(cl, nil)
	}
	err := c.attempt(ctx, cl, deadline)
	if cl.session != nil {
		cl.conclude()
	}
	return err
}

// bound notes how long the call may take: the context's deadline, which it returns,
// or zero if there is none. ok is false when the time is up already.
func (c *Client) bound(ctx context.Context, cl *call) (deadline time.Time, ok bool) {
	if ctx.Done() == nil {
		c.sweeper.stamp(cl, false)
		return time.Time{}, true
	}
	if err := ctx.Err(); err != nil {
		cl.try.Outcome, cl.cause = attempt.Canceled, err
		return time.Time{}, false
	}
	deadline, ok = ctx.Deadline()
	c.sweeper.stamp(cl, ok)
	if ok && !cl.setDeadline(deadline) {
		cl.try.Outcome = attempt.TimedOut
		return deadline, false
	}
	return deadline, true
}

// setDeadline tells the server how much time is left; false if none is.
func (cl *call) setDeadline(deadline time.Time) bool {
	left := time.Until(deadline)
	if left <= 0 {
		return false
	}
	cl.req.Flags |= wire.FlagDeadline
	cl.req.DeadlineMs = uint32(min(left/time.Millisecond+1, 1<<31))
	return true
}

// attempt tries once and leaves the rest to retry if that may bring something.
func (c *Client) attempt(ctx context.Context, cl *call, deadline time.Time) error {
	return c.finish(ctx, cl, deadline, c.launch(cl))
}

// launch sends the call over the connection there is, and returns that, or nil if
// it could not be sent.
func (c *Client) launch(cl *call) *conn {
	n := c.route(cl)
	cl.node = n.address
	cn := n.linkOf(cl).conn.Load()
	if cn == nil || cl.pin != nil && cn != cl.pin || !c.send(cl, cn) {
		return nil
	}
	return cn
}

// send submits the call; false, with the outcome in the call, if that is not possible.
func (c *Client) send(cl *call, cn *conn) bool {
	cl.node, cl.via, cl.hint = cn.link.node.address, cn, nil
	if !cn.check(cl) {
		return false
	}
	if cl.req.Flags&wire.FlagConsistency != 0 && cl.req.Consistency == wire.SessionReads && !cl.raw {
		cl.req.ConsistencyArg = 0
		if seen := c.seen.Load(); seen != nil {
			cl.req.ConsistencyArg = seen.of(cl.partition)
		}
	}
	return cn.submit(cl)
}

// finish waits for a call that was launched over cn, and goes on if that did not
// bring an answer. cn may be nil: it was not launched.
func (c *Client) finish(ctx context.Context, cl *call, deadline time.Time, cn *conn) error {
	if cn != nil {
		cn.await(ctx, cl)
		if c.succeeded(cl) {
			return nil
		}
	}
	return c.goOn(ctx, cl, deadline)
}

// goOn follows a first attempt that was not possible or did not succeed.
func (c *Client) goOn(ctx context.Context, cl *call, deadline time.Time) error {
	if cl.fixed || cl.try.Outcome != attempt.Untried && !c.worthRetrying(cl) {
		return c.failure(cl, nil)
	}
	return c.retry(ctx, cl, deadline)
}

// succeeded looks at the outcome of an attempt that has ended.
func (c *Client) succeeded(cl *call) bool {
	if cl.try.Outcome != attempt.Replied {
		return false
	}
	if seen := c.seen.Load(); seen != nil {
		cl.witness(*seen)
	}
	if cl.try.Status != wire.OK {
		return false
	}
	if cl.receipt != nil {
		cl.fillReceipt()
	}
	return true
}

// witness notes in tokens what a reply shows, and of a batch for one partition the
// status that its items share when the partition was not served.
func (cl *call) witness(seen tokens) {
	if cl.fixed { // perhaps for many partitions
		return
	}
	index := cl.version
	if cl.extra && cl.reply.Flags&wire.ReplyIndex != 0 {
		index = max(index, cl.reply.Index)
	}
	if index != 0 {
		seen.saw(cl.partition, index)
	}
	if cl.try.Status == wire.OK && cl.partition >= 0 && (cl.req.Op == wire.OpWriteBatch || cl.req.Op == wire.OpGetBatch) {
		cl.try.Status = sharedRefusal(cl.dst)
	}
}

func (cl *call) fillReceipt() {
	*cl.receipt = Receipt{Node: cl.node, Version: cl.version}
	if !cl.extra {
		return
	}
	r := &cl.reply
	if r.Flags&wire.ReplyReceipt != 0 {
		cl.receipt.Term = r.Term
		cl.receipt.Consistency = Consistency(r.Consistency)
		cl.receipt.Acks, cl.receipt.Durability = Acks(r.Acks), Durability(r.Durability)
	}
	if r.Flags&wire.ReplyIndex != 0 {
		cl.receipt.Index = r.Index
	}
	if r.Flags&wire.ReplyTiming != 0 {
		cl.receipt.Queue, cl.receipt.Apply, cl.receipt.Sync =
			time.Duration(r.QueueNs), time.Duration(r.ApplyNs), time.Duration(r.SyncNs)
	}
}

// failure turns the call's outcome into an error. cause, if not nil, is what
// ended the retries.
func (c *Client) failure(cl *call, cause error) error {
	e := &Error{Cause: cl.cause}
	switch cl.try.Outcome {
	case attempt.Untried:
		e.Status = Status(wire.Unavailable)
	case attempt.Replied:
		e.Status, e.Message, e.RetryAfter = Status(cl.try.Status), cl.text, cl.retryAfter()
		if cl.try.Status == wire.VersionMismatch {
			e.Version = cl.version
		}
		e.Cause = cause
	case attempt.LostUnsent, attempt.LostSent, attempt.Stalled:
		e.Status = Status(wire.Unavailable)
		if c.isClosed() {
			e.Status = statusClosed
		}
	case attempt.TimedOut, attempt.TimedOutSent:
		e.Status, e.Cause = Status(wire.Timeout), context.DeadlineExceeded
	case attempt.Canceled, attempt.CanceledSent:
		e.Status = statusCanceled
		if errors.Is(cl.cause, context.DeadlineExceeded) {
			e.Status = Status(wire.Timeout)
		}
	}
	return c.located(cl, e)
}

// located returns e with the call's operation, key and node, and with the status that
// a write has which may have been executed in one of its attempts.
func (c *Client) located(cl *call, e *Error) error {
	located := *e
	located.Op, located.Key, located.Node = cl.req.Op.Name(), cl.errorKey(), cl.node
	if cl.uncertain() && located.Status.class() != Status(wire.UnknownOutcome) {
		located.Status = Status(wire.UnknownOutcome)
	}
	return &located
}

// uncertain reports whether the call is a write that may have been executed without
// an answer.
func (cl *call) uncertain() bool { return cl.try.Unknown(cl.request()) }

// malformed is the error of a reply whose body cannot be understood.
func (c *Client) malformed(cl *call, cause error) error {
	return c.located(cl, &Error{Status: Status(wire.ProtocolError), Cause: cause})
}

// sleep waits for d; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
