//go:build linux

package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// TestFullDisksOfAClusterStopWritesAndNothingElse fills the disk of a leader, then those of all nodes, restarts one of
// them, and gives the space back.
func TestFullDisksOfAClusterStopWritesAndNothingElse(t *testing.T) {
	t.Parallel()
	options := three
	options.DiskBytes = diskBytes
	c := clustertest.Start(t, options)
	cl := c.Client(t)
	ctx := within(t)
	held := map[string][]byte{}
	put := func(i int) error {
		key, value := fmt.Sprint("k", i), bytes.Repeat([]byte{byte(i)}, 32<<10)
		for {
			once, cancel := context.WithTimeout(ctx, 20*time.Second)
			_, err := cl.Put(once, key, value)
			cancel()
			if errors.Is(err, client.ErrUnknownOutcome) && ctx.Err() == nil {
				continue // a change of leader, on a busy machine; the write is the same each time
			}
			if err == nil {
				held[key] = value
			}
			return err
		}
	}
	readAll := func(when string) {
		t.Helper()
		for key, value := range held {
			once, cancel := context.WithTimeout(ctx, 10*time.Second)
			got, err := cl.Get(once, key)
			cancel()
			if err != nil || !bytes.Equal(got, value) {
				t.Fatalf("%s: a linearizable read of %s: %d bytes, %v", when, key, len(got), err)
			}
		}
	}

	leader := settle(t, c, cl, "k")
	c.Event("the disk of %s is full", leader)
	if err := leader.FillDisk(); err != nil {
		t.Fatal(err)
	}
	i := 0
	for ; i < 200; i++ { // more than a segment
		if err := put(i); err != nil {
			t.Fatalf("write %d beside one full disk: %v", i, err)
		}
	}
	readAll("one disk is full")

	c.Event("all disks are full")
	for _, n := range c.Nodes() {
		if err := n.FillDisk(); err != nil {
			t.Fatal(err)
		}
	}
	err := error(nil)
	for ; err == nil; i++ {
		err = put(i)
	}
	if !errors.Is(err, client.ErrNoSpace) {
		t.Fatalf("a write on full disks: %v", err)
	}
	began := time.Now()
	for j := range 10 {
		if err := put(i + j); err != nil && !errors.Is(err, client.ErrNoSpace) {
			t.Errorf("a write on full disks: %v", err)
		}
	}
	t.Logf("ten further writes were answered within %v", time.Since(began))
	readAll("all disks are full")
	some := "k0"
	for _, n := range c.Nodes() {
		for _, level := range []wire.Consistency{wire.Local, wire.Bounded, wire.Lease} {
			r, err := n.Get(ctx, some, level)
			if err == nil && r.Status == wire.OK && !bytes.Equal(r.Body, held[some]) {
				t.Errorf("%s, level %v: another value", n, level)
			}
			if level == wire.Local && (err != nil || r.Status != wire.OK) {
				t.Errorf("%s answers no local read: %v", n, err)
			}
		}
	}

	if leader, err = c.LeaderOf(ctx, some); err != nil {
		t.Fatal(err)
	}
	c.Event("%s restarts on its full disk", leader)
	if err := leader.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	readAll("one was restarted")

	c.Event("there is space again")
	for _, n := range c.Nodes() {
		if err := n.FreeDisk(); err != nil {
			t.Fatal(err)
		}
	}
	if took := mustPut(t, cl, "after", "after"); took > 15*time.Second { // a failed snapshot is tried again after 30 s
		t.Errorf("the first write took %v", took)
	} else {
		c.Event("a write was taken after %v", took)
	}
	readAll("there is space again")
	c.Event("the end")
}

// TestLogsThatFillTheirDisksAreShortened writes several times what the disks hold, with snapshots that are not due for
// the log's size.
func TestLogsThatFillTheirDisksAreShortened(t *testing.T) {
	longForm(t)
	t.Parallel()
	options := three
	options.DiskBytes = diskBytes
	options.Args = []string{"--snapshot-log-bytes", "1GiB"}
	c := clustertest.Start(t, options)
	cl := c.Client(t)
	longest := time.Duration(0)
	for i := range 3 * diskBytes / (256 << 10) {
		longest = max(longest, mustPut(t, cl, fmt.Sprint("k", i%16), string(bytes.Repeat([]byte{byte(i)}, 256<<10))))
	}
	t.Logf("the longest wait for a write: %v", longest)
}
