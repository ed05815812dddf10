package sim

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
)

// A client's side of the network: what package client's nodes, connections and topology are, in steps. Whom to ask is
// package attempt's to say.

// peer is a node as a client sees it.
type peer struct {
	place  int
	conn   *conn // nil: there is none
	silent bool  // it owes replies and has not been heard of for a while
	named  bool  // the topology names it
	dials  bool  // it is being connected to, or will be after a pause
	tries  int   // counts them, to tell an answer to an earlier one
	pause  attempt.Pause
}

// conn is a client's connection to one life of a node.
type conn struct {
	peer    *peer
	life    int
	clock   attempt.Clock    // what the greeting told
	session *attempt.Session // of the writes that begin on it; nil: none yet
	useful  bool             // replies have come
	dead    bool
}

// sending is a request that was sent and not answered.
type sending struct {
	id     uint64
	conn   *conn
	op     *operation
	ticket *ticket // nil: it has no session
}

// Times that are shorter than package client's, as lives are.
const (
	dialPatience = 500 * milli
	askPatience  = 500 * milli

	zones = 2 // those of nodes and clients follow from their places
)

// ages are those of sessions here: a run is shorter than a session's life.
func ages() attempt.Ages {
	return attempt.Ages{Use: 5 * time.Second, Repeat: 6500 * time.Millisecond, Relearn: 2 * time.Second}
}

func (p *peer) health() attempt.Health {
	switch {
	case p.conn == nil:
		return attempt.Down
	case p.silent:
		return attempt.Silent
	}
	return attempt.Well
}

func (p *peer) isNamed() bool { return p.named }

// inMicros is a duration in the simulator's unit.
func inMicros(d time.Duration) int64 { return d.Microseconds() }

// time is what the client's own clock says.
func (c *client) time() time.Time {
	return time.UnixMilli(epochMs).Add(time.Duration(c.s.now) * time.Microsecond)
}

// peer returns the one at a place.
func (c *client) peer(place int) *peer {
	for len(c.peers) < place {
		c.peers = append(c.peers, &peer{place: len(c.peers) + 1})
	}
	return c.peers[place-1]
}

// open begins with the addresses that the client was given: the nodes that there are in the beginning.
func (c *client) open() {
	for _, n := range c.s.known() {
		c.seeds = append(c.seeds, c.peer(n.index))
	}
	c.nodes = c.seeds
	c.parts = make([]attempt.Partition[peer], c.s.cfg.Partitions)
	for g := range c.parts {
		c.parts[g].Set(nil, 0, c.nodes, nil)
	}
	for _, p := range c.nodes {
		p.named = true
		c.connect(p)
	}
}

// connect connects to a node, and anew when the connection is lost, for as long as the node is wanted.
func (c *client) connect(p *peer) {
	if p.conn == nil && !p.dials {
		p.dials = true
		c.dial(p)
	}
}

func (c *client) dial(p *peer) {
	p.tries++
	try, n := p.tries, c.s.nodes[p.place-1]
	failed := func() {
		if p.dials && p.tries == try {
			p.tries++
			c.redial(p)
		}
	}
	c.s.net.send("dial", c.place, p.place, 64, func() {
		switch {
		case n.proc != nil && n.host != nil:
			n.later(int64(n.s.lifeRand.IntN(40)), func() {
				clock, life := uint64(n.clockMs()), n.lives
				c.s.net.send("send", n.index, c.place, 64, func() {
					if p.dials && p.tries == try {
						c.greeted(&conn{peer: p, life: life, clock: attempt.Clock{Ms: clock, At: c.time()}})
					}
				})
			})
		case !n.dark:
			c.s.net.send("reset", n.index, c.place, 40, failed)
		}
	})
	c.s.after(dialPatience, failed)
}

// redial tries again after a pause, if the node is still wanted by then: because the topology names it, or because nobody whom
// that names can be reached.
func (c *client) redial(p *peer) {
	c.s.after(inMicros(p.pause.Take(attempt.DialPauses(), c.rng.Uint64())), func() {
		if p.named || c.cutOff() {
			c.dial(p)
			return
		}
		p.dials = false
	})
}

// cutOff reports whether there is no connection to any node of the topology.
func (c *client) cutOff() bool {
	for _, p := range c.nodes {
		if p.conn != nil {
			return false
		}
	}
	return true
}

// greeted has a connection.
func (c *client) greeted(cn *conn) {
	p := cn.peer
	p.conn, p.silent, p.dials = cn, false, false
	c.refreshSoon()
	c.changed()
}

// lose ends a connection, and with it what was sent over it and not answered.
func (c *client) lose(cn *conn) {
	if cn.dead {
		return
	}
	cn.dead = true
	p := cn.peer
	p.conn, p.silent = nil, false
	if cn.useful {
		p.pause.Reset()
	}
	p.dials = true
	c.redial(p)
	var lost *operation
	for i := 0; i < len(c.sent); {
		if c.sent[i].conn != cn {
			i++
			continue
		}
		if s := c.answered(i); c.awaits(s) {
			lost = s.op
		}
	}
	if lost != nil {
		lost.try.Outcome = attempt.LostSent
		c.ended(lost)
	}
}

// hangUp closes the connections of a process that has ended: the machine's system does, unless its power is gone.
func (n *node) hangUp() {
	for _, c := range n.s.clients {
		if cn := c.peer(n.index).conn; cn != nil && cn.life == n.lives {
			n.s.net.send("reset", n.index, c.place, 40, func() { c.lose(cn) })
		}
	}
}

// awaits reports whether something that was sent is what the client waits for: not one that it has given up.
func (c *client) awaits(s sending) bool { return c.op == s.op && s.op.flies && s.op.req.id == s.id }

// answered takes what was sent off the list: its reply has come, or never will.
func (c *client) answered(i int) sending {
	s := c.sent[i]
	c.sent = append(c.sent[:i], c.sent[i+1:]...)
	if s.ticket != nil {
		s.ticket.copies--
		s.ticket.pay()
	}
	return s
}

// find returns where in the list a request is; -1: it is not there.
func (c *client) find(id uint64) int {
	for i := range c.sent {
		if c.sent[i].id == id {
			return i
		}
	}
	return -1
}

// refreshSoon has the topology asked for, once for all who want it.
func (c *client) refreshSoon() {
	c.stale = true
	c.ask()
}

// ask asks a node for the topology, if that is wanted and the last question is some time ago.
func (c *client) ask() {
	if !c.stale || c.asking {
		return
	}
	c.stale, c.asking = false, true
	if c.s.now-c.asked > 1000*milli {
		c.askPause.Reset()
	}
	c.questions++
	question := c.questions
	over := func() {
		if c.questions == question && c.asking {
			c.questions++
			c.asked = c.s.now
			c.s.after(inMicros(c.askPause.Take(attempt.RefreshPauses(), c.rng.Uint64())), func() { c.asking = false; c.ask() })
		}
	}
	p := attempt.Any(c.nodes, c.rng.Uint64(), (*peer).health)
	if p.conn == nil {
		for _, p := range c.seeds {
			c.connect(p)
		}
		over()
		return
	}
	n, cn := c.s.nodes[p.place-1], p.conn
	c.s.net.send("ask", c.place, p.place, 40, func() {
		if n.proc == nil || n.host == nil || n.lives != cn.life {
			return
		}
		n.later(int64(n.s.lifeRand.IntN(40)), func() {
			t := n.topology()
			c.s.net.send("send", n.index, c.place, 200, func() {
				if !cn.dead && t != nil {
					c.learnTopology(t)
				}
				over()
			})
		})
	})
	c.s.after(askPatience, func() {
		if c.questions == question && c.asking {
			c.stale = true // somebody else may know
		}
		over()
	})
}

// learnTopology takes up a topology, if it is not older than what is known.
func (c *client) learnTopology(t *topology) {
	if t.epoch < c.epoch {
		return
	}
	c.epoch = t.epoch
	for _, p := range c.peers {
		p.named = false
	}
	c.nodes = nil
	for _, place := range t.nodes {
		p := c.peer(place)
		p.named = true
		c.nodes = append(c.nodes, p)
		c.connect(p)
	}
	parts := make([]attempt.Partition[peer], len(t.parts))
	for g := range parts {
		told := &t.parts[g]
		var leader *peer
		if told.leader != 0 {
			leader = c.peer(told.leader)
		}
		var replicas, near []*peer
		for _, place := range told.replicas {
			p := c.peer(place)
			if replicas = append(replicas, p); (place+c.place)%zones == 0 {
				near = append(near, p)
			}
		}
		parts[g].Set(leader, told.term, replicas, near)
		parts[g].KeepNewer(&c.parts[g], (*peer).isNamed, (*peer).health)
		if parts[g].Leader() != c.parts[g].Leader() {
			c.askPause.Reset() // news
		}
	}
	c.parts = parts
	c.changed()
}

// redirect takes up whom a node has named as the leader of the operation's group, and reports whether there is somewhere to go to
// at once.
func (c *client) redirect(o *operation) bool {
	var named *peer
	if o.got.leader != 0 {
		named = c.peer(o.got.leader)
		named.named = true // until the next topology
		c.connect(named)
	}
	elsewhere, _ := c.parts[o.req.group-1].Redirect(o.via.peer, named)
	return elsewhere
}

// topology is what a node says who serves what: wire.Topology as far as clients here use it.
type topology struct {
	epoch uint64
	nodes []int // places
	parts []toldPart
}

type toldPart struct {
	leader   int // 0: not known
	term     uint64
	replicas []int
}

// topology makes what package node's makeTopology does; nil if the node does not know of a cluster yet.
func (n *node) topology() *topology {
	t := &topology{epoch: 1, parts: make([]toldPart, n.s.cfg.Partitions)}
	view := n.view()
	switch {
	case n.m != nil && view == nil:
		return nil
	case view != nil:
		t.epoch = view.Epoch
		for i := range view.Members {
			t.nodes = append(t.nodes, nodeIndex(view.Members[i].ID))
		}
	default:
		for _, peer := range n.s.nodes {
			t.nodes = append(t.nodes, peer.index)
		}
	}
	for g := range t.parts {
		group, told := uint32(g+1), &t.parts[g]
		if n.m == nil {
			if st, ok := n.host.Status(group); ok && !st.LeaderNode.IsZero() {
				told.leader, told.term = nodeIndex(st.LeaderNode), st.Term
			}
			told.replicas = t.nodes
			continue
		}
		if l := n.m.leaders[group]; l.node != 0 && view.Member(nodeID(l.node)) != nil {
			told.leader, told.term = l.node, l.term
		}
		for _, r := range view.Group(uint64(group)).Actual {
			told.replicas = append(told.replicas, nodeIndex(r.Node))
		}
	}
	return t
}
