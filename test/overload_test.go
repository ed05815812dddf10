//go:build linux

package test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/faultfs"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// slowDisk lets each fsync of the log take its time.
var slowDisk = faultfs.Orders{Rules: []faultfs.Rule{{Kinds: []vfs.Kind{vfs.OpSync}, Path: "log/*", Action: faultfs.Delay, DelayMs: 50}}}

// peakBytes is the most memory that a process has had at a time.
func peakBytes(t *testing.T, n *clustertest.Node) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			size, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return size << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// overloaded floods a cluster whose disks are slow with far more than they can take.
func overloaded(t *testing.T, nodes int) {
	t.Parallel()
	const conns, writes, size = 8, 1500, 16 << 10 // together about 190 MiB, offered at once
	c := clustertest.Start(t, clustertest.Options{Nodes: nodes, Partitions: 1, Faulty: true,
		Args: []string{"--max-value-bytes", "32KiB", "--log-queue-bytes", "1MiB", "--max-pipeline-bytes", "4MiB"}})
	for _, n := range c.Nodes() {
		n.Order(slowDisk)
	}
	leader := c.Node(1)
	if nodes > 1 {
		leader = settle(t, c, c.Client(t), "k")
	}
	before := peakBytes(t, leader)
	value := strings.Repeat("x", size)
	var mu sync.Mutex
	all, acked := map[wire.Status]int{}, []string(nil)
	var floods sync.WaitGroup
	for i := range conns {
		floods.Go(func() {
			key := func(j int) string { return fmt.Sprintf("flood-%d-%d", i, j) }
			err := leader.Flood(within(t), writes, func(j int) wire.Request {
				return wire.Request{Op: wire.OpPut, Body: wire.AppendPut(nil, 0, key(j), value, 0, 0)}
			}, func(j int, r wire.Response) {
				mu.Lock()
				defer mu.Unlock()
				if all[r.Status]++; r.Status == wire.OK {
					acked = append(acked, key(j))
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	floods.Wait()
	grew := peakBytes(t, leader) - before
	t.Logf("%v; the leader grew by %d MiB", all, grew>>20)
	if all[wire.Busy] < all[wire.OK] || all[wire.OK] == 0 {
		t.Errorf("of the writes %v: this was no overload", all)
	}
	if grew > 100<<20 {
		t.Errorf("the leader grew by %d MiB", grew>>20)
	}
	for _, n := range c.Nodes() {
		n.Order(faultfs.Orders{})
	}
	cl := c.Client(t)
	took := mustPut(t, cl, "after", "after")
	t.Logf("a write after that took %v", took)
	for range 50 {
		if _, err := cl.Put(within(t), "after", []byte("after")); err != nil {
			t.Errorf("when the load is gone: %v", err)
		}
	}
	for _, key := range acked {
		if got, err := cl.Get(within(t), key); err != nil || len(got) != size {
			t.Fatalf("%s, which was acknowledged: %d bytes, %v", key, len(got), err)
		}
	}
}

func TestABuiltServerUnderTenTimesItsLoadRefusesAndRecovers(t *testing.T) { overloaded(t, 1) }

func TestAClusterUnderTenTimesItsLoadRefusesAndRecovers(t *testing.T) { overloaded(t, 3) }
