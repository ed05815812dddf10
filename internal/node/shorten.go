package node

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// truncateLog lets go of what the snapshots hold: up to where the oldest one that
// is kept still joins up. That it may go is made durable first, so that a start
// can tell missing records from records given up.
func (n *Node) truncateLog() error {
	n.shortening.Lock()
	defer n.shortening.Unlock()
	infos, err := snapshot.List(n.fs, n.dir.SnapshotDir())
	if err != nil {
		return err
	}
	n.images.note(infos)
	floors := make(map[uint32]uint64, len(n.partitions))
	for _, p := range n.partitions {
		if index := snapshot.JoinIndex(infos, groupID(p.Number), n.opts.SnapshotKeep); index > 0 {
			floors[groupID(p.Number)] = index
		}
	}
	if n.cluster != nil {
		if index := snapshot.JoinIndex(infos, 0, n.opts.SnapshotKeep); index > 0 {
			floors[0] = index
		}
	}
	if err := n.dir.SetFloors(floors); err != nil {
		return err
	}
	for group, index := range floors {
		n.log.SetFloor(group, index)
	}
	if !n.log.Truncatable() {
		return nil // and nothing is written in vain: a full disk has no room for that
	}
	recorded := uint64(math.MaxUint64)
	if n.cluster != nil {
		recorded = n.log.AppendedPos()
		if err := n.recordStates(); err != nil {
			return err
		}
	}
	_, err = n.log.TruncateBefore(recorded)
	return err
}

// recordStates puts into the log again what must not go with its beginning: the hard
// states of groups with peers, and which replicas are gone.
func (n *Node) recordStates() (err error) {
	asked := n.worker.ask(func() {
		recs := n.worker.host.StateRecords()
		n.cluster.mu.Lock()
		for group, id := range n.cluster.gone {
			if _, here := n.worker.host.Has(group); id > 0 && !here {
				recs = append(recs, replica.GoneRecord(group, id))
			}
		}
		n.cluster.mu.Unlock()
		err = n.worker.driver.Record(recs...)
	})
	if !asked {
		return ErrClosed
	}
	if err != nil {
		return err
	}
	return n.log.Sync(n.snapshots.ctx)
}

// unchanged returns the groups whose newest snapshot says it all, with their partitions; the
// meta group has none.
func (n *Node) unchanged() map[uint32]*Partition {
	idle := make(map[uint32]*Partition)
	if state, _ := n.meta.snapshotState(); n.cluster != nil && state.Index == n.meta.snapshotIndex.Load() {
		idle[0] = nil
	}
	for _, p := range n.partitions {
		p.mu.Lock()
		if index := p.group.State().Index; index == p.snapshotIndex.Load() && p.waiting.size == 0 {
			idle[groupID(p.Number)] = p
			if p.mode.Load() == modeRaft && index > 0 {
				// Should its snapshot prove bad, there are peers to get another from.
				n.log.SetFloor(groupID(p.Number), index)
			}
		}
		p.mu.Unlock()
	}
	return idle
}

// unpin releases the log's oldest segments from groups that are no longer
// written to. Such a one has fewer snapshots than are kept, or older ones than the
// log could do with, and would pin the log for ever. It is moved on by an entry
// without effect and gets a fresh snapshot.
//
// It is done only where it lets a segment go: while a partition that is written to
// holds the same segment, the idle ones can wait, because the next round brings
// that one on. Each partition is written once a round at most, and a round that
// finds nothing pinned writes nothing.
func (n *Node) unpin(idle map[uint32]*Partition) (bytes int64, err error) {
	for {
		pinning := n.log.Laggards()
		for _, group := range pinning {
			if _, ok := idle[group]; !ok {
				return bytes, nil
			}
		}
		if len(pinning) == 0 {
			return bytes, nil
		}
		for _, group := range pinning {
			size, err := n.moveOn(idle[group])
			if errors.Is(err, errMetaStands) {
				n.logger.Debug("the log cannot be shortened further now", "err", err)
				return bytes, nil // another round will
			}
			if errors.Is(err, wal.ErrNoSpace) {
				n.logger.Warn("the log cannot be shortened further for lack of space in it", "partition", group-1)
				return bytes, nil
			}
			if err != nil {
				return bytes, fmt.Errorf("partition %d: %w", group-1, err)
			}
			bytes += size
			delete(idle, group)
		}
		if err := n.truncateLog(); err != nil {
			return bytes, fmt.Errorf("shorten the log: %w", err)
		}
	}
}

// errMetaStands: the meta group does not take an entry, for want of a majority.
var errMetaStands = errors.New("the meta group takes no entry")

// moveOn gives a partition, or the meta group, an entry without effect and a snapshot
// behind it.
func (n *Node) moveOn(p *Partition) (bytes int64, err error) {
	if p == nil {
		ctx, cancel := context.WithTimeout(n.snapshots.ctx, callPatience)
		defer cancel()
		// What the state says of this node already, so that it changes nothing.
		if _, err := n.proposeMeta(ctx, &meta.UpdateMember{Node: n.cluster.describe()}); err != nil {
			return 0, fmt.Errorf("%w: %w", errMetaStands, err)
		}
		return 0, n.snapshotMeta(n.snapshots.ctx)
	}
	if p.mode.Load() != modeSolo {
		return 0, nil
	}
	done := make(ownWait, 1)
	entry := command.AppendClock(command.Begin(nil))
	if err := n.submitAndWait(n.snapshots.ctx, []Part{{Partition: p, Entry: entry, Sink: done, own: true}}, done); err != nil {
		return 0, err
	}
	return n.snapshotPartition(p)
}
