package node

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// TestATargetWithAReplicaThatItsNodeHasDroppedResolves: the node has dropped the very id
// that the target asks it for, and takes it for nobody's.
func TestATargetWithAReplicaThatItsNodeHasDroppedResolves(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	for _, n := range c.nodes {
		n.worker.ask(func() { n.cluster.mover.LearnerPatience = time.Second })
	}
	const group = 1
	node, _, _ := c.follower(group - 1)
	pl := node.meta.view.Load().Group(group)
	dropped := pl.NextID // what the next replica on that node is given
	node.cluster.mu.Lock()
	node.cluster.gone[group] = dropped
	node.cluster.mu.Unlock()
	target := make([]meta.Replica, 0, 2)
	for _, r := range pl.Target {
		if r.Node != node.cluster.self {
			target = append(target, r)
		}
	}
	eventually(t, "the target leaves the node out", func() bool {
		pl := node.meta.view.Load().Group(group)
		r, err := node.proposeMeta(t.Context(), &meta.SetTargets{Groups: []meta.GroupTarget{
			{Group: group, Revision: pl.Revision, ActualIndex: pl.ActualIndex, Replicas: target},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Code == meta.OK
	})
	eventually(t, "the node has another replica", func() bool {
		pl := node.meta.view.Load().Group(group)
		for _, r := range pl.Actual {
			if r.Node == node.cluster.self && r.ID > dropped && r.Role == meta.Voter {
				return pl.Settled()
			}
		}
		return false
	})
	c.settled(3)
}
