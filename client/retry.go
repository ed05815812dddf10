package client

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Pauses between attempts that a server refused, doubling, with jitter: up to
// retryLast while a queue is full or a server loads, up to electLast while a partition
// has no leader that is known.
const (
	retryFirst = time.Millisecond
	retryLast  = 500 * time.Millisecond
	electLast  = 100 * time.Millisecond
	// maxDoubts is how often UNKNOWN_OUTCOME, and maxRenewals how often
	// SESSION_EXPIRED, leads to another attempt.
	maxDoubts   = 3
	maxRenewals = 2
)

// worthRetrying reports whether the same request may be sent once more and has
// a chance of another answer: nothing was executed, or it may be executed twice. It
// notes when the request may have been executed.
func (c *Client) worthRetrying(cl *call) bool {
	switch cl.outcome {
	case lostUnsent:
		return cl.pin == nil && !c.isClosed()
	case lostSent, stalled:
		cl.doubt = true
		return cl.pin == nil && cl.repeatable() && !c.isClosed()
	case replied:
		switch cl.status {
		case wire.NotLeader, wire.WrongEpoch:
			return !cl.stays()
		case wire.Busy, wire.Unavailable, wire.ShuttingDown, wire.Loading:
			return true
		case wire.UnknownOutcome:
			cl.doubt = true
			return cl.repeatable()
		case wire.SessionExpired:
			return !cl.doubt && cl.session != nil
		}
	}
	return false
}

// stays reports whether the call has no other place to go to.
func (cl *call) stays() bool {
	return cl.pin != nil || cl.partition < 0 && (cl.req.Op == wire.OpWriteBatch || cl.req.Op == wire.OpGetBatch)
}

// retries is the state of retry between attempts.
type retries struct {
	pause     time.Duration
	redirects int // one after the other
	doubts    int
	renewals  int
}

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
	state := retries{pause: retryFirst}
	for {
		wait, again := c.between(cl, &state)
		if !again {
			return c.failure(cl, nil)
		}
		if wait > 0 && !sleep(ctx, wait) {
			return c.failure(cl, ctx.Err())
		}
		cn, err := c.connection(ctx, cl)
		if err != nil {
			return err
		}
		if bounded && !cl.setDeadline(deadline) {
			cl.outcome = timedOut
			return c.failure(cl, context.DeadlineExceeded)
		}
		if !c.mayResend(cl, cn) {
			return c.failure(cl, nil)
		}
		if c.send(cl, cn) {
			cn.await(ctx, cl)
			if c.succeeded(cl) {
				return nil
			}
		}
		if !c.worthRetrying(cl) {
			return c.failure(cl, nil)
		}
	}
}

// between draws the lesson from the last attempt, and says how long to wait before
// the next one; again is false if there shall be none.
func (c *Client) between(cl *call, state *retries) (wait time.Duration, again bool) {
	if cl.outcome != replied {
		if c.routes.Load() != nil {
			c.refreshSoon()
		}
		return 0, true
	}
	longest := electLast
	switch cl.status {
	case wire.NotLeader:
		cl.atLeader = true
		c.refreshSoon()
		if state.redirects++; c.redirect(cl, cl.via.link.node, cl.leader) && state.redirects == 1 {
			return 0, true
		}
	case wire.UnknownOutcome:
		c.refreshSoon()
		state.doubts++
		again = state.doubts <= maxDoubts
	case wire.SessionExpired:
		state.renewals++
		c.renew(cl, state.renewals > maxRenewals)
		return 0, true
	case wire.Busy, wire.Loading:
		longest = retryLast
	default:
		cl.atLeader = true
		c.refreshSoon()
	}
	if cl.status != wire.NotLeader {
		state.redirects = 0
	}
	wait = max(jitter(state.pause), cl.retryAfter())
	state.pause = min(2*state.pause, max(longest, state.pause))
	return wait, cl.status != wire.UnknownOutcome || again
}

// renew gives a write that was refused because of its session, without having been
// executed, a new one; or, as a last resort, none.
func (c *Client) renew(cl *call, plain bool) {
	old := cl.session
	cl.unlist()
	cl.plain = plain
	cn := old.conn
	cn.dropSession(old)
	if time.Since(old.born) > sessionUse {
		return
	}
	// Its age by the server's clock is not what we took it for: this machine slept,
	// say. The next hello tells.
	if time.Now().Round(0).Sub(cn.born.Round(0)) > time.Minute { // by the wall clock, which goes on in sleep
		cn.fail(errClock)
	}
}

// errPin is why a walk over a partition cannot go on where it was.
var errPin = errors.New("the connection that a scan's cursor came over is gone")

var errClock = errors.New("the server's clock is not where it was thought to be")

// unlist takes the call out of its session. It must not be under way.
func (cl *call) unlist() {
	if cl.session != nil {
		cl.conclude()
	}
	cl.req.Flags &^= wire.FlagSession
}

// mayResend reports whether the call may be sent over cn, after what it has been
// through: what may have been executed already needs a session that is not too old
// and a server that knows it.
func (c *Client) mayResend(cl *call, cn *conn) bool {
	s := cl.session
	if s == nil {
		return !cl.doubt || !cl.req.Writes() || cn.sessions
	}
	if cn.sessions && time.Since(s.born) < sessionRetry {
		return true
	}
	if cl.doubt {
		return false
	}
	cl.unlist()
	return true
}

// connection waits for one to a node that serves the call.
func (c *Client) connection(ctx context.Context, cl *call) (*conn, error) {
	poll := retryFirst
	for {
		changed := c.changes()
		n := c.route(cl)
		l := n.linkOf(cl)
		cn := l.conn.Load()
		if cl.pin != nil && cn != cl.pin {
			cl.outcome, cl.cause = lostUnsent, errPin
			return nil, c.failure(cl, nil)
		}
		if cn != nil {
			return cn, nil
		}
		cl.node = n.address
		err := l.why()
		if c.isClosed() {
			return nil, c.located(cl, &Error{Status: statusClosed})
		}
		clustered := c.routes.Load() != nil
		if e, ok := errors.AsType[*Error](err); ok && e.permanent(clustered) {
			return nil, c.located(cl, e)
		}
		n.start()
		var timer *time.Timer
		var again <-chan time.Time
		if clustered { // somebody else may lead by now
			c.refreshSoon()
			timer = time.NewTimer(jitter(poll))
			again = timer.C
			poll = min(2*poll, electLast)
		}
		ended := false
		select {
		case <-changed:
		case <-again:
		case <-c.closing:
		case <-ctx.Done():
			ended = true
		}
		if timer != nil {
			timer.Stop()
		}
		if ended {
			e := &Error{Status: Status(wire.Unavailable), Cause: ctx.Err()}
			if errors.Is(ctx.Err(), context.Canceled) {
				e.Status = statusCanceled
			}
			if err != nil {
				e.Message = "not connected: " + err.Error()
			}
			return nil, c.located(cl, e)
		}
	}
}

// permanent reports whether connecting once more, unchanged, is likely to meet
// the same refusal. In a cluster a node of another one may only be a stranger at an
// old address.
func (e *Error) permanent(clustered bool) bool {
	switch wire.Status(e.Status) {
	case wire.Unauthenticated, wire.PermissionDenied, wire.UnsupportedVersion:
		return true
	case wire.ProtocolError, wire.InvalidArgument:
		return !clustered
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
