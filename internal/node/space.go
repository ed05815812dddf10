package node

import (
	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/mover"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// What a full disk does, and does not do, is decided by package driver (space.go there). Here is what the node knows of
// disks, and what it does when its own is full or hangs.

// noteFull notes whether any node is full, so that writes have to look closer.
func (c *cluster) noteFull() {
	c.mu.Lock()
	c.anyFull.Store(c.full.Load() || len(c.fullPeers) > 0)
	c.mu.Unlock()
}

// noteFullPeer notes whether a peer's disk is full.
func (c *cluster) noteFullPeer(node ring.NodeID, full bool) {
	c.mu.Lock()
	known := c.fullPeers[node]
	if full {
		c.fullPeers[node] = true
	} else {
		delete(c.fullPeers, node)
	}
	c.mu.Unlock()
	if known != full {
		c.noteFull()
	}
}

// spaceFor refuses a write of p for lack of space on disks; see driver.Disks. p.mu is held.
func (n *Node) spaceFor(p *Partition) error {
	c := n.cluster
	if !c.anyFull.Load() {
		return nil
	}
	disks := driver.Disks{
		Self: c.self, Full: c.full.Load(), FullMs: n.worker.nowMs() - c.fullSince.Load(), HandMs: 2 * mover.HandPatience.Milliseconds(),
		PeerFull: c.isFullPeer,
	}
	err := disks.Refusal(p.group.Configuration())
	if err == wal.ErrNoSpace {
		c.noSpace.Add(1)
	}
	return err
}

// isFullPeer reports whether a peer's disk is full.
func (c *cluster) isFullPeer(node ring.NodeID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fullPeers[node]
}
