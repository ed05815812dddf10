package server

import (
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// wait is one request whose reply cannot be written yet: a write under policy
// always, or work that runs on a goroutine of its own. Its reply is rendered
// into reply by whoever finishes it, and moved to the session's output when the
// driver brings it back.
//
// A wait belongs to its session, which reuses it. Between being submitted and
// delivered its rendering fields belong to the applier.
type wait struct {
	s    *Session
	next *wait // in the session's queue, or its free list

	done    atomic.Bool  // rendered; set before delivery
	left    atomic.Int32 // parts that have not been applied
	began   time.Time
	spec    *command.Spec // RESP
	mode    uint8
	reply   resp.Writer
	merged  merge
	native  nativeWait
	failed  bool   // the native reply is an error
	asyncFn func() // runs on the session's goroutine when delivered; may be nil
}

// Result renders the result of a write. Called by the applier.
func (w *wait) Result(i int, r *command.Result) {
	if w.s.proto == protocolNative {
		w.native.result(w, i, r)
		return
	}
	if w.spec.Merge != command.MergeNone {
		w.merged.add(w.spec, r)
		return
	}
	w.spec.Reply(&w.reply, r, w.mode)
}

// Done notes that a part has been applied; after the last one the wait goes back
// to its session.
func (w *wait) Done() {
	if w.left.Add(-1) == 0 {
		w.finish()
	}
}

// finish hands the rendered wait back. Safe from any goroutine.
func (w *wait) finish() {
	if w.s.proto == protocolNative {
		w.native.finish(w)
	} else if w.spec != nil && w.spec.Merge != command.MergeNone {
		w.merged.reply(w.spec, &w.reply)
	}
	w.done.Store(true)
	w.s.link.deliver(w)
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
	w.next, w.spec, w.asyncFn, w.mode, w.failed = nil, nil, nil, 0, false
	w.native = nativeWait{}
	w.merged = merge{}
	w.reply.Buf, w.reply.Proto = w.reply.Buf[:0], s.w.Proto
	w.done.Store(false)
	w.left.Store(1)
	w.began = time.Now()
	s.waits++
	s.srv.inFlight.Add(1)
	return w
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
		return
	}
	if cap(w.reply.Buf) > keepWaitBytes {
		w.reply.Buf = nil
	}
	w.next = s.free
	s.free = w
	s.freeCount++
}

// Complete takes back a wait that link.deliver was given, and moves replies that
// are due to the output. Call Resume after the last of a batch of them.
func (s *Session) Complete(w *wait) {
	if w.asyncFn != nil && !s.closed.Load() {
		w.asyncFn()
	}
	if s.proto == protocolNative {
		s.emit(w)
		return
	}
	s.drain()
}

// drain moves the finished replies at the head of the queue to the output.
func (s *Session) drain() {
	for head := s.waitHead; head != nil && head.done.Load(); head = s.waitHead {
		s.waitHead = head.next
		if s.waitHead == nil {
			s.waitTail = nil
		}
		s.emit(head)
	}
}

// emit moves a finished reply to the output and takes the wait back.
func (s *Session) emit(w *wait) {
	s.w.Buf = append(s.w.Buf, w.reply.Buf...)
	s.waits--
	s.srv.inFlight.Add(-1)
	if st := w.stats(); st != nil {
		st.observe(time.Since(w.began), w.failed || s.proto == protocolRESP && len(w.reply.Buf) > 0 && w.reply.Buf[0] == '-')
	}
	if b := w.native.batch; b != nil {
		w.native.batch = nil
		s.returnBatch(b)
	}
	s.recycle(w)
}

// stats returns the counters of the wait's command; nil for what is no command.
func (w *wait) stats() *commandStats {
	switch {
	case w.spec != nil:
		return &w.s.srv.stats.commands[w.spec.ID]
	case w.native.req.Op != 0:
		return &w.s.srv.stats.native[w.native.req.Op]
	}
	return nil
}

// Resume goes on with input that was held back, if nothing holds it back any more.
func (s *Session) Resume() {
	if s.parked && s.waitHead == nil && !s.closing {
		s.resume()
	}
}
