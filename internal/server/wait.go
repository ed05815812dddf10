package server

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// wait is one request whose reply cannot be written yet: a write that is answered when
// it is durable or committed, a read that needs leave, or work that runs on a goroutine
// of its own. Results are rendered into reply as they come; the driver brings the wait
// back when it has all of them, and emit completes the reply and moves it to the
// session's output.
//
// A wait belongs to its session, which reuses it. Between being submitted and
// delivered its rendering fields belong to the node: the session neither looks at them
// nor reuses the wait before link.deliver has brought it back. The node may call
// Result and Done with its locks held: they ask nothing of it.
type wait struct {
	s    *Session
	next *wait // in the session's queue, or its free list

	done    bool         // delivered: the reply may go out when its turn comes
	atOnce  bool         // see Later
	left    atomic.Int32 // parts that have not been applied
	parts   int32        // in all
	faults  atomic.Int32 // parts that failed
	fault   atomic.Pointer[error]
	began   time.Time
	spec    *command.Spec // RESP
	mode    uint8
	slot    uint16          // RESP: of the command's keys
	p       *node.Partition // RESP: that was written, when there is one
	reply   resp.Writer
	mu      sync.Mutex // guards merged: parts may be applied by several goroutines
	merged  merge
	native  nativeWait
	read    reading
	push    *push  // this is no request, but a topology to be pushed
	dropped bool   // the native reply was too much: it is an error now
	failed  bool   // the native reply is an error
	held    int    // bytes of a large reply, as counted in the server's total
	asyncFn func() // runs on the session's goroutine when delivered; may be nil
}

// Result renders the result of a write. Called by the applier.
func (w *wait) Result(i int, r *command.Result) {
	if w.s.proto == front.ProtocolNative {
		w.native.result(w, i, r)
		w.bound()
		return
	}
	if w.spec.Merge != command.MergeNone {
		w.mu.Lock()
		w.merged.add(w.spec, r)
		w.mu.Unlock()
		return
	}
	w.spec.Reply(&w.reply, r, w.mode)
	w.bound()
}

// bound counts a reply that carries a large value in the total of output. Many
// such writes can wait at once, and their replies are all there before the first
// can go out: past the limit a reply is replaced by what can be said in its place.
func (w *wait) bound() {
	if len(w.reply.Buf) <= keepWaitBytes {
		return
	}
	srv := w.s.srv
	srv.holdOutput(&w.held, len(w.reply.Buf))
	if limit := srv.live.Current().OutputLimitTotal; limit <= 0 || srv.outBytes.Load() <= limit {
		return
	}
	srv.holdOutput(&w.held, 0)
	w.reply.Buf = nil
	if w.s.proto == front.ProtocolNative {
		w.failed, w.dropped = true, true
		w.reply.Buf = appendFailure(nil, &w.native.req, errReplyDropped)
		return
	}
	writeError(&w.reply, errReplyDropped)
}

// errReplyDropped answers a write that was executed. Never changed.
var errReplyDropped = &wire.Error{Status: wire.UnknownOutcome, Text: "executed, but replies with large values wait already (output-limit-total)"}

// Done notes that a part has been applied; after the last one the wait goes back
// to its session. Safe from any goroutine.
func (w *wait) Done() {
	if w.left.Add(-1) == 0 {
		w.s.link.deliver(w)
	}
}

// Later reports whether the results may come after Submit has returned. A wait that
// is for the disk alone needs them at once: only then it knows from when to wait.
func (w *wait) Later() bool { return !w.atOnce }

// Failed notes that a part was accepted and did not make it.
func (w *wait) Failed(err error) {
	if errors.Is(err, node.ErrUnknownOutcome) {
		w.fault.Store(&err) // the least that is known of any part is what can be said of all
	} else {
		w.fault.CompareAndSwap(nil, &err)
	}
	w.faults.Add(1)
	w.Done()
}

// errPartly answers a write of several partitions of which only some have executed
// their part. Never changed.
var errPartly = &wire.Error{Status: wire.UnknownOutcome, Text: "some of the keys were written and others were not: their partition's leadership was lost"}

// failure is what the request is answered with when parts of it have failed; nil
// when none has. All parts are done.
func (w *wait) failure() error {
	fault := w.fault.Load()
	switch {
	case fault == nil:
		return nil
	case w.faults.Load() < w.parts && !errors.Is(*fault, node.ErrUnknownOutcome):
		return errPartly
	}
	return *fault
}

// complete completes the reply of a wait that has been delivered.
func (w *wait) complete() {
	switch err := w.failure(); {
	case w.isRead(): // it has replied to the output itself
	case err != nil:
		w.fail(err)
	case w.s.proto == front.ProtocolNative:
		w.native.complete(w)
	case w.spec != nil && w.spec.Merge != command.MergeNone:
		w.merged.reply(w.spec, &w.reply)
	}
}

// isRead reports whether the wait is for leave to read.
func (w *wait) isRead() bool { return len(w.read.parts) > 0 }

// fail makes an error of the reply.
func (w *wait) fail(err error) {
	w.failed = true
	w.s.srv.holdOutput(&w.held, 0)
	w.reply.Buf = w.reply.Buf[:0]
	if w.s.proto == front.ProtocolNative {
		w.reply.Buf = appendFailure(w.reply.Buf, &w.native.req, err)
		return
	}
	w.reply.Error(respError(err, w.slot))
}

// newWait returns a wait for one request. A RESP wait then goes through enqueue.
func (s *Session) newWait() *wait {
	w := s.free
	if w != nil {
		s.free = w.next
		s.freeCount--
	} else {
		w = &wait{s: s}
	}
	w.next, w.spec, w.asyncFn, w.p, w.mode, w.slot, w.failed, w.dropped, w.done, w.atOnce = nil, nil, nil, nil, 0, noSlot, false, false, false, false
	w.native = nativeWait{}
	w.merged = merge{}
	w.reply.Buf, w.reply.Proto = w.reply.Buf[:0], s.w.Proto
	w.fault.Store(nil)
	w.faults.Store(0)
	w.expect(1)
	w.began = time.Now()
	s.waits++
	s.srv.inFlight.Add(1)
	return w
}

// expect sets how many parts the wait is for.
func (w *wait) expect(parts int) {
	w.parts = int32(parts)
	w.left.Store(int32(parts))
}

// enqueue puts a wait at the end of the session's queue: its reply comes after
// those that are there. It may be finished already.
func (s *Session) enqueue(w *wait) {
	if s.waitTail == nil {
		s.waitHead = w
	} else {
		s.waitTail.next = w
	}
	s.waitTail = w
}

// abandon takes back a wait that is in no queue: its request was refused.
func (s *Session) abandon(w *wait) {
	s.waits--
	s.srv.inFlight.Add(-1)
	s.recycle(w)
}

// Limits on what a session keeps for reuse.
const (
	freeWaits     = 64
	keepWaitBytes = 1 << 10
)

func (s *Session) recycle(w *wait) {
	if s.freeCount >= freeWaits {
		return // nothing refers to it any more
	}
	if cap(w.reply.Buf) > keepWaitBytes {
		w.reply.Buf = nil
	}
	if w.isRead() {
		w.read.clear()
	}
	w.next = s.free
	s.free = w
	s.freeCount++
}

// Complete takes back a wait that link.deliver was given, and moves replies that
// are due to the output. Call Resume after the last of a batch of them.
func (s *Session) Complete(w *wait) {
	if w.push != nil {
		s.pushTopology(w.push)
		return
	}
	w.done = true
	if w.asyncFn != nil && !s.closed.Load() {
		w.asyncFn()
	}
	if s.proto == front.ProtocolNative {
		if !w.isRead() {
			s.emit(w)
			return
		}
		s.enqueue(w) // native reads take turns from when they have leave
	}
	s.drain()
}

// drain moves the finished replies at the head of the queue to the output, and
// executes reads whose turn has come. It stops at a read for whose reply there is no
// room, until the driver has sent some output; the session is parked then.
func (s *Session) drain() {
	reads, fetched := false, 0
	s.stalled = false
	for head := s.waitHead; head != nil && head.done; head = s.waitHead {
		if head.isRead() && !s.closed.Load() {
			if s.crowded() {
				s.stalled = true
				break
			}
			if !reads {
				reads = true
				s.look()
			}
			if fetched == 0 && s.muchData() {
				fetched = s.fetchReads()
			}
			fetched = max(fetched-1, 0)
			s.serveRead(head)
		}
		s.waitHead = head.next
		if s.waitHead == nil {
			s.waitTail, s.queued = nil, queuedOthers
		}
		s.emit(head)
	}
	if reads {
		s.batch.endReads(s.srv)
	}
}

// emit moves a finished reply to the output and takes the wait back.
func (s *Session) emit(w *wait) {
	if !s.closed.Load() {
		w.complete()
		s.noteSeen(w.p)
	}
	s.w.Buf = append(s.w.Buf, w.reply.Buf...)
	s.srv.holdOutput(&w.held, 0)
	s.waits--
	s.srv.inFlight.Add(-1)
	if st := w.stats(); st != nil {
		st.Observe(time.Since(w.began), w.failed || s.proto == front.ProtocolRESP && len(w.reply.Buf) > 0 && w.reply.Buf[0] == '-')
	}
	if b := w.native.batch; b != nil {
		w.native.batch = nil
		s.returnBatch(b)
	}
	s.recycle(w)
}

// stats returns the counters of the wait's command; nil for what is no command.
func (w *wait) stats() *front.Calls {
	switch {
	case w.spec != nil:
		return &w.s.srv.stats.commands[w.spec.ID]
	case w.native.req.Op != 0:
		return &w.s.srv.stats.native[w.native.req.Op]
	}
	return nil
}

// canResume reports whether there is input that was held back and nothing holds
// it back any more, or reads whose turn has come and for which there is room again.
func (s *Session) canResume() bool {
	switch {
	case s.stalled:
		return len(s.w.Buf) < crowdedOutput
	case !s.parked, s.closing, s.barrier, s.waitHead != nil:
		return false
	case s.proto == front.ProtocolNative && s.tooManyWait():
		return false
	}
	return len(s.w.Buf) < crowdedOutput
}

// Resume goes on with what was held back, if nothing holds it back any more.
func (s *Session) Resume() {
	if !s.canResume() {
		return
	}
	if s.stalled {
		s.drain()
		if s.stalled || !s.canResume() {
			return
		}
	}
	s.resume()
}
