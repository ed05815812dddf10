//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Fault is something bad that happens to a cluster for a while.
type Fault struct {
	Name string
	// For is how long it lasts: between half and one and a half times this.
	For time.Duration
	// Strike makes it happen, and returns what takes it back. What it draws it draws from rng alone.
	Strike func(ctx context.Context, c *Cluster, rng *rand.Rand) (heal func(context.Context) error, err error)
}

// Nemesis lets faults strike, one after the other.
type Nemesis struct {
	Seed   uint64 // what strikes, whom, when and for how long comes from it; to be printed by the test
	Faults []Fault
	Calm   time.Duration // between two faults, on average; default 500 ms
	Count  int           // of faults; default 0: until the time is up
}

// healWithin bounds the end of a fault, such as the start of a node.
const healWithin = 120 * time.Second

// Run lets faults strike until ctx ends or there have been Count of them. The last one is healed in any case. It returns
// how many there were.
func (n Nemesis) Run(ctx context.Context, c *Cluster) (struck int, err error) {
	if len(n.Faults) == 0 {
		return 0, nil
	}
	rng := rand.New(rand.NewPCG(n.Seed, 0xfa17))
	calm := n.Calm
	if calm == 0 {
		calm = 500 * time.Millisecond
	}
	for n.Count == 0 || struck < n.Count {
		if !wait(ctx, around(rng, calm)) {
			return struck, nil
		}
		if err := n.strike(ctx, c, n.Faults[rng.IntN(len(n.Faults))], rng); err != nil {
			return struck, err
		}
		struck++
	}
	return struck, nil
}

func (n Nemesis) strike(ctx context.Context, c *Cluster, f Fault, rng *rand.Rand) error {
	c.Event("%s", f.Name)
	heal, err := f.Strike(ctx, c, rng)
	if err != nil && ctx.Err() != nil {
		err = nil // it was broken off
	}
	if err == nil {
		wait(ctx, around(rng, f.For))
	}
	if heal != nil {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), healWithin)
		defer cancel()
		err = errors.Join(err, heal(within))
	}
	c.Event("%s is over", f.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

// around draws a duration between half and one and a half times d.
func around(rng *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(rng.Int64N(int64(d)+1))
}

// Pick chooses the victim of a fault.
type Pick func(ctx context.Context, c *Cluster, rng *rand.Rand) (*Node, error)

// AnyNode picks among all nodes that run. Those that are being started for the first time are left alone: whoever starts
// them waits for them.
func AnyNode(_ context.Context, c *Cluster, rng *rand.Rand) (*Node, error) {
	running := slices.DeleteFunc(c.running(), func(n *Node) bool { return !n.serves() })
	if len(running) == 0 {
		return nil, errors.New("no node runs")
	}
	return running[rng.IntN(len(running))], nil
}

func (c *Cluster) running() []*Node {
	var running []*Node
	for _, n := range c.Nodes() {
		if n.Running() {
			running = append(running, n)
		}
	}
	return running
}

// Kill kills a node and starts it again.
func Kill(pick Pick, down time.Duration) Fault {
	return onNode("kill -9", pick, down, func(_ context.Context, n *Node) error { n.Kill(); return nil }, (*Node).Start)
}

// Terminate stops a node in order and starts it again.
func Terminate(pick Pick, down time.Duration) Fault {
	return onNode("stop", pick, down, func(ctx context.Context, n *Node) error {
		// It is left its time even when the test's is up: a node half stopped is no state to leave it in.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		return n.Terminate(ctx)
	}, (*Node).Start)
}

// Pause stops a process in its tracks, as a long pause of the runtime or a starved CPU do.
func Pause(pick Pick, pause time.Duration) Fault {
	return onNode("pause", pick, pause,
		func(_ context.Context, n *Node) error { return n.Pause() },
		func(n *Node, _ context.Context) error { return n.Resume() })
}

// Stutter pauses a process for short whiles, again and again, as a slow disk or a busy neighbour do.
func Stutter(pick Pick, during, each time.Duration) Fault {
	return onNode("stutter", pick, 0, func(ctx context.Context, n *Node) error {
		ctx, cancel := context.WithTimeout(ctx, during)
		defer cancel()
		for ctx.Err() == nil {
			if err := n.Pause(); err != nil {
				return err
			}
			wait(ctx, each)
			if err := n.Resume(); err != nil {
				return err
			}
			wait(ctx, each)
		}
		return nil
	}, func(*Node, context.Context) error { return nil })
}

// FullDisk leaves a node without a byte of space. It needs Options.DiskBytes.
func FullDisk(pick Pick, full time.Duration) Fault {
	return onNode("full disk", pick, full,
		func(_ context.Context, n *Node) error { return n.FillDisk() },
		func(n *Node, _ context.Context) error { return n.FreeDisk() })
}

// StalledDisk lets every write and fsync of a node wait. It needs Options.DiskBytes.
func StalledDisk(pick Pick, stalled time.Duration) Fault {
	return onNode("stalled disk", pick, stalled,
		func(_ context.Context, n *Node) error { return n.FreezeDisk(2*stalled + healWithin) },
		func(n *Node, _ context.Context) error { return n.ThawDisk() })
}

// onNode is a fault of one node.
func onNode(name string, pick Pick, during time.Duration, do func(context.Context, *Node) error, undo func(*Node, context.Context) error) Fault {
	return Fault{Name: name, For: during, Strike: func(ctx context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		n, err := pick(ctx, c, rng)
		if err != nil {
			return nil, err
		}
		c.Event("%s: %s", name, n)
		err = do(ctx, n)
		return func(ctx context.Context) error { return undo(n, ctx) }, err
	}}
}
