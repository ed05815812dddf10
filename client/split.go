package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
	"unsafe"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Batch sends b and returns one result per write, in their order. In a cluster the
// writes of each partition travel by themselves, in parallel, and are repeated by
// themselves if need be.
//
// The error speaks of the batch as a whole; a write's own is in its Result. When
// it is not known of all writes, or not the same, whether they were carried out,
// the error is ErrUnknownOutcome, and results that come with it tell of each write what
// is known. Options: WithDurability, WithAcks, WithReceipt.
func (c *Client) Batch(ctx context.Context, b *Batch, opts ...Option) ([]Result, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.items) == 0 {
		return nil, nil
	}
	wire.FinishBatch(b.buf, 0, len(b.items))
	run := batchRun{
		c: c, op: wire.OpWriteBatch, opts: opts, allowed: writeOptions, results: make([]Result, len(b.items)), whole: b.buf,
		item:  func(dst []byte, i int) []byte { return append(dst, b.item(i)...) },
		key:   func(i int) []byte { return wire.KeyOfItem(b.item(i)) },
		isInt: func(i int) bool { return wire.Op(b.item(i)[0]) == wire.OpIncrement },
	}
	return run.do(ctx)
}

// item returns the encoding of write i.
func (b *Batch) item(i int) []byte {
	if i+1 < len(b.items) {
		return b.buf[b.items[i]:b.items[i+1]]
	}
	return b.buf[b.items[i]:]
}

// GetBatch reads many keys at once and returns one result per key, in their order;
// a key without an entry is no error but a Result that is not Found. In a cluster the
// nodes are asked in parallel, each for what it has. With an error come the results
// that there are. Options: those of every read.
func (c *Client) GetBatch(ctx context.Context, keys []string, opts ...Option) ([]Result, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	run := batchRun{
		c: c, op: wire.OpGetBatch, opts: opts, allowed: readOptions, results: make([]Result, len(keys)),
		item:  func(dst []byte, i int) []byte { return wire.AppendBatchKey(dst, keys[i]) },
		key:   func(i int) []byte { return viewOf(keys[i]) },
		isInt: nil,
	}
	return run.do(ctx)
}

// viewOf returns the bytes of a string, only to be read: a conversion would allocate.
func viewOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// batchRun carries a batch out: a lone server gets it as a whole; in a cluster it is
// split.
type batchRun struct {
	c       *Client
	op      wire.Op
	opts    []Option
	allowed optionKind
	whole   []byte // the body with all items, if there is one already

	item  func(dst []byte, i int) []byte // appends the encoded item
	key   func(i int) []byte
	isInt func(i int) bool // the item answers with an integer; nil: with a value

	results []Result
	receipt *Receipt
	done    bool  // a part was answered
	failed  int   // items of parts that have failed
	err     error // of one of these parts; rather one of which the outcome is not known
}

// batchPart is one request of a batch.
type batchPart struct {
	cl      *call
	items   []uint64 // the lower half of each is an item's index; nil: all items
	receipt Receipt
}

func (b *batchRun) do(ctx context.Context) ([]Result, error) {
	c, began := b.c, time.Time{}
	var moved []int // items that belong elsewhere than where they were sent
	if r := c.routes.Load(); r != nil {
		began = time.Now()
		moved = b.carry(ctx, b.split(r, b.all(), b.op == wire.OpGetBatch && !b.wantsToken()))
	} else {
		moved = b.carry(ctx, []batchPart{{cl: c.begin(b.op, "")}})
	}
	if len(moved) > 0 {
		if _, ok := ctx.Deadline(); !ok && c.opts.Timeout > 0 {
			left := c.opts.Timeout
			if !began.IsZero() {
				left -= time.Since(began)
			}
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, left)
			defer cancel()
		}
		if r := c.awaitRoutes(ctx); r != nil {
			moved = b.carry(ctx, b.split(r, moved, false))
		}
		for _, i := range moved {
			b.fail(i, &Error{Op: b.op.Name(), Status: Status(wire.Unavailable), Cause: ctx.Err(),
				Message: "it is not known which node leads the key's partition"})
		}
	}
	return b.verdict()
}

// all returns the indexes of all items.
func (b *batchRun) all() []int {
	all := make([]int, len(b.results))
	for i := range all {
		all[i] = i
	}
	return all
}

// wantsToken reports whether the reads ask for SessionReads, which says what each
// partition must reflect and therefore needs a request for each.
func (b *batchRun) wantsToken() bool {
	return slices.ContainsFunc(b.opts, func(o Option) bool { return o.kind == optConsistency && o.n == uint64(SessionReads) })
}

// split groups items by partition or, with byNode, by the nodes that serve them at
// present; such a request is sent once only, as its items may part.
func (b *batchRun) split(r *routes, items []int, byNode bool) (parts []batchPart) {
	relaxed := slices.ContainsFunc(b.opts, func(o Option) bool {
		return o.kind == optMaxStaleness || o.kind == optConsistency && o.n >= uint64(SessionReads)
	})
	order := make([]uint64, len(items))
	for at, i := range items {
		group := uint64(ring.PartitionOf(b.key(i), len(r.parts)))
		if byNode {
			if n := r.server(int(group), relaxed); n >= 0 {
				group = uint64(len(r.parts) + n)
			}
		}
		order[at] = group<<32 | uint64(i)
	}
	slices.Sort(order)
	for first := 0; first < len(order); {
		last := first + 1
		for last < len(order) && order[last]>>32 == order[first]>>32 {
			last++
		}
		group := int(order[first] >> 32)
		cl := b.c.begin(b.op, "")
		if cl.partition = group; group >= len(r.parts) {
			cl.target, cl.fixed = r.nodes[group-len(r.parts)], true
			cl.partition = ring.PartitionOf(b.key(int(uint32(order[first]))), len(r.parts))
		}
		parts = append(parts, batchPart{cl: cl, items: order[first:last]})
		first = last
	}
	return parts
}

// server returns the index of the node that serves reads of a partition, -1 if none
// is known and well.
func (r *routes) server(partition int, relaxed bool) int {
	part := &r.parts[partition]
	n := part.Leader()
	if relaxed {
		if near := part.Replica(rand.Uint64(), (*node).health); near != nil {
			n = near
		}
	}
	if n == nil || !n.reachable() {
		return -1
	}
	return slices.Index(r.nodes, n)
}

// carry sends the parts, stores what they bring, and returns the items that were not
// served where they were sent. The parts' calls are given back.
func (b *batchRun) carry(ctx context.Context, parts []batchPart) (moved []int) {
	defer func() {
		for i := range parts {
			b.c.release(parts[i].cl)
		}
	}()
	for i := range parts {
		if err := b.encode(&parts[i]); err != nil {
			b.err = err // of the options, which are the same for all
			return nil
		}
	}
	if len(parts) == 1 {
		return b.take(&parts[0], b.c.do(ctx, parts[0].cl), nil)
	}
	calls := make([]*call, len(parts))
	for i := range parts {
		calls[i] = parts[i].cl
	}
	for i, err := range b.c.together(ctx, calls) {
		moved = b.take(&parts[i], err, moved)
	}
	return moved
}

// encode fills in the part's request.
func (b *batchRun) encode(p *batchPart) error {
	cl := p.cl
	if err := cl.apply(b.opts, b.allowed); err != nil {
		return err
	}
	if cl.receipt != nil {
		b.receipt, cl.receipt = cl.receipt, &p.receipt
	}
	cl.limit = uint32(p.len(b))
	if p.items == nil && b.whole != nil {
		cl.value = b.whole
		return nil
	}
	cl.body = wire.BeginBatch(cl.body[:0])
	for at := range p.len(b) {
		cl.body = b.item(cl.body, p.index(at))
	}
	wire.FinishBatch(cl.body, 0, p.len(b))
	cl.value = cl.body
	return nil
}

// len returns how many items the part has.
func (p *batchPart) len(b *batchRun) int {
	if p.items == nil {
		return len(b.results)
	}
	return len(p.items)
}

// index returns the index in the batch of the part's item at a place.
func (p *batchPart) index(at int) int {
	if p.items == nil {
		return at
	}
	return int(uint32(p.items[at]))
}

// take stores the outcome of a part.
func (b *batchRun) take(p *batchPart, err error, moved []int) []int {
	cl := p.cl
	if err == nil {
		moved, err = b.decode(p, moved)
	}
	switch {
	case err == nil:
		b.done = true
		if b.receipt != nil {
			*b.receipt = p.receipt
		}
		return moved
	case cl.uncertain():
		b.err = err
	case cl.fixed && (cl.try.Outcome == attempt.Untried || b.c.worthRetrying(cl)),
		cl.try.Outcome == attempt.Replied && cl.stays() && cl.misplaced():
		for at := range p.len(b) {
			moved = append(moved, p.index(at))
		}
		return moved
	}
	for at := range p.len(b) {
		b.fail(p.index(at), err)
	}
	return moved
}

// fail notes that an item's request has failed.
func (b *batchRun) fail(i int, err error) {
	if b.failed++; b.err == nil {
		b.err = err
	}
	if e, ok := err.(*Error); ok {
		b.results[i].Status = e.Status
	}
}

// decode stores the results in a reply.
func (b *batchRun) decode(p *batchPart, moved []int) ([]int, error) {
	c, cl := b.c, p.cl
	var items wire.ItemResults
	if err := items.Decode(cl.dst); err != nil {
		return moved, c.malformed(cl, err)
	}
	if items.Len() != p.len(b) {
		return moved, c.malformed(cl, wire.ErrTruncated)
	}
	seen := c.seen.Load()
	var item wire.ItemResult
	for at := range items.Len() {
		if _, err := items.Next(&item); err != nil {
			return moved, c.malformed(cl, err)
		}
		i := p.index(at)
		r := &b.results[i]
		r.Status, r.Version = Status(item.Status), item.Version
		switch {
		case item.Status == wire.NotLeader || item.Status == wire.WrongEpoch || item.Status == wire.Unavailable && cl.fixed:
			if cl.partition < 0 || cl.fixed {
				moved = append(moved, i)
			}
		case item.Status != wire.OK:
		case b.isInt == nil:
			r.Value = item.Body
		case b.isInt(i):
			sum, err := wire.DecodeInt(item.Body)
			if err != nil {
				return moved, c.malformed(cl, err)
			}
			r.Int = sum
		}
		if seen != nil && !cl.fixed {
			seen.saw(cl.partition, item.Version)
		}
	}
	return moved, nil
}

// verdict returns the results with the error of the batch as a whole.
func (b *batchRun) verdict() ([]Result, error) {
	switch {
	case b.err == nil:
		return b.results, nil
	case !b.done:
		return nil, b.err
	case b.op == wire.OpGetBatch:
		return b.results, b.err
	}
	return b.results, &Error{Op: b.op.Name(), Status: Status(wire.UnknownOutcome), Cause: b.err,
		Message: fmt.Sprintf("%d of %d writes have failed, or it is not known of them: see the results", b.failed, len(b.results))}
}

// awaitRoutes waits until it is known who serves what; nil when ctx ends before.
func (c *Client) awaitRoutes(ctx context.Context) *routes {
	var pause attempt.Pause
	for {
		changed := c.changes()
		if r := c.routes.Load(); r != nil || ctx.Err() != nil {
			return r
		}
		c.refreshSoon()
		timer := time.NewTimer(pause.Take(attempt.ElectPauses(), rand.Uint64()))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		case <-c.closing:
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// sharedRefusal returns why no item of a batch for one partition was served, OK if
// they were.
func sharedRefusal(body []byte) wire.Status {
	var items wire.ItemResults
	var first wire.ItemResult
	if items.Decode(body) != nil {
		return wire.OK
	}
	if ok, err := items.Next(&first); !ok || err != nil {
		return wire.OK
	}
	switch first.Status {
	case wire.NotLeader, wire.WrongEpoch, wire.Unavailable, wire.UnknownOutcome, wire.SessionExpired:
		return first.Status
	}
	return wire.OK
}
