//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Drain moves everything off a node and waits until nothing is left on it.
func (c *Cluster) Drain(ctx context.Context, n *Node) error {
	id, err := n.ID()
	if err != nil {
		return err
	}
	c.Event("drain %s", n)
	err = Poll(ctx, func() error { return c.Command(ctx, wire.AdminRequest{Op: wire.AdminDrain, Node: id}, nil) })
	if err != nil {
		return fmt.Errorf("drain %s: %w", n, err)
	}
	return Poll(ctx, func() error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		for _, p := range s.Partitions {
			for _, r := range p.Replicas {
				if r.Node == id {
					return fmt.Errorf("drain %s: partition %d is still on it", n, p.Number)
				}
			}
		}
		return nil
	})
}

// Remove makes a node cease to be a member; with force, one that has replicas or is dead.
func (c *Cluster) Remove(ctx context.Context, n *Node, force bool) error {
	id, err := n.ID()
	if err != nil {
		return err
	}
	c.Event("remove %s", n)
	err = Poll(ctx, func() error {
		return c.Command(ctx, wire.AdminRequest{Op: wire.AdminRemove, Node: id, Force: force}, nil)
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", n, err)
	}
	return nil
}

// Replace starts a new node, drains one that is picked, removes it and ends it.
func (c *Cluster) Replace(ctx context.Context, pick Pick, rng *rand.Rand) error {
	old, err := pick(ctx, c, rng)
	if err != nil {
		return err
	}
	fresh, err := c.Add(ctx)
	if err != nil {
		return err
	}
	c.Event("%s is to take the place of %s", fresh, old)
	if err := errors.Join(c.Drain(ctx, old), c.Remove(ctx, old, false)); err != nil {
		return err
	}
	old.Retire()
	return nil
}

// Replacement is Replace as a fault, which is over when the change is.
func Replacement(pick Pick) Fault {
	return Fault{Name: "replace a node", Strike: func(ctx context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		// Broken off halfway it would leave the cluster as nobody wants it.
		return func(ctx context.Context) error { return c.Replace(ctx, pick, rng) }, nil
	}}
}

// Transfer hands the leadership of a partition that is drawn to a node that is drawn among its replicas.
func Transfer() Fault {
	return Fault{Name: "transfer of leadership", Strike: func(ctx context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		s, err := c.Status(ctx)
		if err != nil {
			return nil, err
		}
		p := s.Partitions[rng.IntN(len(s.Partitions))]
		to := p.Replicas[rng.IntN(len(p.Replicas))]
		c.Event("transfer of partition %d from %s to %s", p.Number, p.Leader, to.Node)
		err = c.Command(ctx, wire.AdminRequest{Op: wire.AdminTransfer, Partition: &p.Number, Node: to.Node}, nil)
		if err != nil {
			c.Event("transfer: %v", err) // the cluster may have good reasons
		}
		return nil, nil
	}}
}

// RollingRestart stops and starts every node, one after the other, each when the one before is back.
func RollingRestart() Fault {
	return Fault{Name: "rolling restart", Strike: func(_ context.Context, c *Cluster, _ *rand.Rand) (func(context.Context) error, error) {
		return func(ctx context.Context) error {
			for _, n := range c.running() {
				c.Event("restart %s", n)
				if err := n.Terminate(ctx); err != nil {
					return err
				}
				if err := n.Start(ctx); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}}
}
