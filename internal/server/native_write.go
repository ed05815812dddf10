package server

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// nativeResult is what the reply to a write is made of.
type nativeResult struct {
	p       *node.Partition // that is written, if it is one
	command commandReply
	taken   bool // there has been a result
	status  wire.Status
	version uint64
}

// take renders a result behind the head that begin appends to dst, and returns dst
// without the results of a command that merges them: finish replies to that. There is
// one result to a write that does not: whoever repeats a session's sequence with
// another request may get several.
func (n *nativeResult) take(dst []byte, req *wire.Request, r *command.Result, begin func(dst []byte) []byte) []byte {
	if n.command.merges() {
		n.command.add(r)
		return dst
	}
	if n.taken {
		return dst
	}
	n.taken = true
	start := len(dst)
	n.status, n.version = n.command.status(r.Status), r.Version
	dst = begin(dst)
	if n.command.spec != nil && n.status == wire.OK {
		dst = n.command.append(dst, r)
	} else {
		dst = appendResultBody(dst, req.Op, req.OpFlags, r)
	}
	wire.FinishFrame(dst, start)
	return dst
}

// finish replies to a command that merges its results.
func (n *nativeResult) finish(dst []byte, begin func(dst []byte) []byte) []byte {
	start := len(dst)
	n.status = n.command.unexecuted
	dst = begin(dst)
	if n.status == wire.OK {
		dst = n.command.append(dst, nil)
	} else {
		dst = append(dst, n.status.Description()...)
	}
	wire.FinishFrame(dst, start)
	return dst
}

// nativeInline renders results of entries that are applied within Submit.
type nativeInline struct {
	nativeResult
	s     *Session
	start int // of the reply in the output
}

func (n *nativeInline) begin(dst []byte) []byte {
	return n.s.begin(dst, &n.s.native.req, n.status, n.version)
}

// Result is called by the node, within Submit.
func (n *nativeInline) Result(_ int, r *command.Result) {
	n.start = len(n.s.w.Buf)
	n.s.w.Buf = n.take(n.s.w.Buf, &n.s.native.req, r, n.begin)
}

// finish completes the reply when Submit has returned.
func (n *nativeInline) finish() {
	s := n.s
	if n.command.merges() {
		n.start = len(s.w.Buf)
		s.w.Buf = n.nativeResult.finish(s.w.Buf, n.begin)
	}
	s.sealOutput(n.start, &s.native.req, n.status, n.version, n.p, wire.Linearizable)
}

// Later is false: the session's output cannot wait.
func (n *nativeInline) Later() bool { return false }

// Done is never called: nothing waits.
func (n *nativeInline) Done() {}

// Failed is never called: nothing waits.
func (n *nativeInline) Failed(error) {}

func appendResultBody(dst []byte, op wire.Op, opFlags uint8, r *command.Result) []byte {
	switch {
	case r.Status > wire.VersionMismatch:
		return append(dst, r.Status.Description()...)
	case op == wire.OpIncrement:
		return wire.AppendInt(dst, r.Int)
	case (op == wire.OpPut || op == wire.OpDelete) && opFlags&wire.WriteReturnOld != 0:
		return wire.AppendOld(dst, r.Kind == command.ResultBytes, r.Bytes)
	}
	return dst
}

// nativeWait is what a waiting native request needs for its reply.
type nativeWait struct {
	leaderOnly bool // the leader's word is all there is
	nativeResult
	req   wire.Request // without its body
	batch *writeBatch  // of a WRITEBATCH
}

// result renders the result of a write that waited. Called by the node.
func (n *nativeWait) result(w *wait, _ int, r *command.Result) {
	w.reply.Buf = n.take(w.reply.Buf, &n.req, r, w.begin)
	w.failed = n.status > wire.VersionMismatch
}

// LeaderAcks reports whether the request is content with the leader's word.
func (w *wait) LeaderAcks() bool {
	req := &w.native.req
	return w.s.proto == front.ProtocolNative && req.Flags&wire.FlagDurability != 0 && req.Acks == wire.AcksLeader
}

// AckedByLeader notes that this is all that the reply stands for.
func (w *wait) AckedByLeader() { w.native.leaderOnly = true }

// errNoResult answers a write that the node says is done, without a result. Never
// changed.
var errNoResult = &wire.Error{Status: wire.Internal, Text: "the write has no result"}

// begin appends the head of a waiting request's reply.
func (w *wait) begin(dst []byte) []byte {
	head := w.head()
	return head.AppendHeader(dst)
}

func (w *wait) head() wire.Response {
	n := &w.native
	r := w.s.head(&n.req, n.status, n.version)
	if n.leaderOnly && r.Flags&wire.ReplyReceipt != 0 {
		r.Acks = wire.AcksLeader
	}
	r.SyncNs = uint64(time.Since(w.began))
	return r
}

// complete renders the reply of what has several results, and completes that of a
// single write.
func (n *nativeWait) complete(w *wait) {
	switch {
	case n.batch != nil:
		w.reply.Buf = n.batch.append(w.reply.Buf, w.s, &n.req)
		return
	case n.p == nil || w.dropped:
		return
	case n.command.merges():
		w.reply.Buf = n.nativeResult.finish(w.reply.Buf, w.begin)
		w.failed = n.status != wire.OK
	case !n.taken:
		w.fail(errNoResult)
		return
	}
	head := w.head()
	w.s.seal(w.reply.Buf, 0, &head, &n.req, n.p, wire.Linearizable)
}

// nativeWrite serves a write of one entry.
func (s *Session) nativeWrite(req *wire.Request) error {
	entry := beginEntry(s.enc[:0], req)
	command.SetValueLimit(entry, s.srv.live.Current().MaxValueBytes)
	entry, key, err := s.encodeOp(entry, req.Op, req.OpFlags, req.Body)
	s.keepEncoded(entry)
	if err != nil {
		return err
	}
	s.startTiming(req)
	return s.submitNative(req, s.srv.partition(key), entry, commandReply{})
}

// submitNative hands the entry of a request to the node.
func (s *Session) submitNative(req *wire.Request, p *node.Partition, entry []byte, c commandReply) (err error) {
	result := nativeResult{p: p, command: c}
	if !s.deferred {
		if !s.wantsSync(req) {
			s.native.inline.nativeResult = result
			if err = s.submitInline(p, entry, &s.native.inline); err == nil {
				s.native.inline.finish()
			}
		} else {
			err = s.submitSynced(req, func(w *wait) (uint64, error) {
				w.native.nativeResult = result
				return s.srv.node.Submit(p, s.now, entry, w)
			})
		}
		if !s.becameDeferred(err) {
			return err
		}
	}
	w := s.nativeWait(req)
	w.native.nativeResult = result
	if err = s.settleLater(s.srv.node.Submit(p, s.now, entry, w)); err != nil {
		s.abandon(w)
	}
	return err
}

// nativeWait is newWait for a request.
func (s *Session) nativeWait(req *wire.Request) *wait {
	w := s.newWait()
	w.native = nativeWait{req: *req}
	w.native.req.Body = nil
	return w
}

// beginEntry appends the header of a request's entry.
func beginEntry(dst []byte, req *wire.Request) []byte {
	if req.Flags&wire.FlagSession == 0 {
		return command.Begin(dst)
	}
	return command.BeginSession(dst, sessionOf(req))
}

func sessionOf(req *wire.Request) command.Session {
	return command.Session{ID: req.Session, Seq: req.Sequence, Acked: req.Acknowledged}
}

// Refusals of sessions. Shared, never changed.
var (
	errSequence     = &wire.Error{Status: wire.InvalidArgument, Text: "a session's sequence begins at 1 and lies above what is acknowledged"}
	errSessionAhead = &wire.Error{Status: wire.InvalidArgument, Text: "the session was made in the future: begin it with the time in the server's hello"}
)

// judgeSession refuses a session that no group could keep: one from the far future
// would have to be remembered until then.
func (s *Session) judgeSession(req *wire.Request) error {
	session := sessionOf(req)
	switch {
	case req.Sequence == 0 || req.Acknowledged >= req.Sequence:
		return errSequence
	case session.CreatedAt() > s.now+command.SessionLifetime.Milliseconds():
		return errSessionAhead
	}
	return nil
}

// wantsSync reports whether a write asks for a stricter durability than the node
// has by its policy. It is then applied at once, as that policy says, and its
// reply waits for the disk.
func (s *Session) wantsSync(req *wire.Request) bool {
	return req.Flags&wire.FlagDurability != 0 && req.Durability != wire.DurabilityDefault && req.Durability < s.srv.durability
}

// submitSynced submits a write that is applied at once, and whose reply waits until
// the log is durable up to it.
func (s *Session) submitSynced(req *wire.Request, submit func(w *wait) (pos uint64, err error)) error {
	w := s.nativeWait(req)
	w.atOnce = true
	pos, err := submit(w)
	if err = s.settleLater(pos, err); err != nil {
		w.native.batch = nil
		s.abandon(w)
		return err
	}
	s.srv.node.NotifyDurable(pos, w.Done)
	return nil
}

// encodeOp appends the op that a native write asks for, having judged it.
func (s *Session) encodeOp(dst []byte, op wire.Op, flags uint8, body []byte) (entry, key []byte, err error) {
	lim := &s.srv.limits
	entry = dst
	grows := false
	switch op {
	case wire.OpPut:
		put := &s.native.put
		if err = put.Decode(flags, body, lim); err == nil {
			key, grows = put.Key, true
			entry = command.AppendPut(dst, put.Key, put.Value, command.PutOp{
				Flags: putFlags(flags), ExpireAt: s.expireAt(flags, put.Expiry), IfVersion: put.IfVersion,
			})
		}
		put.Key, put.Value = nil, nil
	case wire.OpDelete:
		var d wire.DeleteBody
		if err = d.Decode(flags, body, lim); err == nil {
			key = d.Key
			entry = command.AppendDelete(dst, d.Key, command.DeleteOp{Flags: putFlags(flags), IfVersion: d.IfVersion})
		}
	case wire.OpIncrement:
		var i wire.IncrementBody
		if err = i.Decode(flags, body, lim); err == nil {
			key, grows = i.Key, true
			entry = command.AppendIncr(dst, i.Key, i.Delta, command.IncrOp{ExpireAt: s.expireAt(flags, i.Expiry)})
		}
	case wire.OpExpire:
		var e wire.ExpireBody
		if err = e.Decode(flags, body, lim); err == nil {
			key = e.Key
			entry = command.AppendExpire(dst, e.Key, s.expireAt(flags, e.Expiry), expireFlags(flags))
		}
	case wire.OpPersist:
		key = body
		if err = wire.CheckKey(body, lim); err == nil {
			entry = command.AppendPersist(dst, body, 0)
		}
	default:
		err = wire.ErrNotAWrite
	}
	if err == nil {
		err = s.mayWrite(key, grows)
	}
	return entry, key, err
}

// mayWrite says why this client may not write key, or not here. A node with peers is
// not asked for room before it is sure that it is the one that needs it.
func (s *Session) mayWrite(key []byte, grows bool) error {
	if !s.allowed(key) {
		return errKeyForbidden
	}
	if s.clustered {
		if err := s.srv.node.Leader(s.srv.partition(key)); err != nil {
			return err
		}
	}
	if grows && s.srv.node.OverMemoryLimit() {
		return errMemoryLimit
	}
	return nil
}

// expireAt turns a native expiry into unix ms, 0 for none.
func (s *Session) expireAt(flags uint8, expiry uint64) int64 {
	switch {
	case flags&wire.WriteTTL != 0:
		return s.now + int64(expiry)
	case flags&wire.WriteExpireAt != 0:
		return int64(expiry)
	}
	return 0
}

func putFlags(flags uint8) (f command.OpFlags) {
	for _, pair := range [...]struct {
		wire uint8
		op   command.OpFlags
	}{
		{wire.WriteIfAbsent, command.IfAbsent}, {wire.WriteIfPresent, command.IfPresent}, {wire.WriteIfVersion, command.IfVersion},
		{wire.WriteKeepTTL, command.KeepTTL}, {wire.WriteReturnOld, command.ReturnOld},
	} {
		if flags&pair.wire != 0 {
			f |= pair.op
		}
	}
	return f
}

func expireFlags(flags uint8) (f command.OpFlags) {
	for _, pair := range [...]struct {
		wire uint8
		op   command.OpFlags
	}{
		{wire.ExpireIfNone, command.ExpireNX}, {wire.ExpireIfSome, command.ExpireXX},
		{wire.ExpireIfLater, command.ExpireGT}, {wire.ExpireIfEarlier, command.ExpireLT},
	} {
		if flags&pair.wire != 0 {
			f |= pair.op
		}
	}
	return f
}
