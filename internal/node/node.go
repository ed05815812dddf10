package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/lender"
	"github.com/prakashpandey/vegadb/internal/logclock"
	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Options say what a node is. The zero value of a field means its default,
// where it has one.
type Options struct {
	FS         vfs.FS // default: the real file system
	Dir        string // the data directory; "" keeps nothing on disk
	Partitions int    // fixed when the directory is created; 0: what it has, DefaultPartitions in a new one
	Durability wal.SyncPolicy

	MemoryLimit      int64 // bytes of data; 0: none
	MaxRecordBytes   int64 // largest log record, so largest atomic write
	LogSegmentBytes  int64
	LogQueueBytes    int64
	SnapshotLogBytes int64 // a snapshot when the log exceeds the larger of this and the data
	SnapshotKeep     int   // snapshots kept per partition, ≥ 1
	SnapshotRate     int64 // bytes per second, 0: unlimited

	// Cluster lets the node have peers; nil: it stays alone. It needs Dir.
	Cluster *ClusterOptions

	SweepBudget time.Duration // of each round of the sweeper; default 1 ms

	Clock func() time.Time // the wall clock; default: time.Now
	// Elapsed is monotonic time since some moment. Default: by the monotonic
	// readings that Clock's times then must carry, as time.Now's do.
	Elapsed func() time.Duration
	Rand    io.Reader // default: crypto/rand.Reader
	Logger  *slog.Logger
	// OnFatal is called when going on could lose or corrupt data: an fsync
	// failed, an entry cannot be applied. It should end the process.
	OnFatal func(error)
}

// defaultQueueBytes bounds what is accepted and not yet written.
const defaultQueueBytes = 64 << 20

// ErrClosed is returned for what a node that closes has not done any more.
var ErrClosed = errors.New("the node is closed")

// Node is one data directory at work. Methods are safe for concurrent use.
type Node struct {
	opts       Options
	fs         vfs.FS
	logger     *slog.Logger
	dir        *datadir.Dir // nil when nothing is kept on disk
	log        *wal.Log     // nil when nothing is kept on disk; set by Load
	deferred   bool         // entries are applied when durable (policy always)
	partitions []*Partition
	memory     *store.Memory
	startedAt  time.Time
	now        logclock.Clock
	nodeID     string
	clusterID  string

	ready    atomic.Bool
	progress loadProgress

	meta       *metaReplica
	cluster    *cluster // nil: no peers
	worker     *worker  // nil: no peers
	workerDone chan struct{}
	clustered  atomic.Bool // the node has, or has had, peers
	joining    atomic.Bool // Load waits for the cluster's state
	topology   topologyCache
	// topologyNumber grows with every change of the topology.
	topologyNumber atomic.Uint64
	badFiles       int               // that are to go to damaged/; Load's own
	recovered      []*recovery.Group // by group, from Load until the groups are set up

	dirty       bitmap
	durable     chan struct{}
	applierStop chan struct{}
	held        atomic.Int64 // bytes of entries that wait to be durable and applied
	heldMost    int64        // further ones are refused from here on

	// shortening is held from when snapshots are looked at until the log's floors follow
	// them, and while those of a replica that is gone are removed with its floors.
	shortening sync.Mutex
	snapshots  snapshotter
	images     images
	backups    lender.Desk
	expired    atomic.Uint64
	refused    atomic.Uint64 // writes refused at the memory limit
	full       atomic.Bool   // a table has used up its addresses; see store.Table.Full

	life       sync.Mutex
	loading    chan struct{}      // guarded by life; closed when Load has ended, nil before it is called
	cancelLoad context.CancelFunc // guarded by life
	closing    bool               // guarded by life

	stop      chan struct{}
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
	fatalOnce sync.Once
}

// Open claims the data directory and prepares empty partitions. Nothing can be
// served until Load has returned. On an error nothing has been changed.
func Open(o Options) (*Node, error) {
	o = withDefaults(o)
	n := &Node{
		opts: o, fs: o.FS, logger: o.Logger,
		memory:    store.NewMemory(o.MemoryLimit),
		startedAt: o.Clock(),
		deferred:  o.Dir != "" && o.Durability == wal.Always,
		durable:   make(chan struct{}, 1),
		stop:      make(chan struct{}), applierStop: make(chan struct{}),
	}
	if err := n.claim(); err != nil {
		return nil, err
	}
	n.now.Wall, n.now.Elapsed, n.now.Start = o.Clock, o.Elapsed, n.startedAt
	n.heldMost = 2 * o.LogQueueBytes
	n.snapshots.init(n)
	n.dirty = newBitmap(n.opts.Partitions)
	n.meta = newMetaReplica()
	n.partitions = make([]*Partition, n.opts.Partitions)
	for i := range n.partitions {
		p := &Partition{Number: i, group: replica.NewGroup(groupID(i), replica.State{}), Table: n.newTable(0)}
		p.view.Init(func() int64 { return n.worker.nowMs() }, func() bool { return n.unled(p) })
		n.partitions[i] = p
	}
	n.topologyNumber.Store(1)
	if err := n.openCluster(); err != nil {
		return nil, errors.Join(err, n.dir.Close())
	}
	return n, nil
}

func withDefaults(o Options) Options {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Partitions == 0 && o.Dir == "" {
		o.Partitions = datadir.DefaultPartitions
	}
	if o.LogQueueBytes <= 0 {
		o.LogQueueBytes = defaultQueueBytes
	}
	if o.SweepBudget == 0 {
		o.SweepBudget = time.Millisecond
	}
	o.SnapshotKeep = max(o.SnapshotKeep, 1)
	return o
}

// claim opens or creates the data directory and takes its lock.
func (n *Node) claim() error {
	if n.opts.Dir == "" {
		if n.opts.Cluster != nil {
			return errors.New("a node that keeps nothing on disk cannot have peers: it would forget whom it voted for")
		}
		var ids [2]datadir.ID
		for i := range ids {
			if _, err := io.ReadFull(n.opts.Rand, ids[i][:]); err != nil {
				return fmt.Errorf("make a node identity: %w", err)
			}
		}
		n.nodeID, n.clusterID = ids[0].String(), ids[1].String()
		return nil
	}
	want := datadir.Want{Partitions: n.opts.Partitions, Rand: n.opts.Rand, Now: n.opts.Clock}
	if err := n.askSeeds(&want); err != nil {
		return err
	}
	dir, err := datadir.Open(n.fs, n.opts.Dir, want)
	if err != nil {
		return err
	}
	n.dir = dir
	n.opts.Partitions = dir.Partitions
	n.nodeID, n.clusterID = dir.Node.String(), dir.Cluster.String()
	return nil
}

// groupID is the number of partition p's group in the log and in snapshots. Zero
// is kept for the meta group.
func groupID(p int) uint32 { return uint32(p) + 1 }

func (n *Node) newTable(sizeHint int) *store.Table {
	return store.New(store.Options{Stripes: stripesFor(n.opts.Partitions), Memory: n.memory, SizeHint: sizeHint})
}

// stripesFor spreads about 256 locks over the partitions: plenty for any number
// of cores, without making small partitions pay for many stripes.
func stripesFor(partitions int) int {
	stripes := 64
	for stripes > 1 && stripes*partitions > 256 {
		stripes /= 2
	}
	return stripes
}

// fatal reports an error after which the node must not go on. Only the first is
// reported: what follows is its consequence.
func (n *Node) fatal(doing string, err error) {
	n.fatalOnce.Do(func() {
		err = fmt.Errorf("node cannot go on: %s: %w", doing, err)
		n.logger.Error("fatal", "err", err)
		if n.opts.OnFatal != nil {
			n.opts.OnFatal(err)
		}
	})
}

// Close stops the node's goroutines, makes everything accepted durable, applies
// it, and gives the data directory back. It does not write a snapshot. A Load
// under way is broken off. Every call returns when the first is through.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	n.stopLoading()
	n.ready.Store(false)
	close(n.stop)
	n.snapshots.cancel()
	n.backups.Close()
	var errs []error
	if n.cluster != nil {
		n.cluster.cancel()
		errs = append(errs, n.cluster.transport.Close())
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	close(n.applierStop)
	n.wg.Wait()
	n.snapshots.close()
	for _, p := range n.partitions {
		p.mu.Lock() // whoever is in Submit sees that the node is not ready before the table is gone
		p.Table.Close()
		p.mu.Unlock()
	}
	if n.dir != nil {
		errs = append(errs, n.dir.Close())
	}
	return errors.Join(errs...)
}

// stopLoading makes sure that no Load runs or begins.
func (n *Node) stopLoading() {
	n.life.Lock()
	n.closing = true
	loading := n.loading
	if loading != nil {
		n.cancelLoad()
	}
	n.life.Unlock()
	if loading != nil {
		<-loading
	}
}

// Sync makes every write accepted so far durable.
func (n *Node) Sync(ctx context.Context) error {
	if n.dir == nil {
		return nil
	}
	if !n.Ready() {
		return ErrClosed
	}
	return n.log.Sync(ctx)
}

// Now returns the node's time in unix ms: what its writes are stamped with, and
// what expiry is to be counted from and judged by. It never goes back, and never
// lies before a stamp in the log; usually it is the wall clock.
func (n *Node) Now() int64 { return n.now.Now() }

// Joining reports whether Load waits for the cluster to take the node in.
func (n *Node) Joining() bool { return n.joining.Load() }

// Ready reports whether Load has finished and Close has not begun.
func (n *Node) Ready() bool { return n.ready.Load() }

// Partitions returns the partitions, in ascending order. The slice is the
// node's own: not to be changed.
func (n *Node) Partitions() []*Partition { return n.partitions }

// Memory returns the accounting of the data's memory.
func (n *Node) Memory() *store.Memory { return n.memory }

// Identity returns the node's and its cluster's identity, 32 hex digits each.
func (n *Node) Identity() (nodeID, clusterID string) { return n.nodeID, n.clusterID }
