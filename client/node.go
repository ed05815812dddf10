package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// node is one server address with its connections.
//
// A node is started when somebody first wants it. When the topology does not name
// it any more it is retired: it serves the calls it has and takes no part in
// routing; when they are done its connections are closed. Then a node of
// Options.Addresses is parked, to be asked again in need, and any other ended.
type node struct {
	client  *Client
	address string // as it is dialled
	links   []*link
	seed    bool // of Options.Addresses

	started atomic.Bool // changed under client.mu
	retired atomic.Bool // changed under client.mu
	named   bool        // the topology in use names it; guarded by client.mu
}

// link is the place of one connection: it dials, hands the connection out while
// it lives, and dials again, with growing pauses, when it has died. One goroutine
// (run) does that and reads the connection meanwhile.
type link struct {
	node *node
	conn atomic.Pointer[conn] // nil while there is none

	mu      sync.Mutex
	lastErr error // why there is no connection; nil before the first try; guarded by mu

	revived chan struct{}   // capacity 1: the node is wanted again
	ctx     context.Context // ends with the node
	cancel  context.CancelFunc
}

func newNode(c *Client, address string) *node {
	n := &node{client: c, address: address}
	for range c.opts.Connections {
		l := &link{node: n, revived: make(chan struct{}, 1)}
		l.ctx, l.cancel = context.WithCancel(context.Background())
		n.links = append(n.links, l)
	}
	return n
}

// start lets the node's links connect. It may be called again and again.
func (n *node) start() {
	if n.started.Load() && !n.retired.Load() {
		return
	}
	n.client.mu.Lock()
	defer n.client.mu.Unlock()
	n.startLocked()
}

// startLocked is start. Needs client.mu.
func (n *node) startLocked() {
	c := n.client
	if c.closed {
		return
	}
	if !n.started.Load() {
		n.started.Store(true)
		for _, l := range n.links {
			c.wg.Add(1)
			go l.run()
		}
	}
	if n.retired.CompareAndSwap(true, false) {
		for _, l := range n.links {
			select {
			case l.revived <- struct{}{}:
			default:
			}
		}
	}
}

// retire takes the node out of use; the sweeper closes what it still has. Needs
// client.mu.
func (n *node) retire() {
	if n.started.Load() && n.retired.CompareAndSwap(false, true) {
		n.client.sweeper.rouse()
	}
}

// rest closes the connections of a retired node whose calls are done, and reports
// whether there are any left.
func (n *node) rest() (quiet bool) {
	quiet = true
	for _, l := range n.links {
		if cn := l.conn.Load(); cn != nil {
			quiet = false
			if cn.quiet() {
				cn.fail(errRetired)
			}
		}
	}
	return quiet
}

// errRetired ends the connections of a node that the topology does not name.
var errRetired = errors.New("the node is not part of the topology any more")

// connectFirst starts the node and waits for its first link to connect or fail.
func (n *node) connectFirst(ctx context.Context) error {
	n.start()
	l := n.links[0]
	for {
		changed := n.client.changes()
		if l.conn.Load() != nil {
			return nil
		}
		if err := l.why(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &Error{Op: "OPEN", Node: n.address, Status: Status(wire.Timeout), Cause: ctx.Err()}
		}
	}
}

// reachable reports whether a call would find a connection.
func (n *node) reachable() bool {
	for _, l := range n.links {
		if l.conn.Load() != nil {
			return true
		}
	}
	return false
}

// silent reports whether the node owes replies on a connection and has not been
// heard of there for a while.
func (n *node) silent() bool {
	for _, l := range n.links {
		if cn := l.conn.Load(); cn != nil && cn.silent.Load() {
			return true
		}
	}
	return false
}

// health is what both say.
func (n *node) health() attempt.Health {
	switch {
	case !n.reachable():
		return attempt.Down
	case n.silent():
		return attempt.Silent
	}
	return attempt.Well
}

// close ends the links.
func (n *node) close() {
	for _, l := range n.links {
		l.cancel()
		if cn := l.conn.Load(); cn != nil {
			cn.fail(ErrClosed)
		}
	}
}

// link returns the link for a lane: its own, or one that is connected.
func (n *node) link(lane uint32) *link {
	own := n.links[int(lane)%len(n.links)]
	if len(n.links) == 1 || own.conn.Load() != nil {
		return own
	}
	for _, l := range n.links {
		if l.conn.Load() != nil {
			return l
		}
	}
	return own
}

// linkOf returns the link for a call.
func (n *node) linkOf(cl *call) *link {
	if cl.pin != nil {
		return cl.pin.link
	}
	return n.link(cl.lane)
}

// why returns what ended the last connection or try; nil before the first.
func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastErr
}

// publish makes a connection, or the lack of one, known to all who wait.
func (l *link) publish(cn *conn, err error) {
	l.mu.Lock()
	l.conn.Store(cn)
	l.lastErr = err
	l.mu.Unlock()
	l.node.client.announce()
	if cn != nil {
		l.node.client.connected(cn)
	}
}

// park waits while nobody wants the node.
func (l *link) park() {
	for l.node.retired.Load() && l.ctx.Err() == nil {
		select {
		case <-l.revived:
		case <-l.ctx.Done():
		}
	}
}

// run connects, reads and reconnects until the node ends.
func (l *link) run() {
	defer l.node.client.wg.Done()
	var pause attempt.Pause
	for l.park(); l.ctx.Err() == nil; l.park() {
		cn, err := l.dial()
		if err != nil {
			l.publish(nil, err)
		} else {
			l.publish(cn, nil)
			l.serve(cn)
			l.publish(nil, &Error{Op: "CONNECTION", Node: l.node.address, Status: Status(wire.Unavailable), Cause: cn.cause()})
			if cn.reads.Load() > 0 {
				pause.Reset() // it was of use
			}
		}
		var e *Error
		wait := pause.Take(attempt.DialPauses(), rand.Uint64())
		if errors.As(err, &e) && e.RetryAfter > wait {
			wait = e.RetryAfter
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.revived:
			pause.Reset()
		case <-l.ctx.Done():
		}
		timer.Stop()
	}
	l.publish(nil, ErrClosed)
}

// serve runs the connection until it dies; both its goroutines are gone then.
func (l *link) serve(cn *conn) {
	stop := context.AfterFunc(l.ctx, func() { cn.fail(ErrClosed) })
	defer stop()
	written := make(chan struct{})
	go func() {
		defer close(written)
		cn.write()
	}()
	cn.read()
	<-written
}

// dial connects and shakes hands.
func (l *link) dial() (*conn, error) {
	opts := &l.node.client.opts
	ctx, cancel := context.WithTimeout(l.ctx, opts.DialTimeout)
	defer cancel()
	nc, err := opts.Dial(ctx, "tcp", l.node.address)
	if err != nil {
		return nil, l.dialError(wire.Unavailable, err)
	}
	// A context that ends cuts the handshake short, whatever it waits for.
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if opts.TLS != nil {
		if nc, err = l.handshakeTLS(ctx, nc); err != nil {
			return nil, err
		}
	}
	hello, rest, err := l.handshake(nc)
	if err == nil && !stop() {
		err = l.dialError(wire.Unavailable, context.Cause(ctx))
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return newConn(l, nc, hello, rest), nil
}

func (l *link) handshakeTLS(ctx context.Context, nc net.Conn) (net.Conn, error) {
	config := l.node.client.opts.TLS
	if config.ServerName == "" && !config.InsecureSkipVerify {
		host, _, _ := net.SplitHostPort(l.node.address)
		config = config.Clone()
		config.ServerName = host
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, l.dialError(wire.Unavailable, fmt.Errorf("TLS handshake: %w", err))
	}
	return tc, nil
}

// handshake sends the client's hello and reads the server's. rest is what came
// behind it.
func (l *link) handshake(nc net.Conn) (hello wire.ServerHello, rest []byte, err error) {
	opts := &l.node.client.opts
	ours := wire.ClientHello{MinVersion: wire.Version1, MaxVersion: wire.Version1, ClientName: opts.Name,
		Features: wire.FeaturePush | wire.FeatureSessions}
	if opts.NoSessions {
		ours.Features &^= wire.FeatureSessions
	}
	if opts.Username != "" || opts.Password != "" {
		ours.Auth, ours.Username, ours.Password = wire.AuthPassword, opts.Username, opts.Password
	}
	if _, err := nc.Write(ours.Append(nil)); err != nil {
		return hello, nil, l.dialError(wire.Unavailable, fmt.Errorf("sending the handshake: %w", err))
	}
	buf := make([]byte, 0, 1024)
	for {
		payload, n, err := wire.ParseHello(buf)
		if err != nil {
			return hello, nil, l.dialError(wire.ProtocolError, fmt.Errorf("is this a VegaDB server? %w", err))
		}
		if n > 0 {
			if err := hello.Decode(payload); err != nil {
				return hello, nil, l.dialError(wire.ProtocolError, err)
			}
			return hello, buf[n:], l.judge(&hello)
		}
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err = nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil && n == 0 {
			return hello, nil, l.dialError(wire.Unavailable, fmt.Errorf("reading the server's handshake: %w", err))
		}
	}
}

// judge turns a refusal in the server's hello into an error.
func (l *link) judge(h *wire.ServerHello) error {
	if h.Status != wire.OK {
		return &Error{Op: "CONNECT", Node: l.node.address, Status: Status(h.Status), Message: h.Message,
			RetryAfter: time.Duration(h.RetryAfterMs) * time.Millisecond}
	}
	if h.Version != wire.Version1 {
		return l.dialError(wire.UnsupportedVersion, fmt.Errorf("the server chose version %d, which was not offered", h.Version))
	}
	if h.Limits.MaxFrame < minMaxFrame {
		return l.dialError(wire.ProtocolError, fmt.Errorf("the server's frame limit of %d bytes is too small to work with", h.Limits.MaxFrame))
	}
	if err := l.node.client.joinCluster(l.node, h.ClusterID); err != nil {
		return l.dialError(wire.InvalidArgument, err)
	}
	return nil
}

func (l *link) dialError(s wire.Status, cause error) error {
	if l.ctx.Err() != nil {
		return ErrClosed
	}
	return &Error{Op: "CONNECT", Node: l.node.address, Status: Status(s), Cause: cause}
}
