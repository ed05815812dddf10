package router

import (
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// batch is a GETBATCH or WRITEBATCH that is cut by partition. What its parts bring is
// guarded by the connection's mu.
type batch struct {
	n     *nativeCall
	items []batchItem // in the order of the request
	parts []*batchPart
	left  int
	bytes int           // of the parts' replies; they count as held by the connection
	head  wire.Response // joined
}

// batchItem is one item with its outcome.
type batchItem struct {
	wire.ItemResult
	part *batchPart // nil: it was refused here
}

// batchPart is the share of one partition.
type batchPart struct {
	partition int
	places    []int // of its items, ascending
	body      []byte
	failed    error // why there is no reply to it
}

// share returns the part of a key's partition.
func (b *batch) share(key []byte) *batchPart {
	p := ring.PartitionOf(key, b.n.view.Partitions)
	for _, part := range b.parts {
		if part.partition == p {
			return part
		}
	}
	part := &batchPart{partition: p, body: wire.BeginBatch(nil)}
	b.parts = append(b.parts, part)
	return part
}

// add files an item under its key's partition, and returns where it goes; nil when
// the user may not touch the key.
func (b *batch) add(key []byte) *batchPart {
	var item batchItem
	if b.n.c.user.AllowsKey(key) {
		item.part = b.share(key)
		item.part.places = append(item.part.places, len(b.items))
	} else {
		item.Status = wire.PermissionDenied
	}
	b.items = append(b.items, item)
	return item.part
}

func (n *nativeCall) getBatch() error {
	var keys wire.Keys
	if err := keys.Decode(n.req.Body, &n.lim); err != nil {
		return err
	}
	b := &batch{n: n, items: make([]batchItem, 0, keys.Len())}
	for {
		key, ok, err := keys.Next(&n.lim)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if part := b.add(key); part != nil {
			part.body = wire.AppendBatchKey(part.body, key)
		}
	}
	return b.send()
}

func (n *nativeCall) writeBatch() error {
	var items wire.WriteItems
	if err := items.Decode(n.req.Body, &n.lim); err != nil {
		return err
	}
	b := &batch{n: n, items: make([]batchItem, 0, items.Len())}
	for {
		var item wire.WriteItem
		ok, err := items.Next(&item)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		key, err := itemKey(&item, &n.lim)
		if err != nil {
			return err
		}
		if part := b.add(key); part != nil {
			start := len(part.body)
			part.body = append(wire.BeginWriteItem(part.body, item.Op, item.OpFlags), item.Body...)
			wire.FinishWriteItem(part.body, start)
		}
	}
	return b.send()
}

// itemKey judges an item of a WRITEBATCH and returns its key.
func itemKey(item *wire.WriteItem, lim *wire.Limits) ([]byte, error) {
	switch item.Op {
	case wire.OpPut:
		var b wire.PutBody
		err := b.Decode(item.OpFlags, item.Body, lim)
		return b.Key, err
	case wire.OpDelete:
		var b wire.DeleteBody
		err := b.Decode(item.OpFlags, item.Body, lim)
		return b.Key, err
	case wire.OpIncrement:
		var b wire.IncrementBody
		err := b.Decode(item.OpFlags, item.Body, lim)
		return b.Key, err
	case wire.OpExpire:
		var b wire.ExpireBody
		err := b.Decode(item.OpFlags, item.Body, lim)
		return b.Key, err
	case wire.OpPersist:
		return item.Body, wire.CheckKey(item.Body, lim)
	}
	return nil, wire.ErrNotAWrite
}

// send forwards the parts. A batch that is whole goes as it is.
func (b *batch) send() error {
	n := b.n
	switch {
	case len(b.parts) == 0:
		b.answer()
		return nil
	case len(b.parts) == 1 && len(b.parts[0].places) == len(b.items):
		n.pass(b.parts[0].partition)
		return nil
	}
	if !n.admit() {
		return nil
	}
	n.req.Body = nil // the parts have copies
	n.c.r.stats.split.Add(1)
	b.left = len(b.parts)
	for _, part := range b.parts {
		wire.FinishBatch(part.body, 0, len(part.places))
		req := n.req
		req.Body = part.body
		n.c.start(n.task(part.partition, req, func(reply *wire.Response, err error) { b.take(part, reply, err) }))
	}
	return nil
}

// take files the reply of one part, and answers behind the last.
func (b *batch) take(part *batchPart, reply *wire.Response, err error) {
	c := b.n.c
	if err == nil && reply.Status >= wire.InvalidArgument {
		err = &wire.Error{Status: reply.Status, Text: string(reply.Body)}
	}
	c.mu.Lock()
	if err == nil {
		err = b.fill(part, reply.Body)
	}
	if part.failed = err; err == nil {
		b.bytes += len(reply.Body)
		if !c.broken {
			c.hold(len(reply.Body))
		}
		joinHead(&b.head, reply, b.left == len(b.parts))
	}
	part.body = nil
	b.left--
	last := b.left == 0
	if last && !c.broken {
		c.hold(-b.bytes)
	}
	c.mu.Unlock()
	if last {
		b.answer()
	}
}

// fill files the outcomes of a part's items.
func (b *batch) fill(part *batchPart, body []byte) error {
	var results wire.ItemResults
	if err := results.Decode(body); err != nil {
		return errPartReply
	}
	if results.Len() != len(part.places) {
		return errPartReply
	}
	for _, at := range part.places {
		if ok, err := results.Next(&b.items[at].ItemResult); err != nil || !ok {
			return errPartReply
		}
	}
	return nil
}

// errPartReply is about a node that does not keep to the protocol. Never changed.
var errPartReply = &wire.Error{Status: wire.Internal, Text: "a node's reply to a part of the batch cannot be understood"}

// joinHead makes the receipt of several replies: what all of them keep.
func joinHead(all, one *wire.Response, first bool) {
	const joined = wire.ReplyReceipt | wire.ReplyTiming
	if first {
		*all = *one
		all.Flags &= joined
		all.Body, all.Version, all.Index, all.RetryAfterMs = nil, 0, 0, 0
		return
	}
	all.Flags &= one.Flags
	if all.Term != one.Term {
		all.Term = 0 // the terms of different partitions have nothing to do with each other
	}
	all.Consistency = max(all.Consistency, one.Consistency)
	all.Acks, all.Durability = max(all.Acks, one.Acks), max(all.Durability, one.Durability)
	all.QueueNs, all.ApplyNs, all.SyncNs = max(all.QueueNs, one.QueueNs), max(all.ApplyNs, one.ApplyNs), max(all.SyncNs, one.SyncNs)
}

// answer renders the reply: the items' outcomes in the order of the request. A part
// that failed gives all of its items its status; only when all have failed, the batch
// has.
func (b *batch) answer() {
	failed := 0
	for _, part := range b.parts {
		if part.failed != nil {
			failed++
		}
	}
	if failed > 0 && failed == len(b.parts) {
		b.n.fail(b.parts[0].failed)
		return
	}
	const perItem = 16
	size := 4 + perItem*len(b.items)
	for i := range b.items {
		size += len(b.items[i].Body)
	}
	if size > int(b.n.lim.MaxFrame)-wire.FrameOverhead {
		b.n.fail(b.tooLarge())
		return
	}
	body := wire.BeginBatch(make([]byte, 0, size))
	for i := range b.items {
		item := &b.items[i]
		if item.part != nil && item.part.failed != nil {
			status, _ := statusOf(item.part.failed)
			item.ItemResult = wire.ItemResult{Status: status}
		}
		body = wire.AppendItem(body, item.Status, item.Version, item.Body)
	}
	wire.FinishBatch(body, 0, len(b.items))
	b.head.Body = body
	b.n.answer(&b.head)
}

// tooLarge is the error of a reply that no frame can hold.
func (b *batch) tooLarge() error {
	if b.n.req.Op == wire.OpGetBatch {
		return &wire.Error{Status: wire.TooLarge, Text: "the reply would exceed the largest frame: ask for less at once"}
	}
	return &wire.Error{Status: wire.UnknownOutcome, Text: "executed, but the old values that were asked for exceed the largest frame"}
}
