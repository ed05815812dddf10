package router

import (
	"context"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Refusals of requests. Shared, never changed.
var (
	errDeadline     = &wire.Error{Status: wire.Timeout, Text: "the deadline had passed before the request was executed"}
	errUserGone     = &wire.Error{Status: wire.Unauthenticated, Text: "the user was removed; connect again"}
	errMayNot       = &wire.Error{Status: wire.PermissionDenied, Text: "the user's role does not allow this operation"}
	errKeyForbidden = &wire.Error{Status: wire.PermissionDenied, Text: "the key is outside the user's prefixes"}
	errAskANode     = &wire.Error{Status: wire.Unsupported, Text: "a router does not serve this operation: ask a node"}
	errPartitions   = &wire.Error{Status: wire.InvalidArgument, Text: "the command's keys are in several partitions: send a command for each"}
	errNotKeyed     = &wire.Error{Status: wire.Unsupported, Text: "only commands about keys can be sent this way"}
)

// nativeCall is one request of a native client. Its frame is a view of the input until
// keep is called.
type nativeCall struct {
	c     *conn
	req   wire.Request
	began time.Time
	lim   wire.Limits
	view  *view
	size  int  // of the frame
	taken bool // it was admitted: answer gives its place back
}

// executeFrame serves one request.
func (c *conn) executeFrame(frame []byte) {
	n := &nativeCall{c: c, began: time.Now(), lim: c.r.limits(), view: c.r.view.Load(), size: len(frame)}
	err := n.req.Decode(frame)
	if err == nil {
		err = n.judge()
	}
	if err == nil {
		err = n.serve()
	}
	if err != nil {
		n.refuse(err)
	}
}

// refuse answers a request that was not sent to the cluster.
func (n *nativeCall) refuse(err error) {
	status, text := statusOf(err)
	n.c.sendNow(wire.AppendErrorReply(nil, n.req.ID, status, 0, text))
	n.c.r.stats.native[n.req.Op].Observe(time.Since(n.began), true)
}

// judge says why this client may not ask for this, before the body is looked at; nil if it may.
func (n *nativeCall) judge() error {
	req := &n.req
	if req.Flags&wire.FlagDeadline != 0 && req.DeadlineMs == 0 {
		return errDeadline
	}
	if n.c.r.users == nil {
		return nil
	}
	user := n.c.currentUser()
	switch {
	case user == nil:
		return errUserGone
	case req.Op == wire.OpAdmin && !user.MayAdmin(), req.Writes() && !user.MayWrite(), req.Op == wire.OpFlush && !user.AllKeys():
		return errMayNot
	}
	return nil
}

func (n *nativeCall) serve() error {
	body := n.req.Body
	switch n.req.Op {
	case wire.OpGet, wire.OpPersist:
		return n.one(body, wire.CheckKey(body, &n.lim))
	case wire.OpPut:
		var b wire.PutBody
		err := b.Decode(n.req.OpFlags, body, &n.lim)
		return n.one(b.Key, err)
	case wire.OpDelete:
		var b wire.DeleteBody
		err := b.Decode(n.req.OpFlags, body, &n.lim)
		return n.one(b.Key, err)
	case wire.OpIncrement:
		var b wire.IncrementBody
		err := b.Decode(n.req.OpFlags, body, &n.lim)
		return n.one(b.Key, err)
	case wire.OpExpire:
		var b wire.ExpireBody
		err := b.Decode(n.req.OpFlags, body, &n.lim)
		return n.one(b.Key, err)
	case wire.OpGetBatch:
		return n.getBatch()
	case wire.OpWriteBatch:
		return n.writeBatch()
	case wire.OpScan:
		return n.scan()
	case wire.OpCommand:
		return n.command()
	case wire.OpCount:
		return n.count()
	case wire.OpFlush:
		return n.flush()
	case wire.OpPing:
		n.answer(&wire.Response{Body: body})
		return nil
	case wire.OpStats:
		return n.stats()
	case wire.OpTopology:
		return n.topology()
	}
	return errAskANode
}

// one forwards an operation on one key.
func (n *nativeCall) one(key []byte, err error) error {
	if err != nil {
		return err
	}
	if !n.c.user.AllowsKey(key) {
		return errKeyForbidden
	}
	n.pass(ring.PartitionOf(key, n.view.Partitions))
	return nil
}

// pass forwards the request as it is, and its reply.
func (n *nativeCall) pass(partition int) {
	n.forward(partition, n.answer)
}

// forward sends the request to a partition; then takes the reply on another
// goroutine, and answers.
func (n *nativeCall) forward(partition int, then func(*wire.Response)) {
	if !n.admit() {
		return
	}
	n.keep()
	n.c.start(n.task(partition, n.req, func(reply *wire.Response, err error) {
		if err != nil {
			n.fail(err)
			return
		}
		then(reply)
	}))
}

// admit waits for room; false: the connection is over.
func (n *nativeCall) admit() bool {
	n.taken = n.c.admit(n.size, int(n.lim.MaxInFlight))
	return n.taken
}

// keep copies what lives in the input.
func (n *nativeCall) keep() { n.req.Body = append([]byte(nil), n.req.Body...) }

// task is a request of this call: under its deadline, without keys to be kept in
// order.
func (n *nativeCall) task(partition int, req wire.Request, done func(*wire.Response, error)) *task {
	t := &task{}
	t.partition, t.req, t.done = partition, req, done
	t.deadline, t.own = n.deadline(), n.req.Flags&wire.FlagDeadline != 0
	return t
}

func (n *nativeCall) deadline() time.Time {
	limit := n.c.r.opts.Settings.RequestTimeout
	if n.req.Flags&wire.FlagDeadline != 0 {
		limit = time.Duration(n.req.DeadlineMs) * time.Millisecond
	}
	return n.began.Add(limit)
}

func (n *nativeCall) fail(err error) {
	status, text := statusOf(err)
	n.answer(&wire.Response{Status: status, Body: []byte(text)})
}

// answer sends the reply under the request's id.
func (n *nativeCall) answer(reply *wire.Response) {
	reply.Kind, reply.ID = wire.KindReply, n.req.ID
	if reply.Version != 0 {
		reply.Flags |= wire.ReplyVersion
	}
	buf := reply.Append(make([]byte, 0, len(reply.Body)+96))
	n.c.r.stats.native[n.req.Op].Observe(time.Since(n.began), reply.Status >= wire.InvalidArgument)
	c := n.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.broken {
		c.pace.note(len(buf))
		c.hold(len(buf))
		c.send(buf)
	}
	if n.taken {
		c.answered(n.size)
	}
	c.work.Signal()
}

// elsewhere does work that waits on a goroutine of its own, and answers with what it
// returns.
func (n *nativeCall) elsewhere(work func(ctx context.Context) (*wire.Response, error)) {
	if !n.admit() {
		return
	}
	c := n.c
	c.r.work.Add(1)
	go func() {
		defer c.r.work.Done()
		ctx, cancel := context.WithDeadline(c.ctx, n.deadline())
		defer cancel()
		reply, err := work(ctx)
		if err != nil {
			n.fail(err)
			return
		}
		n.answer(reply)
	}()
}

func (n *nativeCall) count() error {
	if err := wire.CheckEmpty(n.req.Body); err != nil {
		return err
	}
	n.elsewhere(func(ctx context.Context) (*wire.Response, error) {
		total, err := n.c.r.backend().Count(ctx)
		return &wire.Response{Body: wire.AppendInt(nil, total)}, err
	})
	return nil
}

func (n *nativeCall) flush() error {
	if err := wire.CheckEmpty(n.req.Body); err != nil {
		return err
	}
	n.elsewhere(func(ctx context.Context) (*wire.Response, error) {
		return &wire.Response{}, n.c.r.backend().Flush(ctx)
	})
	return nil
}
