//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/prakashpandey/vegadb/internal/faultfs"
)

// command opens the socket from which a server of a cluster with Options.Faulty gets its orders.
func (c *Cluster) command(n *Node) error {
	if !c.options.Faulty {
		return nil
	}
	if c.sockets == "" { // not under the test's directory, whose name may be too long for a socket's
		var err error
		if c.sockets, err = os.MkdirTemp("", "vegadb-"); err != nil {
			return err
		}
	}
	n.socket = filepath.Join(c.sockets, fmt.Sprint(n.Number))
	var err error
	n.commander, err = faultfs.Listen(n.socket)
	return err
}

// errSound is what a node says that was not built to fail.
var errSound = errors.New("its disk and its clock cannot fail: set Options.Faulty")

// Order tells the node what its disk and its clock are to do from now on, in place of all orders before: from the first
// moment of its next process if none runs.
func (n *Node) Order(o faultfs.Orders) error {
	if n.commander == nil {
		return fmt.Errorf("%s: %w", n, errSound)
	}
	n.commander.Order(o)
	return nil
}

// Report asks what has come of the orders.
func (n *Node) Report() (faultfs.Report, error) {
	if n.commander == nil {
		return faultfs.Report{}, fmt.Errorf("%s: %w", n, errSound)
	}
	return n.commander.Report()
}

// CutPower kills the process and leaves of its data directory what a power cut would have: what was synced and, with an
// rng, a random part of the rest.
func (n *Node) CutPower(rng *rand.Rand) error {
	if n.commander == nil {
		return fmt.Errorf("%s: %w", n, errSound)
	}
	n.Kill()
	return faultfs.Cut(n.dataDir, rng)
}

// PowerCut cuts the power of a node.
func PowerCut(pick Pick, down time.Duration) Fault {
	return Fault{Name: "power cut", For: down, Strike: func(ctx context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		n, err := pick(ctx, c, rng)
		if err != nil {
			return nil, err
		}
		return c.cutPower(rng, n)
	}}
}

// PowerCutOfAll cuts the power of all nodes at once.
func PowerCutOfAll(down time.Duration) Fault {
	return Fault{Name: "power cut of all", For: down, Strike: func(_ context.Context, c *Cluster, rng *rand.Rand) (func(context.Context) error, error) {
		return c.cutPower(rng, c.running()...)
	}}
}

// cutPower cuts the power of nodes, all of them before any is looked after, and returns what starts them again.
func (c *Cluster) cutPower(rng *rand.Rand, nodes ...*Node) (heal func(context.Context) error, err error) {
	c.Event("power cut: %v", nodes)
	for _, n := range nodes {
		n.current(true).signal(killed)
	}
	for _, n := range nodes {
		err = errors.Join(err, n.CutPower(rng))
	}
	return func(ctx context.Context) error {
		var err error
		for _, n := range nodes { // none is ready before a majority is there
			err = errors.Join(err, n.Launch())
		}
		for _, n := range nodes {
			err = errors.Join(err, n.WaitReady(ctx))
		}
		return err
	}, err
}

// ClockOff moves the wall clock of a node by so much, there and back.
func ClockOff(pick Pick, during, by time.Duration) Fault {
	return onNode(fmt.Sprintf("clock off by %v", by), pick, during,
		func(_ context.Context, n *Node) error { return n.Order(faultfs.Orders{ClockMs: by.Milliseconds()}) },
		func(n *Node, _ context.Context) error { return n.Order(faultfs.Orders{}) })
}

// ForgetPower takes all that is in the data directory to be synced. The node must not run.
func (n *Node) ForgetPower() error { return os.RemoveAll(faultfs.ShadowDir(n.dataDir)) }
