package router

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// conn is one client's connection. The reader takes requests and ends first: when
// the peer sends no more, the connection is over, or it is broken. The writer sends
// what is ready, follows when all that was asked for has been answered, and closes.
type conn struct {
	r             *Router
	id            uint64
	nc            net.Conn // what requests and replies go through
	raw           net.Conn // the socket
	remote, local netip.AddrPort
	ctx           context.Context // of what is asked for this peer
	cancel        context.CancelFunc
	openedAt      time.Time

	// The reader's own.
	in       []byte // what was read; in[off:] is not consumed
	off      int
	frameAt  time.Time // when the incomplete command in the buffer began to arrive; zero: none
	user     *auth.User
	userGen  uint64 // the state of the users file that user was read from
	greeted  bool   // authenticated, or nothing to authenticate
	told     int    // bytes replied before authentication
	parser   resp.Parser
	args     [][]byte
	w        resp.Writer // a local reply being written
	names    clientNames
	reads    reads // but for reads.seen
	nativeUp bool  // the native handshake is over

	// Read by others: CLIENT LIST.
	info       atomic.Pointer[clientInfo]
	proto      atomic.Uint32
	lastActive atomic.Int64 // unix ms

	mu       sync.Mutex
	room     sync.Cond // on mu: something was answered or sent, or the connection is over
	work     sync.Cond // on mu: the writer has something to do
	order    order     // guarded by mu
	replies  replies   // guarded by mu
	inFlight int       // requests not answered; guarded by mu
	inBytes  int       // their size; guarded by mu
	pace     pace      // guarded by mu
	out      [][]byte  // ready to be sent; guarded by mu
	spare    []byte    // a chunk that was sent, for the next replies; guarded by mu
	held     int       // bytes of replies that were counted in the router's total; guarded by mu
	stopping bool      // no further input is taken; guarded by mu
	closing  bool      // ended by the router: reply, then close; guarded by mu
	broken   bool      // nothing can be sent any more; guarded by mu
	readDone bool      // the reader has ended; guarded by mu
}

// Bounds of one connection.
const (
	maxPipeline   = 1024     // requests not answered, of RESP
	maxReplies    = 8192     // replies that have not left, of RESP
	pauseOutput   = 1 << 20  // bytes of replies that have not left at which no further request is taken
	firstBuffer   = 4 << 10  // of the reader, and what an idle connection keeps
	keepBuffer    = 64 << 10 // the largest buffer that is kept between requests
	joinedReply   = 16 << 10 // replies up to here are copied together, larger ones sent as they are
	writeAtOnce   = 1 << 20  // bytes under one write deadline
	preAuthOutput = 1 << 10  // bytes a peer is told before it has authenticated
)

func (r *Router) newConn(raw net.Conn, remote, local netip.AddrPort) *conn {
	c := &conn{r: r, id: r.nextID.Add(1), nc: raw, raw: raw, remote: remote, local: local, openedAt: r.opts.Clock()}
	c.ctx, c.cancel = context.WithCancel(r.ctx)
	c.room.L, c.work.L = &c.mu, &c.mu
	c.pace.allowed = int(max(leastWindow, min(firstWindow, r.front.OutputLimit/(2*r.front.MaxValueBytes))))
	if r.tls != nil {
		c.nc = tls.Server(raw, r.tls)
	}
	c.w.Proto = 2
	if r.users == nil {
		c.user, c.greeted = auth.Everybody(), true
	}
	c.setParserLimits()
	c.publishInfo()
	c.touch()
	return c
}

func (c *conn) touch() { c.lastActive.Store(c.r.opts.Clock().UnixMilli()) }

// setParserLimits gives the parser the limits that fit what the peer may do.
func (c *conn) setParserLimits() {
	if c.user == nil {
		c.parser.Limits = resp.UnauthenticatedLimits()
		return
	}
	l := resp.DefaultLimits()
	l.MaxBulk = int(c.r.front.MaxValueBytes)
	l.MaxQuery = int(c.r.front.MaxQueryBytes)
	c.parser.Limits = l
	c.greeted = true
}

// read is the reader's goroutine.
func (c *conn) read() {
	defer c.r.conns.Done()
	defer func() {
		c.mu.Lock()
		c.readDone = true
		c.mu.Unlock()
		c.work.Broadcast()
	}()
	if !c.handshake() {
		return
	}
	for !c.over() {
		if !c.more() {
			return
		}
		if c.off == len(c.in) {
			continue
		}
		if protocol(c.proto.Load()) == protocolUnknown {
			c.recognise(c.in[c.off])
		}
		if protocol(c.proto.Load()) == protocolNative {
			c.takeNative()
		} else {
			c.takeRESP()
		}
	}
}

// over reports whether no further input is taken.
func (c *conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing || c.stopping || c.broken
}

func (c *conn) recognise(first byte) {
	p := protocolRESP
	if first >= 0x80 {
		p = protocolNative
	}
	c.proto.Store(uint32(p))
	c.r.stats.open[p].Add(1)
	c.r.stats.open[protocolUnknown].Add(-1)
}

// handshake is that of TLS.
func (c *conn) handshake() bool {
	secure, ok := c.nc.(*tls.Conn)
	if !ok {
		return true
	}
	if !c.allowUntil(c.openedAt.Add(c.r.front.HandshakeTimeout)) {
		return false
	}
	c.raw.SetWriteDeadline(time.Now().Add(c.r.front.HandshakeTimeout))
	if err := secure.HandshakeContext(c.ctx); err != nil {
		c.fail(closedHandshakeTimeout, err)
		c.breakOff()
		return false
	}
	return true
}

// allowUntil sets the time until which the next read may take; zero: no limit. It
// reports whether anything is to be read at all.
func (c *conn) allowUntil(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || c.broken {
		return false
	}
	c.raw.SetReadDeadline(t)
	return true
}

// more reads once. What has been consumed makes room; a full buffer doubles, so that
// memory follows the bytes received and never a length that was announced.
func (c *conn) more() bool {
	c.work.Signal() // what was answered by now goes out while we wait
	c.makeRoom()
	reason, until := c.patience()
	if !c.allowUntil(until) {
		return false
	}
	n, err := c.nc.Read(c.in[len(c.in):cap(c.in)])
	if n > 0 {
		if c.off == len(c.in) {
			c.frameAt = c.r.opts.Clock()
		}
		c.in = c.in[:len(c.in)+n]
		c.r.stats.bytesIn.Add(uint64(n))
		c.touch()
		return true
	}
	return c.ended(err, reason) // or once more, from the start
}

// patience is how long the peer may take for what comes next, and what it exceeds
// otherwise.
func (c *conn) patience() (reason closeReason, until time.Time) {
	f := c.r.front
	soonest := func(why closeReason, since time.Time, limit time.Duration) {
		if t := since.Add(limit); limit > 0 && (until.IsZero() || t.Before(until)) {
			reason, until = why, t
		}
	}
	if !c.greeted {
		soonest(closedHandshakeTimeout, c.openedAt, f.HandshakeTimeout)
	}
	if c.off < len(c.in) {
		soonest(closedFrameTimeout, c.frameAt, f.FrameTimeout)
	} else {
		soonest(closedIdle, c.r.opts.Clock(), f.IdleTimeout)
	}
	return reason, until
}

// ended deals with a read that brought nothing. It reports whether to read on.
func (c *conn) ended(err error, reason closeReason) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopping:
	case errors.Is(err, os.ErrDeadlineExceeded):
		if reason == closedIdle && c.inFlight > 0 {
			return true // it waits for us
		}
		c.failLocked(reason, timeoutErrors[reason])
		c.breakLocked()
	case !errors.Is(err, io.EOF):
		c.breakLocked()
	}
	return false
}

// timeoutErrors tell which setting a connection has met. Never changed.
var timeoutErrors = map[closeReason]error{
	closedHandshakeTimeout: errors.New("not authenticated in time (handshake-timeout)"),
	closedFrameTimeout:     errors.New("a command was not complete in time (frame-timeout)"),
	closedIdle:             errors.New("idle (idle-timeout)"),
}

func (c *conn) makeRoom() {
	switch {
	case c.off == len(c.in):
		c.in, c.off = c.in[:0], 0
		if cap(c.in) > keepBuffer {
			c.in = nil
		}
	case len(c.in) == cap(c.in) && c.off > 0:
		c.in = c.in[:copy(c.in, c.in[c.off:])]
		c.off = 0
	}
	if len(c.in) == cap(c.in) {
		grown := make([]byte, len(c.in), max(firstBuffer, 2*cap(c.in)))
		copy(grown, c.in)
		c.in = grown
	}
}

// leftOver notes that requests have been taken and that an incomplete one may be
// left: it began to arrive no earlier than now.
func (c *conn) leftOver(progress bool) {
	if progress && c.off < len(c.in) {
		c.frameAt = c.r.opts.Clock()
	}
}

// admit waits until the connection and the router have room for one more request of
// a size. It returns false when the connection is over instead. Every admit that
// returned true is followed by one answered.
func (c *conn) admit(size, window int) bool {
	c.mu.Lock()
	for !c.broken && (c.inFlight >= c.pace.window(window, c.r.replyBudget()) || c.crowded() ||
		c.inFlight > 0 && int64(c.inBytes+size) > c.r.front.MaxPipelineBytes) {
		c.work.Signal()
		c.room.Wait()
	}
	if c.broken {
		c.mu.Unlock()
		return false
	}
	c.inFlight++
	c.inBytes += size
	c.mu.Unlock()
	select {
	case c.r.slots <- struct{}{}:
	default:
		c.work.Signal() // what was answered by now goes out while we wait
		select {
		case c.r.slots <- struct{}{}:
		case <-c.ctx.Done():
			c.mu.Lock()
			c.inFlight--
			c.inBytes -= size
			c.mu.Unlock()
			return false
		}
	}
	c.r.stats.inFlight.Add(1)
	return true
}

// crowded reports whether replies that have not left are reason enough to take no
// further request, be they ready or behind one that is not. c.mu is held.
func (c *conn) crowded() bool { return c.held >= pauseOutput || c.replies.n >= maxReplies }

// answered takes an admit back. c.mu is held.
func (c *conn) answered(size int) {
	c.inFlight--
	c.inBytes -= size
	<-c.r.slots
	c.r.stats.inFlight.Add(-1)
	c.room.Signal()
	c.work.Signal()
}

// settle waits until everything that was asked for has been answered; false: the
// connection is over.
func (c *conn) settle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.work.Signal()
	for c.inFlight > 0 && !c.broken {
		c.room.Wait()
	}
	return !c.broken
}

// send appends bytes to what is ready for the peer. buf is not to be used
// afterwards. c.mu is held.
func (c *conn) send(buf []byte) {
	if c.broken || len(buf) == 0 {
		return
	}
	if last := len(c.out) - 1; last >= 0 && len(buf) <= joinedReply && len(c.out[last])+len(buf) <= cap(c.out[last]) {
		c.out[last] = append(c.out[last], buf...)
	} else if len(buf) <= joinedReply {
		c.out = append(c.out, append(c.chunk(len(buf)), buf...))
	} else {
		c.out = append(c.out, buf)
	}
}

// chunk returns an empty buffer for replies, the first of which has n bytes. c.mu is held.
func (c *conn) chunk(n int) []byte {
	if cap(c.spare) >= n {
		buf := c.spare
		c.spare = nil
		return buf
	}
	size := firstBuffer
	if len(c.out) > 0 {
		size = 2 * joinedReply
	}
	return make([]byte, 0, max(size, n))
}

// hold counts n more bytes of replies in memory, and ends the connection when they
// are too many. c.mu is held.
func (c *conn) hold(n int) {
	c.held += n
	total := c.r.held.Add(int64(n))
	f := c.r.front
	switch {
	case n <= 0 || c.broken:
	case int64(c.held) > f.OutputLimit:
		c.failLocked(closedOutputLimit, fmt.Errorf("%d bytes of replies wait for it, output-limit is %d", c.held, f.OutputLimit))
		c.breakLocked()
	case total > f.OutputLimitTotal:
		c.failLocked(closedOutputTotal, fmt.Errorf("replies that wait exceed output-limit-total of %d bytes; this connection holds %d", f.OutputLimitTotal, c.held))
		c.breakLocked()
	}
}

// write is the writer's goroutine.
func (c *conn) write() {
	defer c.r.conns.Done()
	defer c.end()
	for {
		out, last := c.ready()
		for _, chunk := range out {
			if !c.writeChunk(chunk) {
				return
			}
		}
		if last {
			return
		}
	}
}

// ready waits for something to send. last says that nothing follows.
func (c *conn) ready() (out [][]byte, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) == 0 && !c.broken && !(c.readDone && c.inFlight == 0) {
		c.work.Wait()
	}
	if c.inFlight > 0 && !c.broken {
		// Replies come from the cluster in bulk: let those that came with this one join it.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	out, c.out = c.out, nil
	return out, c.broken || c.readDone && c.inFlight == 0
}

// writeChunk sends one chunk; false: the connection is broken.
func (c *conn) writeChunk(chunk []byte) bool {
	for rest := chunk; len(rest) > 0; {
		part := rest[:min(len(rest), writeAtOnce)]
		rest = rest[len(part):]
		if c.r.front.WriteTimeout > 0 {
			c.raw.SetWriteDeadline(time.Now().Add(c.r.front.WriteTimeout))
		}
		if _, err := c.nc.Write(part); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.fail(closedWriteTimeout, errors.New("replies were not read in time (write-timeout)"))
			}
			c.breakOff()
			return false
		}
		c.r.stats.bytesOut.Add(uint64(len(part)))
	}
	c.mu.Lock()
	c.hold(-len(chunk))
	if cap(chunk) == firstBuffer { // what an idle connection may keep
		c.spare = chunk[:0]
	}
	c.mu.Unlock()
	c.room.Signal()
	return true
}

// fail ends the connection for a reason, once what was asked for has been answered.
func (c *conn) fail(reason closeReason, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(reason, err)
}

func (c *conn) failLocked(reason closeReason, err error) {
	if c.closing {
		return
	}
	c.closing = true
	c.r.stats.closed[reason].Add(1)
	if reason != closedByPeer { // QUIT: nothing that an operator needs to see
		c.r.logger.Info("connection closed", "remote", c.remote, "client", c.id, "reason", closeNames[reason], "err", err)
	}
}

// breakOff notes that the connection is of no use any more, and gives up what is
// asked on its behalf.
func (c *conn) breakOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breakLocked()
}

func (c *conn) breakLocked() {
	if c.broken {
		return
	}
	c.broken = true
	c.cancel()
	c.raw.Close() // ends the reader's wait and the writer's
	c.room.Broadcast()
	c.work.Broadcast()
}

// drain has the reader end, and the writer when it has answered.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	c.raw.SetReadDeadline(time.Unix(1, 0))
	c.room.Broadcast()
}

// hurry closes a connection whose peer does not take its replies.
func (c *conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight == 0 {
		c.breakLocked()
	}
}

// end closes the connection when the writer is done, and counts it out once the
// reader is too.
func (c *conn) end() {
	c.nc.Close()
	c.mu.Lock()
	c.breakLocked()
	for !c.readDone {
		c.work.Wait()
	}
	c.out = nil
	c.hold(-c.held)
	if !c.closing {
		c.closing = true
		reason := closedByPeer
		if c.stopping {
			reason = closedShutdown
		}
		c.r.stats.closed[reason].Add(1)
	}
	c.mu.Unlock()
	c.r.forget(c)
}
