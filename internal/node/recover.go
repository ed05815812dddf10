package node

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/replica"
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
// is ready. On an error the node must be closed.
func (n *Node) Load(ctx context.Context) error {
	if n.dir != nil {
		n.progress.begin("snapshots")
		loaded, err := n.loadSnapshots(ctx)
		if err != nil {
			return err
		}
		n.progress.begin("log")
		if err := n.replayLog(ctx, loaded); err != nil {
			return err
		}
		if err := n.truncateLog(); err != nil { // a full disk, say: no reason not to serve
			n.logger.Warn("the log is not shortened", "err", err)
		}
		n.snapshots.logMark = -n.log.Stats().LiveBytes // what is there already counts as grown
		n.wg.Add(1)
		go n.runSnapshotter()
	}
	if n.deferred {
		n.wg.Add(1)
		go n.runApplier()
	}
	n.wg.Add(1)
	go n.runSweeper()
	n.progress.begin("ready")
	n.ready.Store(true)
	return nil
}

func (n *Node) loadSnapshots(ctx context.Context) ([]snapshot.Loaded, error) {
	groups := make([]uint32, len(n.partitions))
	for i := range groups {
		groups[i] = groupID(i)
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
	for i, l := range loaded {
		for _, problem := range l.Problems {
			n.logger.Error("snapshot not used", "partition", i, "problem", problem.String())
		}
		p := n.partitions[i]
		p.group = replica.NewGroup(groupID(i), replica.State{Term: l.Meta.Term, Index: l.Meta.Index, Stamp: l.Meta.Stamp})
		p.snapshotIndex.Store(l.Meta.Index)
	}
	return loaded, nil
}

// openForLoad empties the partition's table, sized for what the snapshot holds,
// and returns what puts one entry into it. It is called again for an older
// snapshot when a newer one proves bad half way.
func (n *Node) openForLoad(m snapshot.Meta) (snapshot.Sink, error) {
	p := int(m.Group) - 1
	if p < 0 || p >= len(n.partitions) {
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
	join := snapshot.NewReplay(loaded, n.dir.Floors())
	r := newReplayer(n, runtime.GOMAXPROCS(0))
	log, err := wal.Open(wal.Options{
		FS: n.fs, Dir: n.dir.LogDir(),
		SegmentBytes: n.opts.LogSegmentBytes, MaxRecordBytes: n.opts.MaxRecordBytes, QueueBytes: n.opts.LogQueueBytes,
		Policy: n.opts.Durability, Clock: n.opts.Clock, Logger: n.logger,
		OnDurable: n.onDurable,
		OnFatal:   func(err error) { n.fatal("write the log", err) },
	}, func(rec wal.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n.progress.done.Add(int64(len(rec.Payload)))
		if apply, err := join.Next(rec.Group, rec.Index); err != nil || !apply {
			return err
		}
		return r.add(&rec)
	})
	replayErr := r.finish()
	if err == nil {
		if replayErr == nil {
			replayErr = join.Finish()
		}
		if err = replayErr; err != nil {
			log.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("recover the log in %s: %w", n.dir.LogDir(), err)
	}
	n.log = log
	return nil
}

// replayer applies log records on several goroutines, each of which owns some of
// the partitions, so that every group's order is kept.
type replayer struct {
	node    *Node
	workers []*replayWorker
	wg      sync.WaitGroup
	failed  atomic.Pointer[error]
}

// replayBatch is a run of records whose payloads share one buffer: wal reuses
// its own when the callback returns.
type replayBatch struct {
	recs []wal.Record
	buf  []byte
}

type replayWorker struct {
	in   chan *replayBatch
	free chan *replayBatch
	cur  *replayBatch
}

const (
	replayBatchBytes = 256 << 10
	replayBatches    = 4 // in flight per worker
)

func newReplayer(n *Node, workers int) *replayer {
	r := &replayer{node: n}
	for range workers {
		w := &replayWorker{in: make(chan *replayBatch, replayBatches), free: make(chan *replayBatch, replayBatches)}
		for range replayBatches {
			w.free <- &replayBatch{}
		}
		w.cur = <-w.free
		r.workers = append(r.workers, w)
		r.wg.Add(1)
		go r.run(w)
	}
	return r
}

func (r *replayer) add(rec *wal.Record) error {
	if failed := r.failed.Load(); failed != nil {
		return *failed
	}
	if rec.Group == 0 || int(rec.Group) > len(r.node.partitions) {
		return fmt.Errorf("log record of group %d, but this data directory has %d partitions", rec.Group, len(r.node.partitions))
	}
	w := r.workers[int(rec.Group)%len(r.workers)]
	b := w.cur
	if len(b.recs) > 0 && len(b.buf)+len(rec.Payload) > replayBatchBytes {
		w.in <- b
		b = <-w.free
		b.recs, b.buf = b.recs[:0], b.buf[:0]
		w.cur = b
	}
	start := len(b.buf)
	b.buf = append(b.buf, rec.Payload...)
	// Should a later append move the buffer, this payload keeps the old one.
	copied := *rec
	copied.Payload = b.buf[start:len(b.buf):len(b.buf)]
	b.recs = append(b.recs, copied)
	return nil
}

func (r *replayer) run(w *replayWorker) {
	defer r.wg.Done()
	for b := range w.in {
		for i := range b.recs {
			if err := r.node.replay(&b.recs[i]); err != nil {
				r.failed.CompareAndSwap(nil, &err)
				break
			}
		}
		w.free <- b
	}
}

// finish applies what is left and returns the first error.
func (r *replayer) finish() error {
	for _, w := range r.workers {
		w.in <- w.cur
		close(w.in)
	}
	r.wg.Wait()
	if failed := r.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// replay applies one record, on the goroutine that owns its partition.
func (n *Node) replay(rec *wal.Record) error {
	p := n.partitions[rec.Group-1]
	apply, err := p.group.Recover(rec)
	if err != nil || !apply {
		return err
	}
	if err := command.Apply(p.Table, rec.Index, rec.Payload, nil); err != nil {
		return fmt.Errorf("partition %d, index %d: %w", p.Number, rec.Index, err)
	}
	return nil
}
