package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// Handler is what a node does with what arrives. Its methods are called from several goroutines at a time; those of
// one peer's frames (Frame, PeerUp, PeerDown) in order. None of them may call Close.
type Handler interface {
	// Frame takes a frame, which is valid during the call. While it runs, nothing more is read from this peer.
	Frame(from ring.NodeID, frame []byte)
	// PeerUp says that a peer's stream of frames has been established. boot tells one process of it from the next.
	PeerUp(node ring.NodeID, boot uint64)
	// PeerDown says that the stream is lost. Between two calls of PeerUp for a node there is one of PeerDown.
	PeerDown(node ring.NodeID)
	// Snapshot takes a snapshot: header, and body to be read up to io.EOF, which comes only after all of it has arrived
	// undamaged. size is -1 when the sender does not know it. ctx ends when the sender is gone. The error's text goes
	// to the sender.
	Snapshot(ctx context.Context, from ring.NodeID, header []byte, size int64, body io.Reader) error
	// Call answers a call. from is zero when the caller is a stranger, which does not know the cluster's id yet. ctx
	// ends when the caller is gone or its time is up. The error's text goes to the caller. body may be kept.
	Call(ctx context.Context, from ring.NodeID, kind uint8, body []byte) ([]byte, error)
}

// Options say who this node is and how it reaches the others.
type Options struct {
	Cluster ring.NodeID // zero: not a member yet, see SetCluster
	Node    ring.NodeID
	Boot    uint64 // random, not 0, drawn at each start of the process
	Listen  string // host:port of the peer port

	// TLS is used for both directions: what certs.Certificates.Mutual returns. nil: plain TCP.
	TLS *tls.Config

	// Resolve tells a node's present address. It is asked before each dial, must be quick, and may be called with any
	// lock of the caller of Send held.
	Resolve func(node ring.NodeID) (addr string, ok bool)
	Handler Handler

	// Admit, if not nil, may turn away a node that knows the cluster's id, such as a removed member. The error's text
	// goes to that node.
	Admit func(node ring.NodeID, boot uint64) error
	// Refused, if not nil, is told of each refusal that this node has met, on the goroutine that was refused.
	Refused func(err *RefusedError)
	// Lost, if not nil, is told when frames for a node that Send had taken were or may have been lost, on a goroutine
	// of the transport's.
	Lost func(node ring.NodeID)

	Limits Limits
	Logger *slog.Logger     // nil: none
	Now    func() time.Time // nil: time.Now. For statistics; deadlines are the operating system's.
	Random func() float64   // nil: rand.Float64. Jitter of the pauses between dials.
}

// Transport carries frames, snapshots and calls between this node and its peers. See the package comment.
type Transport struct {
	options  Options
	limits   Limits
	log      *slog.Logger
	now      func() time.Time
	random   func() float64
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	tasks    sync.WaitGroup // every goroutine
	quiet    quiet

	mu          sync.RWMutex          // taken before a peer's mu, never the other way round
	closed      bool                  // guarded by mu
	cluster     ring.NodeID           // guarded by mu
	peers       map[ring.NodeID]*peer // guarded by mu
	conns       map[*conn]struct{}    // guarded by mu: all that are open
	waiting     []*conn               // guarded by mu: incoming, before the end of the handshake, oldest first
	established int                   // guarded by mu: incoming, after it
	receiving   int                   // guarded by mu: incoming snapshots
	strangers   int                   // guarded by mu: strangers' calls
}

// New listens on the peer port and accepts from then on.
func New(options Options) (*Transport, error) {
	if options.Node.IsZero() || options.Boot == 0 || options.Handler == nil || options.Resolve == nil {
		return nil, errors.New("transport: Node, Boot, Handler and Resolve must be given")
	}
	if c := options.TLS; c != nil && c.ClientAuth != tls.RequireAndVerifyClientCert {
		return nil, errors.New("transport: peer TLS must require and verify certificates of both sides")
	}
	t := &Transport{
		options: options, limits: options.Limits, log: options.Logger, now: options.Now, random: options.Random,
		cluster: options.Cluster, peers: map[ring.NodeID]*peer{}, conns: map[*conn]struct{}{},
	}
	t.limits.setDefaults()
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.random == nil {
		t.random = rand.Float64
	}
	t.quiet.now = t.now
	t.ctx, t.cancel = context.WithCancel(context.Background())
	config := net.ListenConfig{KeepAliveConfig: t.keepAlive()}
	listener, err := config.Listen(t.ctx, "tcp", options.Listen)
	if err != nil {
		t.cancel()
		return nil, fmt.Errorf("peer port %s: %w", options.Listen, err)
	}
	t.listener = listener
	t.tasks.Go(t.accept)
	return t, nil
}

// keepAlive is the operating system's part in noticing that the other side is gone, for connections on which this
// side waits without a deadline of its own.
func (t *Transport) keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: t.limits.Idle, Interval: max(time.Second, t.limits.Keepalive), Count: 3}
}

// Addr returns where the peer port is, also when port 0 was asked for.
func (t *Transport) Addr() string { return t.listener.Addr().String() }

// SetCluster gives a transport that was created without a cluster the id of the one it has joined.
func (t *Transport) SetCluster(id ring.NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cluster = id
}

func (t *Transport) clusterID() ring.NodeID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.cluster
}

// Send puts a copy of frame into the queue for a node and never blocks. false: it was dropped, because the queue is
// full, no address is known, or the frame is empty or too large. true is no promise of delivery.
func (t *Transport) Send(to ring.NodeID, frame []byte) bool { return t.SendParts(to, frame) }

// SendParts sends one frame made of parts.
func (t *Transport) SendParts(to ring.NodeID, parts ...[]byte) bool {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	t.mu.RLock()
	p := t.peers[to]
	t.mu.RUnlock()
	if p == nil {
		if p = t.start(to); p == nil {
			return false
		}
	}
	if size == 0 || size > t.limits.FrameBytes {
		p.dropped.Add(1)
		return false
	}
	result := p.queue.add(size, parts)
	if result == queueClosed && t.start(to) != nil {
		result = p.queue.add(size, parts)
	}
	if result != added {
		p.dropped.Add(1)
	}
	return result == added
}

// start sees to it that frames for a node are on their way. nil: they cannot be.
func (t *Transport) start(node ring.NodeID) *peer {
	if node == t.options.Node {
		return nil
	}
	if _, ok := t.options.Resolve(node); !ok {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peerLocked(node)
	if p == nil {
		return nil
	}
	if p.queue.start(t.limits.OfflineBytes) {
		ctx, cancel := context.WithCancel(t.ctx)
		p.stop = cancel
		before := p.ended
		ended := make(chan struct{})
		p.ended = ended
		t.tasks.Go(func() {
			defer close(ended)
			defer cancel()
			if before != nil {
				<-before
			}
			p.run(ctx)
		})
	}
	return p
}

// peerLocked returns the record of a node, nil when there may be no more of them or the transport is closed.
func (t *Transport) peerLocked(node ring.NodeID) *peer {
	if t.closed {
		return nil
	}
	p := t.peers[node]
	if p == nil && len(t.peers) < t.limits.Peers {
		p = newPeer(t, node)
		t.peers[node] = p
	}
	return p
}

// Disconnect ends what is under way with a node, frames and snapshots both ways, such as one that has been removed.
// The next Send connects again, if Resolve still knows the node.
func (t *Transport) Disconnect(node ring.NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.peers[node]; p != nil && p.stop != nil {
		p.stop()
	}
	for c := range t.conns {
		if c.node == node && c.purpose != purposeCall {
			c.abort()
		}
	}
}

// Close ends everything and waits until no method of the Handler runs any more. Frames still queued are lost.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		t.tasks.Wait()
		return nil
	}
	t.closed = true
	t.cancel()
	err := t.listener.Close()
	for c := range t.conns {
		c.abort()
	}
	t.mu.Unlock()
	t.tasks.Wait()
	return err
}
