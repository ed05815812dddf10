package node

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/retention"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
)

// snapshotCheckEvery is how often the snapshotter looks at the log's size.
const snapshotCheckEvery = time.Second

// snapshotRetryAfter is how long it waits after a failure: a full disk should
// not be asked every second for a whole snapshot.
const snapshotRetryAfter = 30 * time.Second

// crampedRetryAfter is how long it waits after rounds that have not helped a log that gets
// no room on the disk.
const crampedRetryAfter = 5 * time.Second

// ErrNotPersistent is returned by Snapshot when the node keeps nothing on disk.
var ErrNotPersistent = errors.New("the node keeps nothing on disk (in-memory): there is no place for a snapshot")

// ErrSnapshotRunning is returned by StartSnapshot while one is being written.
var ErrSnapshotRunning = errors.New("a snapshot is being written already")

// SnapshotStatus describes the snapshotter, for people and metrics.
type SnapshotStatus struct {
	Running      bool          `json:"running"`
	Progress     float64       `json:"progress"` // of the running one, 0 to 1
	LastOK       time.Time     `json:"last_ok"`  // zero: none since the start
	LastDuration time.Duration `json:"last_duration_ns"`
	LastBytes    int64         `json:"last_bytes"`
	LastErr      string        `json:"last_error,omitempty"`
	Written      uint64        `json:"written"` // whole rounds since the start
	Failed       uint64        `json:"failed"`
}

// snapshotter is the state of the snapshotting goroutine.
type snapshotter struct {
	request chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	status  SnapshotStatus    // guarded by mu
	waiters []chan error      // guarded by mu; told when the running round ends
	queued  []chan error      // guarded by mu; told when the round after it ends
	closed  bool              // guarded by mu
	keeper  *retention.Keeper // used by Load, then by the snapshotter's goroutine alone
	pacer   *snapshot.Pacer
}

func (s *snapshotter) init(n *Node) {
	o := &n.opts
	s.keeper = retention.New((*keeperNode)(n), retention.Options{
		Keep: o.SnapshotKeep, LogBytes: o.SnapshotLogBytes,
		RetryMs: snapshotRetryAfter.Milliseconds(), CrampedMs: crampedRetryAfter.Milliseconds(),
	})
	s.pacer = snapshot.NewPacer(o.SnapshotRate, o.Clock)
	s.request = make(chan struct{}, 1)
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// StartSnapshot asks for a snapshot of every partition and returns at once. The
// channel gets the outcome of a round that began after the call.
func (n *Node) StartSnapshot() (<-chan error, error) {
	if n.dir == nil {
		return nil, ErrNotPersistent
	}
	done := make(chan error, 1)
	s := &n.snapshots
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.queued = append(s.queued, done)
	}
	s.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	select {
	case s.request <- struct{}{}:
	default:
	}
	return done, nil
}

// Snapshot writes a snapshot of every partition and waits for it.
func (n *Node) Snapshot(ctx context.Context) error {
	done, err := n.StartSnapshot()
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SnapshotStatus returns what the snapshotter is doing and has done.
func (n *Node) SnapshotStatus() SnapshotStatus {
	n.snapshots.mu.Lock()
	defer n.snapshots.mu.Unlock()
	status := n.snapshots.status
	// One that has been asked for and is about to begin is running to whoever asked.
	status.Running = status.Running || len(n.snapshots.queued) > 0
	return status
}

func (n *Node) runSnapshotter() {
	defer n.wg.Done()
	tick := time.NewTicker(snapshotCheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-n.snapshots.request:
		case <-tick.C:
			if !n.snapshotIsDue() {
				continue
			}
		}
		err := n.snapshotRound()
		if err != nil && n.snapshots.ctx.Err() == nil {
			n.logger.Error("snapshot failed; the log is kept, so nothing is lost", "err", err)
		}
		if n.snapshots.keeper.Ended(n.opts.Clock().UnixMilli(), err, n.keepersDisk()) {
			n.cramped()
		}
	}
}

// snapshotIsDue reports whether the log has grown, or gets no room, so that a round is to begin.
func (n *Node) snapshotIsDue() bool {
	return n.snapshots.keeper.Due(n.opts.Clock().UnixMilli(), n.memory.Used(), n.keepersDisk())
}

func (n *Node) keepersDisk() retention.Disk {
	return retention.Disk{Cramped: n.isCramped(), Free: func() (uint64, error) { return n.fs.Free(n.dir.SnapshotDir()) }}
}

func (s *snapshotter) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiters, s.queued = append(s.waiters, s.queued...), nil
	s.status.Running, s.status.Progress = true, 0
}

func (s *snapshotter) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Running = false
	for _, w := range s.waiters {
		w <- err
	}
	s.waiters = nil
}

// close tells whoever waits or will that there is no further round. The
// snapshotter's goroutine has ended, or was never started.
func (s *snapshotter) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.begin()
	s.finish(ErrClosed)
}

// snapshotRound writes a snapshot of every partition that has changed since its
// last one, then lets go of the log before them.
func (n *Node) snapshotRound() (err error) {
	began := n.opts.Clock()
	n.snapshots.begin()
	var bytes int64
	defer func() {
		if err != nil && n.snapshots.ctx.Err() != nil {
			err = ErrClosed
		}
		n.snapshots.mu.Lock()
		st := &n.snapshots.status
		switch {
		case err == nil:
			now := n.opts.Clock()
			st.Written, st.LastErr, st.LastBytes = st.Written+1, "", bytes
			st.LastOK, st.LastDuration = now, max(now.Sub(began), 0)
		case !errors.Is(err, ErrClosed):
			st.Failed, st.LastErr = st.Failed+1, err.Error()
		}
		n.snapshots.mu.Unlock()
		n.snapshots.finish(err)
	}()
	bytes, err = n.snapshots.keeper.Round()
	return err
}

// snapshotPartition writes a snapshot of p unless the newest one still says it
// all, and returns its size in bytes.
func (n *Node) snapshotPartition(p *Partition) (int64, error) {
	p.snapshotting.Lock()
	defer p.snapshotting.Unlock()
	m, img := n.imageOf(p, p.snapshotIndex.Load())
	if img == nil {
		return 0, nil
	}
	defer img.Close()
	info, err := snapshot.Write(n.snapshots.ctx, n.fs, n.dir.SnapshotDir(), m, img, snapshot.WriteOptions{
		Pacer: n.snapshots.pacer,
		Now:   n.opts.Clock,
		// A snapshot ahead of the log would leave a hole in it after a power cut,
		// and the snapshot before this one would not join up any more.
		BeforePublish: n.log.Sync,
	})
	if err != nil {
		return 0, err
	}
	p.snapshotIndex.Store(m.Index)
	return info.Bytes, snapshot.Prune(n.fs, n.dir.SnapshotDir(), groupID(p.Number), n.opts.SnapshotKeep)
}

const noSnapshot = math.MaxUint64

// imageOf takes an image of p and says what it is of. There is none while p is being
// replaced, or if it is at index known, of which there is a snapshot already; noSnapshot is
// never reached. p.snapshotting is held until the image is closed.
func (n *Node) imageOf(p *Partition, known uint64) (snapshot.Meta, *store.Image) {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := p.group.State()
	if p.replacing || state.Index == known {
		return snapshot.Meta{}, nil
	}
	return snapshot.Meta{
		Group: groupID(p.Number), Term: state.Term, Index: state.Index, Stamp: state.Stamp,
		Partitions: uint32(len(n.partitions)), Cluster: n.dir.Cluster, State: p.group.AppendState(nil), Raft: p.mode.Load() == modeRaft,
	}, p.Table.Image()
}
