package server

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// nativeWait is what a waiting native request needs for its reply.
type nativeWait struct {
	req   wire.Request // without its body
	batch *writeBatch  // of a WRITEBATCH
}

// nativeInline renders results of entries that are applied within Submit.
type nativeInline struct{ s *Session }

// Result is called by the node, within Submit.
func (n *nativeInline) Result(_ int, r *command.Result) {
	s := n.s
	s.w.Buf = s.appendResult(s.w.Buf, &s.native.req, r)
}

// Later is false: the session's output cannot wait.
func (n *nativeInline) Later() bool { return false }

// Done is never called: nothing waits.
func (n *nativeInline) Done() {}

// Failed is never called: nothing waits.
func (n *nativeInline) Failed(error) {}

// appendResult appends the reply to a write of one entry.
func (s *Session) appendResult(dst []byte, req *wire.Request, r *command.Result) []byte {
	start := len(dst)
	dst = s.begin(dst, req, r.Status, r.Version)
	dst = appendResultBody(dst, req.Op, req.OpFlags, r)
	wire.FinishFrame(dst, start)
	return dst
}

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

// result renders the result of a write that waited. Called by the applier.
func (n *nativeWait) result(w *wait, _ int, r *command.Result) {
	start := len(w.reply.Buf)
	w.failed = r.Status > wire.VersionMismatch
	head := w.s.head(&n.req, r.Status, r.Version)
	head.SyncNs = uint64(time.Since(w.began))
	w.reply.Buf = head.AppendHeader(w.reply.Buf)
	w.reply.Buf = appendResultBody(w.reply.Buf, n.req.Op, n.req.OpFlags, r)
	wire.FinishFrame(w.reply.Buf, start)
}

// finish renders the reply of a batch, whose items are complete by now.
func (n *nativeWait) finish(w *wait) {
	if n.batch != nil {
		w.reply.Buf = n.batch.append(w.reply.Buf, w.s, &n.req)
	}
}

// nativeWrite serves a write of one entry.
func (s *Session) nativeWrite(req *wire.Request) error {
	entry := command.Begin(s.enc[:0])
	command.SetValueLimit(entry, s.srv.live.Current().MaxValueBytes)
	entry, key, err := s.encodeOp(entry, req.Op, req.OpFlags, req.Body)
	s.keepEncoded(entry)
	if err != nil {
		return err
	}
	s.startTiming(req)
	p := s.srv.node.Partition(key)
	if !s.srv.node.Deferred() && !s.wantsSync(req) {
		return s.submitInline(p, entry, &s.native.inline)
	}
	w := s.newWait()
	w.native = nativeWait{req: *req}
	w.native.req.Body = nil
	pos, err := s.srv.node.Submit(p, s.now, entry, w)
	if err = s.settleLater(pos, err); err != nil {
		s.abandon(w)
		return err
	}
	s.awaitSync(w, pos)
	return nil
}

// wantsSync reports whether a write asks for a stricter durability than the node
// has by its policy. It is then applied at once, as that policy says, and its
// reply waits for the disk.
func (s *Session) wantsSync(req *wire.Request) bool {
	return req.Flags&wire.FlagDurability != 0 && req.Durability != wire.DurabilityDefault && req.Durability < s.srv.durability
}

// awaitSync has the wait of a write that has been applied finished when the log
// is durable up to pos. On a deferred node the applier does that by itself.
func (s *Session) awaitSync(w *wait, pos uint64) {
	if s.srv.node.Deferred() {
		return
	}
	w.left.Store(1)
	s.srv.node.NotifyDurable(pos, w.Done)
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
	switch {
	case err != nil:
	case !s.allowed(key):
		err = errKeyForbidden
	case grows && s.srv.node.OverMemoryLimit():
		err = errMemoryLimit
	}
	return entry, key, err
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
