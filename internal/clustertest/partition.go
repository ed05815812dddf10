//go:build unix

package clustertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// direction is what one node has to say to another.
type direction struct{ from, to *Node }

// cut blocks directions, and returns what opens them again.
func (c *Cluster) cut(directions []direction) (heal func(context.Context) error, err error) {
	for _, d := range directions {
		err = errors.Join(err, c.Network.Block(d.from.Number, d.to.Number))
	}
	return func(context.Context) error {
		var err error
		for _, d := range directions {
			err = errors.Join(err, c.Network.Unblock(d.from.Number, d.to.Number))
		}
		return err
	}, err
}

// between returns the directions between a node and others, both or one.
func between(n *Node, others []*Node, out, in bool) []direction {
	var all []direction
	for _, o := range others {
		if out {
			all = append(all, direction{n, o})
		}
		if in {
			all = append(all, direction{o, n})
		}
	}
	return all
}

// except returns the nodes other than n, running or not.
func (c *Cluster) except(n *Node) []*Node {
	var others []*Node
	for _, o := range c.Nodes() {
		if o != n {
			others = append(others, o)
		}
	}
	return others
}

// cutting is a fault that blocks directions around a node that is picked.
func cutting(name string, pick Pick, during time.Duration, which func(c *Cluster, n *Node, rng *rand.Rand) []direction) Fault {
	return Fault{Name: name, For: during, Strike: func(ctx context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		n, err := pick(ctx, c, rng)
		if err != nil {
			return nil, err
		}
		c.Event("%s: %s", name, n)
		return c.cut(which(c, n, rng))
	}}
}

// Isolate cuts a node off from all others.
func Isolate(pick Pick, during time.Duration) Fault {
	return cutting("isolate", pick, during, func(c *Cluster, n *Node, _ *rand.Rand) []direction {
		return between(n, c.except(n), true, true)
	})
}

// Deafen lets a node be heard and hear nothing.
func Deafen(pick Pick, during time.Duration) Fault {
	return cutting("deafen", pick, during, func(c *Cluster, n *Node, _ *rand.Rand) []direction {
		return between(n, c.except(n), false, true)
	})
}

// Mute lets a node hear everything and not be heard.
func Mute(pick Pick, during time.Duration) Fault {
	return cutting("mute", pick, during, func(c *Cluster, n *Node, _ *rand.Rand) []direction {
		return between(n, c.except(n), true, false)
	})
}

// Triangle cuts a node off from one other, while both talk with the rest.
func Triangle(pick Pick, during time.Duration) Fault {
	return cutting("partial triangle", pick, during, func(c *Cluster, n *Node, rng *rand.Rand) []direction {
		others := c.except(n)
		return between(n, []*Node{others[rng.IntN(len(others))]}, true, true)
	})
}

// Split divides the nodes into two halves, of which one is a majority if their number is odd.
func Split(during time.Duration) Fault {
	return Fault{Name: "split", For: during, Strike: func(_ context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		nodes := c.Nodes()
		rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		minority, majority := nodes[:len(nodes)/2], nodes[len(nodes)/2:]
		c.Event("split: %v from %v", minority, majority)
		var cuts []direction
		for _, n := range minority {
			cuts = append(cuts, between(n, majority, true, true)...)
		}
		return c.cut(cuts)
	}}
}

// Flap cuts a node off and joins it again, time after time.
func Flap(pick Pick, during, each time.Duration) Fault {
	return onNode("flap", pick, 0, func(ctx context.Context, n *Node) error {
		ctx, cancel := context.WithTimeout(ctx, during)
		defer cancel()
		for ctx.Err() == nil {
			heal, err := n.cluster.cut(between(n, n.cluster.except(n), true, true))
			wait(ctx, each)
			if err := errors.Join(err, heal(ctx)); err != nil {
				return err
			}
			wait(ctx, each)
		}
		return nil
	}, func(*Node, context.Context) error { return nil })
}

// Lossy breaks the connections between nodes, all the time, and delays what they say to each other by different times.
// It needs proxies.
func Lossy(during, delay time.Duration) Fault {
	return Fault{Name: "lossy network", Strike: func(ctx context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		nodes := c.Nodes()
		calm := func(context.Context) error {
			var err error
			for _, n := range nodes {
				for _, d := range between(n, c.except(n), true, false) {
					err = errors.Join(err, c.Network.Slow(d.from.Number, d.to.Number, 0, 0))
				}
			}
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, during)
		defer cancel()
		for ctx.Err() == nil {
			from := nodes[rng.IntN(len(nodes))]
			to := c.except(from)[rng.IntN(len(nodes)-1)]
			err := errors.Join(
				c.Network.Slow(from.Number, to.Number, time.Duration(rng.Int64N(int64(delay)+1)), 0),
				c.Network.Reset(to.Number, from.Number),
			)
			if err != nil {
				return calm, err
			}
			wait(ctx, around(rng, delay))
		}
		return calm, nil
	}}
}
