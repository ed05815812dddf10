package node

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A scan's cursor holds the partition above cursorBits and the table's own cursor
// below. The cursor 0 starts a scan and ends it.
const cursorBits = 48

// emptyPartitions is how many partitions without a visit one Scan passes.
const emptyPartitions = 256

// Scan visits about n entries from cursor on and returns the cursor to go on
// from, 0 at the end. Entries that are there throughout a whole scan are visited
// at least once. visit is called under a stripe's lock, expired entries included.
func (n *Node) Scan(cursor uint64, limit int, visit func(*store.Entry)) (next uint64) {
	p, inner := int(cursor>>cursorBits), cursor&(1<<cursorBits-1)
	visited := 0
	counted := func(e *store.Entry) {
		visited++
		visit(e)
	}
	for range emptyPartitions {
		if p >= len(n.partitions) {
			return 0
		}
		inner = n.partitions[p].Table.Scan(inner, max(limit-visited, 1), counted)
		if inner == 0 {
			p++
		}
		if visited >= limit || inner != 0 {
			break
		}
	}
	if p >= len(n.partitions) {
		return 0
	}
	return uint64(p)<<cursorBits | inner
}

// FlushAll removes every entry, partition by partition, and waits until that is
// as durable as the policy says.
func (n *Node) FlushAll(ctx context.Context) error {
	done := make(ownWait, len(n.partitions))
	entry := command.AppendFlush(command.Begin(nil))
	for _, p := range n.partitions {
		pos, err := n.submitPatiently(ctx, p, entry, done)
		if err != nil {
			return err
		}
		n.Settle(pos)
	}
	if !n.deferred {
		return nil
	}
	n.Kick()
	for range n.partitions {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// submitPatiently is Submit for the node's own writes, which have nobody to tell
// that the log's queue is full.
func (n *Node) submitPatiently(ctx context.Context, p *Partition, entry []byte, sink Waiter) (pos uint64, err error) {
	retry := time.NewTicker(time.Millisecond)
	defer retry.Stop()
	for {
		pos, err = n.Submit(p, n.opts.Clock().UnixMilli(), entry, sink)
		if !errors.Is(err, wal.ErrBusy) {
			return pos, err
		}
		n.Kick()
		select {
		case <-retry.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// submitAndWait submits one of the node's own entries and returns when it has
// been applied.
func (n *Node) submitAndWait(ctx context.Context, p *Partition, entry []byte) error {
	done := make(ownWait, 1)
	pos, err := n.submitPatiently(ctx, p, entry, done)
	if err != nil {
		return err
	}
	n.Settle(pos)
	if !n.deferred {
		return nil
	}
	n.Kick()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ownWait is the Waiter of the node's own entries. Its capacity is the number of
// entries that are waited for.
type ownWait chan struct{}

// Result is not of interest.
func (ownWait) Result(int, *command.Result) {}

// Done notes that an entry has been applied.
func (w ownWait) Done() { w <- struct{}{} }
