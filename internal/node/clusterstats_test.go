package node

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// What nodes say of themselves adds up to the cluster that there is.
func TestFiguresOfAClusterAreWhatHasHappened(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	partitions := len(c.nodes[0].partitions)
	for i := range 30 {
		c.put(fmt.Sprint("k", i), "v")
		c.get(fmt.Sprint("k", i))
	}
	eventually(t, "the figures add up", func() bool {
		var sum ClusterStats
		for _, n := range c.nodes {
			s := n.ClusterStats()
			if len(s.Members) != 3 || s.Leaderless+s.Degraded+s.Endangered != 0 || !s.Member || s.Detached != "" || s.Contact == 0 || s.MetaLeader.IsZero() {
				return false
			}
			leads := 0
			for _, m := range s.Members {
				if leads += m.Leads; m.Replicas != partitions || m.State != wire.NodeActive || m.Meta != wire.ReplicaVoter {
					return false
				}
			}
			if leads != partitions || len(s.Transport.Peers) != 2 || s.Worker.Turns == 0 || s.Worker.Busy == 0 {
				return false
			}
			sum.Worker.Leaders += s.Worker.Leaders
			sum.Worker.Followers += s.Worker.Followers
			sum.Worker.Applied += s.Worker.Applied
			sum.Reads.ByLevel[wire.Linearizable] += s.Reads.ByLevel[wire.Linearizable]
			sum.Snapshots.Installed += s.Snapshots.Installed
			sum.Snapshots.Received += s.Snapshots.Received
			sum.Snapshots.ReceivedBytes += s.Snapshots.ReceivedBytes
			sum.Snapshots.Sent += s.Snapshots.Sent
			sum.Snapshots.SentBytes += s.Snapshots.SentBytes
			sum.Snapshots.Sending += s.Snapshots.Sending
		}
		x := &sum.Snapshots
		return sum.Worker.Leaders == partitions+1 && sum.Worker.Followers == 2*(partitions+1) && sum.Worker.Applied >= 30 &&
			sum.Reads.ByLevel[wire.Linearizable] >= 30 && x.Installed >= 2 && x.Installed == x.Received && x.Sent == x.Received &&
			x.SentBytes == x.ReceivedBytes && x.SentBytes > 0 && x.Sending == 0
	})
}

// A node that hears nothing of who leads the meta group says so; that it was removed, too.
func TestANodeOutOfTouchIsDetached(t *testing.T) {
	t.Parallel() // it waits most of the time
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	left, gone := c.nodes[0], c.nodes[2]
	if why := left.Detached(); why != "" {
		t.Fatalf("in touch and detached: %s", why)
	}
	for i := 1; i < 3; i++ {
		c.nodes[i].Close()
	}
	c.nodes[1], c.nodes[2] = nil, nil
	eventually(t, "there is no contact", func() bool {
		at := left.feel()
		return left.feel() == at && time.Since(time.UnixMilli(at)) > 50*time.Millisecond
	})
	long := time.Now().Add(-time.Minute).UnixMilli() // no need to wait for it
	left.cluster.contact.at.Store(long)
	left.cluster.heard.Range(func(_, s any) bool { s.(*sign).at.Store(long); return true })
	if why := left.Detached(); !strings.Contains(why, "for 1m0s") {
		t.Errorf("out of touch for a minute: %q", why)
	}
	eventually(t, "two of three nodes are missed", func() bool {
		s := left.ClusterStats()
		return s.Endangered == len(left.partitions) && s.Degraded == s.Endangered
	})

	c.start(1)
	eventually(t, "there is contact again", func() bool { return left.Detached() == "" })
	eventually(t, "the node is removed", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := left.Admin(ctx, []byte(fmt.Sprintf(`{"op":"remove","node":%q,"force":true}`, gone.nodeID)))
		return err == nil
	})
	c.start(2)
	eventually(t, "the removed node has been told", func() bool { return strings.Contains(c.nodes[2].Detached(), "removed") })
}

// A node that has no replica of anything says so from its first moment on: it must not be
// taken for a lone node, whose empty tables are the truth.
func TestANodeWithoutReplicasIsNoLoneNodeAfterARestart(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	n := c.nodes[2]
	eventually(t, "the node is drained", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.nodes[0].Admin(ctx, []byte(fmt.Sprintf(`{"op":"drain","node":%q}`, n.nodeID)))
		return err == nil
	})
	eventually(t, "the node is empty", func() bool {
		for _, p := range n.partitions {
			if n.Holds(p) || p.mode.Load() != modeAbsent {
				return false
			}
		}
		return true
	})
	n.Close()
	for i := range 2 { // nobody is there to tell it more than it has
		c.nodes[i].Close()
		c.nodes[i] = nil
	}
	c.start(2)
	n = c.nodes[2]
	if !n.Clustered() {
		t.Error("it takes itself for a lone node")
	}
	for _, p := range n.partitions {
		if _, err := n.BeginRead(p, wire.Local, 0, nil); err == nil || n.Leads(p) || n.Holds(p) {
			t.Fatalf("partition %d can be read: %v", p.Number, err)
		}
	}
}
