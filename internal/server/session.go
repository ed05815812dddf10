package server

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

// link is a session's way back to its driver. Safe for concurrent use.
type link interface {
	// deliver hands a finished wait to the session's goroutine, which passes it
	// to Complete.
	deliver(w *wait)
	// close ends the connection soon, from any goroutine.
	close()
	// trim has the session give back what it keeps for the next request.
	trim()
}

// Session is the state of one connection; see the package comment for who may
// touch it.
type Session struct {
	srv    *Server
	link   link
	id     uint64
	remote netip.AddrPort
	local  netip.AddrPort

	proto    front.Protocol
	closing  bool        // reply with what is in Output, then close
	abrupt   bool        // close at once: the peer does not take its replies
	closed   atomic.Bool // the driver has let go of the connection
	cut      atomic.Bool // ended by cutOff, which has counted it
	user     *auth.User  // nil: not authenticated
	needAuth bool
	// userGeneration is the state of the users file that user was read from.
	userGeneration uint64

	in     []byte // input that has not been consumed; in[inOff:] is unread
	inOff  int
	parked bool // input is held back: see canResume
	// barrier holds back everything until work on another goroutine is done.
	barrier bool

	// Writes that are not answered yet. RESP: a queue in request order.
	waitHead, waitTail *wait
	waits              int
	free               *wait // finished waits, for reuse
	freeCount          int

	queued    queuedKind
	stalled   bool // a read's turn has come, and there is no room for its reply
	readBytes int  // held by reads that wait

	wrote    bool   // something was submitted: see takeWritten
	wrotePos uint64 // the last of it in the log

	// What look has seen.
	now                        int64 // unix ms
	ready, deferred, clustered bool

	entry store.Entry // scratch of reads, here so that it does not escape
	enc   []byte      // scratch: the entry being encoded
	batch batchTimer

	// RESP
	parser resp.Parser
	w      resp.Writer // w.Buf is the session's output in both protocols
	args   [][]byte
	inline inlineSink
	held   heldCommand
	place  place  // of the command being executed, if it is known already
	routed routed // of the command being executed, on a node that has peers
	names  front.Names
	multi  multiKey
	reads  readState

	native nativeState

	meta sessionMeta
}

// sessionMeta is what other goroutines (CLIENT LIST, the reaper) may read.
type sessionMeta struct {
	openedAt   int64 // unix ms
	lastActive atomic.Int64
	frameSince atomic.Int64 // unix ms since when a command is incomplete; 0: none
	outSince   atomic.Int64 // unix ms since when output is unread; 0: none
	greeted    atomic.Bool  // authenticated, or nothing to authenticate
	proto      atomic.Uint32
	info       atomic.Pointer[front.ClientInfo]
	push       atomic.Pointer[push] // nil: the client does not want topologies pushed
	// trimmed is when the session was last asked to trim.
	trimmed atomic.Int64
}

// Output returns what is to be sent. The driver calls Sent when it has taken it.
func (s *Session) Output() []byte { return s.w.Buf }

// Sent empties the output, and gives the memory of an unusually large reply back.
func (s *Session) Sent() {
	if cap(s.w.Buf) > keepBufferBytes {
		s.w.Buf = nil
		return
	}
	s.w.Buf = s.w.Buf[:0]
}

// Closing reports whether the connection is to be closed once what it waits for
// has been answered and sent. No more input is taken.
func (s *Session) Closing() bool { return s.closing }

// keepBufferBytes is the largest buffer that an idle connection keeps.
const keepBufferBytes = 4 << 10

// Input takes bytes as they arrive. They need not be kept by the caller: what is
// not consumed is copied.
func (s *Session) Input(data []byte) {
	if s.closing {
		return
	}
	s.look()
	s.meta.lastActive.Store(s.now)
	var n int
	if s.inOff == len(s.in) { // nothing left over: parse in place
		n = s.consume(data)
		s.keep(data[n:])
	} else {
		s.compact()
		s.in = append(s.in, data...)
		n = s.consume(s.in[s.inOff:])
		s.inOff += n
		s.release()
	}
	s.finishInput(n > 0)
}

// look reads the clock and how the node is, once for all that is at hand. A node that
// gets its first peer stays the only one to lead what it has for longer than that
// takes by orders of magnitude; one that has become deferred says so to whoever has not
// seen it (becameDeferred).
func (s *Session) look() {
	n := s.srv.node
	s.now, s.ready, s.deferred, s.clustered = n.Now(), n.Ready(), n.Deferred(), n.Clustered()
}

// resume consumes input that was held back.
func (s *Session) resume() {
	s.parked = false
	s.look()
	if s.resumeHeld() && s.inOff < len(s.in) {
		s.inOff += s.consume(s.in[s.inOff:])
		s.release()
	}
	s.finishInput(true)
}

func (s *Session) consume(data []byte) int {
	if len(data) == 0 || s.parked || s.closing {
		return 0
	}
	if s.proto == front.ProtocolUnknown {
		s.recognise(data[0])
	}
	s.batch.begin()
	n := 0
	if s.proto == front.ProtocolNative {
		n = s.consumeNative(data)
	} else {
		n = s.consumeRESP(data)
	}
	s.batch.end(s.srv)
	return n
}

func (s *Session) recognise(first byte) {
	s.proto = front.ProtocolOf(first)
	s.meta.proto.Store(uint32(s.proto))
	s.srv.stats.connections[s.proto].Add(1)
	s.srv.stats.connections[front.ProtocolUnknown].Add(-1)
}

// keep copies unconsumed input.
func (s *Session) keep(rest []byte) {
	s.in = append(s.in[:0], rest...)
	s.inOff = 0
	if len(rest) == 0 && cap(s.in) > keepBufferBytes {
		s.in = nil
	}
}

// compact moves unread input to the front once the consumed part outweighs it,
// so that a long pipeline is moved a bounded number of times.
func (s *Session) compact() {
	if s.inOff > len(s.in)-s.inOff {
		s.in = s.in[:copy(s.in, s.in[s.inOff:])]
		s.inOff = 0
	}
}

func (s *Session) release() {
	if s.inOff == len(s.in) {
		s.keep(nil)
	}
}

// finishInput watches the limits on what is buffered. progress says that commands
// were taken: what is left began to arrive no earlier than now.
func (s *Session) finishInput(progress bool) {
	unread := len(s.in) - s.inOff
	limit := s.srv.live.Current()
	if max := limit.MaxQueryBytes + limit.MaxPipelineBytes; int64(unread) > max {
		s.fail(front.ClosedInputLimit, errors.New("unread input exceeds max-query-bytes + max-pipeline-bytes"))
	}
	switch {
	case unread == 0 || s.parked:
		s.meta.frameSince.Store(0)
	case progress || s.meta.frameSince.Load() == 0:
		s.meta.frameSince.Store(s.now)
	}
}

// pauseInput is the unread input at which a driver should not read more from a
// peer whose session is parked.
const pauseInput = 1 << 20

// crowdedOutput is the output at which a session executes nothing further until
// its driver has sent some: a few bytes of input can ask for any amount of output.
const crowdedOutput = 1 << 20

// crowded parks the session when its output has grown enough for now.
func (s *Session) crowded() bool {
	if len(s.w.Buf) < crowdedOutput {
		return false
	}
	s.parked = true
	return true
}

// full reports whether a driver should leave further input unread.
func (s *Session) full() bool { return s.parked && len(s.in)-s.inOff > pauseInput }

// idle reports whether everything that was asked for has been answered.
func (s *Session) idle() bool { return s.waits == 0 && !s.parked }

// over reports whether the session is done with its connection, but for output.
func (s *Session) over() bool { return s.closing && (s.abrupt || s.waits == 0) }

// takeWritten returns up to where the session has written to the log since it was
// last asked. Its driver settles that before it sends the session's output.
func (s *Session) takeWritten() (pos uint64, wrote bool) {
	wrote = s.wrote
	s.wrote = false
	return s.wrotePos, wrote
}

// settleLater notes where the log has a write that Submit took, for takeWritten.
func (s *Session) settleLater(pos uint64, err error) error {
	if err == nil {
		s.wrote, s.wrotePos = true, max(s.wrotePos, pos)
	}
	return err
}

// trim gives back what the session keeps for reuse. A connection that is idle
// then holds little more than its place in the tables of connections.
func (s *Session) trim() {
	if !s.idle() || s.inOff < len(s.in) || s.parser.Pending() {
		return
	}
	s.in, s.inOff, s.enc, s.args = nil, 0, nil, nil
	s.free, s.freeCount = nil, 0
	s.held, s.multi = heldCommand{}, multiKey{}
	s.native.spareBatch = nil
	s.parser = resp.Parser{Limits: s.parser.Limits}
}

// fail ends the connection for a reason that the operator should see.
func (s *Session) fail(reason front.CloseReason, err error) {
	if s.closing {
		return
	}
	s.closing = true
	s.srv.noteClose(s, reason, err)
}
