package node

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// peers is a cluster of nodes in this process, with disks in memory and sockets on
// the loopback.
type peers struct {
	t     *testing.T
	nodes []*Node
	disks []*vfs.Mem
	hooks []*switchable // before each of a node's file operations
	opts  []Options
	ids   []ring.NodeID
	// fatal says of a node's fatal error that it is expected; nil: none is.
	fatal func(node int, err error) bool
}

func peerOptions(fs vfs.FS, policy wal.SyncPolicy, join ...string) Options {
	o := smallOptions(fs, policy)
	o.LogSegmentBytes, o.LogQueueBytes = 256<<10, 1<<20
	o.Cluster = &ClusterOptions{PeerAddr: "127.0.0.1:0", Join: join, Replicas: 3, Version: "test"}
	return o
}

func startPeers(t *testing.T, n int, policy wal.SyncPolicy) *peers {
	c := &peers{t: t}
	for range n {
		c.add(policy)
	}
	return c
}

// add starts one more node and has it join.
func (c *peers) add(policy wal.SyncPolicy) *Node {
	disk, hook := vfs.NewMem(), new(switchable)
	o := peerOptions(hook.on(disk), policy)
	if len(c.nodes) > 0 {
		o.Cluster.Join = []string{c.nodes[0].PeerAddr()}
		o.Partitions = 0
	}
	i := len(c.nodes)
	c.disks, c.hooks, c.opts = append(c.disks, disk), append(c.hooks, hook), append(c.opts, o)
	c.nodes = append(c.nodes, nil)
	c.start(i)
	c.ids = append(c.ids, c.nodes[i].cluster.self)
	c.t.Cleanup(func() {
		if c.nodes[i] != nil {
			c.nodes[i].Close()
		}
	})
	return c.nodes[i]
}

func (c *peers) start(i int) {
	c.t.Helper()
	o := c.opts[i]
	o.OnFatal = func(err error) {
		if c.fatal == nil || !c.fatal(i, err) {
			c.t.Errorf("node %d: fatal: %v", i, err)
		}
	}
	if path := os.Getenv("VEGA_TEST_LOG"); path != "" { // for whoever looks for the cause of a failure
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() { f.Close() })
		o.Logger = slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: levelTrace})).With("node", i)
	}
	n, err := Open(o)
	if err != nil {
		c.t.Fatal(err)
	}
	n.Advertise(fmt.Sprintf("client-%d:1", i), "")
	if err := n.Load(c.t.Context()); err != nil {
		n.Close()
		c.t.Fatal(err)
	}
	c.nodes[i] = n
}

// stop ends a node, which is to come back at the same address; its disk is as after a power cut.
func (c *peers) stop(i int) {
	n := c.nodes[i]
	c.nodes[i] = nil
	disk := c.disks[i].CrashClone(nil)
	c.opts[i].Cluster.PeerAddr = n.PeerAddr()
	n.Close()
	c.disks[i], c.opts[i].FS = disk, c.hooks[i].on(disk)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// settled waits until every partition has the wanted number of voters, a leader, and
// nothing on the move.
func (c *peers) settled(replicas int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("every partition has %d replicas and a leader", replicas), func() bool {
		for _, n := range c.nodes {
			if n == nil {
				continue
			}
			view := n.meta.view.Load()
			topology, _ := n.Topology()
			for i := range view.Placements {
				if pl := &view.Placements[i]; !pl.Settled() || len(pl.Actual) != replicas || topology.Partitions[i].Leader == wire.NoLeader {
					return false
				}
			}
		}
		return true
	})
}

// leader waits for a node that leads p.
func (c *peers) leader(partition int) (n *Node) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("partition %d has a leader", partition), func() bool {
		for _, n = range c.nodes {
			if n != nil && n.Leads(n.partitions[partition]) {
				return true
			}
		}
		return false
	})
	return n
}

// outcome is a Waiter of one write.
type outcome struct {
	done   chan error
	result command.Result
}

func newOutcome() *outcome                         { return &outcome{done: make(chan error, 1)} }
func (o *outcome) Result(_ int, r *command.Result) { o.result = *r }
func (o *outcome) Later() bool                     { return true }
func (o *outcome) Done()                           { o.done <- nil }
func (o *outcome) Failed(err error)                { o.done <- err }

// put writes at the leader until it is acknowledged.
func (c *peers) put(key, value string) {
	c.t.Helper()
	eventually(c.t, "put "+key, func() bool {
		n := c.leader(c.partitionOf(key))
		p := n.Partition([]byte(key))
		o := newOutcome()
		e := command.AppendPut(command.Begin(nil), []byte(key), []byte(value), command.PutOp{})
		pos, err := n.Submit(p, n.Now(), e, o)
		if err != nil {
			return false
		}
		if pos != 0 { // applied already
			return n.Settle(pos) == nil
		}
		n.Kick()
		select {
		case err := <-o.done:
			return err == nil
		case <-time.After(5 * time.Second):
			return false
		}
	})
}

func (c *peers) partitionOf(key string) int {
	for _, n := range c.nodes {
		if n != nil {
			return n.Partition([]byte(key)).Number
		}
	}
	panic("no node runs")
}

// get reads linearizably at the leader.
func (c *peers) get(key string) (value string) {
	c.t.Helper()
	eventually(c.t, "get "+key, func() bool {
		n := c.leader(c.partitionOf(key))
		p := n.Partition([]byte(key))
		o := newOutcome()
		g, err := n.BeginRead(p, wire.Linearizable, 0, o)
		if err != nil {
			return false
		}
		if g.Wait {
			if err := <-o.done; err != nil {
				return false
			}
		}
		value = lookUp(p, key)
		return true
	})
	return value
}

func lookUp(p *Partition, key string) string {
	h := p.Table.Hash([]byte(key))
	s := p.Table.Stripe(h)
	s.Lock()
	defer s.Unlock()
	var e store.Entry
	if !s.Find(h, []byte(key), &e) {
		return ""
	}
	return string(e.Value)
}

// holdEverywhere waits until all replicas of all partitions hold exactly want.
func (c *peers) holdEverywhere(want map[string]string) {
	c.t.Helper()
	var why string
	eventually(c.t, "all replicas hold the same", func() bool {
		for _, n := range c.nodes {
			if n == nil {
				continue
			}
			for key, value := range want {
				p := n.Partition([]byte(key))
				if n.Holds(p) && lookUp(p, key) != value {
					why = fmt.Sprintf("%s on %s", key, n.nodeID)
					return false
				}
			}
		}
		return true
	})
	_ = why
}

func TestNodesJoinAndEveryWriteIsOnAllReplicas(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy.String(), func(t *testing.T) {
			c := startPeers(t, 1, policy)
			want := map[string]string{}
			for i := range 50 {
				key := fmt.Sprint("before-", i)
				want[key] = strings.Repeat("x", i)
				c.put(key, want[key])
			}
			c.add(policy)
			c.add(policy)
			c.settled(3)
			for i := range 50 {
				key := fmt.Sprint("after-", i)
				want[key] = strings.Repeat("y", i)
				c.put(key, want[key])
			}
			c.holdEverywhere(want)
			for key, value := range want {
				if got := c.get(key); got != value {
					t.Errorf("%s is %q", key, got)
				}
			}
		})
	}
}

func TestAKilledLeaderIsReplacedAndComesBack(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	want := map[string]string{}
	put := func(prefix string) {
		for i := range 20 {
			key := fmt.Sprint(prefix, i)
			want[key] = key
			c.put(key, key)
		}
	}
	put("one-")
	dead := c.nodes[1]
	c.nodes[1] = nil
	disk := c.disks[1].CrashClone(nil)
	dead.Close()
	put("two-")
	c.opts[1].FS = disk
	c.start(1)
	put("three-")
	c.holdEverywhere(want)
}

func TestAFollowerSaysWhoLeads(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	p := c.partitionOf("k")
	leader := c.leader(p)
	for i, n := range c.nodes {
		if n == leader {
			continue
		}
		eventually(t, fmt.Sprintf("node %d names the leader", i), func() bool {
			var to *NotLeaderError
			_, err := n.Submit(n.partitions[p], n.Now(), command.AppendPut(command.Begin(nil), []byte("k"), nil, command.PutOp{}), newOutcome())
			return errors.As(err, &to) && to.Leader == leader.cluster.self && strings.HasPrefix(to.Addr, "client-")
		})
	}
}
