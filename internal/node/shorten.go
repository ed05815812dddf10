package node

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/retention"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// keeperNode is the node as package retention sees it, which decides what is written and how much of the log goes.
type keeperNode Node

// Groups: without a peer address a node has no meta group. One whose replica is damaged here is left as it is.
func (k *keeperNode) Groups() []uint32 {
	groups := make([]uint32, 0, len(k.partitions)+1)
	if k.cluster != nil {
		groups = append(groups, 0)
	}
	for _, p := range k.partitions {
		if k.cluster != nil && k.cluster.damagedHere(groupID(p.Number)) != nil {
			continue // all there is of it stays
		}
		groups = append(groups, groupID(p.Number))
	}
	return groups
}

func (k *keeperNode) Idle(group uint32) (index uint64, peers, idle bool) {
	if group == 0 {
		state, _ := k.meta.snapshotState()
		return state.Index, false, state.Index == k.meta.snapshotIndex.Load()
	}
	p := k.partitions[group-1]
	p.mu.Lock()
	defer p.mu.Unlock()
	index = p.group.State().Index
	return index, p.mode.Load() == modeRaft, index == p.snapshotIndex.Load() && p.waiting.size == 0
}

func (k *keeperNode) WriteSnapshot(group uint32) (bytes int64, err error) {
	if group == 0 {
		return 0, (*Node)(k).snapshotMeta(k.snapshots.ctx)
	}
	return (*Node)(k).snapshotPartition(k.partitions[group-1])
}

func (k *keeperNode) Snapshots() ([]snapshot.Info, error) {
	infos, err := snapshot.List(k.fs, k.dir.SnapshotDir())
	if err == nil {
		k.images.note(infos)
	}
	return infos, err
}

func (k *keeperNode) SetFloors(floors map[uint32]uint64) error { return k.dir.SetFloors(floors) }

func (k *keeperNode) Shortening() (release func()) {
	k.shortening.Lock()
	return k.shortening.Unlock
}

// RecordStates: what a lone node's groups are follows from their entries alone.
func (k *keeperNode) RecordStates() (pos uint64, err error) {
	if k.cluster == nil {
		return math.MaxUint64, nil
	}
	pos = k.log.AppendedPos()
	return pos, (*Node)(k).recordStates()
}

func (k *keeperNode) Progress(done, groups int) {
	k.snapshots.mu.Lock()
	k.snapshots.status.Progress = float64(done) / float64(groups)
	k.snapshots.mu.Unlock()
}

// recordStates puts into the log again what must not go with its beginning: the hard
// states of groups with peers, and which replicas are gone.
func (n *Node) recordStates() (err error) {
	asked := n.worker.ask(func() {
		recs := n.worker.host.StateRecords()
		n.cluster.mu.Lock()
		for group, apart := range n.cluster.damaged {
			if n.cluster.gone[group] < apart.hard.Replica {
				recs = append(recs, replica.StateRecord(group, apart.hard))
			}
		}
		for group, id := range n.cluster.gone {
			if apart := n.cluster.damaged[group]; apart != nil && id < apart.hard.Replica {
				continue // as if it were here
			}
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

// MoveOn gives a group an entry without effect and a snapshot behind it.
func (k *keeperNode) MoveOn(group uint32) (bytes int64, err error) {
	n := (*Node)(k)
	if group == 0 {
		if err := n.moveMetaOn(); err != nil {
			n.logger.Debug("the log cannot be shortened further now", "err", err)
			return 0, err
		}
		return 0, n.snapshotMeta(n.snapshots.ctx)
	}
	p := n.partitions[group-1]
	if p.mode.Load() != modeSolo {
		return 0, nil
	}
	done := make(ownWait, 1)
	entry := command.AppendClock(command.Begin(nil))
	err = n.submitAndWait(n.snapshots.ctx, []Part{{Partition: p, Entry: entry, Sink: done, own: true}}, done)
	if errors.Is(err, wal.ErrNoSpace) {
		n.logger.Warn("the log cannot be shortened further for lack of space in it", "partition", p.Number)
	}
	if err != nil {
		return 0, err
	}
	return n.snapshotPartition(p)
}

// moveMetaOn gives the meta group an entry without effect. It fails with retention.ErrStands for want of a majority.
func (n *Node) moveMetaOn() error {
	ctx, cancel := context.WithTimeout(n.snapshots.ctx, callPatience)
	defer cancel()
	// What the state says of this node already, so that it changes nothing.
	if _, err := n.proposeMeta(ctx, &meta.UpdateMember{Node: n.cluster.describe()}); err != nil {
		return fmt.Errorf("%w: %w", retention.ErrStands, err)
	}
	return nil
}
