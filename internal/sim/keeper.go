package sim

import (
	"context"
	"errors"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/retention"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// The snapshotter: rounds of the product's keeper, which wait for the disk and for the worker in their middle.

const (
	snapshotEveryMs   = 250 // between two looks at the log
	snapshotRetryMs   = 1000
	snapshotCrampedMs = 500
)

func newKeeper(k *keeperNode) *retention.Keeper {
	return retention.New(k, retention.Options{Keep: snapshotKeep, LogBytes: snapshotLogBytes, RetryMs: snapshotRetryMs, CrampedMs: snapshotCrampedMs})
}

// keep is the snapshotter, for as long as the process lives.
func (n *node) keep(t *task) {
	k := n.keeper
	n.forgive("shorten the log", k.Truncate())
	for {
		t.sleep((snapshotEveryMs/2 + int64(n.s.lifeRand.IntN(snapshotEveryMs))) * milli)
		if n.limited() {
			n.prepareLog() // as the log's own goroutine does now and then
		}
		if !n.cramped && !k.Due(n.nowMs(), 0, n.keepersDisk()) {
			continue
		}
		n.cramped = false
		_, err := k.Round()
		n.forgive("snapshots", err)
		n.cramped = k.Ended(n.nowMs(), err, n.keepersDisk()) || n.cramped
	}
}

// limited reports whether the log gets no room on the disk.
func (n *node) limited() bool {
	_, _, limited := n.log.Room()
	return limited
}

func (n *node) keepersDisk() retention.Disk {
	return retention.Disk{Cramped: n.limited(), Free: func() (uint64, error) { return n.disk.fs().Free(n.dir.SnapshotDir()) }}
}

// forgive judges an error after which package node tries again later.
func (n *node) forgive(what string, err error) {
	if err != nil && !errors.Is(err, wal.ErrNoSpace) {
		n.excuse(what, err)
	}
}

// keeperNode is a process as its keeper sees it. All of it runs in the task of the snapshotter.
type keeperNode struct {
	n *node
	t *task
}

func (k *keeperNode) Groups() (groups []uint32) {
	for _, p := range k.n.all() {
		groups = append(groups, p.id)
	}
	return groups
}

func (k *keeperNode) Idle(group uint32) (index uint64, peers, idle bool) {
	p := k.n.part(group)
	st, _ := p.image()
	return st.Index, group > 0, st.Index == p.snapshotIndex
}

func (k *keeperNode) WriteSnapshot(group uint32) (bytes int64, err error) {
	return k.n.snapshotPartition(k.n.part(group), k.t.sync)
}

func (k *keeperNode) Snapshots() ([]snapshot.Info, error) {
	return snapshot.List(k.n.disk.fs(), k.n.dir.SnapshotDir())
}

func (k *keeperNode) SetFloors(floors map[uint32]uint64) error { return k.n.dir.SetFloors(floors) }

func (k *keeperNode) Shortening() (release func()) {
	k.n.shortening = true
	return func() { k.n.shortening = false }
}

func (k *keeperNode) RecordStates() (pos uint64, err error) {
	n := k.n
	pos = n.log.AppendedPos()
	k.t.ask(func() {
		recs := n.host.StateRecords()
		for _, p := range n.parts {
			if _, here := n.host.Has(p.id); n.m != nil && !here && n.m.gone[p.id] > 0 {
				recs = append(recs, replica.GoneRecord(p.id, n.m.gone[p.id]))
			}
		}
		err = n.driver.Record(recs...)
	})
	if err != nil {
		return 0, err
	}
	return pos, k.t.sync(context.Background())
}

// MoveOn has the meta group take an entry without effect. Partitions all have peers: they are let go of as they are.
func (k *keeperNode) MoveOn(group uint32) (bytes int64, err error) {
	if group > 0 {
		return 0, nil
	}
	taken := false
	k.n.proposeMeta(&meta.UpdateMember{Node: k.n.describe()}, callPatienceMs, func(_ meta.Result, ok bool) {
		taken = ok
		k.n.later(0, k.t.resume)
	})
	k.t.park()
	if !taken {
		return 0, retention.ErrStands
	}
	return k.WriteSnapshot(0)
}

func (k *keeperNode) Progress(int, int) {}

// keepersLog is the log as the keeper sees it.
type keepersLog struct {
	*wal.Log
	n *node
}

func (l keepersLog) TruncateBefore(pos uint64) (removed int, err error) {
	removed, err = l.Log.TruncateBefore(pos)
	if removed > 0 {
		l.n.s.tell(Event{Kind: "snap", Node: l.n.index, A: uint64(removed), Text: "let go of log segments:"})
	}
	return removed, err
}
