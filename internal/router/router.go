package router

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/certs"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Options are what a Router is made of.
type Options struct {
	Settings config.Router
	Version  string           // what HELLO, INFO and the native handshake name
	Logger   *slog.Logger     // nil: no log
	Clock    func() time.Time // nil: time.Now

	// open connects to the cluster; nil: with the settings.
	open func(ctx context.Context) (backend, error)
	// poll is how often the cluster is looked at; 0: viewEvery.
	poll time.Duration
}

// Router is a running router.
type Router struct {
	opts     Options
	front    *config.Server // of opts.Settings
	logger   *slog.Logger
	handlers []handler
	users    *auth.Users // nil: everybody may do everything
	failures *auth.Limiter
	certs    *certs.Certificates // nil: plain TCP
	tls      *tls.Config
	seed     maphash.Seed
	nodeID   string // who the router says it is: 32 hex digits, new at each start

	ln        net.Listener
	addr      netip.AddrPort
	admin     *admin.HTTP // nil: none
	adminAddr string
	stats     stats
	nextID    atomic.Uint64
	held      atomic.Int64  // bytes of replies in memory, all connections
	slots     chan struct{} // taken by requests under way
	jobs      chan job      // to idle workers; without room, so that a job is never left in it
	idle      atomic.Int64  // workers that wait for a job
	door      front.Door[*conn]

	link     atomic.Pointer[backend] // nil until the cluster was reached
	view     atomic.Pointer[view]    // the last one; nil likewise
	viewFail atomic.Pointer[error]   // why the last look failed; nil: it did not

	ctx       context.Context // of everything that waits; ends with Close
	cancel    context.CancelFunc
	conns     sync.WaitGroup // readers and writers
	work      sync.WaitGroup // requests
	loops     sync.WaitGroup // the rest
	closeOnce sync.Once
	closeErr  error
}

const (
	// viewEvery is how often the router looks at the cluster, viewPatience how long
	// one look may take.
	viewEvery    = time.Second
	viewPatience = 2 * time.Second
	// Pauses between attempts to reach the cluster, doubling.
	connectFirst = 100 * time.Millisecond
	connectLast  = 5 * time.Second
)

// Start starts a router and returns once it listens. The cluster is looked for in the
// background: until it has been reached, clients are told so (see State).
func Start(o Options) (*Router, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.poll == 0 {
		o.poll = viewEvery
	}
	if err := o.Settings.Validate(); err != nil {
		return nil, err
	}
	r := &Router{
		opts: o, logger: o.Logger, handlers: newHandlers(), seed: maphash.MakeSeed(),
		slots: make(chan struct{}, o.Settings.MaxRequests), jobs: make(chan job),
	}
	r.front = &r.opts.Settings.Front
	r.stats.init(o.Clock())
	r.failures = auth.NewLimiter(r.front.AuthFailuresPerMinute, o.Clock)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("no random identity: %w", err)
	}
	r.nodeID = hex.EncodeToString(id[:])
	if err := r.load(); err != nil {
		return nil, err
	}
	if err := r.listen(); err != nil {
		return nil, err
	}
	r.loops.Add(2)
	go r.connect()
	go r.accept()
	return r, nil
}

// load reads the files that the settings name.
func (r *Router) load() (err error) {
	s := &r.opts.Settings
	if r.front.UsersFile != "" {
		if r.users, err = auth.Load(vfs.OS(), r.front.UsersFile); err != nil {
			return err
		}
	}
	if r.front.TLSCert != "" {
		r.certs, err = certs.Load(certs.Files{
			Cert: r.front.TLSCert, Key: r.front.TLSKey, ClientCA: r.front.TLSClientCA, MinVersion: r.front.TLSMinVersion,
		})
		if err != nil {
			return err
		}
		r.tls = r.certs.Config()
	}
	if r.opts.open == nil {
		o, err := clientOptions(s)
		if err != nil {
			return err
		}
		r.opts.open = func(ctx context.Context) (backend, error) { return openCluster(ctx, o) }
	}
	return nil
}

// listen takes both ports.
func (r *Router) listen() (err error) {
	if r.ln, err = net.Listen("tcp", r.front.Addr); err != nil {
		return fmt.Errorf("cannot serve clients on --addr %s: %w", r.front.Addr, err)
	}
	if r.addr, err = front.AddrPort(r.ln.Addr()); err != nil {
		r.ln.Close()
		return err
	}
	if r.front.AdminAddr == "" {
		return nil
	}
	ln, err := net.Listen("tcp", r.front.AdminAddr)
	if err != nil {
		r.ln.Close()
		return fmt.Errorf("cannot serve HTTP on --admin-addr %s: %w", r.front.AdminAddr, err)
	}
	r.adminAddr = ln.Addr().String()
	r.admin = r.serveAdmin(ln)
	return nil
}

// connect reaches for the cluster until it has been reached, then keeps an eye on it.
func (r *Router) connect() {
	defer r.loops.Done()
	pause := connectFirst
	for r.ctx.Err() == nil {
		b, err := r.opts.open(r.ctx)
		if err == nil {
			r.link.Store(&b)
			r.watch(b)
			return
		}
		if r.ctx.Err() != nil {
			return
		}
		r.viewFail.Store(&err)
		r.logger.Warn("the cluster cannot be reached; trying again", "cluster", r.opts.Settings.Cluster, "in", pause.String(), "err", err)
		r.sleep(pause)
		pause = min(2*pause, connectLast)
	}
}

// watch looks at the cluster again and again.
func (r *Router) watch(b backend) {
	for r.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(r.ctx, viewPatience)
		v, err := b.View(ctx)
		cancel()
		r.look(v, err)
		r.sleep(r.opts.poll)
	}
}

// look takes the result of a look at the cluster, and logs what has changed.
func (r *Router) look(v *view, err error) {
	if r.ctx.Err() != nil {
		return
	}
	before := r.viewFail.Load()
	if err != nil {
		if before == nil {
			r.logger.Warn("the cluster does not answer", "err", err)
		}
		r.viewFail.Store(&err)
		return
	}
	old := r.view.Swap(v)
	r.viewFail.Store(nil)
	switch {
	case old == nil:
		r.logger.Info("cluster reached", "cluster_id", v.ClusterID, "nodes", v.Nodes, "partitions", v.Partitions, "epoch", v.Epoch)
	case before != nil:
		r.logger.Info("the cluster answers again", "epoch", v.Epoch)
	case old.Epoch != v.Epoch || old.NodesDown != v.NodesDown || (old.Leaderless == 0) != (v.Leaderless == 0):
		r.logger.Info("the cluster has changed", "epoch", v.Epoch, "nodes", v.Nodes, "down", v.NodesDown, "partitions_without_leader", v.Leaderless)
	}
}

func (r *Router) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
	}
}

// nowMs is the time in unix ms.
func (r *Router) nowMs() int64 { return r.opts.Clock().UnixMilli() }

// backend is the cluster, nil while it has not been reached.
func (r *Router) backend() backend {
	if b := r.link.Load(); b != nil {
		return *b
	}
	return nil
}

// Addr is the address that clients connect to, host:port.
func (r *Router) Addr() string { return r.addr.String() }

// AdminAddr is the address of the admin HTTP server, "" without one.
func (r *Router) AdminAddr() string { return r.adminAddr }

// Reload reads the users file and the certificates again. What cannot be read
// stays as it was, and the error says so.
func (r *Router) Reload() error {
	var errs []error
	if r.users != nil {
		errs = append(errs, r.users.Reload())
	}
	if r.certs != nil {
		errs = append(errs, r.certs.Reload())
	}
	return errors.Join(errs...)
}

// State says whether requests can be served.
func (r *Router) State() admin.State {
	s := admin.State{Stopping: r.door.Closed(), Ready: r.view.Load() != nil && r.viewFail.Load() == nil}
	if !s.Ready {
		s.What = "waiting for the cluster"
		if err := r.viewFail.Load(); err != nil {
			s.What += ": " + firstLine(*err)
		}
	}
	return s
}

// firstLine keeps an error to one line.
func firstLine(err error) string {
	text := err.Error()
	for i, c := range text {
		if c == '\n' || c == '\r' {
			return text[:i]
		}
	}
	return text
}

// Close stops accepting, lets what has been asked be answered, and closes every
// connection, within ctx.
func (r *Router) Close(ctx context.Context) error {
	r.closeOnce.Do(func() {
		r.door.Close()
		errs := []error{r.ln.Close()}
		for _, c := range r.door.Open() {
			c.drain()
		}
		errs = append(errs, r.waitConns(ctx))
		r.cancel()
		r.work.Wait()
		r.loops.Wait()
		if b := r.backend(); b != nil {
			errs = append(errs, b.Close())
		}
		if r.admin != nil {
			errs = append(errs, r.admin.Close(ctx))
		}
		r.closeErr = errors.Join(errs...)
	})
	return r.closeErr
}

// waitConns waits until every connection has been answered. Peers that do not take
// their replies are left behind after a second, all others when ctx ends.
func (r *Router) waitConns(ctx context.Context) error {
	hurry := func() {
		for _, c := range r.door.Open() {
			c.hurry()
		}
	}
	cut := func() {
		if n := r.stats.inFlight.Load(); n > 0 {
			r.logger.Warn("requests were still in flight when the time to stop was up", "requests", n)
		}
		for _, c := range r.door.Open() {
			c.breakOff()
		}
	}
	return front.WaitEnded(ctx, &r.conns, hurry, cut)
}
