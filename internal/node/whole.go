package node

import (
	"context"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// What a node makes durable so that its next start can tell a log that has lost something; see package recovery.

// alone reports whether no other node has ever relied on this one, as far as FLOORS and
// the newest snapshot of the meta group know.
func (n *Node) alone() bool {
	view := n.meta.view.Load()
	return !n.dir.Clustered() && (view == nil || len(view.Members) == 1)
}

// markClustered returns when it is durable that others rely on this node, and before that
// what they rely on: the hard state of its replica of the meta group. Without it, with
// others, a start would take the log for a damaged one.
func (n *Node) markClustered(ctx context.Context) error {
	if n.dir.Clustered() {
		return nil
	}
	waits := false
	for range 2 { // what the first turn has given out is appended when the second begins, unless there is no room
		if !n.worker.ask(func() { waits = n.worker.driver.Waits() }) {
			return ErrClosed
		}
	}
	if waits {
		return fmt.Errorf("others cannot rely on this node before it has written down what it is: %w", wal.ErrNoSpace)
	}
	if err := n.log.Sync(ctx); err != nil {
		return err
	}
	return n.dir.MarkClustered()
}

// noteCompany makes it durable that the meta group has reached the index at which it has
// other members, and reports whether that needs no further look. A log that has lost its
// end would otherwise look like that of a founder to whom nobody has come.
func (n *Node) noteCompany() bool {
	view := n.meta.view.Load()
	if !n.dir.Joined.IsZero() {
		return true // it never looks like that
	}
	if len(view.Members) == 1 {
		return false
	}
	// What is applied has been appended.
	err := n.log.Sync(n.cluster.ctx)
	if err == nil {
		err = n.dir.SetFloors(map[uint32]uint64{0: view.Index})
	}
	if err != nil && n.cluster.ctx.Err() == nil {
		n.logger.Warn("it is not noted that the node has company; that is tried again", "err", err)
	}
	return err == nil
}
