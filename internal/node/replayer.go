package node

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// replayer applies log records on several goroutines, each of which owns some of
// the groups, so that every group's order is kept.
type replayer struct {
	groups  []*recovery.Group // by number
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
	replayBatches    = 4 // of each worker
)

func newReplayer(groups []*recovery.Group, workers int) *replayer {
	r := &replayer{groups: groups}
	for range min(workers, len(groups)) {
		w := &replayWorker{in: make(chan *replayBatch, replayBatches), free: make(chan *replayBatch, replayBatches)}
		for range replayBatches - 1 {
			w.free <- &replayBatch{}
		}
		w.cur = &replayBatch{}
		r.workers = append(r.workers, w)
		r.wg.Add(1)
		go r.run(w)
	}
	return r
}

// add hands a record to its partition's worker. A large one is applied here, from
// the log's own buffer, once the worker has nothing left to do: copies of large
// values, several for each worker, could take more memory than the data.
func (r *replayer) add(rec *wal.Record) error {
	if failed := r.failed.Load(); failed != nil {
		return *failed
	}
	if int(rec.Group) >= len(r.groups) {
		return fmt.Errorf("log record of group %d, but this data directory has %d partitions", rec.Group, len(r.groups)-1)
	}
	w := r.workers[int(rec.Group)%len(r.workers)]
	if len(rec.Payload) > replayBatchBytes {
		w.drain()
		if failed := r.failed.Load(); failed != nil {
			return *failed
		}
		return r.groups[rec.Group].Add(rec)
	}
	if len(w.cur.buf)+len(rec.Payload) > replayBatchBytes {
		w.send()
		w.cur = <-w.free
	}
	b := w.cur
	start := len(b.buf)
	b.buf = append(b.buf, rec.Payload...)
	// Should a later append move the buffer, this payload keeps the old one.
	copied := *rec
	copied.Payload = b.buf[start:len(b.buf):len(b.buf)]
	b.recs = append(b.recs, copied)
	return nil
}

func (w *replayWorker) send() {
	w.in <- w.cur
	w.cur = nil
}

// drain returns when the worker has applied everything.
func (w *replayWorker) drain() {
	w.send()
	var idle [replayBatches]*replayBatch
	for i := range idle {
		idle[i] = <-w.free
	}
	w.cur = idle[0]
	for _, b := range idle[1:] {
		w.free <- b
	}
}

func (r *replayer) run(w *replayWorker) {
	defer r.wg.Done()
	for b := range w.in {
		for i := range b.recs {
			if r.failed.Load() != nil {
				break
			}
			if err := r.groups[b.recs[i].Group].Add(&b.recs[i]); err != nil {
				r.failed.CompareAndSwap(nil, &err)
			}
		}
		b.recs, b.buf = b.recs[:0], b.buf[:0]
		w.free <- b
	}
}

// finish applies what is left and returns the first error.
func (r *replayer) finish() error {
	for _, w := range r.workers {
		w.send()
		close(w.in)
	}
	r.wg.Wait()
	if failed := r.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}
