//go:build unix

package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// fill writes keys under load until ctx ends or there are n, and returns what must be there.
func fill(ctx context.Context, t *testing.T, cl *client.Client, n, size int) map[string]string {
	t.Helper()
	const writers = 8
	written := make([]map[string]string, writers)
	var wg sync.WaitGroup
	for w := range writers {
		written[w] = make(map[string]string)
		wg.Go(func() {
			for i := w; i < n; i += writers {
				key := fmt.Sprint("fill-", i)
				value := fmt.Sprintf("%d-%s", i, strings.Repeat("x", size))
				if _, err := cl.Put(ctx, key, []byte(value)); err == nil {
					written[w][key] = value
				} else if ctx.Err() == nil && !errors.Is(err, client.ErrUnknownOutcome) {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	all := make(map[string]string)
	for _, m := range written {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// holds waits until a node shows all of these as a replica.
func holds(t *testing.T, n *clustertest.Node, all map[string]string) {
	t.Helper()
	ctx := within(t)
	for key, value := range all {
		err := clustertest.Poll(ctx, func() error {
			r, err := n.Get(ctx, key, wire.Local)
			if err == nil && (r.Status != wire.OK || string(r.Body) != value) {
				err = fmt.Errorf("%s: %s shows %s, %.10q and not %.10q", key, n, r.Status, r.Body, value)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// snapshots has every node write snapshots, so that the log before them goes.
func snapshots(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	for _, n := range c.Nodes() {
		if !n.Running() {
			continue
		}
		if r, err := n.Ask(within(t), wire.Request{Op: wire.OpSnapshot, OpFlags: wire.SnapshotWait}); err != nil || r.Status != wire.OK {
			t.Fatalf("%s: snapshot: %s %s, %v", n, r.Status, r.Body, err)
		}
	}
}

// laggard makes a cluster of three of which the third node has slept while the others have written more than their
// logs keep.
func laggard(t *testing.T) (c *clustertest.Cluster, n *clustertest.Node, all map[string]string) {
	t.Helper()
	options := three
	options.Fsync = "everysec"
	options.Args = []string{"--log-level", "debug"} // which tells of snapshots that are installed
	c = clustertest.Start(t, options)
	n = c.Node(3)
	n.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl := c.Client(t)
	mustPut(t, cl, "fill-0", "") // somebody leads again
	all = make(map[string]string)
	for range 3 {
		for k, v := range fill(ctx, t, cl, 800, 4000) {
			all[k] = v
		}
		snapshots(t, c)
	}
	return c, n, all
}

func TestALaggardBehindTheLogIsCaughtUpThroughKills(t *testing.T) {
	t.Parallel()
	c, n, all := laggard(t)
	rng := rand.New(rand.NewPCG(23, 1))
	for range 4 { // somewhere between the start and the last snapshot that is installed
		if err := n.Launch(); err != nil {
			t.Fatal(err)
		}
		elapse(t, time.Duration(rng.Int64N(int64(400*time.Millisecond))))
		n.Kill()
	}
	if err := n.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	holds(t, n, all)
	if !strings.Contains(n.Log(10_000), "a snapshot was installed") {
		t.Error("it was caught up without a snapshot: nothing is proved")
	}
	if err := c.WaitSettled(within(t)); err != nil {
		t.Error(err)
	}
}

func TestSnapshotsCloseTogetherHarmNobody(t *testing.T) {
	longForm(t)
	t.Parallel()
	c, n, all := laggard(t)
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
	cl := c.Client(t)
	for i := range 5 { // while it is sent one, there is a newer one
		for k, v := range fill(within(t), t, cl, 100, 4000+i) {
			all[k] = v
		}
		snapshots(t, c)
	}
	if err := n.WaitReady(within(t)); err != nil {
		t.Fatal(err)
	}
	holds(t, n, all)
}
