package node

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// TestAPeerIsLookedForWhereItsLaterRunIs: two nodes have moved one after the other, and this one knows of the later
// run of the other only by the meta state. It has heard an earlier run, at another address.
func TestAPeerIsLookedForWhereItsLaterRunIs(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	n, peer := c.nodes[0], c.ids[1]
	eventually(t, "the meta state knows the peer's run", func() bool { return n.hears(peer, n.meta.view.Load().Member(peer).Boot) })
	c.stop(1) // and nothing is heard any more
	known, was := n.meta.view.Load().Member(peer).PeerAddr, "192.0.2.1:1"
	earlier := &sign{boot: n.meta.view.Load().Member(peer).Boot + 1}
	earlier.addr.Store(&was)
	n.cluster.heard.Store(peer, earlier)
	earlier.at.Store(n.cluster.steadyMs())
	if addr, _ := n.resolve(peer); addr != was {
		t.Errorf("a run that is heard, and that the state does not know, is looked for at %s", addr)
	}
	earlier.at.Store(n.cluster.steadyMs() - silentMs)
	seen := map[string]bool{}
	eventually(t, "a silent one is looked for at both addresses", func() bool {
		addr, _ := n.resolve(peer)
		seen[addr] = true
		return seen[known] && seen[was]
	})
}
