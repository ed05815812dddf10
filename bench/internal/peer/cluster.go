package peer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Cluster is servers that are one service together.
type Cluster struct {
	Name  string
	Nodes []*Server

	settled func(context.Context, *Cluster) error // nil once it is in the state that it is to be measured in
}

// ClusterKind makes clusters of one kind.
type ClusterKind interface {
	Name() string
	// Start runs a cluster of three with empty directories below dir and waits until it has settled.
	Start(ctx context.Context, dir string) (*Cluster, error)
}

// clusterNodes is the size of every cluster.
const clusterNodes = 3

// Addrs are the nodes' addresses for clients.
func (c *Cluster) Addrs() []string {
	out := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		out[i] = n.Addr
	}
	return out
}

// freeAddrs finds addresses for a further node.
func (c *Cluster) freeAddrs(into ...*string) error {
	var used []string
	for _, n := range c.Nodes {
		used = append(used, n.Addr, n.AdminAddr, n.PeerAddr)
	}
	for _, addr := range into {
		var err error
		if *addr, err = freeAddr(used...); err != nil {
			return err
		}
		used = append(used, *addr)
	}
	return nil
}

// CPU is what all nodes have used together.
func (c *Cluster) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, n := range c.Nodes {
		used, err := n.Proc.CPU()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// Stop kills the nodes and removes their files: nothing of them is needed any more.
func (c *Cluster) Stop() error {
	var errs error
	for _, n := range c.Nodes {
		if n.Proc != nil {
			errs = errors.Join(errs, n.Kill())
		}
		errs = errors.Join(errs, n.Remove())
	}
	return errs
}

// WaitSettled waits until the cluster is whole. It looks at it every so often: a look costs what a client costs that
// connects and asks everybody, which is much beside a measurement.
func (c *Cluster) WaitSettled(ctx context.Context, every time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	// Whichever node ends meanwhile, the others would wait for it in vain.
	return c.Nodes[len(c.Nodes)-1].Proc.Wait(ctx, every, func() error {
		err := c.settled(ctx, c)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("%s has not settled: %w", c.Name, err)
		}
		return err
	})
}

// startAll starts the nodes together and waits for each and then for the whole.
func (c *Cluster) startAll(ctx context.Context, dir string) (*Cluster, error) {
	err := c.tryStart(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) tryStart(ctx context.Context, dir string) error {
	for _, n := range c.Nodes {
		if err := n.begin(dir); err != nil {
			return err
		}
	}
	for _, n := range c.Nodes {
		if err := n.wait(ctx); err != nil {
			return err
		}
	}
	return c.WaitSettled(ctx, 20*time.Millisecond)
}
