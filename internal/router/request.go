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
	deadline  time.Time
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

// run sends a task and hands its answer out. It is a goroutine of its own.
func (c *conn) run(t *task) {
	defer c.r.work.Done()
	ctx, cancel := context.WithDeadline(c.ctx, t.deadline)
	defer cancel()
	if t.session && !t.req.Writes() {
		c.session(t)
	}
	var reply wire.Response
	err := c.r.forward(ctx, t.partition, &t.req, &reply)
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

// start sends a task that waits for nothing.
func (c *conn) start(t *task) {
	c.r.work.Add(1)
	go c.run(t)
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
