package node

import (
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/replica"
)

// WorkerStats are the Raft groups of a node, and the worker that drives them.
type WorkerStats struct {
	replica.Stats
	Turns        uint64        // of the worker
	Busy         time.Duration // that it has worked, waiting for room in the log included
	SkippedTicks uint64        // of its clock, after pauses: the process or the disk stood still
}

// publishEvery is how old the figures of WorkerStats may be.
const publishEvery = 200 * time.Millisecond

// workerMeter counts the worker's turns and publishes its figures, so that who asks for
// them never waits for a worker that waits for a disk.
type workerMeter struct {
	stats     WorkerStats
	published time.Time
	shown     atomic.Pointer[WorkerStats]
}

// turned counts a turn that began then. On the worker.
func (m *workerMeter) turned(began time.Time, w *worker) {
	now := time.Now()
	m.stats.Turns++
	m.stats.Busy += now.Sub(began)
	if now.Sub(m.published) < publishEvery {
		return
	}
	m.published = now
	s := m.stats
	s.Stats, s.SkippedTicks = w.host.Stats(), w.driver.SkippedTicks()
	m.shown.Store(&s)
}

// get returns the figures as of a moment ago.
func (m *workerMeter) get() WorkerStats {
	if s := m.shown.Load(); s != nil {
		return *s
	}
	return WorkerStats{}
}
