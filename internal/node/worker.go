package node

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// worker drives the node's Raft groups: one goroutine that takes the turns of a
// driver.Driver (see there for what a turn is). Everybody else leaves things in its
// inbox.
type worker struct {
	n      *Node
	host   *replica.Host
	driver *driver.Driver // from setUpGroups on
	began  time.Time

	mu     sync.Mutex
	in     inbox      // guarded by mu
	room   *sync.Cond // signalled when the inbox has been emptied; uses mu
	closed bool       // guarded by mu; nothing is taken into the inbox any more
	asked  bool       // guarded by mu; a round for reads is under way, and those that come can wait for its answer

	taken inbox // the worker's own: what it is working through
	wake  chan struct{}
	// held is about how many bytes of entries are in memory, those in the inbox included; waiting, of those that were
	// proposed and not answered.
	held, waiting atomic.Int64

	minded  time.Time   // when mind last ran
	mindNow atomic.Bool // something has changed that mind should look at
	meter   workerMeter
}

// inbox is what others want of the worker.
type inbox struct {
	driver.Inbox
	poked    bool // the worker will look at the reads
	bytes    int  // of frames
	proposed int  // bytes of proposals
	chunk    []byte
}

const (
	tickMs         = 50
	electionTicks  = 12 // 600 ms to 1.2 s without a leader's sign of life
	heartbeatTicks = 2
	keepBytes      = 256 << 10 // of each group's log in memory, for laggards
	keepBytesTotal = 256 << 20
	// inboxBytes bounds frames that wait; a peer that sends more is not read meanwhile.
	inboxBytes = 64 << 20
	// proposalChunk is how entries are copied: many into one piece of memory.
	proposalChunk = 64 << 10
)

func newWorker(n *Node, seed uint64) *worker {
	w := &worker{n: n, began: time.Now(), wake: make(chan struct{}, 1)}
	w.room = sync.NewCond(&w.mu)
	w.host = replica.NewHost(replica.Options{
		TickMs: tickMs, ElectionTicks: electionTicks, HeartbeatTicks: heartbeatTicks,
		KeepBytes: keepBytes, TotalKeepBytes: keepBytesTotal, Seed: seed, Logger: raftLogger{n.logger},
	}, 0)
	return w
}

// nowMs is the worker's clock: monotonic, from its creation.
func (w *worker) nowMs() int64 { return time.Since(w.began).Milliseconds() }

func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // a wake-up is already on its way
	}
}

// propose copies an entry and queues it for the group. It reports false if the worker has
// ended: the waiter hears nothing then. So do read, do and ask.
func (w *worker) propose(group uint32, entry []byte, waiter replica.Waiter, early bool) bool {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return false
	}
	w.held.Add(int64(len(entry)))
	w.waiting.Add(int64(len(entry)))
	in := &w.in
	if cap(in.chunk)-len(in.chunk) < len(entry) {
		in.chunk = make([]byte, 0, max(proposalChunk, len(entry)))
	}
	start := len(in.chunk)
	in.chunk = append(in.chunk, entry...)
	in.Proposals = append(in.Proposals, driver.Proposal{Group: group, Entry: in.chunk[start:len(in.chunk):len(in.chunk)], Waiter: waiter, Early: early})
	in.proposed += len(entry)
	first := len(in.Proposals) == 1
	w.mu.Unlock()
	if first {
		w.poke()
	}
	return true
}

// read queues a read: for a round, which is to begin a lease or not, or for index at to
// be applied.
func (w *worker) read(group uint32, at uint64, lease bool, waiter ReadWaiter) bool {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return false
	}
	w.in.Reads = append(w.in.Reads, driver.Read{Group: group, At: at, Lease: lease, Waiter: waiter})
	poke := !w.in.poked && !(w.asked && at == 0 && !lease)
	w.in.poked = w.in.poked || poke
	w.mu.Unlock()
	if poke {
		w.poke()
	}
	return true
}

// rest ends a turn. Reads that have come meanwhile begin another if there is no answer of
// a round to wait for.
func (w *worker) rest() {
	asked := w.host.Asked()
	w.mu.Lock()
	w.asked = asked
	poke := !asked && len(w.in.Reads) > 0 && !w.in.poked
	w.in.poked = w.in.poked || poke
	w.mu.Unlock()
	if poke {
		w.poke()
	}
}

// frame queues a frame from a peer. It waits while the inbox is full.
func (w *worker) frame(from ring.NodeID, data []byte) {
	w.mu.Lock()
	for w.in.bytes > inboxBytes && !w.closed {
		w.room.Wait()
	}
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.in.Frames = append(w.in.Frames, driver.Frame{From: from, Data: data})
	w.in.bytes += len(data)
	w.mu.Unlock()
	w.poke()
}

// do has f called on the worker's goroutine.
func (w *worker) do(f func()) bool {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return false
	}
	w.in.Calls = append(w.in.Calls, f)
	w.mu.Unlock()
	w.poke()
	return true
}

// ask is do, and waits for it. It reports false if the worker has ended.
func (w *worker) ask(f func()) bool {
	done := make(chan struct{})
	if !w.do(func() { f(); close(done) }) {
		return false
	}
	select {
	case <-done:
		return true
	case <-w.n.workerDone:
		return false
	}
}

func (n *Node) runWorker() {
	defer n.wg.Done()
	defer close(n.workerDone)
	w := n.worker
	tick := time.NewTicker(tickMs * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-w.wake:
		case <-tick.C:
		case <-n.stop:
			w.end()
			return
		}
		began := time.Now()
		err := w.turn()
		w.meter.turned(began, w)
		if err != nil {
			if !errors.Is(err, wal.ErrClosed) {
				n.fatal("replicate", err)
			}
			w.end()
			return
		}
	}
}

// end fails everything that waits, and whatever comes later is refused.
func (w *worker) end() {
	w.mu.Lock()
	w.closed = true
	w.room.Broadcast()
	w.mu.Unlock()
	w.take(false)
	var groups []uint32
	w.host.Groups(func(group uint32) { groups = append(groups, group) })
	for _, p := range w.taken.Proposals {
		if p.Waiter != nil {
			p.Waiter.Failed(wal.ErrClosed)
		}
	}
	for _, r := range w.taken.Reads {
		r.Waiter.Failed(wal.ErrClosed)
	}
	for _, group := range groups {
		w.host.Remove(group)
	}
}

// take empties the inbox into taken, which the last turn has emptied. Proposals may be held
// back: they stay in it, and wake nobody.
func (w *worker) take(hold bool) {
	w.mu.Lock()
	w.taken.bytes, w.taken.proposed, w.taken.poked = 0, 0, false
	w.in, w.taken = w.taken, w.in
	if hold {
		w.in.Proposals, w.taken.Proposals = w.taken.Proposals, w.in.Proposals
		w.in.proposed, w.taken.proposed = w.taken.proposed, w.in.proposed
	}
	w.in.chunk, w.taken.chunk = w.taken.chunk, nil // what is copied already stays where it is
	w.room.Broadcast()
	w.mu.Unlock()
}

// turn does all there is to do.
func (w *worker) turn() error {
	if err := w.driver.Turn(); err != nil {
		return err
	}
	w.mu.Lock()
	w.held.Store(w.host.Held() + int64(w.in.proposed))
	w.waiting.Store(w.host.Waiting() + int64(w.in.proposed))
	w.mu.Unlock()
	w.rest()
	return nil
}
