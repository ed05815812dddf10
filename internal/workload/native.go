package workload

import (
	"context"
	"errors"
	"iter"

	"github.com/prakashpandey/vegadb/client"
)

// Native is a VegaDB server under load through the Go client. All callers
// share the client's connections, as the goroutines of a program would.
type Native struct{ Client *client.Client }

// Conn returns a view of the client for one caller.
func (n Native) Conn(context.Context) (Conn, error) { return &nativeConn{client: n.Client}, nil }

// Close leaves the client open: it is its owner's to close.
func (n Native) Close() error { return nil }

type nativeConn struct {
	client *client.Client
	batch  client.Batch
	keys   []string
	scan   *scanner
}

func (c *nativeConn) Close() error {
	c.endScan()
	return nil
}

// Do sends single requests one after the other: what pipelines here is the
// client, across callers.
func (c *nativeConn) Do(ctx context.Context, ops []Op, batch bool) {
	switch {
	case !batch:
		for i := range ops {
			c.one(ctx, &ops[i])
		}
	case ops[0].Kind == Read:
		c.readBatch(ctx, ops)
	default:
		c.writeBatch(ctx, ops)
	}
}

func (c *nativeConn) one(ctx context.Context, op *Op) {
	switch op.Kind {
	case Read:
		c.read(ctx, op)
	case Scan:
		c.readOn(ctx, op)
	default:
		op.Version, op.Err = c.client.Put(ctx, string(op.Key), op.Value)
	}
}

func (c *nativeConn) read(ctx context.Context, op *Op) {
	if op.least == 0 {
		op.Got, op.Err = c.client.GetInto(ctx, string(op.Key), op.Got)
	} else {
		var receipt client.Receipt
		op.Got, op.Err = c.client.GetInto(ctx, string(op.Key), op.Got, client.WithReceipt(&receipt))
		op.Version = receipt.Version
	}
	op.Found, op.Err = found(op.Err)
}

// found tells "there is none", an answer, from an error.
func found(err error) (bool, error) {
	if errors.Is(err, client.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (c *nativeConn) readBatch(ctx context.Context, ops []Op) {
	c.keys = c.keys[:0]
	for i := range ops {
		c.keys = append(c.keys, string(ops[i].Key))
	}
	results, err := c.client.GetBatch(ctx, c.keys)
	for i := range ops {
		if err != nil {
			ops[i].Err = err
			continue
		}
		r := &results[i]
		ops[i].Got, ops[i].Version = append(ops[i].Got[:0], r.Value...), r.Version
		ops[i].Found, ops[i].Err = found(r.Err())
	}
}

func (c *nativeConn) writeBatch(ctx context.Context, ops []Op) {
	c.batch.Reset()
	for i := range ops {
		c.batch.Put(string(ops[i].Key), ops[i].Value)
	}
	results, err := c.client.Batch(ctx, &c.batch)
	for i := range ops {
		if err != nil {
			ops[i].Err = err
			continue
		}
		ops[i].Version, ops[i].Err = results[i].Version, results[i].Err()
	}
}

// scanner is a walk over all entries that is taken up again by each scan.
type scanner struct {
	ctx  context.Context // of the phase that began it: with that, the walk ends
	next func() (client.Entry, error, bool)
	stop func()
}

// readOn reads the next op.Limit entries of the caller's walk, starting anew
// at its end.
func (c *nativeConn) readOn(ctx context.Context, op *Op) {
	if c.scan != nil && c.scan.ctx.Err() != nil {
		c.endScan()
	}
	for op.Scanned < op.Limit {
		if c.scan == nil {
			next, stop := iter.Pull2(c.client.Scan(ctx, client.WithPageSize(MaxScan/2)))
			c.scan = &scanner{ctx, next, stop}
		}
		_, err, more := c.scan.next()
		if err != nil {
			op.Err = err
		}
		if err != nil || !more {
			c.endScan()
			return
		}
		op.Scanned++
	}
}

func (c *nativeConn) endScan() {
	if c.scan != nil {
		c.scan.stop()
		c.scan = nil
	}
}
