package server

import (
	"slices"
	"sync"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// writeBatch is one WRITEBATCH from its decoding to its reply. A session keeps
// one for reuse, so that a steady stream of batches allocates nothing.
type writeBatch struct {
	items   []batchItem // in the order of the request
	order   []uint64    // partition<<32 | index into items, sorted: the items that take part
	runs    []batchRunOf
	parts   []node.Part
	ops     []byte // the items' ops, one after another
	entries []byte // the partitions' entries, one after another
	replies []byte // the items' reply bodies; results come one at a time
	fetch   bool   // the items are applied at once: ask for the memory they need
	// tooLarge says that the old values that were asked for fit no frame.
	tooLarge bool
	mu       sync.Mutex // guards replies and tooLarge once the batch is submitted: parts may be applied by several goroutines
}

// batchItem is one item with its outcome.
type batchItem struct {
	op             wire.Op
	opFlags        uint8
	status         wire.Status
	op0, op1       int // its op is ops[op0:op1]
	reply0, reply1 int // its reply's body is replies[reply0:reply1]
	version        uint64
	hash           uint64
}

// batchRunOf is the share of one partition, and the sink of its entry: the i-th
// op of the entry is that of items[order[first+i]].
type batchRunOf struct {
	b           *writeBatch
	w           *wait  // nil when the results come within Submit
	first, last int    // order[first:last]
	most        uint32 // bytes of all replies: a frame's
}

// Result keeps one item's outcome.
func (r *batchRunOf) Result(i int, res *command.Result) {
	switch {
	case r.first+i >= r.last: // whoever repeats a session's sequence with another request
	case r.w == nil:
		r.b.keep(r.first+i, res, int(r.most))
	default:
		r.b.mu.Lock()
		r.b.keep(r.first+i, res, int(r.most))
		r.b.mu.Unlock()
	}
}

// keep keeps the outcome of the item that comes at a place in order.
func (b *writeBatch) keep(at int, res *command.Result, most int) {
	item := &b.items[uint32(b.order[at])]
	item.status, item.version = res.Status, res.Version
	if b.tooLarge = b.tooLarge || len(b.replies)+len(res.Bytes) > most; b.tooLarge {
		return
	}
	if res.Status <= wire.VersionMismatch {
		item.reply0 = len(b.replies)
		b.replies = appendResultBody(b.replies, item.op, item.opFlags, res)
		item.reply1 = len(b.replies)
	}
}

// Later reports whether the items' outcomes may come after Submit has returned.
func (r *batchRunOf) Later() bool { return r.w != nil && r.w.Later() }

// Done notes that the partition's items have their outcomes.
func (r *batchRunOf) Done() { r.w.Done() }

// Failed gives all items of the partition the outcome of their entry.
func (r *batchRunOf) Failed(err error) {
	status, _ := statusOf(err)
	for _, at := range r.b.order[r.first:r.last] {
		r.b.items[uint32(at)].status = status
	}
	r.w.Done()
}

// What a session keeps of a batch that is done with.
const (
	keepBatchItems = 1 << 10
	keepBatchBytes = 256 << 10
)

// takeBatch returns an empty batch.
func (s *Session) takeBatch() *writeBatch {
	b := s.native.spareBatch
	s.native.spareBatch = nil
	if b == nil {
		b = &writeBatch{}
	}
	return b
}

// returnBatch keeps a batch for the next one, unless it is unusually large.
func (s *Session) returnBatch(b *writeBatch) {
	if cap(b.items) > keepBatchItems || cap(b.ops)+cap(b.entries)+cap(b.replies) > keepBatchBytes {
		return
	}
	clear(b.parts)
	clear(b.runs)
	b.items, b.order, b.runs, b.parts = b.items[:0], b.order[:0], b.runs[:0], b.parts[:0]
	b.ops, b.entries, b.replies, b.tooLarge = b.ops[:0], b.entries[:0], b.replies[:0], false
	s.native.spareBatch = b
}

// nativeWriteBatch serves a batch of writes: one entry per partition, so that
// what is within one partition is atomic, and one append for all.
func (s *Session) nativeWriteBatch(req *wire.Request) error {
	b := s.takeBatch()
	b.fetch = !s.deferred && s.muchData()
	if err := s.encodeItems(b, req.Body); err != nil {
		s.returnBatch(b)
		return err
	}
	s.groupItems(b, req)
	err := s.submitBatch(req, b)
	if err != nil {
		s.returnBatch(b)
	}
	return err
}

// submitBatch hands a batch to the node. Unless it returns an error, b is given back
// when it is answered.
func (s *Session) submitBatch(req *wire.Request, b *writeBatch) (err error) {
	if !s.deferred || len(b.parts) == 0 {
		if s.wantsSync(req) && len(b.parts) > 0 {
			err = s.submitSynced(req, b.submit)
		} else if err = s.submitAllInline(b.parts); err == nil {
			s.w.Buf = b.append(s.w.Buf, s, req)
			s.returnBatch(b)
		}
		if !s.becameDeferred(err) {
			return err
		}
	}
	w := s.nativeWait(req)
	w.expect(len(b.parts))
	if err = s.settleLater(b.submit(w)); err != nil {
		w.native.batch = nil
		s.abandon(w)
	}
	return err
}

// submit submits the parts with w as their wait.
func (b *writeBatch) submit(w *wait) (pos uint64, err error) {
	w.native.batch = b
	for i := range b.runs {
		b.runs[i].w = w
	}
	return w.s.srv.node.SubmitAll(w.s.now, b.parts)
}

// encodeItems reads the items and encodes their ops. An item that is refused by
// itself (its key is forbidden, say) gets its status and takes no part; a
// malformed one refuses the batch, as does a node that could take no item.
func (s *Session) encodeItems(b *writeBatch, body []byte) error {
	var items wire.WriteItems
	if err := items.Decode(body, &s.srv.limits); err != nil {
		return err
	}
	var elsewhere error // of the first item that is another node's
	astray := 0         // such items
	for {
		var in wire.WriteItem
		ok, err := items.Next(&in)
		if err == nil && !ok && astray > 0 && astray == len(b.items) {
			err = elsewhere
		}
		if err != nil || !ok {
			return err
		}
		item := batchItem{op: in.Op, opFlags: in.OpFlags, op0: len(b.ops)}
		ops, key, err := s.encodeOp(b.ops, in.Op, in.OpFlags, in.Body)
		if err != nil {
			if item.status, _ = statusOf(err); !itemRefusal(item.status) {
				return err
			}
			if item.status == wire.NotLeader || item.status == wire.Unavailable {
				if astray++; elsewhere == nil {
					elsewhere = err
				}
			}
		} else {
			b.ops, item.op1 = ops, len(ops)
			at := s.placeOf(key)
			if item.hash = at.hash; b.fetch {
				at.p.Table.PrefetchBucket(at.hash)
			}
			b.order = append(b.order, uint64(at.p.Number)<<32|uint64(len(b.items)))
		}
		b.items = append(b.items, item)
	}
}

// groupItems makes one entry per partition. Within one, items stay in order.
func (s *Session) groupItems(b *writeBatch, req *wire.Request) {
	slices.Sort(b.order)
	limit := s.srv.live.Current().MaxValueBytes
	partitions := s.srv.partitions
	b.entries = slices.Grow(b.entries, len(b.ops)+len(b.order)*entryHeadBytes) // entries must not move
	for first := 0; first < len(b.order); {
		p := b.order[first] >> 32
		start, last := len(b.entries), first
		entry := beginEntry(b.entries[start:start:cap(b.entries)], req)
		command.SetValueLimit(entry, limit)
		for ; last < len(b.order) && b.order[last]>>32 == p; last++ {
			item := &b.items[uint32(b.order[last])]
			if b.fetch {
				partitions[p].Table.PrefetchEntry(item.hash)
			}
			entry = append(entry, b.ops[item.op0:item.op1]...)
		}
		command.SetCount(entry, last-first)
		b.entries = b.entries[:start+len(entry)]
		b.runs = append(b.runs, batchRunOf{b: b, first: first, last: last, most: s.srv.limits.MaxFrame})
		b.parts = append(b.parts, node.Part{Partition: partitions[p], Entry: entry})
		first = last
	}
	for i := range b.parts {
		b.parts[i].Sink = &b.runs[i]
	}
}

// entryHeadBytes is at least what command.Begin appends.
const entryHeadBytes = 64

// itemRefusal reports whether a status concerns one item and not the request.
func itemRefusal(status wire.Status) bool {
	switch status {
	case wire.PermissionDenied, wire.MemoryLimit, wire.NotLeader, wire.Unavailable:
		return true
	}
	return false
}

// errOldValues answers a batch that was executed. Never changed.
var errOldValues = &wire.Error{Status: wire.UnknownOutcome, Text: "executed, but the old values that were asked for exceed the largest frame"}

// append renders the reply: the items' outcomes in the order of the request.
func (b *writeBatch) append(dst []byte, s *Session, req *wire.Request) []byte {
	const perItem = 16
	if b.tooLarge || len(b.replies)+perItem*len(b.items) > int(s.srv.limits.MaxFrame) {
		return appendFailure(dst, req, errOldValues)
	}
	start := len(dst)
	head := s.head(req, wire.OK, 0)
	dst = head.AppendHeader(dst)
	items := len(dst)
	dst = wire.BeginBatch(dst)
	for i := range b.items {
		item := &b.items[i]
		dst = wire.AppendItem(dst, item.status, item.version, b.replies[item.reply0:item.reply1])
	}
	wire.FinishBatch(dst, items, len(b.items))
	wire.FinishFrame(dst, start)
	var p *node.Partition
	if len(b.parts) == 1 {
		p = b.parts[0].Partition
	}
	s.seal(dst, start, &head, req, p, wire.Linearizable)
	return dst
}
