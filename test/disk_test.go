//go:build linux

package test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// diskBytes is enough for the log's segments and little more.
const diskBytes = 48 << 20

func TestANodeWithAFullDiskRefusesWritesAnswersReadsAndRecovers(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{DiskBytes: diskBytes})
	cl := c.Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	if err := c.Node(1).FillDisk(); err != nil {
		t.Fatal(err)
	}
	acknowledged := -1
	value := make([]byte, 64<<10)
	var err error
	for i := 0; err == nil; i++ { // the segment that is there has space left
		if _, err = cl.Put(ctx, fmt.Sprint("k", i), value); err == nil {
			acknowledged = i
		}
	}
	if !errors.Is(err, client.ErrNoSpace) {
		t.Fatalf("on a full disk: %v", err)
	}
	for i := range acknowledged + 1 {
		if got, err := cl.Get(ctx, fmt.Sprint("k", i)); err != nil || len(got) != len(value) {
			t.Fatalf("read on a full disk: %v", err)
		}
	}
	if err := c.Node(1).FreeDisk(); err != nil {
		t.Fatal(err)
	}
	err = clustertest.Poll(ctx, func() error {
		_, err := cl.Put(ctx, "after", value)
		return err
	})
	if err != nil {
		t.Errorf("after there is space again: %v", err)
	}
	if err := c.Node(1).Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := cl.Get(ctx, fmt.Sprint("k", acknowledged)); err != nil || len(got) != len(value) {
		t.Errorf("after a restart: %v", err)
	}
}

func TestANodeWithAStalledDiskAcknowledgesNothingAndAnswersReads(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{DiskBytes: diskBytes})
	cl := c.Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	if _, err := cl.Put(ctx, "k", []byte("before")); err != nil {
		t.Fatal(err)
	}
	if err := c.Node(1).FreezeDisk(40 * time.Second); err != nil {
		t.Fatal(err)
	}
	brief, cancelBrief := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancelBrief()
	if _, err := cl.Put(brief, "k", []byte("meanwhile")); !errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("a write on a stalled disk: %v", err)
	}
	if got, err := cl.Get(ctx, "k"); err != nil || string(got) != "before" {
		t.Errorf("a read on a stalled disk: %q, %v", got, err)
	}
	if err := c.Node(1).ThawDisk(); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Put(ctx, "k", []byte("after")); err != nil {
		t.Error(err)
	}
}

func TestFullAndStalledDisksUnderLoadBreakNoPromise(t *testing.T) {
	t.Parallel()
	scenario{
		options:  clustertest.Options{DiskBytes: diskBytes},
		workload: history.Workload{ValueSize: 16 << 10, Timeout: time.Second, Mix: history.Mix{Get: 2, Put: 6, CompareAndPut: 2}},
		faults: []clustertest.Fault{
			clustertest.FullDisk(clustertest.AnyNode, time.Second),
			clustertest.StalledDisk(clustertest.AnyNode, 500*time.Millisecond),
		},
		count: 3, calm: 200 * time.Millisecond, atLeast: 100,
	}.run(t)
}

func TestALeaderWhoseDiskStallsStopsNobodyAndAnswersNothingStale(t *testing.T) {
	longForm(t)
	t.Parallel()
	options := three
	options.DiskBytes = diskBytes
	c := clustertest.Start(t, options)
	cl := c.Client(t)
	leader := settle(t, c, cl, "k")
	c.Event("the disk of %s stalls", leader)
	if err := leader.FreezeDisk(patience); err != nil {
		t.Fatal(err)
	}
	took := mustPut(t, cl, "k", "after")
	t.Logf("a write took %s", took.Round(time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		for _, level := range []wire.Consistency{wire.Linearizable, wire.Lease} {
			if r, err := leader.Get(ctx, "k", level); err == nil && r.Status == wire.OK && string(r.Body) != "after" {
				t.Fatalf("a stale read, level %d: %q", level, r.Body)
			}
		}
	}
	if err := leader.ThawDisk(); err != nil {
		t.Fatal(err)
	}
	follows(t, leader, "k", "after")
}

func TestAClusterWithFullAndStalledDisksKeepsItsPromises(t *testing.T) {
	longForm(t)
	t.Parallel()
	options := three
	options.DiskBytes = 4 * diskBytes // room for logs that grow while no snapshot can be written
	scenario{
		options:  options,
		workload: history.Workload{ValueSize: 2 << 10, Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.FullDisk(clustertest.AnyLeader, time.Second),
			clustertest.StalledDisk(clustertest.AnyLeader, 2*time.Second),
		},
		count: 3, atLeast: 100,
	}.run(t)
}
