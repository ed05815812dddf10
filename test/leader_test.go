//go:build unix

package test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// settle writes a key and returns the node that leads its partition.
func settle(t *testing.T, c *clustertest.Cluster, cl *client.Client, key string) *clustertest.Node {
	t.Helper()
	ctx := within(t)
	mustPut(t, cl, key, "before")
	leader, err := c.LeaderOf(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return leader
}

// mustPut writes, however often it takes, and returns how long that was.
func mustPut(t *testing.T, cl *client.Client, key, value string) time.Duration {
	t.Helper()
	ctx := within(t)
	began := time.Now()
	err := clustertest.Poll(ctx, func() error {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := cl.Put(once, key, []byte(value))
		return err
	})
	if err != nil {
		t.Fatalf("nobody takes a write: %v", err)
	}
	return time.Since(began)
}

// isolate cuts a node off from all others until heal is called.
func isolate(t *testing.T, c *clustertest.Cluster, n *clustertest.Node) (heal func()) {
	t.Helper()
	each := func(do func(from, to int) error) {
		for _, o := range c.Nodes() {
			if o == n {
				continue
			}
			for _, err := range []error{do(n.Number, o.Number), do(o.Number, n.Number)} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	c.Event("%s is cut off", n)
	each(c.Network.Block)
	return func() {
		c.Event("%s is back", n)
		each(c.Network.Unblock)
	}
}

func TestALeaderCutOffCommitsNothingAndAnswersNoLinearizableRead(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	cl := c.Client(t)
	leader := settle(t, c, cl, "k")
	heal := isolate(t, c, leader)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var asked sync.WaitGroup
	for i := range 4 {
		asked.Go(func() {
			if r, err := leader.Put(ctx, "k", fmt.Sprint("cut off ", i)); err == nil && r.Status == wire.OK {
				t.Errorf("it has acknowledged a write: version %d", r.Version)
			}
		})
		asked.Go(func() {
			if r, err := leader.Get(ctx, "k", wire.Linearizable); err == nil && r.Status == wire.OK {
				t.Errorf("it has answered a linearizable read: %q", r.Body)
			}
		})
	}
	took := mustPut(t, cl, "k", "after")
	t.Logf("the others took a write after %s", took.Round(time.Millisecond))
	for ctx.Err() == nil {
		if r, err := leader.Get(ctx, "k", wire.Linearizable); err == nil && r.Status == wire.OK {
			t.Fatalf("it has answered a linearizable read: %q", r.Body)
		}
	}
	asked.Wait()
	heal()
	if got, err := cl.Get(within(t), "k"); err != nil || string(got) != "after" {
		t.Errorf("at the end: %q, %v", got, err)
	}
	follows(t, leader, "k", "after")
}

// follows waits until a node shows a value as a replica.
func follows(t *testing.T, n *clustertest.Node, key, value string) {
	t.Helper()
	ctx := within(t)
	err := clustertest.Poll(ctx, func() error {
		r, err := n.Get(ctx, key, wire.Local)
		if err == nil && (r.Status != wire.OK || string(r.Body) != value) {
			err = fmt.Errorf("%s shows %s, %q and not %q", n, r.Status, r.Body, value)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAPausedLeaderWithReadsQueuedAnswersNothingStale(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	cl := c.Client(t)
	leader := settle(t, c, cl, "k")
	if err := leader.Pause(); err != nil {
		t.Fatal(err)
	}
	// Reads that were called before the write below may show what was there before; these replies do not count. They
	// are there to be in the queue.
	ctx := within(t)
	var asked sync.WaitGroup
	ask := func(level wire.Consistency, counts bool) {
		asked.Go(func() {
			r, err := leader.Get(ctx, "k", level)
			if counts && err == nil && r.Status == wire.OK && string(r.Body) != "after" {
				t.Errorf("a stale read, level %d: %q", level, r.Body)
			}
		})
	}
	for range 20 {
		ask(wire.Linearizable, false)
	}
	took := mustPut(t, cl, "k", "after")
	t.Logf("the others took a write after %s", took.Round(time.Millisecond))
	for range 20 {
		ask(wire.Linearizable, true)
		ask(wire.Lease, true)
	}
	if err := leader.Resume(); err != nil {
		t.Fatal(err)
	}
	asked.Wait()
	follows(t, leader, "k", "after")
}

// terms returns the terms of all partitions.
func terms(t *testing.T, c *clustertest.Cluster) (of []uint64, leaders []string) {
	t.Helper()
	ctx := within(t)
	if err := c.WaitSettled(ctx); err != nil {
		t.Fatal(err)
	}
	s, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Partitions {
		of, leaders = append(of, p.Term), append(leaders, p.Leader)
	}
	return of, leaders
}

func TestANodeThatIsCutOffOrFlapsDisturbsNoGroupThatOthersLead(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	before, leaders := terms(t, c)
	victim := c.Node(3)
	id, err := victim.ID()
	if err != nil {
		t.Fatal(err)
	}
	for _, cutOff := range []time.Duration{3 * time.Second, 200 * time.Millisecond, 200 * time.Millisecond, 900 * time.Millisecond} {
		heal := isolate(t, c, victim)
		elapse(t, cutOff)
		heal()
		elapse(t, 200*time.Millisecond)
	}
	after, _ := terms(t, c)
	others := 0
	for p := range before {
		if leaders[p] == id {
			continue
		}
		others++
		if after[p] != before[p] {
			t.Errorf("partition %d, which another node leads: the term went from %d to %d", p, before[p], after[p])
		}
	}
	if others == 0 {
		t.Error("the victim led everything: nothing is proved")
	}
}

// elapse lets time pass: that something does not happen can only be seen in time.
func elapse(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func TestServiceGoesOnWithOneDirectionOrOneSideCut(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	cl := c.Client(t)
	const leader, one, two = 0, 1, 2
	for i, cut := range []struct {
		name string
		cuts [][2]int
	}{
		{"the leader is not heard by one", [][2]int{{leader, one}}},
		{"the leader does not hear one", [][2]int{{one, leader}}},
		{"the leader is heard by nobody", [][2]int{{leader, one}, {leader, two}}},
		{"the leader hears nobody", [][2]int{{one, leader}, {two, leader}}},
		{"the leader and one other do not talk", [][2]int{{leader, one}, {one, leader}}},
		{"the two others do not talk", [][2]int{{one, two}, {two, one}}},
	} {
		if err := c.WaitSettled(within(t)); err != nil {
			t.Fatal(err)
		}
		leads := settle(t, c, cl, "k")
		nodes := append([]*clustertest.Node{leads}, c.Others(leads)...)
		c.Event("%s (%s leads)", cut.name, leads)
		for _, d := range cut.cuts {
			if err := c.Network.Block(nodes[d[0]].Number, nodes[d[1]].Number); err != nil {
				t.Fatal(err)
			}
		}
		first := mustPut(t, cl, "k", fmt.Sprint("first ", i))
		elapse(t, time.Second) // elections, if there are any
		later := mustPut(t, cl, "k", fmt.Sprint("later ", i))
		t.Logf("%s: a write took %s, and %s a second later", cut.name, first.Round(time.Millisecond), later.Round(time.Millisecond))
		if got, err := cl.Get(within(t), "k"); err != nil || string(got) != fmt.Sprint("later ", i) {
			t.Errorf("%s: %q, %v", cut.name, got, err)
		}
		for _, d := range cut.cuts {
			if err := c.Network.Unblock(nodes[d[0]].Number, nodes[d[1]].Number); err != nil {
				t.Fatal(err)
			}
		}
	}
}
