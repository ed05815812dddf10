package node

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/wal"
)

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
