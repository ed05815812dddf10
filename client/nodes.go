package client

import (
	"slices"
	"sync/atomic"
)

// maxNodes bounds the nodes that a client talks to.
const maxNodes = 4096

// addSeeds makes the nodes of Options.Addresses.
func (c *Client) addSeeds() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Store(new([]*node))
	for _, address := range c.opts.Addresses {
		n := c.nodeAt(address)
		n.seed = true
		if !slices.Contains(c.seeds, n) {
			c.seeds = append(c.seeds, n)
		}
	}
}

// nodeAt returns the node with an address as it is dialled; nil if there is none
// and no room for one. It is not started. Needs mu.
func (c *Client) nodeAt(address string) *node {
	if n := c.byAddress[address]; n != nil {
		return n
	}
	all := *c.all.Load()
	if len(all) >= maxNodes {
		return nil
	}
	n := newNode(c, address)
	c.byAddress[address] = n
	more := append(slices.Clip(all), n) // readers have the old one
	c.all.Store(&more)
	return n
}

// dismiss goes on with the end of a retired node, and reports whether nothing is
// left to do.
func (c *Client) dismiss(n *node) bool {
	if !n.rest() {
		return false
	}
	if n.seed {
		return true // parked
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !n.retired.Load() || c.closed {
		return true
	}
	n.close()
	delete(c.byAddress, n.address)
	fewer := slices.DeleteFunc(slices.Clone(*c.all.Load()), func(other *node) bool { return other == n })
	c.all.Store(&fewer)
	return true
}

// tidy retires the nodes that the topology does not name, once it can be reached by
// way of one that it names. Needs mu.
func (c *Client) tidy() {
	if c.routes.Load() == nil {
		return
	}
	all := *c.all.Load()
	if !slices.ContainsFunc(all, func(n *node) bool { return n.named && n.reachable() }) {
		return
	}
	for _, n := range all {
		if !n.named {
			n.retire()
		}
	}
}

// connected is told of every new connection.
func (c *Client) connected(cn *conn) {
	if cn.pushes {
		c.refreshSoon() // what it would have pushed before
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cn.link.node.retired.Load() {
		c.sweeper.rouse()
	}
	c.tidy()
}

// pick returns the node for requests that any node serves, and for all requests to
// a lone server: the seed that is preferred, or, while it cannot be reached, another
// that can.
func (c *Client) pick() *node {
	at := int(c.preferred.Load())
	n := c.seeds[at]
	if len(c.seeds) == 1 || n.reachable() {
		return n
	}
	for i := 1; i < len(c.seeds); i++ {
		other := (at + i) % len(c.seeds)
		c.seeds[other].start()
		if c.seeds[other].reachable() {
			c.preferred.CompareAndSwap(int32(at), int32(other))
			return c.seeds[other]
		}
	}
	return n
}

// reachableNodes returns the nodes in use that have a connection, those first whose
// connection is not silent.
func (c *Client) reachableNodes() (nodes []*node) {
	var silent []*node
	for _, n := range *c.all.Load() {
		switch {
		case n.retired.Load() || !n.reachable():
		case n.silent():
			silent = append(silent, n)
		default:
			nodes = append(nodes, n)
		}
	}
	if len(nodes) > 1 { // not always the same one
		at := int(c.asked.Add(1)) % len(nodes)
		nodes = slices.Concat(nodes[at:], nodes[:at])
	}
	return append(nodes, silent...)
}

// tokens holds, per partition, the highest log index that the client has seen the
// effect of: what a read with the level SessionReads must reflect.
type tokens []atomic.Uint64

// saw notes that the client has seen the effect of index.
func (t tokens) saw(partition int, index uint64) {
	if partition < 0 || partition >= len(t) {
		return
	}
	for token := &t[partition]; ; {
		old := token.Load()
		if index <= old || token.CompareAndSwap(old, index) {
			return
		}
	}
}

// of returns what a read of the partition must reflect.
func (t tokens) of(partition int) uint64 {
	if partition < 0 || partition >= len(t) {
		return 0
	}
	return t[partition].Load()
}
