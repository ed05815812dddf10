package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// conn is one live connection, shared by all goroutines. Callers encode their
// requests into one buffer under mu; the writer goroutine takes the whole buffer
// at once; the reader goroutine settles calls in bulk.
//
// Invariants, all under mu:
//
//   - A call is in exactly one place: among the waiting, in one slot, or with
//     whoever settles it; only the last may touch its outcome.
//   - A slot stays taken until its reply has come, even if its caller has left, so
//     that a late reply never meets another call, and the window counts what
//     the server still has to do.
//   - taken ≤ appended; a frame that ends above taken has surely not been sent.
//   - Once err is set nothing is added, and no call stays behind.
type conn struct {
	link     *link
	nc       net.Conn
	limits   wire.Limits
	nodeID   string
	pushes   bool          // the server sends topologies by itself
	sessions bool          // the server keeps sessions
	clock    attempt.Clock // what its hello told
	rest     []byte        // what was read behind the handshake

	mu        sync.Mutex
	out       []byte   // small frames that the writer has not taken
	large     [][]byte // large frames likewise
	appended  uint64   // bytes ever added to out and large
	taken     uint64   // bytes of them that the writer has taken
	slots     []slot   // by the low half of the request id
	free      []uint32 // slots not in use, the last used on top
	unsettled int      // slots in use
	bytes     int      // size of the frames in slots
	window    int      // bound of unsettled
	waiting   callList // for the window
	err       error    // why the connection is dead
	session   *session // of the writes that start on this connection; nil: none yet

	writerIdle bool          // the writer sleeps on wake
	wake       chan struct{} // capacity 1

	silent   atomic.Bool   // it owes replies and has not been heard of for silentAfter
	reads    atomic.Uint32 // grows with every read: proof that the peer lives
	probe    call          // a PING of the sweeper's, when the peer is silent
	lastSeen uint32        // reads at the last look; the sweeper's
	quietFor time.Duration // how long reads has stood still; the sweeper's
}

// slot is the place of a request that the server has not answered.
type slot struct {
	call  *call // nil: its caller has left
	left  *debt // the write it has left behind, if it is of a session
	size  int
	turn  uint16 // upper half of the request id: tells apart the uses of the slot
	taken bool
}

// minMaxFrame is the least frame limit a client can work with.
const minMaxFrame = 1 << 10

func newConn(l *link, nc net.Conn, hello wire.ServerHello, rest []byte) *conn {
	opts := &l.node.client.opts
	window := opts.MaxInFlight
	if hello.Limits.MaxInFlight > 0 {
		window = min(window, int(min(hello.Limits.MaxInFlight, maxMaxInFlight)))
	}
	cn := &conn{link: l, nc: nc, limits: hello.Limits, nodeID: hello.NodeID,
		pushes:   hello.Features&wire.FeaturePush != 0,
		sessions: hello.Features&wire.FeatureSessions != 0 && !opts.NoSessions,
		clock:    attempt.Clock{Ms: hello.TimeMs, At: time.Now()},
		rest:     rest, window: window, wake: make(chan struct{}, 1)}
	cn.probe.done = make(chan struct{}, 1)
	cn.probe.partition = AnyPartition
	return cn
}

// roundTrip hands the call over and waits until it is settled. The outcome is
// in the call.
func (cn *conn) roundTrip(ctx context.Context, cl *call) {
	if cn.submit(cl) {
		cn.await(ctx, cl)
	}
}

// await waits until a call that was submitted is settled.
func (cn *conn) await(ctx context.Context, cl *call) {
	ended := ctx.Done()
	if ended == nil {
		<-cl.done
		return
	}
	select {
	case <-cl.done:
	case <-ended:
		cn.abandon(cl, ctx.Err())
	}
}

// submit queues the call's frame, or the call if the window is full. It returns
// false, with the outcome in the call, if the connection is dead.
func (cn *conn) submit(cl *call) bool {
	cl.frame = nil
	if cl.bodySize() >= largeFrame {
		cn.enlistLarge(cl)
		cl.frame = cl.appendFrame(make([]byte, 0, cl.bodySize()+256))
	}
	cn.mu.Lock()
	if cn.err != nil {
		cl.try.Outcome, cl.cause = attempt.LostUnsent, cn.err
		cn.mu.Unlock()
		return false
	}
	if cn.waiting.first != nil || !cn.admits(cl) {
		cl.state = callWaiting
		cn.waiting.push(cl)
		cn.mu.Unlock()
		cn.link.node.client.sweeper.rouse()
		return true
	}
	cn.send(cl)
	idle := cn.writerIdle
	cn.writerIdle = false
	cn.mu.Unlock()
	if idle {
		cn.wake <- struct{}{}
	}
	cn.link.node.client.sweeper.rouse()
	return true
}

// admits reports whether the window has room for the call. Needs mu.
func (cn *conn) admits(cl *call) bool {
	if cn.unsettled >= cn.window {
		return false
	}
	return cn.bytes == 0 || cn.bytes+cl.bodySize() <= cn.link.node.client.opts.MaxInFlightBytes
}

// send gives the call a slot and adds its frame to what is to be written. Needs
// mu and room in the window.
func (cn *conn) send(cl *call) {
	if len(cn.free) == 0 {
		cn.growSlots()
	}
	at := cn.free[len(cn.free)-1]
	cn.free = cn.free[:len(cn.free)-1]
	s := &cn.slots[at]
	s.turn++
	s.call, s.taken = cl, true
	cl.slot, cl.state = at, callSent
	id := uint32(s.turn)<<16 | at
	if cl.frame != nil {
		setFrameID(cl.frame, id)
		s.size = len(cl.frame)
		cn.large = append(cn.large, cl.frame)
		cl.frame = nil
	} else {
		cl.req.ID = id
		cn.enlist(cl)
		before := len(cn.out)
		cn.out = cl.appendFrame(cn.out)
		s.size = len(cn.out) - before
	}
	cn.unsettled++
	cn.bytes += s.size
	cn.appended += uint64(s.size)
	cl.position = cn.appended
}

// growSlots doubles the slots. Needs mu.
func (cn *conn) growSlots() {
	old := len(cn.slots)
	grown := make([]slot, max(64, 2*old))
	copy(grown, cn.slots)
	cn.slots = grown
	for i := len(grown) - 1; i >= old; i-- {
		cn.free = append(cn.free, uint32(i))
	}
}

// freeSlot ends the use of a slot. Needs mu.
func (cn *conn) freeSlot(at uint32) {
	s := &cn.slots[at]
	cn.unsettled--
	cn.bytes -= s.size
	s.call, s.left, s.taken = nil, nil, false
	cn.free = append(cn.free, at)
}

// admitWaiting sends the calls that the window now has room for. Needs mu.
// It reports whether the writer must be woken.
func (cn *conn) admitWaiting() (wakeWriter bool) {
	for cn.waiting.first != nil && cn.admits(cn.waiting.first) {
		cl := cn.waiting.first
		cn.waiting.remove(cl)
		cn.send(cl)
		wakeWriter = wakeWriter || cn.writerIdle
		cn.writerIdle = false
	}
	return wakeWriter
}

// abandon takes the caller off a call whose context has ended. If the call is
// being settled at this very moment, its outcome counts.
func (cn *conn) abandon(cl *call, cause error) {
	cn.mu.Lock()
	switch cl.state {
	case callWaiting:
		cn.waiting.remove(cl)
		cl.try.Outcome = attempt.Canceled
	case callSent:
		cn.leave(cl)
		cl.try.Outcome = attempt.CanceledSent
	default:
		cn.mu.Unlock()
		<-cl.done
		return
	}
	cl.state = callSettled
	cl.cause = cause
	cn.mu.Unlock()
}

// leave takes a call out of its slot before its reply has come. The slot stays taken
// until then. Needs mu.
func (cn *conn) leave(cl *call) {
	s := &cn.slots[cl.slot]
	s.call = nil
	if cl.session != nil {
		cl.copies = append(cl.copies, copyOf{conn: cn, slot: cl.slot, turn: s.turn})
	}
}

// quiet reports whether nobody waits for anything.
func (cn *conn) quiet() bool {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.waiting.first != nil {
		return false
	}
	for i := range cn.slots {
		if cn.slots[i].call != nil {
			return false
		}
	}
	return true
}

// fail declares the connection dead, once: err is why. Every call on it is
// settled.
func (cn *conn) fail(err error) {
	cn.mu.Lock()
	if cn.err != nil {
		cn.mu.Unlock()
		return
	}
	cn.err = err
	var lost []*call
	var debts []*debt
	for cl := cn.waiting.first; cl != nil; cl = cn.waiting.first {
		cn.waiting.remove(cl)
		cl.try.Outcome = attempt.LostUnsent
		lost = append(lost, cl)
	}
	for i := range cn.slots {
		cl := cn.slots[i].call
		if debt := cn.slots[i].left; debt != nil {
			debts = append(debts, debt)
			cn.slots[i].left = nil
		}
		if cl == nil {
			continue
		}
		cn.slots[i].call = nil
		cl.try.Outcome = attempt.LostSent
		if cl.position-uint64(cn.slots[i].size) >= cn.taken {
			cl.try.Outcome = attempt.LostUnsent
		}
		lost = append(lost, cl)
	}
	for _, cl := range lost {
		cl.state, cl.cause = callSettled, err
	}
	cn.out, cn.large = nil, nil
	if cn.session != nil {
		cn.session.timer.Stop()
		cn.session = nil
	}
	cn.mu.Unlock()
	cn.close(err)
	for _, d := range debts {
		d.pay()
	}
	select {
	case cn.wake <- struct{}{}:
	default:
	}
	for _, cl := range lost {
		cl.done <- struct{}{}
	}
}

// close closes the socket. TLS says good-bye first, for which it would wait at a peer
// that does not read: only a peer that is well is told.
func (cn *conn) close(why error) {
	if tc, ok := cn.nc.(*tls.Conn); ok && why != ErrClosed && why != errRetired {
		tc.NetConn().Close()
	}
	cn.nc.Close()
}

// cause returns why the connection is dead, nil while it is not.
func (cn *conn) cause() error {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return cn.err
}

// check refuses what the server would refuse, with the outcome that its reply
// would have had.
func (cn *conn) check(cl *call) bool {
	size, limit, what := uint64(len(cl.key)), cn.limits.MaxKey, "key"
	if size <= uint64(limit) && cl.req.Op == wire.OpPut && !cl.raw {
		size, limit, what = uint64(len(cl.value)), cn.limits.MaxValue, "value"
	}
	if size <= uint64(limit) {
		size, limit, what = uint64(cl.bodySize())+maxHeader, cn.limits.MaxFrame, "request"
	}
	if size <= uint64(limit) && !cl.raw && (cl.req.Op == wire.OpWriteBatch || cl.req.Op == wire.OpGetBatch) {
		size, limit, what = uint64(cl.limit), cn.limits.MaxBatch, "batch"
	}
	if size <= uint64(limit) {
		return true
	}
	cl.try.Outcome, cl.try.Status, cl.extra = attempt.Replied, wire.TooLarge, false
	cl.text = fmt.Sprintf("size of the %s is %d, the server's limit is %d", what, size, limit)
	return false
}

// maxHeader bounds a request's header with all optional fields.
const maxHeader = 128

// callList is a queue of calls, linked through themselves.
type callList struct{ first, last *call }

func (l *callList) push(cl *call) {
	cl.prev, cl.next = l.last, nil
	if l.last != nil {
		l.last.next = cl
	} else {
		l.first = cl
	}
	l.last = cl
}

func (l *callList) remove(cl *call) {
	if cl.prev != nil {
		cl.prev.next = cl.next
	} else {
		l.first = cl.next
	}
	if cl.next != nil {
		cl.next.prev = cl.prev
	} else {
		l.last = cl.prev
	}
	cl.prev, cl.next = nil, nil
}
