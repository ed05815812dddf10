package client

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// do carries the call out: on the fast path one attempt on a live connection.
// It returns nil, or an *Error.
func (c *Client) do(ctx context.Context, cl *call) error {
	if ctx.Done() != nil {
		return c.doBounded(ctx, cl)
	}
	c.sweeper.stamp(cl, false)
	return c.attempt(ctx, cl, time.Time{})
}

// doBounded is do for a context that can end.
func (c *Client) doBounded(ctx context.Context, cl *call) error {
	if err := ctx.Err(); err != nil {
		cl.outcome, cl.cause = canceled, err
		return c.failure(cl, nil)
	}
	deadline, ok := ctx.Deadline()
	c.sweeper.stamp(cl, ok)
	if !ok {
		return c.attempt(ctx, cl, time.Time{})
	}
	if !cl.setDeadline(deadline) {
		cl.outcome = timedOut
		return c.failure(cl, nil)
	}
	return c.attempt(ctx, cl, deadline)
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
	n := c.pick(cl.key)
	cn := n.link(cl.lane).conn.Load()
	if cn == nil {
		return c.retry(ctx, cl, deadline)
	}
	if c.try(ctx, cl, n, cn) {
		return nil
	}
	if c.worthRetrying(cl) {
		return c.retry(ctx, cl, deadline)
	}
	return c.failure(cl, nil)
}

// try sends the call on one connection and reports whether it succeeded.
func (c *Client) try(ctx context.Context, cl *call, n *node, cn *conn) bool {
	cl.node = n.address
	if !cn.check(cl) {
		return false
	}
	cn.roundTrip(ctx, cl)
	if cl.outcome != replied || cl.status != wire.OK {
		return false
	}
	if cl.receipt != nil {
		cl.fillReceipt()
	}
	return true
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
	if r.Flags&wire.ReplyTiming != 0 {
		cl.receipt.Queue, cl.receipt.Apply, cl.receipt.Sync =
			time.Duration(r.QueueNs), time.Duration(r.ApplyNs), time.Duration(r.SyncNs)
	}
}

// worthRetrying reports whether the same request may be sent once more and has
// a chance of another answer: nothing was executed, or it only reads.
func (c *Client) worthRetrying(cl *call) bool {
	switch cl.outcome {
	case lostUnsent:
		return !c.isClosed()
	case lostSent:
		return !cl.req.Writes() && !c.isClosed()
	case replied:
		switch cl.status {
		case wire.Busy, wire.Unavailable, wire.ShuttingDown, wire.Loading, wire.NotLeader, wire.WrongEpoch:
			return true
		case wire.UnknownOutcome:
			return !cl.req.Writes()
		}
	}
	return false
}

// Pauses between attempts that a server refused, doubling, with jitter.
const (
	retryFirst = time.Millisecond
	retryLast  = 500 * time.Millisecond
)

// retry goes on after a first attempt that failed or found no connection, until
// it succeeds, fails for good or time is up.
func (c *Client) retry(ctx context.Context, cl *call, deadline time.Time) error {
	bounded := !deadline.IsZero()
	if !bounded && cl.mayExpire {
		// From here on a timer keeps the time, not the sweeper.
		cl.mayExpire = false
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.Timeout-c.sweeper.spent(cl))
		defer cancel()
	}
	pause := retryFirst
	for {
		if cl.outcome == replied {
			if !sleep(ctx, max(jitter(pause), cl.retryAfter())) {
				return c.failure(cl, ctx.Err())
			}
			pause = min(2*pause, retryLast)
		}
		n, cn, err := c.connection(ctx, cl)
		if err != nil {
			return err
		}
		if bounded && !cl.setDeadline(deadline) {
			cl.outcome = timedOut
			return c.failure(cl, context.DeadlineExceeded)
		}
		if c.try(ctx, cl, n, cn) {
			return nil
		}
		if !c.worthRetrying(cl) {
			return c.failure(cl, nil)
		}
	}
}

// connection waits for one to a node that serves the call.
func (c *Client) connection(ctx context.Context, cl *call) (*node, *conn, error) {
	for {
		changed := c.changes()
		n := c.pick(cl.key)
		l := n.link(cl.lane)
		if cn := l.conn.Load(); cn != nil {
			return n, cn, nil
		}
		cl.node = n.address
		err := l.why()
		if c.isClosed() {
			return nil, nil, c.located(cl, &Error{Status: statusClosed})
		}
		if e, ok := errors.AsType[*Error](err); ok && e.permanent() {
			return nil, nil, c.located(cl, e)
		}
		select {
		case <-changed:
		case <-c.closing:
		case <-ctx.Done():
			e := &Error{Status: Status(wire.Unavailable), Cause: ctx.Err()}
			if errors.Is(ctx.Err(), context.Canceled) {
				e.Status = statusCanceled
			}
			if err != nil {
				e.Message = "not connected: " + err.Error()
			}
			return nil, nil, c.located(cl, e)
		}
	}
}

// permanent reports whether connecting once more, unchanged, is likely to meet
// the same refusal.
func (e *Error) permanent() bool {
	switch wire.Status(e.Status) {
	case wire.Unauthenticated, wire.PermissionDenied, wire.UnsupportedVersion, wire.ProtocolError, wire.InvalidArgument:
		return true
	}
	return false
}

// retryAfter is the server's hint, 0 without one.
func (cl *call) retryAfter() time.Duration {
	if !cl.extra || cl.reply.Flags&wire.ReplyRetryAfter == 0 {
		return 0
	}
	return time.Duration(cl.reply.RetryAfterMs) * time.Millisecond
}

// failure turns the call's outcome into an error. cause, if not nil, is what
// ended the retries.
func (c *Client) failure(cl *call, cause error) error {
	e := &Error{Cause: cl.cause}
	sent := false
	switch cl.outcome {
	case replied:
		e.Status, e.Message, e.RetryAfter = Status(cl.status), cl.text, cl.retryAfter()
		if cl.status == wire.VersionMismatch {
			e.Version = cl.version
		}
		e.Cause = cause
	case lostUnsent, lostSent:
		sent = cl.outcome == lostSent
		e.Status = Status(wire.Unavailable)
		if c.isClosed() {
			e.Status = statusClosed
		}
	case timedOut, timedOutSent:
		sent = cl.outcome == timedOutSent
		e.Status, e.Cause = Status(wire.Timeout), context.DeadlineExceeded
	case canceled, canceledSent:
		sent = cl.outcome == canceledSent
		e.Status = statusCanceled
		if errors.Is(cl.cause, context.DeadlineExceeded) {
			e.Status = Status(wire.Timeout)
		}
	}
	if sent && cl.req.Writes() {
		e.Status = Status(wire.UnknownOutcome)
	}
	return c.located(cl, e)
}

// located returns e with the call's operation, key and node.
func (c *Client) located(cl *call, e *Error) error {
	located := *e
	located.Op, located.Key, located.Node = cl.req.Op.Name(), cl.errorKey(), cl.node
	return &located
}

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
