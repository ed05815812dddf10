package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Options are what a Server is made of.
type Options struct {
	Node   Node
	Live   *config.Live
	Users  *auth.Users // nil: everybody may do everything
	TLS    *tls.Config // nil: plain TCP
	Logger *slog.Logger
	Clock  func() time.Time
	// Shutdown is called when a client asks the process to end. It must return at
	// once.
	Shutdown func()
	// SettingsChanged is called when CONFIG SET has changed settings; an error
	// undoes the change. May be nil.
	SettingsChanged func(old, now *config.Server) error
	// Facts returns the document that the native protocol's STATS sends as JSON.
	Facts func() any
	// Version is what HELLO, INFO and the native handshake name.
	Version string
}

// Server is the listeners and sessions of one node.
type Server struct {
	opts     Options
	node     Node
	live     *config.Live
	logger   *slog.Logger
	commands handlers
	users    *auth.Users
	failures *auth.Limiter
	limits   wire.Limits
	// partitions and memory are the node's: asking it each time would cost.
	partitions []*node.Partition
	memory     *store.Memory
	// durability is what writes are acknowledged with, for receipts.
	durability wire.Durability

	// epoch is the topology's, as the pusher has last seen it; topologyChanged is
	// signalled when any of it may have changed.
	epoch           atomic.Uint64
	topologyChanged chan struct{}

	addr   netip.AddrPort
	driver driver
	stats  stats
	nextID atomic.Uint64

	inFlight   atomic.Int64 // requests whose replies are not in an output yet
	outBytes   atomic.Int64 // output held for slow readers, all connections
	door       front.Door[*Session]
	background sync.WaitGroup
	ctx        context.Context // of work in the background; ends with Stop
	cancel     context.CancelFunc
	stopOnce   sync.Once
}

// driver moves bytes between sockets and sessions.
type driver interface {
	// start listens and serves until stop. It returns once the address is bound.
	start(addr string) (netip.AddrPort, error)
	// stop closes the listener, takes no further input, and closes every connection
	// once it has been answered; those that are not within ctx, unanswered.
	stop(ctx context.Context) error
}

// New makes a server; Start opens it.
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := o.Live.Current()
	s := &Server{
		opts: o, node: o.Node, partitions: o.Node.Partitions(), memory: o.Node.Memory(), live: o.Live, logger: o.Logger, users: o.Users,
		commands: newHandlers(), topologyChanged: make(chan struct{}, 1),
		limits:     nativeLimits(c),
		durability: durabilityOf(o.Node.DurabilityName()),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.stats.init(o.Clock())
	s.lookAtTopology()
	o.Node.OnTopology(s.noteTopology)
	s.failures = auth.NewLimiter(c.AuthFailuresPerMinute, o.Clock)
	if o.TLS != nil {
		s.driver = newStreamDriver(s, o.TLS)
	} else {
		s.driver = newLoopDriver(s, c.IOThreads)
	}
	return s
}

// Start listens on addr and serves. While the node is loading, clients are told so.
func (s *Server) Start(addr string) error {
	bound, err := s.driver.start(addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	s.addr = bound
	s.background.Add(2)
	go s.runReaper()
	go s.runPusher()
	return nil
}

// Addr returns the address that clients connect to.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// LoginLimiter returns the limit on failed logins, which the admin API shares.
func (s *Server) LoginLimiter() *auth.Limiter { return s.failures }

// Draining reports whether Stop has begun.
func (s *Server) Draining() bool { return s.door.Closed() }

// Stop refuses new connections and takes no further input, lets what has been asked
// be answered, and closes every connection, within ctx.
func (s *Server) Stop(ctx context.Context) (err error) {
	s.stopOnce.Do(func() {
		s.door.Close()
		patience := time.AfterFunc(front.StopPatience, s.cancel)
		defer patience.Stop()
		err = s.driver.stop(ctx)
		if n := s.inFlight.Load(); n > 0 && err != nil {
			s.logger.Warn("requests were still in flight when the time to stop was up", "requests", n)
		}
		s.cancel()
		s.background.Wait()
	})
	return err
}

// partition returns the partition that holds key.
func (s *Server) partition(key []byte) *node.Partition {
	return s.partitions[ring.PartitionOf(key, len(s.partitions))]
}

// nowMs is the node's time, in unix ms: one clock for expiry, stamps and limits.
func (s *Server) nowMs() int64 { return s.node.Now() }

// settle makes what sessions have written up to pos in the log safe from a killed
// process, and lets a gathered batch go. Drivers call it before they send replies.
// On an error nothing that was written may be acknowledged: the node is going
// down, and the connections must not hear of it by way of a good reply.
func (s *Server) settle(pos uint64) error {
	defer s.node.Kick()
	return s.node.Settle(pos)
}

// admit counts a new connection in, or says why not.
func (s *Server) admit(from, to netip.AddrPort, l link) (*Session, front.CloseReason) {
	c := s.live.Current()
	return s.door.Admit(from.Addr(), c.MaxConnections, c.MaxConnectionsPerAddress, func() *Session {
		s.stats.accepted.Add(1)
		s.stats.connections[front.ProtocolUnknown].Add(1)
		return s.newSession(l, from, to)
	})
}

// forget counts a connection out.
func (s *Server) forget(ses *Session) {
	ses.closed.Store(true)
	if s.door.Leave(ses, ses.remote.Addr()) {
		s.stats.connections[ses.meta.proto.Load()].Add(-1)
	}
}

func (s *Server) newSession(l link, from, to netip.AddrPort) *Session {
	ses := &Session{srv: s, link: l, id: s.nextID.Add(1), remote: from, local: to}
	ses.w.Proto = 2
	ses.look()
	ses.inline.s = ses
	ses.native.inline.s = ses
	ses.meta.openedAt = ses.now
	ses.meta.lastActive.Store(ses.now)
	ses.needAuth = s.users != nil
	if !ses.needAuth {
		ses.user = auth.Everybody()
	}
	ses.setParserLimits()
	ses.publishInfo()
	return ses
}

// nativeLimits are what the native handshake promises.
func nativeLimits(c *config.Server) wire.Limits {
	l := wire.DefaultLimits()
	l.MaxValue = uint32(min(c.MaxValueBytes, int64(l.MaxFrame)))
	return l
}

// durabilityOf is a node's durability as receipts have it.
func durabilityOf(name string) wire.Durability {
	switch name {
	case "always":
		return wire.DurabilityAlways
	case "everysec":
		return wire.DurabilityEverySec
	}
	return wire.DurabilityNever
}
