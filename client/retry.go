package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// worthRetrying reports whether the same request may be sent once more and has
// a chance of another answer.
func (c *Client) worthRetrying(cl *call) bool { return cl.try.Retriable(cl.request(), !c.isClosed()) }

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
	for {
		wait, again := c.between(cl)
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
			cl.try.Outcome = attempt.TimedOut
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
func (c *Client) between(cl *call) (wait time.Duration, again bool) {
	elsewhere := cl.try.Outcome == attempt.Replied && cl.try.Status == wire.NotLeader &&
		c.redirect(cl, cl.via.link.node, cl.leader)
	lesson := cl.try.Learn(elsewhere, cl.retryAfter(), rand.Uint64())
	if lesson.Refresh && (cl.try.Outcome == attempt.Replied || c.routes.Load() != nil) {
		c.refreshSoon()
	}
	if lesson.Renew != attempt.Keep {
		c.renew(cl, lesson.Renew == attempt.Plain)
	}
	return lesson.Wait, lesson.Again
}

// renew gives a write that was refused because of its session, without having been
// executed, a new one; or, as a last resort, none.
func (c *Client) renew(cl *call, plain bool) {
	old := cl.session
	cl.unlist()
	cl.plain = plain
	cn := old.conn
	cn.dropSession(old)
	if cn.clock.Doubted(&old.Session, attempt.DefaultAges(), time.Now()) {
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
// through.
func (c *Client) mayResend(cl *call, cn *conn) bool {
	var place *attempt.Session
	if cl.session != nil {
		place = &cl.session.Session
	}
	permission := cl.try.Resend(cl.request(), place, cn.sessions, attempt.DefaultAges(), time.Now())
	if permission == attempt.Renumber {
		cl.unlist()
	}
	return permission != attempt.Refused
}

// connection waits for one to a node that serves the call.
func (c *Client) connection(ctx context.Context, cl *call) (*conn, error) {
	var poll attempt.Pause
	for {
		changed := c.changes()
		n := c.route(cl)
		l := n.linkOf(cl)
		cn := l.conn.Load()
		if cl.pin != nil && cn != cl.pin {
			cl.try.Outcome, cl.cause = attempt.LostUnsent, errPin
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
		if e, ok := errors.AsType[*Error](err); ok && attempt.Permanent(wire.Status(e.Status), clustered) {
			return nil, c.located(cl, e)
		}
		n.start()
		var timer *time.Timer
		var again <-chan time.Time
		if clustered { // somebody else may lead by now
			c.refreshSoon()
			timer = time.NewTimer(poll.Take(attempt.ElectPauses(), rand.Uint64()))
			again = timer.C
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

// retryAfter is the server's hint, 0 without one.
func (cl *call) retryAfter() time.Duration {
	if !cl.extra || cl.reply.Flags&wire.ReplyRetryAfter == 0 {
		return 0
	}
	return time.Duration(cl.reply.RetryAfterMs) * time.Millisecond
}
