package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// nativeWait is what a waiting native request needs for its reply.
type nativeWait struct {
	req     wire.Request // without its body
	op      wire.Op
	opFlags uint8
	batch   *writeBatch // of a WRITEBATCH
}

// nativeInline renders results of entries that are applied within Submit.
type nativeInline struct{ s *Session }

// Result is called by the node, within Submit.
func (n *nativeInline) Result(_ int, r *command.Result) {
	s := n.s
	s.w.Buf = s.appendResult(s.w.Buf, &s.native.req, r)
}

// Done is never called: nothing waits.
func (n *nativeInline) Done() {}

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
		n.batch = nil
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
	if !s.srv.node.Deferred() {
		return s.submitInline(p, entry, &s.native.inline)
	}
	w := s.newWait()
	w.native = nativeWait{req: *req}
	w.native.req.Body = nil
	if err := s.settleLater(s.srv.node.Submit(p, s.now, entry, w)); err != nil {
		s.abandon(w)
		return err
	}
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

// entryHeadBytes is at least what command.Begin appends.
const entryHeadBytes = 64

// writeBatch is the items of one WRITEBATCH and, when they are done, their
// results.
type writeBatch struct {
	items []batchItem
	parts []batchPart
	ops   []byte // the items' ops, one after another
}

type batchItem struct {
	op       wire.Op
	opFlags  uint8
	p        *node.Partition
	body     []byte // of the request
	index    int    // within the request
	op0, op1 int    // its op is writeBatch.ops[op0:op1]
	// The outcome.
	status  wire.Status
	version uint64
	reply   []byte
}

// batchPart is the share of one partition: a run of items that are sorted by
// partition. It is the sink of the partition's entry.
type batchPart struct {
	w     *wait       // nil when the results come within Submit
	items []batchItem // the i-th is the entry's i-th op
}

// Result keeps one item's outcome.
func (b *batchPart) Result(i int, r *command.Result) {
	item := &b.items[i]
	item.status, item.version = r.Status, r.Version
	if r.Status <= wire.VersionMismatch {
		item.reply = appendResultBody(nil, item.op, item.opFlags, r)
	}
}

// Done notes that the part's items have their outcomes.
func (b *batchPart) Done() { b.w.Done() }

// nativeWriteBatch serves a batch of writes: one entry per partition, so that
// what is within one partition is atomic, and one append for all.
func (s *Session) nativeWriteBatch(req *wire.Request) error {
	b, err := s.decodeBatch(req.Body)
	if err != nil {
		return err
	}
	parts, err := s.encodeBatch(b)
	if err != nil {
		return err
	}
	if !s.srv.node.Deferred() {
		if err := s.submitAllInline(parts); err != nil {
			return err
		}
		s.w.Buf = b.append(s.w.Buf, s, req)
		return nil
	}
	if len(parts) == 0 {
		s.w.Buf = b.append(s.w.Buf, s, req)
		return nil
	}
	w := s.newWait()
	w.left.Store(int32(len(parts)))
	w.native = nativeWait{req: *req, batch: b}
	w.native.req.Body = nil
	for i := range b.parts {
		b.parts[i].w = w
	}
	if err := s.settleLater(s.srv.node.SubmitAll(s.now, parts)); err != nil {
		w.native.batch = nil
		s.abandon(w)
		return err
	}
	return nil
}

// decodeBatch reads the items and sorts them by partition; within one, they stay
// in order.
func (s *Session) decodeBatch(body []byte) (*writeBatch, error) {
	var items wire.WriteItems
	if err := items.Decode(body, &s.srv.limits); err != nil {
		return nil, err
	}
	b := &writeBatch{items: make([]batchItem, 0, items.Len())}
	for {
		var item wire.WriteItem
		ok, err := items.Next(&item)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		b.items = append(b.items, batchItem{op: item.Op, opFlags: item.OpFlags, body: item.Body, index: len(b.items)})
	}
	return b, nil
}

// encodeBatch makes one entry per partition. An item that is refused by itself
// (its key is forbidden, say) gets its status and takes no part; a malformed one
// refuses the batch.
func (s *Session) encodeBatch(b *writeBatch) ([]node.Part, error) {
	limit := s.srv.live.Current().MaxValueBytes
	for i := range b.items {
		item := &b.items[i]
		item.op0 = len(b.ops)
		ops, key, err := s.encodeOp(b.ops, item.op, item.opFlags, item.body)
		if err != nil {
			if item.status, _ = statusOf(err); !itemRefusal(item.status) {
				return nil, err
			}
			continue
		}
		b.ops, item.op1 = ops, len(ops)
		item.p = s.srv.node.Partition(key)
	}
	slices.SortStableFunc(b.items, func(x, y batchItem) int { return cmp.Compare(x.partition(), y.partition()) })
	rest := b.items
	for len(rest) > 0 && rest[0].p == nil {
		rest = rest[1:]
	}
	var parts []node.Part
	for len(rest) > 0 {
		n := 1
		for n < len(rest) && rest[n].p == rest[0].p {
			n++
		}
		run := rest[:n]
		size := 0
		for i := range run {
			size += run[i].op1 - run[i].op0
		}
		entry := command.Begin(make([]byte, 0, entryHeadBytes+size))
		command.SetValueLimit(entry, limit)
		command.SetCount(entry, n)
		for i := range run {
			entry = append(entry, b.ops[run[i].op0:run[i].op1]...)
		}
		b.parts = append(b.parts, batchPart{items: run})
		parts = append(parts, node.Part{Partition: run[0].p, Entry: entry})
		rest = rest[n:]
	}
	for i := range parts {
		parts[i].Sink = &b.parts[i]
	}
	return parts, nil
}

func (i *batchItem) partition() int {
	if i.p == nil {
		return -1
	}
	return i.p.Number
}

// itemRefusal reports whether a status concerns one item and not the request.
func itemRefusal(status wire.Status) bool {
	return status == wire.PermissionDenied || status == wire.MemoryLimit
}

// append renders the reply: the items' outcomes in the order of the request.
func (b *writeBatch) append(dst []byte, s *Session, req *wire.Request) []byte {
	slices.SortFunc(b.items, func(x, y batchItem) int { return cmp.Compare(x.index, y.index) })
	start := len(dst)
	head := s.head(req, wire.OK, 0)
	dst = head.AppendHeader(dst)
	items := len(dst)
	dst = wire.BeginBatch(dst)
	for i := range b.items {
		item := &b.items[i]
		dst = wire.AppendItem(dst, item.status, item.version, item.reply)
	}
	wire.FinishBatch(dst, items, len(b.items))
	wire.FinishFrame(dst, start)
	return dst
}
