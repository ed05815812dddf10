package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// worker drives the node's Raft groups: one goroutine that hands events to a
// replica.Host and carries out what that wants. Everybody else leaves things in its
// inbox.
//
// A turn takes all that has come, lets the host work, appends what all groups want
// to be durable in one go, and sends one frame to each peer. Proposals of a crowd come
// in when a sync has ended.
type worker struct {
	n     *Node
	host  *replica.Host
	fx    replica.Effects
	began time.Time

	mu     sync.Mutex
	in     inbox      // guarded by mu
	room   *sync.Cond // signalled when the inbox has been emptied; uses mu
	closed bool       // guarded by mu; nothing is taken into the inbox any more
	asked  bool       // guarded by mu; a round for reads is under way, and those that come can wait for its answer

	taken inbox // the worker's own: what it is working through
	wake  chan struct{}
	// held is about how many bytes of entries are in memory, those in the inbox included.
	held atomic.Int64

	// unsynced are batches of records that are not known to be durable, oldest first.
	unsynced []unsyncedBatch
	// What a full disk has to do with; see space.go. backlog is what the log has no room for, oldest first; space what it
	// has for proposals; tight: most of its reserve is used up.
	backlog []backlogged
	space   int64
	tight   bool
	crowd   crowd
	ticks   int64
	recs    []*wal.Record // scratch
	minded  time.Time     // when mind last ran
	mindNow atomic.Bool   // something has changed that mind should look at
	lost    []ring.NodeID // peers that a frame did not reach
	meter   workerMeter
}

type unsyncedBatch struct {
	pos, batch uint64
	since      time.Time
}

// inbox is what others want of the worker.
type inbox struct {
	proposals []inProposal
	reads     []inRead
	poked     bool // the worker will look at the reads
	frames    []inFrame
	calls     []func()
	bytes     int // of frames
	proposed  int // bytes of proposals
	chunk     []byte
}

type inProposal struct {
	group uint32
	entry []byte
	w     replica.Waiter
	early bool
}

type inRead struct {
	group uint32
	at    uint64 // 0: a round
	lease bool   // the round is to begin one
	w     ReadWaiter
}

type inFrame struct {
	from ring.NodeID
	data []byte
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
	// appendBytes is about how many bytes of records go into one append to the log, at most.
	appendBytes = 1 << 20
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
	in := &w.in
	if cap(in.chunk)-len(in.chunk) < len(entry) {
		in.chunk = make([]byte, 0, max(proposalChunk, len(entry)))
	}
	start := len(in.chunk)
	in.chunk = append(in.chunk, entry...)
	in.proposals = append(in.proposals, inProposal{group, in.chunk[start:len(in.chunk):len(in.chunk)], waiter, early})
	in.proposed += len(entry)
	first := len(in.proposals) == 1
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
	w.in.reads = append(w.in.reads, inRead{group, at, lease, waiter})
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
	poke := !asked && len(w.in.reads) > 0 && !w.in.poked
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
	w.in.frames = append(w.in.frames, inFrame{from, data})
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
	w.in.calls = append(w.in.calls, f)
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
		w.meter.turned(began, w.host)
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
	for _, p := range w.taken.proposals {
		if p.w != nil {
			p.w.Failed(wal.ErrClosed)
		}
	}
	for _, r := range w.taken.reads {
		r.w.Failed(wal.ErrClosed)
	}
	for _, group := range groups {
		w.host.Remove(group)
	}
}

// take empties the inbox into taken. Proposals may be held back: they stay in it, and
// wake nobody.
func (w *worker) take(hold bool) {
	w.mu.Lock()
	w.in, w.taken = w.taken, w.in
	if hold {
		w.in.proposals, w.taken.proposals = w.taken.proposals, w.in.proposals
		w.in.proposed, w.taken.proposed = w.taken.proposed, w.in.proposed
	}
	w.in.chunk, w.taken.chunk = w.taken.chunk, nil // what is copied already stays where it is
	w.room.Broadcast()
	w.mu.Unlock()
}

func (b *inbox) clear() {
	clear(b.proposals)
	clear(b.reads)
	clear(b.frames)
	clear(b.calls)
	b.proposals, b.reads, b.frames, b.calls, b.bytes = b.proposals[:0], b.reads[:0], b.frames[:0], b.calls[:0], 0
	b.proposed, b.poked = 0, false
}

// turn does all there is to do.
func (w *worker) turn() error {
	w.host.Now(w.nowMs())
	if err := w.workOff(); err != nil {
		return err
	}
	w.lookAtSpace()
	synced := w.durable()
	hold := !synced && w.crowd.hold(len(w.unsynced) > 0, w.nowMs()/tickMs > w.ticks)
	w.take(hold)
	w.crowd.proposed(len(w.taken.proposals))
	if synced {
		w.crowd.synced()
	}
	w.receive()
	w.tick()
	w.watchDisk()
	for _, f := range w.taken.calls {
		f()
	}
	w.mind()
	w.taken.clear()
	for {
		if err := w.host.Work(&w.fx); err != nil {
			return err
		}
		again, err := w.carryOut()
		if err != nil || !again {
			w.countHeld()
			w.rest()
			return err
		}
	}
}

func (w *worker) countHeld() {
	w.mu.Lock()
	w.held.Store(w.host.Held() + int64(w.in.proposed))
	w.mu.Unlock()
}

// durable tells the host which records are durable by now. It reports whether there are
// any that were not when it was called last.
func (w *worker) durable() bool {
	upTo := w.n.log.DurablePos()
	n := 0
	for n < len(w.unsynced) && w.unsynced[n].pos <= upTo {
		n++
	}
	if n > 0 {
		w.host.Persisted(w.unsynced[n-1].batch)
		w.unsynced = append(w.unsynced[:0], w.unsynced[n:]...)
	}
	return n > 0
}

// receive hands the host what has come in.
func (w *worker) receive() {
	for _, f := range w.taken.frames {
		err := replica.DecodeMessages(f.data, func(m *replica.Message) {
			if w.deaf(m) {
				return
			}
			if _, here := w.host.Has(m.Group); !here && m.Round == nil {
				w.n.welcome(m)
			}
			w.host.Receive(f.from, m)
		})
		if err != nil {
			w.n.logger.Error("a frame from a peer cannot be read", "peer", f.from, "err", err)
		}
	}
	for i := range w.taken.proposals {
		p := &w.taken.proposals[i]
		if err := w.admit(p); err != nil {
			if p.w != nil {
				p.w.Failed(err)
			}
			continue
		}
		if !w.host.Propose(p.group, p.entry, p.w, p.early) && p.w != nil {
			p.w.Failed(w.n.refusal(p.group))
		}
	}
	for _, r := range w.taken.reads {
		ok := false
		if r.at == 0 {
			ok = w.host.Read(r.group, r.w, r.lease)
		} else {
			ok = w.host.ReadAt(r.group, r.at, r.w)
		}
		if !ok {
			r.w.Failed(w.n.refusal(r.group))
		}
	}
	for _, node := range w.lost {
		w.host.Unreachable(node)
	}
	w.lost = w.lost[:0]
}

// tick moves the host's time on. After a pause it does not make up for more than a
// few ticks: what has arrived meanwhile is to be heard first.
func (w *worker) tick() {
	due := w.nowMs()/tickMs - w.ticks
	for range min(due, 3) {
		w.host.Tick()
	}
	w.meter.stats.SkippedTicks += uint64(max(due-3, 0))
	w.ticks += due
}

// carryOut does what the host wants. again says that it has more to do at once.
func (w *worker) carryOut() (again bool, err error) {
	fx := &w.fx
	if len(fx.Records) > 0 {
		if again, err = w.log(fx.Records, fx.Batch, fx.Sync); err != nil {
			return false, err
		}
	}
	for node, messages := range fx.Out {
		w.send(node, messages)
	}
	for _, s := range fx.Snapshots {
		w.n.startSending(s)
	}
	for _, in := range fx.Installs {
		w.n.startInstalling(in)
	}
	for _, group := range fx.Changed {
		w.n.groupChanged(group)
	}
	fx.Reset()
	return again, nil
}

// keep makes records as durable as the policy, which is not always, says; what is a
// term or a vote is synced all the same.
func (w *worker) keep(pos uint64, sync bool) error {
	if sync {
		return w.n.log.Sync(context.Background()) // ends with the log at the latest
	}
	return w.n.log.Flush(pos)
}

// append appends records in order, however long the log is busy, and says how many it
// has: not all of them if the log has no space for more.
func (w *worker) append(recs []wal.Record) (done int, pos uint64, err error) {
	most := appendBytes
	if segment := w.n.opts.LogSegmentBytes; segment > 0 { // it must fit into one, and be worth less than that
		most = int(min(int64(most), segment/4))
	}
	for done < len(recs) {
		w.recs = w.recs[:0]
		size := 0
		for i := range recs[done:] {
			if size += len(recs[done+i].Payload) + recordOverhead; i > 0 && size > most {
				break
			}
			w.recs = append(w.recs, &recs[done+i])
		}
		if pos, err = w.appendSome(); err != nil {
			return done, 0, err
		}
		done += len(w.recs)
	}
	return done, pos, nil
}

func (w *worker) appendSome() (uint64, error) {
	pause := time.Millisecond
	for {
		pos, err := w.n.log.AppendReserved(w.recs...)
		if !errors.Is(err, wal.ErrBusy) {
			return pos, err
		}
		if err := w.n.log.Flush(w.n.log.AppendedPos()); err != nil {
			return 0, err
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 250*time.Millisecond)
		case <-w.n.stop:
			return 0, wal.ErrClosed
		}
	}
}

// sendBytes is about how long a frame of messages is at most.
const sendBytes = 4 << 20

// send sends a node its messages, cut into frames between two messages.
func (w *worker) send(node ring.NodeID, messages []byte) {
	for len(messages) > 0 {
		n := replica.CutMessages(messages, sendBytes)
		if !w.n.cluster.transport.SendParts(node, frameMessages, messages[:n]) {
			w.lost = append(w.lost, node)
			return
		}
		messages = messages[n:]
	}
}
