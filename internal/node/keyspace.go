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

// FlushAll removes every entry of every partition that this node leads. On a lone
// node that is one append to the log: all of it is done, or nothing. It waits until
// that is as durable as the policy says.
func (n *Node) FlushAll(ctx context.Context) error {
	var led []*Partition
	for _, p := range n.partitions {
		if n.Leads(p) {
			led = append(led, p)
		}
	}
	done := make(ownWait, len(led))
	parts := make([]Part, len(led))
	for i, p := range led {
		parts[i] = Part{Partition: p, Entry: command.AppendFlush(command.Begin(nil)), Sink: done}
	}
	return n.submitAndWait(ctx, parts, done)
}

// submitAndWait submits the node's own entries and returns when they have been
// applied. There is nobody to tell that the log's queue is full: it tries again.
func (n *Node) submitAndWait(ctx context.Context, parts []Part, done ownWait) error {
	retry := time.NewTicker(time.Millisecond)
	defer retry.Stop()
	pos, err := n.SubmitAll(n.Now(), parts)
	for errors.Is(err, wal.ErrBusy) {
		n.Kick()
		select {
		case <-retry.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		pos, err = n.SubmitAll(n.Now(), parts)
	}
	if err != nil {
		return err
	}
	if pos != 0 || !n.Deferred() {
		return n.Settle(pos)
	}
	n.Kick()
	for range parts {
		select {
		case failed := <-done:
			err = errors.Join(err, failed)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// ownWait is the Waiter of the node's own entries. Its capacity is the number of
// entries that are waited for.
type ownWait chan error

// Result is not of interest.
func (ownWait) Result(int, *command.Result) {}

// Later is true: the node's own entries can wait.
func (ownWait) Later() bool { return true }

// Done notes that an entry has been applied.
func (w ownWait) Done() { w <- nil }

// Failed notes that an entry will not be applied here: another node leads now.
func (w ownWait) Failed(err error) { w <- err }
