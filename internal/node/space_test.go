package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// tryPut writes at whoever leads, and returns what came of it. Like a client it tries again while leadership moves.
func (c *peers) tryPut(key, value string) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := c.putOnce(key, value)
		var elsewhere *NotLeaderError
		if moves := errors.As(err, &elsewhere) || errors.Is(err, ErrNoLeader) || errors.Is(err, wal.ErrBusy); !moves || time.Now().After(deadline) {
			return err
		}
	}
}

func (c *peers) putOnce(key, value string) error {
	n := c.leader(c.partitionOf(key))
	p := n.Partition([]byte(key))
	o := newOutcome()
	e := command.AppendPut(command.Begin(nil), []byte(key), []byte(value), command.PutOp{})
	if _, err := n.Submit(p, n.Now(), e, o); err != nil {
		return err
	}
	n.Kick()
	select {
	case err := <-o.done:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("no answer within 20 s")
	}
}

// fillDisk takes all space on a node's disk beyond what it has.
func (c *peers) fillDisk(i int)  { c.disks[i].SetLimit(c.disks[i].Used()) }
func (c *peers) emptyDisk(i int) { c.disks[i].SetLimit(math.MaxInt64) }

// fillLogs writes until every partition has refused a write for lack of space, and returns what was acknowledged.
func (c *peers) fillLogs(want map[string]string) {
	c.t.Helper()
	refused := map[int]bool{}
	for i := 0; len(refused) < len(c.nodes[0].partitions); i++ {
		key := fmt.Sprint("fill-", i)
		value := strings.Repeat("x", 1000)
		switch err := c.tryPut(key, value); {
		case err == nil:
			want[key] = value
		case errors.Is(err, wal.ErrNoSpace):
			refused[c.partitionOf(key)] = true
		default:
			c.t.Fatalf("write %d on full disks: %v", i, err)
		}
		if i > 20_000 {
			c.t.Fatal("the logs take more than the disks")
		}
	}
}

// readAll reads every key at every level. What a client tries again because leadership moves may take a moment.
func (c *peers) readAll(want map[string]string) {
	c.t.Helper()
	for key, value := range want {
		for _, level := range []wire.Consistency{wire.Linearizable, wire.Lease, wire.SessionReads, wire.Bounded, wire.Local} {
			got, err := c.read(key, level)
			for deadline := time.Now().Add(3 * time.Second); err != nil && time.Now().Before(deadline); got, err = c.read(key, level) {
				time.Sleep(10 * time.Millisecond)
			}
			if err != nil || got != value {
				c.t.Fatalf("read of %s, level %v: %d bytes, %v", key, level, len(got), err)
			}
		}
	}
}

func (c *peers) read(key string, level wire.Consistency) (string, error) {
	n := c.leader(c.partitionOf(key))
	p := n.Partition([]byte(key))
	arg := uint64(0)
	if level == wire.Bounded {
		arg = 1000 // ms
	}
	o := newOutcome()
	g, err := n.BeginRead(p, level, arg, o)
	if err == nil && g.Wait {
		select {
		case err = <-o.done:
		case <-time.After(20 * time.Second):
			err = errors.New("no answer within 20 s")
		}
	}
	if err != nil {
		return "", err
	}
	got := lookUp(p, key)
	return got, n.EndRead(p, g)
}

// TestAClusterWhoseDisksAreAllFullAnswersReadsAndRefusesWrites: writes are refused at once, reads of all levels go on, also after a leader
// has died, and writes are taken again when there is space.
func TestAClusterWhoseDisksAreAllFullAnswersReadsAndRefusesWrites(t *testing.T) {
	for _, policy := range []wal.SyncPolicy{wal.Always, wal.EverySec} {
		t.Run(policy.String(), func(t *testing.T) {
			c := startPeers(t, 3, policy)
			c.settled(3)
			want := map[string]string{}
			for i := range 20 {
				key := fmt.Sprint("before-", i)
				want[key] = key
				c.put(key, key)
			}
			for i := range c.nodes {
				c.fillDisk(i)
			}
			c.fillLogs(want)
			for range 3 {
				c.readAll(want)
			}
			for i := range 20 {
				if err := c.tryPut(fmt.Sprint("refused-", i), "x"); !errors.Is(err, wal.ErrNoSpace) {
					t.Fatalf("a write on full disks: %v", err)
				}
			}
			// One comes back on its full disk, and the others elect: that takes terms and votes.
			dead := c.nodes[0]
			c.nodes[0] = nil
			dead.Close()
			for key := range want {
				c.get(key)
				break
			}
			c.start(0)
			for key, value := range want {
				if got := c.get(key); got != value {
					t.Fatalf("%s is %d bytes", key, len(got))
				}
			}
			for i := range c.nodes {
				c.emptyDisk(i)
			}
			c.put("after", "after")
			want["after"] = "after"
			c.holdEverywhere(want)
		})
	}
}

// unknownGroup is of records that only take room. No start must find them.
const unknownGroup = 1 << 9

// TestALogWithoutAnyRoomLeftStopsNoReads has not even the reserve: what groups have to write down waits in memory, and reads go on.
func TestALogWithoutAnyRoomLeftStopsNoReads(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	want := map[string]string{}
	for i := range 20 {
		key := fmt.Sprint("before-", i)
		want[key] = key
		c.put(key, key)
	}
	for i := range c.nodes {
		c.fillDisk(i)
	}
	for _, n := range c.nodes {
		rec := wal.Record{Group: unknownGroup, Type: 200, Index: 1, Payload: make([]byte, 1000)}
		for err := error(nil); !errors.Is(err, wal.ErrNoSpace); _, err = n.log.Append(&rec) {
			n.log.Kick()
		}
	}
	eventually(t, "all know that all are full, and no leadership moves", func() bool {
		return !slices.ContainsFunc(c.nodes, func(n *Node) bool {
			n.cluster.mu.Lock()
			known := len(n.cluster.fullPeers)
			n.cluster.mu.Unlock()
			led := true
			n.worker.ask(func() {
				n.worker.host.Groups(func(group uint32) {
					st, _ := n.worker.host.Status(group)
					led = led && st.Leader != 0 && !st.Transferring
				})
			})
			return !led || known != len(c.nodes)-1 || !n.cluster.full.Load()
		})
	})
	for _, n := range c.nodes {
		for size := 1000; size > 0; {
			rec := wal.Record{Group: unknownGroup, Type: 200, Index: 1, Payload: make([]byte, size)}
			if _, err := n.log.AppendReserved(&rec); errors.Is(err, wal.ErrNoSpace) {
				size /= 2
			}
		}
	}
	// The cluster has something to write down: nobody has room for that.
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = c.nodes[0].proposeMeta(ctx, &meta.Pause{})
	}()
	defer func() { cancel(); <-asked }()
	eventually(t, "something waits for room", func() bool {
		return slices.ContainsFunc(c.nodes, func(n *Node) bool {
			waits := false
			n.worker.ask(func() { waits = n.worker.driver.Waits() })
			return waits
		})
	})
	for range 3 {
		c.readAll(want)
	}
	if err := c.tryPut("refused", "x"); !errors.Is(err, wal.ErrNoSpace) {
		t.Fatalf("a write without room: %v", err)
	}
	for i := range c.nodes {
		c.emptyDisk(i)
	}
	c.put("after", "after")
	want["after"] = "after"
	c.holdEverywhere(want)
}

// TestANodeWhoseDiskIsFullGivesUpItsLeaderships has others lead what it led; no write is refused for good, and it leads again when there is
// space.
func TestANodeWhoseDiskIsFullGivesUpItsLeaderships(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	p := c.partitionOf("k")
	c.put("k", "before")
	var full *Node
	eventually(t, "the preferred leader leads", func() bool {
		full = c.leader(p)
		return full.meta.view.Load().Group(uint64(p) + 1).Target[0].Node == full.cluster.self
	})
	i := slices.Index(c.nodes, full)
	c.fillDisk(i)
	want := map[string]string{}
	for round := 0; !full.cluster.full.Load(); round++ {
		key := fmt.Sprint("fill-", round)
		want[key] = strings.Repeat("x", 1000)
		c.put(key, want[key])
	}
	eventually(t, "it leads nothing", func() bool {
		return !slices.ContainsFunc(full.partitions, full.Leads)
	})
	for round := range 300 { // more than its reserve
		key := fmt.Sprint("on-", round)
		want[key] = strings.Repeat("y", 1000)
		if err := c.tryPut(key, want[key]); err != nil {
			t.Fatalf("write %d beside a full disk: %v", round, err)
		}
	}
	c.readAll(want)
	if got := lookUp(full.partitions[p], "k"); got != "before" { // a local read
		t.Errorf("it reads %q", got)
	}
	c.emptyDisk(i)
	eventually(t, "it leads again", func() bool { return full.Leads(full.partitions[p]) })
	c.holdEverywhere(want)
}
