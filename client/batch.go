package client

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Batch gathers writes that travel together. It is not atomic as a whole: those of its
// writes that fall into one partition are applied together (give keys a common
// {tag} to bring them there), the others by themselves. The zero value is ready to use; Reset makes it ready again
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
