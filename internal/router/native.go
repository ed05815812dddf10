package router

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// maxNativeInFlight is how many unanswered requests a native client may have on one
// connection.
const maxNativeInFlight = 4096

// takeNative executes the frames at the front of the input.
func (c *conn) takeNative() {
	progress := false
	for c.off < len(c.in) && !c.over() {
		var n int
		if !c.nativeUp {
			n = c.greet(c.in[c.off:])
		} else {
			frame, took, err := wire.ParseFrame(c.in[c.off:], c.r.limits().MaxFrame)
			if err != nil {
				status, text := statusOf(err)
				c.sendNow(wire.AppendErrorReply(nil, 0, status, 0, text))
				c.fail(closedProtocolError, err)
				return
			}
			if n = took; n > 0 {
				c.executeFrame(frame)
			}
		}
		if n == 0 {
			break
		}
		c.off += n
		progress = true
	}
	c.leftOver(progress)
}

// limits are what the native handshake promises: the cluster's, and what is narrower
// here.
func (r *Router) limits() wire.Limits {
	l := wire.DefaultLimits()
	if v := r.view.Load(); v != nil {
		l = v.Limits
	}
	l.MaxValue = uint32(min(int64(l.MaxValue), r.front.MaxValueBytes))
	l.MaxInFlight = min(l.MaxInFlight, maxNativeInFlight)
	return l
}

// sendNow sends bytes that were not waited for.
func (c *conn) sendNow(buf []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.broken {
		c.hold(len(buf))
		c.send(buf)
	}
	c.work.Signal()
}

// greet takes the client's hello off the front of data. A wrong one ends the
// connection.
func (c *conn) greet(data []byte) int {
	payload, took, err := wire.ParseHello(data)
	var hello wire.ClientHello
	if err == nil && took > 0 {
		err = hello.Decode(payload)
	}
	if err != nil {
		c.refuseHello(err, closedProtocolError)
		return 0
	}
	if took == 0 {
		return 0
	}
	version := hello.Negotiate()
	if version == 0 {
		c.refuseHello(&wire.Error{Status: wire.UnsupportedVersion, Text: "this router speaks protocol version 1"}, closedProtocolError)
		return took
	}
	c.names.name = hello.ClientName
	c.publishInfo()
	if c.r.users != nil && !c.checkPassword(&hello) {
		return took
	}
	v := c.r.view.Load()
	if v == nil {
		c.refuseHello(errNotConnected, closedRefused)
		return took
	}
	c.nativeUp = true
	reply := wire.ServerHello{
		Status: wire.OK, Version: version, Limits: c.r.limits(), Epoch: epoch, Features: hello.Features & v.Features & wire.FeatureSessions,
		NodeID: c.r.nodeID, ClusterID: v.ClusterID, ServerVersion: c.r.opts.Version,
		TimeMs: uint64(c.r.opts.Clock().UnixMilli() + v.ClockAheadMs), // sessions are born by the cluster's clock
	}
	c.sendNow(reply.Append(nil))
	return took
}

// connectRetryMs is the hint for a client that came before the cluster was reached.
const connectRetryMs = 500

func (c *conn) refuseHello(err error, reason closeReason) {
	status, text := statusOf(err)
	reply := wire.ServerHello{Status: status, Message: text}
	var limited *auth.LimitedError
	switch {
	case errors.As(err, &limited):
		reply.Status, reply.Message = wire.Busy, "too many failed logins from this address; try again later"
		reply.RetryAfterMs = uint32(limited.RetryAfter.Milliseconds())
	case errors.Is(err, auth.ErrWrong):
		reply.Status, reply.Message = wire.Unauthenticated, "wrong user name or password"
	case status == wire.Unavailable:
		reply.RetryAfterMs = connectRetryMs
	}
	c.sendNow(reply.Append(nil))
	c.fail(reason, err)
}

func (c *conn) checkPassword(hello *wire.ClientHello) bool {
	if hello.Auth != wire.AuthPassword {
		c.refuseHello(&wire.Error{Status: wire.Unauthenticated, Text: "this router wants a user name and a password"}, closedRefused)
		return false
	}
	name := hello.Username
	if name == "" {
		name = auth.DefaultName
	}
	user, err := c.r.users.Login(c.r.failures, c.remote.Addr(), name, hello.Password)
	if err != nil {
		c.r.stats.authFailures.Add(1)
		c.refuseHello(err, closedRefused)
		return false
	}
	c.logIn(user)
	return true
}

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
	n.c.r.stats.native[n.req.Op].observe(time.Since(n.began), true)
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
	n.c.r.stats.native[n.req.Op].observe(time.Since(n.began), reply.Status >= wire.InvalidArgument)
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

// command forwards a Redis command.
func (n *nativeCall) command() error {
	var in wire.CommandArgs
	if err := in.Decode(n.req.Body); err != nil {
		return err
	}
	args := make([][]byte, 0, in.Len())
	for {
		arg, ok, err := in.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		args = append(args, arg)
	}
	spec, err := command.Resolve(args)
	if err == nil && spec.Check != nil {
		err = spec.Check(args)
	}
	if err != nil { // as the command itself would say it
		w := resp.Writer{Proto: int(in.RESPVersion)}
		writeError(&w, err)
		n.answer(&wire.Response{Body: w.Buf})
		return nil
	}
	if spec.Kind == command.KindServer {
		return errNotKeyed
	}
	switch n.c.permit(spec, args) {
	case nil:
	case errNoKeys:
		return errKeyForbidden
	default:
		return errMayNot
	}
	first, step, count := spec.KeyRange(args)
	p := ring.PartitionOf(args[first], n.view.Partitions)
	for i := 1; i < count; i++ {
		if ring.PartitionOf(args[first+i*step], n.view.Partitions) != p {
			return errPartitions
		}
	}
	n.pass(p)
	return nil
}

// scan forwards a page to the cursor's partition, and leaves out of the reply what the
// user may not see.
func (n *nativeCall) scan() error {
	var scan wire.ScanBody
	if err := scan.Decode(n.req.Body, &n.lim); err != nil {
		return err
	}
	if n.req.Flags&wire.FlagConsistency != 0 && n.req.Consistency >= wire.SessionReads {
		// Replicas would take turns, and each would start the partition over.
		n.req.Flags &^= wire.FlagConsistency
	}
	p := partitionOf(scan.Cursor)
	if p >= n.view.Partitions {
		page := wire.BeginScanPage(nil)
		wire.FinishScanPage(page, 0, 0, 0)
		n.answer(&wire.Response{Body: page})
		return nil
	}
	user := n.c.user
	if user.AllKeys() {
		n.pass(p)
		return nil
	}
	n.forward(p, func(reply *wire.Response) {
		if reply.Status == wire.OK {
			body, err := filterPage(n.req.OpFlags, reply.Body, user)
			if err != nil {
				n.fail(err)
				return
			}
			reply.Body = body
		}
		n.answer(reply)
	})
	return nil
}

// filterPage returns a page of a scan without the keys that user may not see.
func filterPage(flags uint8, body []byte, user *auth.User) ([]byte, error) {
	var page wire.ScanPage
	if err := page.Decode(flags, body); err != nil {
		return nil, err
	}
	out := wire.BeginScanPage(make([]byte, 0, len(body)))
	kept := 0
	for {
		var e wire.ScanEntry
		ok, err := page.Next(&e)
		if err != nil {
			return nil, err
		}
		if !ok {
			wire.FinishScanPage(out, 0, page.NextCursor, kept)
			return out, nil
		}
		if !user.AllowsKey(e.Key) {
			continue
		}
		kept++
		if flags&wire.ScanKeysOnly != 0 {
			out = wire.AppendScanKey(out, e.Key)
		} else {
			out = wire.AppendScanEntry(out, e.Key, e.Value, e.Version, e.ExpireAt)
		}
	}
}

// topology tells where every partition is, as far as a client is concerned: here.
func (n *nativeCall) topology() error {
	if err := wire.CheckEmpty(n.req.Body); err != nil {
		return err
	}
	t := wire.Topology{
		Epoch: epoch, ClusterID: n.view.ClusterID,
		Nodes:      []wire.TopologyNode{{ID: n.c.r.nodeID, Address: n.c.local.String()}},
		Partitions: make([]wire.TopologyPartition, n.view.Partitions),
	}
	for p := range t.Partitions {
		t.Partitions[p].Replicas = []uint16{0}
	}
	n.answer(&wire.Response{Body: t.Append(nil)})
	return nil
}

// stats answers with the router's own figures: those of one node would be chance.
func (n *nativeCall) stats() error {
	if err := wire.CheckEmpty(n.req.Body); err != nil {
		return err
	}
	body, err := json.Marshal(n.c.r.Facts())
	if err != nil {
		return err
	}
	n.answer(&wire.Response{Body: body})
	return nil
}
