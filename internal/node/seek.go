package node

import (
	"context"
	"encoding/json"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// Where peers are is in the meta state, and they say so themselves once they are heard.
// Neither helps when all nodes, or all but too few, have changed their addresses at
// once: nobody can be reached to be told. The operator can help then, by giving --join
// again: whoever lives there is looked for at that address while it is silent.

// seekEvery is how often the seeds are asked while there is no contact.
const seekEvery = 5 * time.Second

// seek asks the seeds who they are when this node is out of touch with its cluster.
func (n *Node) seek() {
	c, view := n.cluster, n.meta.view.Load()
	if view == nil || len(view.Members) < 2 {
		return
	}
	if at := n.feel(); at > 0 && n.cluster.steadyMs()-at < contactPatience.Milliseconds() {
		c.hints.Clear() // the meta state knows better from here on
		return
	}
	if now := time.Now(); now.Sub(c.sought) >= seekEvery {
		c.sought = now
		for _, addr := range c.o.Join {
			n.ask(addr)
		}
	}
}

// ask learns which peer lives at an address, if any does.
func (n *Node) ask(addr string) {
	c := n.cluster
	if addr == c.o.AdvertisePeer {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	reply, err := call(ctx, c.transport, addr, callInfo, nil)
	var info clusterInfo
	if err != nil || json.Unmarshal(reply, &info) != nil || info.Node.IsZero() || info.Node == c.self {
		return
	}
	if was, known := c.hints.Swap(info.Node, addr); !known || was != addr {
		n.logger.Info("a peer was found by way of --join", "peer", info.Node, "addr", addr)
	}
}

// hint is where a peer that is silent may be.
func (n *Node) hint(node ring.NodeID) (addr string, ok bool) {
	if n.cluster.steadyMs()-n.lastHeard(node) < silentMs {
		return "", false
	}
	a, ok := n.cluster.hints.Load(node)
	if !ok {
		return "", false
	}
	return a.(string), true
}
