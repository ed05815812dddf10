package client

import (
	"context"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Batch gathers writes that travel in one frame and are answered by one. It is
// not atomic as a whole: those of its writes that fall into one partition are
// applied together (give keys a common {tag} to bring them there), the others
// by themselves. The zero value is ready to use; Reset makes it ready again
// without giving its memory back. A Batch is not safe for concurrent use.
type Batch struct {
	buf   []byte // a WRITEBATCH body, its count open until it is sent
	items []int  // where each write starts in buf
	err   error  // the first refused write
}

// Len returns the count of writes gathered.
func (b *Batch) Len() int { return len(b.items) }

// Reset forgets the writes gathered.
func (b *Batch) Reset() { b.buf, b.items, b.err = b.buf[:0], b.items[:0], nil }

// Put adds a Put. Options as with Client.Put, except those of the whole batch
// (WithDurability, WithAcks, WithReceipt), which Client.Batch takes, and
// WithPrevious.
func (b *Batch) Put(key string, value []byte, opts ...Option) {
	cl := call{key: key, value: value}
	b.add(wire.OpPut, &cl, opts, putOptions&^(writeOptions|optPrevious))
}

// CompareAndPut adds a CompareAndPut.
func (b *Batch) CompareAndPut(key string, version uint64, value []byte, opts ...Option) {
	cl := call{key: key, value: value, ifVersion: version}
	cl.req.OpFlags = wire.WriteIfVersion
	b.add(wire.OpPut, &cl, opts, optTTL|optExpireAt|optKeepTTL)
}

// Delete adds a Delete. Option: IfVersion.
func (b *Batch) Delete(key string, opts ...Option) {
	cl := call{key: key}
	b.add(wire.OpDelete, &cl, opts, optIfVersion)
}

// Increment adds an Increment. Options: WithTTL, WithExpireAt.
func (b *Batch) Increment(key string, delta int64, opts ...Option) {
	cl := call{key: key, delta: delta}
	b.add(wire.OpIncrement, &cl, opts, optTTL|optExpireAt)
}

// Expire adds an Expire. Options: IfNoExpiry, IfExpiry, IfLater, IfEarlier.
func (b *Batch) Expire(key string, ttl time.Duration, opts ...Option) {
	cl := call{key: key, expiry: ttlMs(ttl)}
	cl.req.OpFlags = wire.WriteTTL
	b.add(wire.OpExpire, &cl, opts, optIfNoExpiry|optIfExpiry|optIfLater|optIfEarlier)
}

// Persist adds a Persist.
func (b *Batch) Persist(key string) {
	cl := call{key: key}
	b.add(wire.OpPersist, &cl, nil, 0)
}

func (b *Batch) add(op wire.Op, cl *call, opts []Option, allowed optionKind) {
	cl.req.Op = op
	if err := cl.apply(opts, allowed); err != nil {
		if b.err == nil {
			b.err = err
		}
		return
	}
	if len(b.items) == 0 {
		b.buf = wire.BeginBatch(b.buf[:0])
	}
	start := len(b.buf)
	b.buf = wire.BeginWriteItem(b.buf, op, cl.req.OpFlags)
	b.buf = cl.appendBody(b.buf)
	wire.FinishWriteItem(b.buf, start)
	b.items = append(b.items, start)
}

// Result is the outcome of one item of a batch.
type Result struct {
	Status  Status
	Value   []byte // GetBatch: the value; results of one batch share their memory
	Version uint64 // of the entry read or written
	Int     int64  // Increment: the sum
}

// Found reports whether the item's key had an entry and the item succeeded.
func (r *Result) Found() bool { return r.Status.OK() }

// Err returns nil, or an error for errors.Is: ErrNotFound for the key of a
// GetBatch, a Delete, an Expire or a Persist without an entry, and so on.
func (r *Result) Err() error {
	if r.Status.OK() {
		return nil
	}
	return &Error{Op: "batch item", Status: r.Status, Version: r.Version}
}

// Batch sends b and returns one result per write, in their order. The error
// speaks of the batch as a whole; a write's own is in its Result. Options:
// WithDurability, WithAcks, WithReceipt.
func (c *Client) Batch(ctx context.Context, b *Batch, opts ...Option) ([]Result, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.items) == 0 {
		return nil, nil
	}
	cl := c.begin(wire.OpWriteBatch, "")
	defer c.release(cl)
	if err := cl.apply(opts, writeOptions); err != nil {
		return nil, err
	}
	wire.FinishBatch(b.buf, 0, len(b.items))
	cl.value = b.buf
	cl.limit = uint32(len(b.items))
	if err := c.do(ctx, cl); err != nil {
		return nil, err
	}
	return c.results(cl, len(b.items), func(i int) bool { return wire.Op(b.buf[b.items[i]]) == wire.OpIncrement })
}

// GetBatch reads many keys with one frame and returns one result per key, in
// their order; a key without an entry is no error but a Result that is not
// Found. Options: those of every read.
func (c *Client) GetBatch(ctx context.Context, keys []string, opts ...Option) ([]Result, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	cl := c.begin(wire.OpGetBatch, "")
	defer c.release(cl)
	if err := cl.apply(opts, readOptions); err != nil {
		return nil, err
	}
	cl.body = wire.BeginBatch(cl.body[:0])
	for _, key := range keys {
		cl.body = wire.AppendBatchKey(cl.body, key)
	}
	wire.FinishBatch(cl.body, 0, len(keys))
	cl.value = cl.body
	cl.limit = uint32(len(keys))
	if err := c.do(ctx, cl); err != nil {
		return nil, err
	}
	return c.results(cl, len(keys), nil)
}

// results decodes the reply to a batch of n items. isInt says which items
// answer with an integer.
func (c *Client) results(cl *call, n int, isInt func(i int) bool) ([]Result, error) {
	var items wire.ItemResults
	if err := items.Decode(cl.dst); err != nil {
		return nil, c.malformed(cl, err)
	}
	if items.Len() != n {
		return nil, c.malformed(cl, wire.ErrTruncated)
	}
	results := make([]Result, n)
	var item wire.ItemResult
	for i := range results {
		if _, err := items.Next(&item); err != nil {
			return nil, c.malformed(cl, err)
		}
		r := &results[i]
		r.Status, r.Version = Status(item.Status), item.Version
		if item.Status != wire.OK {
			continue
		}
		if isInt == nil {
			r.Value = item.Body
			continue
		}
		if isInt(i) {
			sum, err := wire.DecodeInt(item.Body)
			if err != nil {
				return nil, c.malformed(cl, err)
			}
			r.Int = sum
		}
	}
	return results, nil
}
