package wal

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/invariants"
)

// Log is an open log. All methods may be called from several goroutines.
//
// Goroutines: run writes (policy Always) and is the only one that syncs log data and reports durability;
// prepare makes segments ready ahead of need. Both are started by Open and waited for by Close, unless the log is
// Stepped: then whoever opened it takes their place, see step.go.
//
// Locks, in the order in which they are taken: truncateMu, writeMu, mu or indexMu (never both).
type Log struct {
	o Options

	mu sync.Mutex // short: never held during I/O

	// The queue. Guarded by mu.
	pos         uint64   // position of the last Append
	open        *batch   // being filled; nil if none
	ready       []*batch // closed, not yet taken by a writer, oldest first
	free        []*batch // for reuse
	queued      int64    // bytes of records appended, not yet written
	busy        uint64
	refused     uint64
	records     uint64
	recordBytes uint64

	// The segments, oldest first: full ones, the tail, prepared ones. Guarded by mu.
	segments []*segment
	tailAt   int   // index of the segment that the next record goes to, if it fits
	tailEnd  int64 // where it goes there: everything before is appended and has its commit record's room

	// What the disk is known to hold. Guarded by mu.
	writtenSeq uint64     // number of the newest batch handed to the operating system
	syncedSeq  uint64     // number of the newest batch known to be durable
	marked     bool       // the newest batch written is a mark
	sinceOpen  int64      // bytes written since Open
	dirty      []*segment // written since their last sync, oldest first
	waiters    []waiter   // for positions to become durable
	wantSync   bool       // somebody waits for a sync

	// Preparation; see prepare.go. Guarded by mu.
	wantSegment bool       // an append was refused for lack of room
	noSpace     bool       // the last attempt to prepare a segment that is needed met a full disk
	modest      bool       // the disk has no room for segments beyond those that are needed
	zeroing     zeroRange  // being overwritten with zeros right now
	zeroed      *sync.Cond // signalled when zeroing ends; uses mu

	// The end. Guarded by mu.
	closing bool
	failure error
	stalled bool // policy EverySec: the sync in progress takes too long
	// syncNumber changes at the start and at the end of each guarded sync.
	syncNumber uint64

	writeMu sync.Mutex // held while batches are taken and written; keeps them in order
	batches []*batch   // guarded by writeMu: those being written

	truncateMu sync.Mutex // one truncation at a time
	indexMu    sync.Mutex // guards floors and every segment's indexes
	floors     groupIndexes

	appended atomic.Uint64 // mirrors pos
	written  atomic.Uint64 // position up to which everything has been handed to the operating system
	durable  atomic.Uint64 // position up to which everything is durable
	count    counters
	gather   gather     // used by run only
	zeros    []byte     // used by prepare only
	syncing  []*segment // used by run only: those being synced
	begun    round      // used by StepWrite and StepSync only: what has been written and is to be synced

	wake        chan struct{} // to run; capacity 1
	prepareWake chan struct{} // to prepare; capacity 1
	failed      chan struct{} // closed when failure is set
	stop        chan struct{} // closed when run has written everything at the end
	stopOnce    sync.Once
	done        sync.WaitGroup
}

// waiter is called when a position has become durable.
type waiter struct {
	pos uint64
	fn  func()
}

const (
	// syncInterval is how often policy EverySec syncs.
	syncInterval = time.Second
	// stallLimit is how long a sync may take under EverySec before appends are refused.
	stallLimit = 2 * time.Second
)

// Open recovers the log in o.Dir, creating it if there is none. It gives replay each record of each complete
// batch in the order of appending; the payload is only valid during the call. It then makes what it has read durable
// and returns a log ready to append.
//
// An incomplete end is cut. Damage in what had been durable is an error that matches [ErrCorrupt]; a
// format from another program version one that matches [ErrVersion]. The log is then unchanged, but replay has been
// given what precedes the damage.
func Open(o Options, replay func(Record) error) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Log{
		o:           o,
		free:        make([]*batch, 0, 4),
		zeros:       make([]byte, min(zeroChunkBytes, o.SegmentBytes)),
		wake:        make(chan struct{}, 1),
		prepareWake: make(chan struct{}, 1),
		failed:      make(chan struct{}),
		stop:        make(chan struct{}),
	}
	l.zeroed = sync.NewCond(&l.mu)
	if err := l.load(replay); err != nil {
		l.closeFiles()
		return nil, err
	}
	if !l.o.Stepped {
		l.done.Add(2)
		go l.run()
		go l.prepare()
	}
	return l, nil
}

// Kick tells the writer of policy Always that what has been appended may go. It is cheap and never waits; under
// the other policies it does nothing.
func (l *Log) Kick() {
	if l.o.Policy == Always {
		l.wakeRun()
	}
}

func (l *Log) wakeRun() {
	select {
	case l.wake <- struct{}{}:
	default: // a wake-up is already on its way
	}
}

// AppendedPos returns the position of the last Append.
func (l *Log) AppendedPos() uint64 { return l.appended.Load() }

// DurablePos returns the position up to which everything is durable.
func (l *Log) DurablePos() uint64 { return l.durable.Load() }

// NotifyDurable calls fn once everything up to pos is durable: at once, in the caller's goroutine, if it is
// already; otherwise later from the goroutine that calls OnDurable, after OnDurable. It brings the next sync forward.
// After a failure fn is never called.
func (l *Log) NotifyDurable(pos uint64, fn func()) {
	l.mu.Lock()
	if l.durable.Load() >= pos {
		l.mu.Unlock()
		fn()
		return
	}
	l.waiters = append(l.waiters, waiter{pos, fn})
	l.wantSync = true
	l.mu.Unlock()
	l.wakeRun()
}

// Sync makes everything appended so far durable. If the context ends first, it may still become so.
func (l *Log) Sync(ctx context.Context) error {
	reached := make(chan struct{})
	l.NotifyDurable(l.appended.Load(), func() { close(reached) })
	l.stepUntil(reached)
	return l.await(ctx, reached)
}

// await waits for reached, a failure or the end of ctx.
func (l *Log) await(ctx context.Context, reached <-chan struct{}) error {
	select {
	case <-reached:
		return nil
	case <-l.failed:
		return l.failureOf()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Log) failureOf() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// fail stops the log for good. The first failure is the one that is reported.
func (l *Log) fail(err error) {
	l.mu.Lock()
	first := l.failure == nil
	if first {
		l.failure = err
		close(l.failed)
	}
	l.mu.Unlock()
	if first {
		l.o.Logger.Error("the log has failed, the process must end", "error", err)
		l.o.OnFatal(err)
	}
}

// Close writes and syncs everything appended, whatever the policy, and closes the files. Appends are refused from the
// moment it is called.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		l.done.Wait()
		return l.failureOf()
	}
	l.closing = true
	l.mu.Unlock()
	l.wakeRun()
	if l.o.Stepped {
		l.turn(false)
	}
	l.done.Wait()
	l.closeFiles()
	err := l.failureOf()
	invariants.Check(err != nil || l.durable.Load() == l.appended.Load(),
		"closed at position %d with %d durable", l.appended.Load(), l.durable.Load())
	return err
}

func (l *Log) closeFiles() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.f != nil {
			s.f.Close()
			s.f = nil
		}
	}
}

// Stats returns the log's figures.
func (l *Log) Stats() Stats {
	s := Stats{
		DurablePos:   l.durable.Load(),
		Batches:      l.count.batches.Load(),
		WrittenBytes: l.count.writtenBytes.Load(),
		Fsyncs:       l.count.fsyncs.Load(),
		FsyncLatency: l.count.syncTime.read(),
		Truncated:    l.count.truncated.Load(),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.AppendedPos, s.Records, s.RecordBytes = l.pos, l.records, l.recordBytes
	s.QueueBytes, s.Busy = l.queued, l.busy
	s.NoSpace, s.NoSpaceRefused = l.noSpace, l.refused
	s.Segments = len(l.segments)
	for i, seg := range l.segments {
		s.DiskBytes += seg.capacity
		if i < l.tailAt {
			s.LiveBytes += seg.capacity
		}
	}
	s.LiveBytes += l.tailEnd
	return s
}
