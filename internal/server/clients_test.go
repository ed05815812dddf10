package server

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// fakeCluster is three servers on sockets that share one node's data, and of which
// each leads a third of the partitions, as far as clients can tell.
type fakeCluster struct {
	t        *testing.T
	harness  [3]*harness
	peers    [3]*peer
	topology wire.Topology
}

func newFakeCluster(t *testing.T) *fakeCluster {
	f := &fakeCluster{t: t, topology: threeNodes(8)}
	for i := range f.peers {
		f.peers[i] = newPeer()
		f.peers[i].name = nodeIDs[i]
		if i == 0 {
			f.harness[0] = newHarness(t, harnessOptions{peer: f.peers[0]})
		} else {
			f.harness[i] = f.harness[0].beside(f.peers[i])
		}
		f.peers[i].work(t, rand.New(rand.NewPCG(uint64(i), 5)))
		f.harness[i].listen([]string{"loops", "streams", "loops"}[i])
		f.topology.Nodes[i].Address = f.harness[i].srv.Addr().String()
	}
	f.tell()
	return f
}

// beside is another server on the same data, for which p stands in.
func (h *harness) beside(p *peer) *harness {
	p.Node = h.srv.node.(*peer).Node
	settings := *h.srv.live.Current()
	other := &harness{t: h.t, clock: h.clock, srv: New(Options{
		Node: p, Live: config.NewLive(settings), Clock: h.clock.Now, Logger: slog.New(slog.DiscardHandler), Version: "test", Facts: func() any { return nil },
	})}
	h.t.Cleanup(func() {
		other.srv.cancel()
		other.srv.background.Wait()
	})
	return other
}

// tell has the nodes know the topology.
func (f *fakeCluster) tell() {
	for i, p := range f.peers {
		p.mu.Lock()
		clear(p.leaders)
		p.mu.Unlock()
		for n, q := range f.topology.Partitions {
			if int(q.Leader) != i {
				p.elsewhere(f.topology.Nodes[q.Leader].Address, n)
			}
		}
		p.change(f.topology)
	}
}

// turn has every partition led by the next node.
func (f *fakeCluster) turn() {
	f.topology.Epoch++
	partitions := append([]wire.TopologyPartition(nil), f.topology.Partitions...)
	for n := range partitions {
		partitions[n].Leader = (partitions[n].Leader + 1) % 3
	}
	f.topology.Partitions = partitions
	f.tell()
}

// calls is how many commands were asked, and how many of them met a node that does not
// lead their key.
func (f *fakeCluster) calls() (all, failed uint64) {
	for _, h := range f.harness {
		for _, st := range h.srv.Stats().Commands {
			if st.Name == "set" || st.Name == "get" {
				all, failed = all+st.Calls, failed+st.Errors
			}
		}
	}
	return all, failed
}

func TestClusterClientsFindTheLeaders(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run := func(name string, open func(t *testing.T, f *fakeCluster) (set func(key, value string) error, get func(key string) (string, error))) {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t)
			set, get := open(t, f)
			var asked atomic.Uint64
			round := func(name string) {
				for i := range 60 {
					key, value := fmt.Sprint("key-", i), fmt.Sprint(name, "-", i)
					if err := set(key, value); err != nil {
						t.Fatalf("%s: SET: %v", name, err)
					}
					if got, err := get(key); err != nil || got != value {
						t.Fatalf("%s: GET %s: %q, %v", name, key, got, err)
					}
					asked.Add(2)
				}
			}
			round("at first")
			if _, failed := f.calls(); failed > 0 {
				t.Errorf("%d of %d commands met the wrong node, with a topology that has not changed", failed, asked.Load())
			}
			f.turn()
			round("when leaders have moved")
			if _, failed := f.calls(); failed == 0 {
				t.Error("no command met the wrong node when leaders had moved")
			}
			round("some time later") // clients ask for the new topology when they see fit
		})
	}
	for _, protocol := range []int{2, 3} {
		run(fmt.Sprint("go-redis/resp", protocol), func(t *testing.T, f *fakeCluster) (func(key, value string) error, func(key string) (string, error)) {
			c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{f.topology.Nodes[1].Address}, Protocol: protocol})
			t.Cleanup(func() { c.Close() })
			return func(key, value string) error { return c.Set(ctx, key, value, 0).Err() }, func(key string) (string, error) { return c.Get(ctx, key).Result() }
		})
	}
	run("rueidis", func(t *testing.T, f *fakeCluster) (func(key, value string) error, func(key string) (string, error)) {
		c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{f.topology.Nodes[2].Address}, DisableCache: true, ShuffleInit: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return func(key, value string) error { return c.Do(ctx, c.B().Set().Key(key).Value(value).Build()).Error() },
			func(key string) (string, error) { return c.Do(ctx, c.B().Get().Key(key).Build()).ToString() }
	})
}

// What clients make of CLUSTER's replies is what the topology says.
func TestClientsReadClusterReplies(t *testing.T) {
	f := newFakeCluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: f.topology.Nodes[0].Address})
	defer c.Close()
	shards, err := c.ClusterShards(ctx).Result()
	if err != nil || len(shards) != 3 || len(shards[0].Slots) != 3 || len(shards[0].Nodes) != 3 || shards[0].Nodes[0].Role != "master" || shards[0].Nodes[2].Role != "replica" || shards[0].Nodes[0].ID != nodeIDs[0]+"00000000" {
		t.Errorf("CLUSTER SHARDS: %+v, %v", shards, err)
	}
	if links, err := c.ClusterLinks(ctx).Result(); err != nil || len(links) != 2 || links[0].Node != nodeIDs[1]+"00000000" {
		t.Errorf("CLUSTER LINKS: %+v, %v", links, err)
	}
	if id, err := c.ClusterMyShardID(ctx).Result(); err != nil || id != nodeIDs[0]+"00000000" {
		t.Errorf("CLUSTER MYSHARDID: %q, %v", id, err)
	}
	if n, err := c.ClusterKeySlot(ctx, "foo").Result(); err != nil || n != 12182 {
		t.Errorf("CLUSTER KEYSLOT: %d, %v", n, err)
	}
}

// Clients that read from replicas say READONLY, and are served by any.
func TestClusterClientsMayReadFromReplicas(t *testing.T) {
	f := newFakeCluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{f.topology.Nodes[0].Address}, ReadOnly: true, RouteRandomly: true})
	defer c.Close()
	if err := c.Set(ctx, "k", "v", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if v, err := c.Get(ctx, "k").Result(); err != nil || v != "v" {
			t.Fatalf("%q, %v", v, err)
		}
	}
	served := 0
	for _, h := range f.harness {
		for _, st := range h.srv.Stats().Commands {
			if st.Name == "get" && st.Calls > st.Errors {
				served++
			}
		}
	}
	if served < 2 {
		t.Errorf("%d nodes served reads", served)
	}
}
