package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Progress says how far Load has come.
type Progress struct {
	What        string `json:"what"` // "snapshots", "log" or "ready"
	Done, Total int64  // bytes; Total is 0 when it is not known
}

type loadProgress struct {
	what        atomic.Pointer[string]
	done, total atomic.Int64
}

func (l *loadProgress) begin(what string) {
	l.done.Store(0)
	l.total.Store(0)
	l.what.Store(&what)
}

// Progress returns how far Load has come.
func (n *Node) Progress() Progress {
	p := Progress{What: "opening", Done: n.progress.done.Load(), Total: n.progress.total.Load()}
	if what := n.progress.what.Load(); what != nil {
		p.What = *what
	}
	return p
}

// Load brings the data back: the newest good snapshot of each partition, then
// the log's entries after it. Then it starts the node's goroutines, and the node
// is ready. It is called once. On an error the node must be closed.
func (n *Node) Load(ctx context.Context) error {
	ctx, ended, err := n.beginLoad(ctx)
	if err != nil {
		return err
	}
	defer close(ended)
	if n.dir != nil {
		if err := n.load(ctx); err != nil {
			return err
		}
	}
	n.life.Lock()
	defer n.life.Unlock()
	if n.closing {
		return ErrClosed
	}
	n.progress.begin("ready")
	n.ready.Store(true)
	n.joining.Store(false)
	n.start()
	return nil
}

// beginLoad notes that Load runs, so that Close can break it off and wait for it.
func (n *Node) beginLoad(ctx context.Context) (context.Context, chan<- struct{}, error) {
	n.life.Lock()
	defer n.life.Unlock()
	if n.closing {
		return nil, nil, ErrClosed
	}
	if n.loading != nil {
		return nil, nil, errors.New("the node has been loaded before")
	}
	n.loading = make(chan struct{})
	ctx, n.cancelLoad = context.WithCancel(ctx)
	return ctx, n.loading, nil
}

// start starts the node's goroutines.
func (n *Node) start() {
	n.wg.Add(1)
	go n.runSweeper()
	if n.dir != nil {
		n.wg.Add(1)
		go n.runSnapshotter()
	}
	if n.deferred {
		n.wg.Add(1)
		go n.runApplier()
	}
}

// load reads the data directory.
func (n *Node) load(ctx context.Context) error {
	n.progress.begin("snapshots")
	loaded, err := n.loadSnapshots(ctx)
	if err != nil {
		return err
	}
	n.progress.begin("log")
	if err := n.replayLog(ctx, loaded); err != nil {
		return err
	}
	for _, p := range n.partitions {
		n.now.Reached(p.group.State().Stamp)
	}
	if err := n.dir.MarkInUse(); err != nil {
		if n.dir.Clustered() {
			return err // it may not vote before it is certain that a lost log will be noticed
		}
		n.logger.Warn("it is not noted that the log is in use: should it vanish, the next start would not notice", "err", err)
	}
	if err := n.setUpGroups(ctx); err != nil {
		return err
	}
	if err := n.snapshots.keeper.Truncate(); err != nil { // a full disk, say: no reason not to serve
		n.logger.Warn("the log is not shortened", "err", err)
	}
	return nil
}

// loadSnapshots brings back what snapshots hold, in the order of groups: the meta
// group, then the partitions.
func (n *Node) loadSnapshots(ctx context.Context) ([]snapshot.Loaded, error) {
	groups := make([]uint32, len(n.partitions)+1)
	for i := range groups {
		groups[i] = uint32(i)
	}
	if err := snapshot.Clean(n.fs, n.dir.SnapshotDir()); err != nil {
		return nil, err
	}
	loaded, err := snapshot.LoadAll(ctx, n.fs, n.dir.SnapshotDir(), groups, snapshot.LoadOptions{
		Workers: runtime.GOMAXPROCS(0),
		Cluster: n.dir.Cluster, Partitions: uint32(len(n.partitions)),
		Open: n.openForLoad,
		Progress: func(done, total int64) {
			n.progress.done.Store(done)
			n.progress.total.Store(total)
		},
	})
	if err != nil {
		return nil, err
	}
	for _, l := range loaded {
		for _, problem := range l.Problems {
			n.logger.Error("snapshot not used", "group", l.Group, "problem", problem.String())
		}
		state := replica.State{Term: l.Meta.Term, Index: l.Meta.Index, Stamp: l.Meta.Stamp}
		if l.Group == 0 {
			if err := n.meta.restore(state, l.Meta.State); err != nil {
				return nil, fmt.Errorf("%s: %w", l.Path, err)
			}
			continue
		}
		p := n.partitions[l.Group-1]
		if p.group, err = replica.RestoreGroup(l.Group, state, l.Meta.State); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Path, err)
		}
		if n.dir.Joined.IsZero() && len(p.group.Configuration().Voters) == 0 {
			p.group.SetConfiguration(replica.Alone(ring.NodeID(n.dir.Node)))
		}
		p.snapshotIndex.Store(l.Meta.Index)
	}
	return loaded, nil
}

// openForLoad empties the partition's table, sized for what the snapshot holds,
// and returns what puts one entry into it. It is called again for an older
// snapshot when a newer one proves bad half way.
func (n *Node) openForLoad(m snapshot.Meta) (snapshot.Sink, error) {
	p := int(m.Group) - 1
	if p < 0 { // the meta group has a state and no entries
		return func(*store.Entry) error { return nil }, nil
	}
	if p >= len(n.partitions) {
		return nil, fmt.Errorf("snapshot of group %d, but this data directory has %d partitions", m.Group, len(n.partitions))
	}
	n.partitions[p].Table.Close()
	t := n.newTable(int(m.Entries))
	n.partitions[p].Table = t
	return func(e *store.Entry) error {
		h := t.Hash(e.Key)
		s := t.Stripe(h)
		s.Lock()
		s.Put(h, e.Key, e.Value, store.Meta{Version: e.Version, ExpireAt: e.ExpireAt, Kind: e.Kind})
		s.Unlock()
		return nil
	}, nil
}

func (n *Node) replayLog(ctx context.Context, loaded []snapshot.Loaded) error {
	groups := n.recovering(loaded)
	r := newReplayer(groups, runtime.GOMAXPROCS(0))
	var applied int64
	log, err := wal.Open(wal.Options{
		FS: n.fs, Dir: n.dir.LogDir(),
		SegmentBytes: n.opts.LogSegmentBytes, MaxRecordBytes: n.opts.MaxRecordBytes, QueueBytes: n.opts.LogQueueBytes,
		ReserveBytes: driver.LogReserve(n.opts.LogSegmentBytes, len(n.partitions)), SpareBytes: n.spareBytes, OnNoSpace: n.cramped,
		Policy: n.opts.Durability, Clock: n.opts.Clock, Logger: n.logger,
		OnDurable: n.onDurable,
		OnFatal:   func(err error) { n.fatal("write the log", err) },
	}, func(rec wal.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n.progress.done.Add(int64(len(rec.Payload)))
		if rec.Index > 0 && int(rec.Group) < len(loaded) && rec.Index <= loaded[rec.Group].Meta.Index {
			applied -= int64(len(rec.Payload)) + recordOverhead // a snapshot holds it
		}
		applied += int64(len(rec.Payload)) + recordOverhead
		return r.add(&rec)
	})
	replayErr := r.finish()
	if err == nil {
		if replayErr == nil {
			replayErr = recovery.Finish(groups, func(i int, err error) (apart bool, refusal string) {
				return n.setApart(groups[i], err, loaded[i].Problems)
			})
		}
		if err = replayErr; err != nil {
			log.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("recover the log in %s: %w", n.dir.LogDir(), err)
	}
	n.log = log
	n.snapshots.keeper.Begin(log, applied) // what no snapshot holds counts as grown already
	return nil
}

// recovering says how each group is put together again.
func (n *Node) recovering(loaded []snapshot.Loaded) []*recovery.Group {
	floors := n.dir.Floors()
	groups := make([]*recovery.Group, len(loaded))
	for i := range loaded {
		group := loaded[i].Group
		groups[i] = recovery.New(&loaded[i], floors[group], group == 0 && n.alone())
		if group == 0 {
			groups[i].Apply, groups[i].Void = n.meta.replay, n.meta.void
			continue
		}
		p := n.partitions[group-1]
		groups[i].Apply, groups[i].Void = p.replay, p.void
	}
	n.recovered = groups
	return groups
}

// void empties the partition. Nobody else has it then.
func (p *Partition) void() {
	p.Table.Clear()
	p.group = replica.NewGroup(p.group.ID(), replica.State{})
	p.snapshotIndex.Store(0)
}

// replay applies one entry of the log during recovery. Nobody else has p then.
func (p *Partition) replay(e replica.Entry) error {
	err := recovery.Replay(p.group.Configuration(), e, func() error {
		return p.group.Apply(p.Table, e.Index, e.Term, e.Payload, nil)
	}, p.group.Advance)
	if err != nil {
		return fmt.Errorf("partition %d, index %d of its log: written by a newer version? Start that version: %w", p.Number, e.Index, err)
	}
	return nil
}

// recordOverhead is about what a record takes in the log beside its payload.
const recordOverhead = 32
