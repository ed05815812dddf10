package client

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// askTimeout is how long a node has to answer. From one question to the next it takes at
// least a pause, which grows while nothing new is learnt.
const askTimeout = time.Second

// refreshSoon has the topology asked for, once for all who want it.
func (c *Client) refreshSoon() {
	select {
	case c.stale <- struct{}{}:
	default:
	}
}

// keepFresh is the goroutine that asks.
func (c *Client) keepFresh() {
	defer c.wg.Done()
	var pause attempt.Pause
	var last time.Time
	for {
		select {
		case <-c.stale:
		case <-c.closing:
			return
		}
		if time.Since(last) > time.Second {
			pause.Reset()
		}
		before := c.viewed()
		c.refresh(c.ctx)
		last = time.Now()
		if c.viewed() != before {
			pause.Reset()
		}
		if !sleep(c.ctx, pause.Take(attempt.RefreshPauses(), rand.Uint64())) {
			return
		}
	}
}

// viewed returns the count of views.
func (c *Client) viewed() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.views
}

// refresh asks one node after the other until one has answered. When none can be
// asked, the addresses from Options are tried again.
func (c *Client) refresh(ctx context.Context) bool {
	for _, n := range c.reachableNodes() {
		if c.ask(ctx, n) {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
	}
	if c.routes.Load() != nil {
		for _, n := range c.seeds {
			n.start()
		}
	}
	return false
}

// ask fetches the topology from a node, and reports whether it answered.
func (c *Client) ask(ctx context.Context, n *node) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cl := c.begin(wire.OpTopology, "")
	defer c.release(cl)
	cn := n.link(cl.lane).conn.Load()
	if cn == nil {
		return false
	}
	c.sweeper.stamp(cl, true)
	cn.roundTrip(ctx, cl)
	if cl.try.Outcome != attempt.Replied || cl.try.Status != wire.OK {
		return false
	}
	return c.learn(cl.dst, cn)
}

// firstTopology asks the server that Open has reached where the others are. A server
// that does not push topologies is alone.
func (c *Client) firstTopology(ctx context.Context, n *node) {
	if cn := n.link(0).conn.Load(); cn != nil && cn.pushes {
		c.ask(ctx, n)
	}
}
