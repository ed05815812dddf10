package router

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// request is what goes to the cluster for a task.
type request struct {
	partition int
	req       wire.Request // with a body of its own
	deadline  time.Time    // when it shall have been answered
	own       bool         // the deadline is the client's; otherwise it is request-timeout's
	// done takes the answer: a reply that a node gave, or an error. It is called
	// once, on the task's goroutine and without locks held.
	done func(reply *wire.Response, err error)
	// merged are slots of equal reads that this one answers too, if it can. They are
	// guarded by the connection's mu; none is added once the task has been sent.
	merged   []*slot
	canMerge bool
	session  bool // the connection reads what it has seen: see conn.session
}

// keyHash tells keys apart for order. The seed is the process's: nobody can make
// keys that meet.
func (r *Router) keyHash(key []byte) uint64 { return maphash.Bytes(r.seed, key) }

// errLate answers what has waited too long for requests before it. Never changed.
var errLate = &wire.Error{Status: wire.Timeout, Text: wire.Timeout.Description()}

// run sends a task and hands its answer out.
func (c *conn) run(t *task) {
	if t.session && !t.req.Writes() {
		c.session(t)
	}
	var reply wire.Response
	err := c.await(t, &reply)
	if t.session && err == nil {
		c.saw(t.partition, &reply)
	}
	t.done(&reply, err)
	c.mu.Lock()
	ready := c.order.remove(t, nil)
	c.mu.Unlock()
	for _, next := range ready {
		c.start(next)
	}
}

// await sends a task and waits for its answer: until the client's deadline if it has
// given one, else for request-timeout, which the backend keeps by itself. That is cheaper
// than a timer for each.
func (c *conn) await(t *task, reply *wire.Response) error {
	if t.own {
		ctx, cancel := context.WithDeadline(c.ctx, t.deadline)
		defer cancel()
		return c.r.forward(ctx, t.partition, &t.req, reply)
	}
	if time.Now().After(t.deadline) {
		return errLate
	}
	return c.r.forward(c.ctx, t.partition, &t.req, reply)
}

// start sends a task that waits for nothing: by a worker that is idle, or a new one.
func (c *conn) start(t *task) {
	j := job{c, t}
	select {
	case c.r.jobs <- j:
	default:
		c.r.work.Add(1)
		go c.r.runWorker(j)
	}
}

// job is a task with its connection.
type job struct {
	c *conn
	t *task
}

// maxIdleWorkers is how many goroutines stay for further requests: a goroutine that has
// sent one before need not grow its stack again.
const maxIdleWorkers = 1024

// runWorker sends a task, and then those that come while it is idle.
func (r *Router) runWorker(j job) {
	defer r.work.Done()
	for {
		j.c.run(j.t)
		if r.idle.Add(1) > maxIdleWorkers {
			r.idle.Add(-1)
			return
		}
		j = job{} // it would keep a connection alive
		select {
		case j = <-r.jobs:
			r.idle.Add(-1)
		case <-r.ctx.Done():
			return
		}
	}
}

// forward sends a request to the cluster and counts how it went.
func (r *Router) forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error {
	b := r.backend()
	if b == nil {
		return errNotConnected
	}
	r.stats.forwarded.Add(1)
	err := b.Forward(ctx, partition, req, reply)
	if err == nil && (reply.Status == wire.NotLeader || reply.Status == wire.WrongEpoch) {
		// Nobody behind a router can do anything about either.
		err = &wire.Error{Status: wire.Unavailable, Text: "the partition changed its leader too often; nothing was executed, try again"}
	}
	status := reply.Status
	if err != nil {
		status, _ = statusOf(err)
	}
	r.stats.noteStatus(status)
	return err
}

// errNotConnected answers whatever needs a cluster that has not been reached so far.
// Never changed.
var errNotConnected = &wire.Error{Status: wire.Unavailable, Text: "the router has not reached the cluster yet"}

// statusOf maps any error to the one list of statuses, with the text a client is
// shown.
func statusOf(err error) (wire.Status, string) {
	var coded *wire.Error
	var failed *client.Error
	switch {
	case errors.As(err, &coded):
		return coded.Status, coded.Text
	case errors.As(err, &failed):
		return clientStatus(failed)
	case errors.Is(err, context.Canceled):
		return wire.ShuttingDown, "the router is shutting down"
	case errors.Is(err, context.DeadlineExceeded):
		return wire.Timeout, wire.Timeout.Description()
	}
	return wire.Internal, err.Error()
}

// clientStatus is the status of an error of the client's own making.
func clientStatus(e *client.Error) (wire.Status, string) {
	status := wire.Status(e.Status)
	switch {
	case errors.Is(e, client.ErrUnknownOutcome):
		status = wire.UnknownOutcome
	case errors.Is(e, client.ErrUnavailable), errors.Is(e, client.ErrUnauthenticated), errors.Is(e, client.ErrPermission),
		errors.Is(e, client.ErrProtocol):
		// Whatever keeps the router from the cluster is not its client's fault.
		status = wire.Unavailable
	case errors.Is(e, client.ErrCanceled), errors.Is(e, client.ErrClosed):
		status = wire.ShuttingDown
	}
	text := e.Message
	if text == "" {
		text = status.Description()
	}
	return status, text
}
