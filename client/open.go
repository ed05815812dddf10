package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Client talks to a server or a cluster. It is safe for use by any number of
// goroutines, and meant to be shared by all of a program's.
//
// Locks: mu before a link's mu before a connection's mu.
type Client struct {
	opts Options

	seeds     []*node                 // one per Options.Addresses
	preferred atomic.Int32            // index of the seed that calls go to first while there are no routes
	routes    atomic.Pointer[routes]  // nil: a lone server, or nothing known yet
	seen      atomic.Pointer[tokens]  // what has been seen of each partition; nil without routes
	all       atomic.Pointer[[]*node] // every node that has not ended; replaced under mu

	mu          sync.Mutex
	byAddress   map[string]*node // those of all; guarded by mu
	topology    *wire.Topology   // the last that was believed; not changed; guarded by mu
	encoded     []byte           // topology as it came; guarded by mu
	views       uint64           // counts what Topology shows; guarded by mu
	clusterID   string           // of the first server met; guarded by mu
	clusterFrom *node            // that server; guarded by mu
	changed     chan struct{}    // closed and replaced when a link's state or a route changes; guarded by mu
	closed      bool             // guarded by mu

	calls   sync.Pool // of *call
	lanes   atomic.Uint32
	sweeper sweeper
	stale   chan struct{} // capacity 1: the topology is to be asked for
	asked   atomic.Uint32 // counts who was asked: spreads

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	closing <-chan struct{} // that context's Done
	wg      sync.WaitGroup  // every goroutine of the client
}

// Bounds and defaults of Options.
const (
	maxConnections       = 16
	defaultTimeout       = 5 * time.Second
	defaultDialTimeout   = 5 * time.Second
	defaultMaxInFlight   = 4096
	maxMaxInFlight       = 1 << 16
	defaultInFlightBytes = 16 << 20
)

func (o Options) withDefaults() (Options, error) {
	if len(o.Addresses) == 0 {
		return o, errors.New("vegadb: Options.Addresses is empty: name at least one host:port")
	}
	for _, a := range o.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return o, fmt.Errorf("vegadb: address %q is not host:port: %w", a, err)
		}
	}
	o.Addresses = append([]string(nil), o.Addresses...)
	if o.Connections == 0 {
		o.Connections = 1
	}
	if o.Connections < 0 || o.Connections > maxConnections {
		return o, fmt.Errorf("vegadb: Options.Connections is %d: it must lie between 1 and %d", o.Connections, maxConnections)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = defaultDialTimeout
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = defaultMaxInFlight
	}
	o.MaxInFlight = min(o.MaxInFlight, maxMaxInFlight)
	if o.MaxInFlightBytes <= 0 {
		o.MaxInFlightBytes = defaultInFlightBytes
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return o, nil
}

// Open connects to the first of opts.Addresses that answers. It fails when none
// does before ctx ends or every address has failed once; from then on the client
// reconnects by itself for as long as it is open. Close it after use.
func Open(ctx context.Context, opts Options) (*Client, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{opts: opts, byAddress: map[string]*node{}, changed: make(chan struct{}), stale: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.closing = c.ctx.Done()
	c.calls.New = func() any {
		return &call{done: make(chan struct{}, 1), lane: c.lanes.Add(1)}
	}
	c.sweeper.init(opts.Timeout)
	c.addSeeds()
	c.wg.Add(2)
	go c.sweep()
	go c.keepFresh()
	var failures []error
	for i, n := range c.seeds {
		if err := n.connectFirst(ctx); err != nil {
			failures = append(failures, err)
			continue
		}
		c.preferred.Store(int32(i))
		c.firstTopology(ctx, n)
		return c, nil
	}
	c.Close()
	return nil, errors.Join(failures...)
}

// Close ends every connection and goroutine of the client and returns when they
// are gone. Calls that wait fail: ErrUnknownOutcome for writes that were sent,
// ErrClosed for the rest (errors.Is with ErrClosed holds for both).
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true // no node is started from here on
	nodes := *c.all.Load()
	c.mu.Unlock()
	c.cancel()
	for _, n := range nodes {
		n.close()
	}
	c.wg.Wait()
	return nil
}

// isClosed reports whether Close was called.
func (c *Client) isClosed() bool { return c.ctx.Err() != nil }

// joinCluster refuses a server of another cluster than the first one met: its
// data would be other data. Only a lone server, at the address that was met first,
// may come back as another cluster: it starts anew, with new data.
func (c *Client) joinCluster(n *node, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clusterFrom == nil || c.clusterFrom == n && c.routes.Load() == nil {
		if id != c.clusterID {
			c.topology = nil
		}
		c.clusterID, c.clusterFrom = id, n
	}
	if id != c.clusterID {
		return fmt.Errorf("it belongs to cluster %q, not to %q as %s does", id, c.clusterID, c.clusterFrom.address)
	}
	return nil
}

// changes returns a channel that is closed when the state of any link changes.
// Take it before looking at the state.
func (c *Client) changes() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// announce tells those who wait that a link's state has changed.
func (c *Client) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announceLocked()
}

// announceLocked is announce. Needs mu.
func (c *Client) announceLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// begin takes a call from the pool.
func (c *Client) begin(op wire.Op, key string) *call {
	cl := c.calls.Get().(*call)
	cl.req.Op = op
	cl.key = key
	cl.partition = unplaced
	return cl
}

// maxKeptBody bounds the memory that a pooled call keeps.
const maxKeptBody = 64 << 10

// release gives the call back.
func (c *Client) release(cl *call) {
	cl.reset()
	if cap(cl.body) > maxKeptBody {
		cl.body = nil
	}
	c.calls.Put(cl)
}
