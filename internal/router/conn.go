package router

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/front"
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
	names    front.Names
	reads    reads // but for reads.seen
	nativeUp bool  // the native handshake is over

	// Read by others: CLIENT LIST.
	info       atomic.Pointer[front.ClientInfo]
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

func (c *conn) touch() { c.lastActive.Store(c.r.nowMs()) }

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

// fail ends the connection for a reason, once what was asked for has been answered.
func (c *conn) fail(reason front.CloseReason, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(reason, err)
}

func (c *conn) failLocked(reason front.CloseReason, err error) {
	if c.closing {
		return
	}
	c.closing = true
	c.r.stats.closed[reason].Add(1)
	if reason != front.ClosedByPeer { // QUIT: nothing that an operator needs to see
		c.r.logger.Info("connection closed", "remote", c.remote, "client", c.id, "reason", reason.String(), "err", err)
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
		reason := front.ClosedByPeer
		if c.stopping {
			reason = front.ClosedShutdown
		}
		c.r.stats.closed[reason].Add(1)
	}
	c.mu.Unlock()
	c.r.forget(c)
}
