package node

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/transport"
)

// contact is whether this node is in touch with its cluster: whether it hears from who
// leads the meta group, and so from the side of a cut that has a majority.
type contact struct {
	at      atomic.Int64 // when it last did, as steadyMs counts; 0: not since the start
	removed atomic.Bool  // the cluster says that this node is no member any more

	mu       sync.Mutex
	refusals map[string]refusal // by address. Guarded by mu
}

// refusal is what a peer has said when it refused this node.
type refusal struct {
	text string
	at   time.Time
}

const (
	refusalsApart = time.Minute // between two lines of the log about the same
	maxRefusals   = 1024
)

// news reports whether a peer's refusal is worth a line in the log.
func (c *contact) news(addr, text string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, known := c.refusals[addr]; known && r.text == text && now.Sub(r.at) < refusalsApart {
		return false
	}
	if c.refusals == nil || len(c.refusals) >= maxRefusals {
		c.refusals = make(map[string]refusal)
	}
	c.refusals[addr] = refusal{text, now}
	return true
}

// refused returns what a peer that has lately refused this node has said.
func (c *contact) refused(now time.Time) (text string, lately bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.refusals {
		if now.Sub(r.at) < refusalsApart+contactPatience {
			text, lately = max(text, r.text), true // of several, always the same
		}
	}
	return text, lately
}

// contactPatience is how long a node may be out of touch until it says so: an election
// of the meta group takes about a second.
const contactPatience = 5 * time.Second

// Detached says why a node that is loaded is not fit to be sent clients: it was removed
// from its cluster, or hears nothing of whoever leads it. "": it is fit. What it leads
// and can serve it serves all the same.
func (n *Node) Detached() string {
	c := n.cluster
	if c == nil || !n.clustered.Load() || !n.ready.Load() {
		return ""
	}
	if view := n.meta.view.Load(); c.contact.removed.Load() || view != nil && view.Tombstoned(c.self) {
		return "this node was removed from its cluster: stop it; it can come back with a new data directory and --join"
	}
	at := n.feel()
	if at == 0 {
		return "waiting to hear from the leader of the meta group; are a majority of the cluster's nodes running, and is the network between their peer addresses open?"
	}
	if silent := time.Duration(c.steadyMs()-at) * time.Millisecond; silent > contactPatience {
		why := "this node is cut off, or a majority of the cluster's nodes is down"
		if text, lately := c.contact.refused(time.Now()); lately {
			why = "a peer says: " + text
		}
		return fmt.Sprintf("no contact to the leader of the meta group for %v: %s", silent.Round(time.Second), why)
	}
	return ""
}

// feel looks whether there is contact now, and returns when there last was.
func (n *Node) feel() (at int64) {
	c := n.cluster
	leader, _ := c.leaders.get(0)
	now := c.steadyMs()
	if leader == c.self || !leader.IsZero() && now-n.lastHeard(leader) < silentMs {
		c.contact.at.Store(now)
	}
	return c.contact.at.Load()
}

// noteRemoved notes that the cluster has said that this node is no member of it.
func (c *cluster) noteRemoved(err error) {
	if refused := (*transport.RefusedError)(nil); errors.As(err, &refused) && refused.Code == transport.NotAdmitted {
		c.contact.removed.Store(true)
	}
}
