package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// What a replica has voted and acknowledged is in the log alone. A node that has lost a
// part of it, because somebody deleted a file of it, say, must not start: groups of which
// nothing is left would look as if they had never had peers, and the node would serve them
// alone, beside those who really have them. A group's own recovery sees what does not
// join up (replica.Recovery.Finish). What follows is seen only by comparing groups with
// each other, and with what the cluster has agreed on.

// alone reports whether no other node has ever relied on this one, as far as FLOORS and
// the newest snapshot of the meta group know.
func (n *Node) alone() bool {
	view := n.meta.view.Load()
	return !n.dir.Clustered() && (view == nil || len(view.Members) == 1)
}

// checkWhole is called when every group has been recovered by itself, and before any of
// them does anything.
func (n *Node) checkWhole(groups []*recovering, joined bool) error {
	var errs []error
	company := n.dir.Clustered() && !joined
	for _, g := range groups[1:] {
		if n.cluster.damagedHere(g.Group()) != nil {
			company = true
			continue
		}
		_, raft := g.Raft()
		company = company || raft || g.Gone() > 0
		if !raft {
			errs = append(errs, n.checkGone(g, joined))
		}
	}
	// The meta group comes before all others on a node, and stays.
	if _, raft := groups[0].Raft(); !raft && company {
		errs = append(errs, replica.StateLost(0, "the node has, or has had, company, and the log says nothing of its replica of the meta group"))
	}
	return errors.Join(errs...)
}

// checkGone looks for signs that a partition that looks as if this node had no replica
// with peers of it, nor any more, has one after all.
func (n *Node) checkGone(g *recovering, joined bool) error {
	p := n.partitions[g.Group()-1]
	// A snapshot of a replica that came after the one whose removal the log knows of.
	for _, r := range p.group.Configuration().Replicas() {
		if g.Gone() > 0 && r.Node == ring.NodeID(n.dir.Node) && r.ID > g.Gone() {
			return replica.StateLost(g.Group(), fmt.Sprintf("its snapshot knows replica %d here, and the log only that replica %d was removed", r.ID, g.Gone()))
		}
	}
	if joined || g.Gone() > 0 {
		return nil // nothing is served until the cluster says so
	}
	view := n.meta.view.Load()
	if view == nil {
		return nil
	}
	// It was a group with peers when its leader reported this.
	if pl := view.Group(uint64(g.Group())); pl != nil && pl.ActualIndex > 0 {
		return replica.StateLost(g.Group(), fmt.Sprintf("the cluster knows its configuration at index %d, and the log knows of no other replica than this node's own", pl.ActualIndex))
	}
	return nil
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
