//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// askWithin bounds one question to one node; a paused one does not answer.
const askWithin = time.Second

// PartitionOf returns the partition of a key.
func (c *Cluster) PartitionOf(key string) int {
	return ring.PartitionOf([]byte(key), c.options.Partitions)
}

// Leader waits until a node says that it leads a partition and returns it.
func (c *Cluster) Leader(ctx context.Context, partition int) (*Node, error) {
	var leader *Node
	err := Poll(ctx, func() error {
		for _, n := range c.running() {
			asked, cancel := context.WithTimeout(ctx, askWithin)
			leads, err := n.Leads(asked)
			cancel()
			if err == nil && slices.Contains(leads, partition) {
				leader = n
				return nil
			}
		}
		return fmt.Errorf("partition %d: %w", partition, errNoLeader)
	})
	return leader, err
}

// LeaderOf is Leader for the partition of a key.
func (c *Cluster) LeaderOf(ctx context.Context, key string) (*Node, error) {
	return c.Leader(ctx, c.PartitionOf(key))
}

// Others returns the running nodes other than n.
func (c *Cluster) Others(n *Node) []*Node {
	return slices.DeleteFunc(c.running(), func(other *Node) bool { return other == n })
}

// AnyLeader picks the leader of a partition that is drawn.
func AnyLeader(ctx context.Context, c *Cluster, rng *rand.Rand) (*Node, error) {
	return c.Leader(ctx, rng.IntN(c.options.Partitions))
}

// MetaLeader picks the leader of the meta group.
func MetaLeader(ctx context.Context, c *Cluster, _ *rand.Rand) (*Node, error) {
	var leader *Node
	err := Poll(ctx, func() error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		leader = c.byID(s.Meta.Leader)
		if leader == nil {
			return errNoLeader
		}
		return nil
	})
	return leader, err
}

func (c *Cluster) byID(id string) *Node {
	for _, n := range c.Nodes() {
		if its, err := n.ID(); err == nil && its == id {
			return n
		}
	}
	return nil
}

// Status asks the running nodes, one after the other, until one has answered.
func (c *Cluster) Status(ctx context.Context) (wire.ClusterStatus, error) {
	errs := errors.New("no node has told the cluster's status")
	for _, n := range c.running() {
		asked, cancel := context.WithTimeout(ctx, 10*askWithin)
		s, err := n.Status(asked)
		cancel()
		if err == nil {
			return s, nil
		}
		errs = errors.Join(errs, err)
	}
	return wire.ClusterStatus{}, errs
}

// Command sends an administrative request to the running nodes, one after the other, until one has carried it out.
func (c *Cluster) Command(ctx context.Context, req wire.AdminRequest, reply any) error {
	errs := errors.New("no node has carried it out")
	for _, n := range c.running() {
		asked, cancel := context.WithTimeout(ctx, 10*askWithin)
		err := n.Command(asked, req, reply)
		cancel()
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return errs
}

// WaitSettled waits until every partition has its preferred leader and its full number of voters, on nodes that are
// active, and nothing moves.
func (c *Cluster) WaitSettled(ctx context.Context) error {
	return Poll(ctx, func() error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		return settled(s)
	})
}

// settled says what is not yet as it is to be.
func settled(s wire.ClusterStatus) error {
	active := make(map[string]bool)
	for _, n := range s.Nodes {
		active[n.ID] = n.State == wire.NodeActive
		if n.State == wire.NodeJoining {
			return fmt.Errorf("node %s is joining", n.ID)
		}
	}
	want := 0
	for _, is := range active {
		if is {
			want++
		}
	}
	want = min(want, s.Replicas)
	if len(s.Moves) > 0 {
		return fmt.Errorf("%d replicas are being moved", len(s.Moves))
	}
	if s.Meta.Leader == "" {
		return errors.New("the meta group has no leader")
	}
	for _, p := range s.Partitions {
		voters := 0
		for _, r := range p.Replicas {
			if r.Role == wire.ReplicaVoter && active[r.Node] {
				voters++
			}
		}
		switch {
		case p.Leader == "" || len(p.Target) > 0 && p.Leader != p.Target[0]:
			return fmt.Errorf("partition %d has the leader %q and is to have %v", p.Number, p.Leader, p.Target[:min(1, len(p.Target))])
		case p.Moving || len(p.Replicas) != voters || voters < want:
			return fmt.Errorf("partition %d has %d replicas, %d of them voters on active nodes, and is to have %d", p.Number, len(p.Replicas), voters, want)
		}
	}
	return nil
}
