package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestEachRequestGoesToTheLeaderOfItsKey(t *testing.T) {
	clusterBubble(t, 3, 8, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		for i := range 100 {
			key := fmt.Sprint("key-", i)
			_, err := c.Put(ctx, key, []byte("1"))
			must(t, err)
			if n, err := c.Increment(ctx, key, 4); n != 5 || err != nil {
				t.Fatal(n, err)
			}
			if v, err := c.Get(ctx, key); string(v) != "5" || err != nil {
				t.Fatalf("%q %v", v, err)
			}
			must(t, c.Expire(ctx, key, time.Hour))
			must(t, c.Persist(ctx, key))
			_, err = c.Delete(ctx, key)
			must(t, err)
			_, err = c.DoKey(ctx, []byte(key), [][]byte{[]byte("SET"), []byte(key), nil}, false, 2)
			must(t, err)
		}
		if n := fc.refusals(); n != 0 {
			t.Errorf("%d requests went to nodes that do not lead", n)
		}
		for _, line := range fc.executed() {
			var node int
			var op, key string
			fmt.Sscan(line, &node, &op, &key)
			if op == "COMMAND" {
				continue
			}
			if p := fc.partitionOf(&wire.Request{Op: wire.OpGet, Body: []byte(key)}); p%3 != node {
				t.Errorf("%s: partition %d", line, p)
			}
		}
	})
}

func TestOneConnectionPerNode(t *testing.T) {
	clusterBubble(t, 4, 8, func(t *testing.T, fc *fakeCluster, c *Client) {
		for i := range 50 {
			_, err := c.Put(context.Background(), fmt.Sprint(i), nil)
			must(t, err)
		}
		for i, s := range fc.nodes {
			if n := s.accepted.Load(); n != 1 {
				t.Errorf("%d connections to node %d", n, i)
			}
		}
	})
}

func TestLeaderNamedByARefusalIsAskedAtOnce(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.pushing = false
		fc.lead(1, 0, 3)
		began := time.Now()
		_, err := c.Put(context.Background(), fc.keyIn(0), nil)
		must(t, err)
		if time.Since(began) != 0 || fc.refusals() != 1 {
			t.Errorf("took %v, %d refusals", time.Since(began), fc.refusals())
		}
		time.Sleep(2 * refreshLast)
		// The whole map was refreshed behind it: the other partition needs no refusal.
		_, err = c.Put(context.Background(), fc.keyIn(3), nil)
		must(t, err)
		if n := fc.refusals(); n != 1 {
			t.Errorf("%d refusals", n)
		}
	})
}

func TestPushedTopologyNeedsNoRefusal(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.lead(2, 0, 1, 2, 3, 4, 5)
		synctest.Wait()
		for p := range 6 {
			_, err := c.Put(context.Background(), fc.keyIn(p), nil)
			must(t, err)
		}
		if n := fc.refusals(); n != 0 {
			t.Errorf("%d refusals", n)
		}
	})
}

func TestTopologyOfANodeThatIsBehindUndoesNothing(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.mu.Lock()
		old := fc.topology()
		fc.mu.Unlock()
		fc.lead(2, 0)
		synctest.Wait()
		fc.nodes[1].push(wire.AppendTopologyPush(nil, old))
		synctest.Wait()
		_, err := c.Put(context.Background(), fc.keyIn(0), nil)
		must(t, err)
		// Neither does it undo what a refusal has taught.
		fc.mu.Lock()
		before := fc.topology()
		fc.mu.Unlock()
		fc.pushing = false
		fc.on(func(_ int, fs *fakeSession, r *wire.Request) bool { // no refresh
			if r.Op == wire.OpTopology {
				fs.out = wire.AppendErrorReply(fs.out, r.ID, wire.Loading, 0, "")
			}
			return r.Op == wire.OpTopology
		}, nil)
		fc.lead(1, 0)
		_, err = c.Put(context.Background(), fc.keyIn(0), nil)
		must(t, err)
		fc.nodes[0].push(wire.AppendTopologyPush(nil, before))
		synctest.Wait()
		_, err = c.Put(context.Background(), fc.keyIn(0), nil)
		must(t, err)
		if n := fc.refusals(); n != 1 {
			t.Errorf("%d refusals, want the one that taught the change", n)
		}
		older := *before
		older.Epoch = 0
		fc.nodes[0].push(wire.AppendTopologyPush(nil, &older))
		synctest.Wait()
		if top, err := c.Topology(context.Background()); err != nil || top.Epoch != 1 {
			t.Errorf("%+v %v", top, err)
		}
	})
}

func TestPartitionWithoutALeaderIsServedSoonAfterTheElection(t *testing.T) {
	for _, hints := range []bool{true, false} {
		for _, pushing := range []bool{true, false} {
			t.Run(fmt.Sprintf("hints=%v,pushing=%v", hints, pushing), func(t *testing.T) {
				clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
					fc.hints, fc.pushing = hints, pushing
					fc.lead(-1, 0)
					synctest.Wait()
					var wg sync.WaitGroup
					for range 20 {
						wg.Go(func() {
							_, err := c.Increment(context.Background(), fc.keyIn(0), 1)
							must(t, err)
						})
					}
					began := time.Now()
					time.Sleep(700 * time.Millisecond)
					fc.lead(1, 0)
					wg.Wait()
					if took := time.Since(began); took > 950*time.Millisecond {
						t.Errorf("took %v", took)
					}
					if n, err := c.Increment(context.Background(), fc.keyIn(0), 0); n != 20 || err != nil {
						t.Error(n, err)
					}
				})
			})
		}
	}
}

func TestDeadNodeStallsOnlyItsPartitionsAndOnlyUntilANewLeaderIsKnown(t *testing.T) {
	for _, pushing := range []bool{true, false} {
		clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
			fc.pushing = pushing
			fc.kill(1)
			synctest.Wait()
			began := time.Now()
			var wg sync.WaitGroup
			for p := range 6 {
				wg.Go(func() {
					_, err := c.Put(context.Background(), fc.keyIn(p), nil)
					took := time.Since(began)
					if err != nil {
						t.Error(p, err)
					}
					if p%3 != 1 && took != 0 {
						t.Errorf("partition %d is led by a node that is well and took %v", p, took)
					}
					if p%3 == 1 && (took < time.Second || took > 1150*time.Millisecond) {
						t.Errorf("partition %d was led by the dead node and took %v", p, took)
					}
				})
			}
			time.Sleep(time.Second)
			fc.failOver(1)
			wg.Wait()
		})
	}
}

func TestDeadNodeWithoutASuccessorIsUnavailableAtTheDeadline(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.kill(1)
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_, err := c.Put(ctx, fc.keyIn(1), nil)
		e := wantErr(t, err, ErrUnavailable)
		if took := time.Since(began); took != 3*time.Second || e.Node != fakeAddress(1) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
		fc.revive(1)
		_, err = c.Put(context.Background(), fc.keyIn(1), nil) // waits for the connection
		must(t, err)
	})
}

func TestHungNodesCallsMoveToTheNewLeader(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		key := fc.keyIn(1)
		_, err := c.Increment(context.Background(), key, 1)
		must(t, err)
		fc.hang(1)
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if n, err := c.Increment(context.Background(), key, 1); n != 2 || err != nil {
				t.Error(n, err)
			}
		})
		wg.Go(func() {
			_, err := c.Get(context.Background(), fc.keysIn(1, 2)[1])
			if !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		})
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		fc.failOver(1)
		wg.Wait()
		if took := time.Since(began); took < silentAfter || took > silentAfter+200*time.Millisecond {
			t.Errorf("moved after %v", took)
		}
		// New calls need not wait, and what the hung node executes late has no effect.
		began = time.Now()
		if n, err := c.Increment(context.Background(), key, 1); n != 3 || err != nil || time.Since(began) != 0 {
			t.Error(n, err, time.Since(began))
		}
		fc.unhang(1)
		synctest.Wait()
		if n, err := c.Increment(context.Background(), key, 0); n != 3 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestSlowLeaderKeepsItsCalls(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		result := make(chan error)
		go func() { _, err := c.Increment(context.Background(), fc.keyIn(1), 1); result <- err }()
		time.Sleep(4 * time.Second)
		fc.unhang(1)
		must(t, <-result)
		if log := fc.executed(); len(log) != 1 {
			t.Errorf("%v", log)
		}
	}, func(o *Options) { o.Timeout = time.Minute })
}

func TestHungWriteWithoutASessionIsAnUnknownOutcome(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		result := make(chan error)
		go func() { _, err := c.Increment(context.Background(), fc.keyIn(1), 1); result <- err }()
		synctest.Wait()
		fc.failOver(1)
		wantErr(t, <-result, ErrUnknownOutcome)
	}, func(o *Options) { o.NoSessions = true })
}

func TestCallsThatWaitForAHungNodesWindowMove(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := c.Increment(context.Background(), fc.keyIn(1), 1)
				must(t, err)
			})
		}
		synctest.Wait()
		fc.failOver(1)
		wg.Wait()
		if n, err := c.Increment(context.Background(), fc.keyIn(1), 0); n != 5 || err != nil {
			t.Error(n, err)
		}
	}, func(o *Options) { o.MaxInFlight = 2 })
}

func TestNodesComeAndGoWithTheTopology(t *testing.T) {
	clusterBubble(t, 4, 4, func(t *testing.T, fc *fakeCluster, c *Client) {
		open := func(node int) int {
			synctest.Wait()
			s := fc.nodes[node]
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.conns)
		}
		if open(3) != 1 {
			t.Fatal("node 3 is not connected")
		}
		// A call is under way when the node is dropped: it is answered first.
		fc.hang(3)
		result := make(chan error)
		go func() { _, err := c.Get(context.Background(), fc.keyIn(3)); result <- err }()
		synctest.Wait()
		fc.mu.Lock()
		fc.epoch, fc.members = 2, []int{0, 1, 2}
		fc.mu.Unlock()
		fc.lead(-1, 3)
		time.Sleep(300 * time.Millisecond)
		if open(3) != 1 {
			t.Error("the connection was closed while a call was under way")
		}
		fc.unhang(3)
		fc.lead(0, 3)
		wantErr(t, <-result, ErrNotFound)
		time.Sleep(300 * time.Millisecond)
		if open(3) != 0 {
			t.Error("node 3 is still connected")
		}
		if n := len(*c.all.Load()); n != 3 {
			t.Errorf("%d nodes are kept", n)
		}
		_, err := c.Put(context.Background(), fc.keyIn(3), nil)
		must(t, err)
		// It comes back; the seed goes.
		fc.mu.Lock()
		fc.epoch, fc.members = 3, []int{1, 2, 3}
		fc.mu.Unlock()
		fc.lead(3, 0, 3)
		time.Sleep(300 * time.Millisecond)
		if open(3) != 1 || open(0) != 0 {
			t.Errorf("%d connections to node 3, %d to node 0", open(3), open(0))
		}
		_, err = c.Put(context.Background(), fc.keyIn(3), nil)
		must(t, err)
	})
}

func TestSeedsAreAskedAgainWhenNobodyElseCanBeReached(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.mu.Lock()
		fc.epoch, fc.members = 2, []int{1, 2}
		fc.mu.Unlock()
		fc.lead(1, 0, 1, 2)
		time.Sleep(time.Second) // node 0, the only seed, is parked
		fc.kill(1)
		fc.kill(2)
		fc.mu.Lock()
		fc.epoch, fc.members, fc.leaders = 3, []int{0}, []int{0, 0, 0}
		fc.mu.Unlock()
		began := time.Now()
		_, err := c.Put(context.Background(), fc.keyIn(1), nil)
		must(t, err)
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLoneServerBecomesACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fc := newFakeCluster(t, 3, 3)
		fc.members, fc.leaders, fc.replicas = []int{0}, []int{0, 0, 0}, [][]int{{0}, {0}, {0}}
		c := fc.open(t)
		synctest.Wait()
		if c.routes.Load() != nil {
			t.Error("a lone server has routes")
		}
		_, err := c.Put(context.Background(), fc.keyIn(1), nil)
		must(t, err)
		fc.mu.Lock()
		fc.epoch, fc.members, fc.pushing = 2, []int{0, 1, 2}, false
		fc.mu.Unlock()
		fc.lead(1, 1)
		_, err = c.Put(context.Background(), fc.keyIn(1), nil) // learns by the refusal
		must(t, err)
		// A batch that was meant for a lone server is split when items are refused.
		synctest.Wait()
		c.mu.Lock()
		c.routes.Store(nil)
		c.mu.Unlock()
		var b Batch
		for p := range 3 {
			b.Put(fc.keyIn(p), []byte{byte(p)})
		}
		fc.lead(2, 2)
		results, err := c.Batch(context.Background(), &b)
		must(t, err)
		for i := range results {
			must(t, results[i].Err())
		}
		must(t, c.Close())
		fc.stop()
	})
}

func TestAddressMapLeadsThroughForwardedPorts(t *testing.T) {
	asked := map[string]int{}
	var mu sync.Mutex
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		for p := range 3 {
			_, err := c.Put(context.Background(), fc.keyIn(p), nil)
			must(t, err)
		}
		top, err := c.Topology(context.Background())
		if err != nil || top.Nodes[1].Address != fakeAddress(1) {
			t.Errorf("%+v %v", top, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if asked["forwarded-1:9"] != 1 || asked["forwarded-2:9"] != 1 || asked[fakeAddress(1)] != 0 {
			t.Errorf("%v", asked)
		}
	}, func(o *Options) {
		dial := o.Dial
		o.AddressMap = func(a string) string {
			if a == fakeAddress(0) {
				return "" // as it is
			}
			return strings.Replace(strings.Replace(a, "node", "forwarded", 1), ":1", ":9", 1)
		}
		o.Dial = dialer(func(a string) string {
			mu.Lock()
			asked[a]++
			mu.Unlock()
			return strings.Replace(strings.Replace(a, "forwarded", "node", 1), ":9", ":1", 1)
		}, dial)
	})
}

func TestWatchTopologyYieldsEveryLastState(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx, cancel := context.WithCancel(context.Background())
		var leaders []int
		var wg sync.WaitGroup
		wg.Go(func() {
			for top := range c.WatchTopology(ctx) {
				leaders = append(leaders, top.Partitions[0].Leader)
			}
		})
		synctest.Wait()
		fc.lead(1, 0)
		synctest.Wait()
		fc.lead(-1, 0)
		synctest.Wait()
		fc.lead(2, 0)
		synctest.Wait()
		cancel()
		wg.Wait()
		if !slices.Equal(leaders, []int{0, 1, -1, 2}) {
			t.Errorf("%v", leaders)
		}
		done := make(chan struct{})
		go func() {
			for range c.WatchTopology(context.Background()) {
			}
			close(done)
		}()
		synctest.Wait()
		must(t, c.Close())
		<-done
	})
}

func TestRelaxedReadsGoToReplicasOfTheOwnZone(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.mu.Lock()
		fc.epoch, fc.zones = 2, []string{"a", "b", "b"}
		fc.mu.Unlock()
		fc.lead(0, 0, 1, 2)
		synctest.Wait()
		key := fc.keyIn(0)
		_, err := c.Put(context.Background(), key, nil)
		must(t, err)
		count := func() (counts [3]int) {
			for _, line := range fc.executed() {
				if strings.Contains(line, "GET") {
					counts[line[0]-'0']++
				}
			}
			return counts
		}
		count()
		for range 60 {
			_, err := c.Get(context.Background(), key, WithConsistency(LocalReads))
			must(t, err)
			_, err = c.Get(context.Background(), key)
			must(t, err)
		}
		if n := count(); n[0] != 60 || n[1] == 0 || n[2] == 0 || n[1]+n[2] != 60 {
			t.Errorf("%v", n)
		}
		// With the zone out, the others serve.
		fc.kill(1)
		fc.kill(2)
		synctest.Wait()
		_, err = c.Get(context.Background(), key, WithMaxStaleness(time.Second))
		must(t, err)
		if n := count(); n[0] != 1 {
			t.Errorf("%v", n)
		}
	}, func(o *Options) { o.Zone = "b" })
}

func TestReplicaThatRefusesARelaxedReadSendsItToTheLeader(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		key := fc.keyIn(0)
		_, err := c.Put(context.Background(), key, nil)
		must(t, err)
		for _, status := range []wire.Status{wire.NotLeader, wire.Unavailable} {
			fc.on(func(node int, fs *fakeSession, r *wire.Request) bool {
				if r.Op != wire.OpGet || node == 0 {
					return false
				}
				fs.out = wire.AppendErrorReply(fs.out, r.ID, status, 0, "no replica that may be read")
				return true
			}, nil)
			for range 20 {
				_, err := c.Get(context.Background(), key, WithConsistency(LocalReads))
				must(t, err)
			}
		}
		if top, _ := c.Topology(context.Background()); top.Partitions[0].Leader != 0 {
			t.Errorf("%+v", top.Partitions[0])
		}
	})
}

func TestHungReplicaLosesItsRelaxedReads(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		fc.hang(2)
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := c.Get(context.Background(), fc.keyIn(0), WithConsistency(LocalReads))
				if !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > silentAfter+200*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestSessionReadsAskForWhatTheClientHasSeen(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		var asked []uint64
		fc.on(func(_ int, _ *fakeSession, r *wire.Request) bool {
			if r.Flags&wire.FlagConsistency != 0 {
				asked = append(asked, r.ConsistencyArg)
			}
			return false
		}, nil)
		read := func(key string) {
			t.Helper()
			if _, err := c.Get(ctx, key, WithConsistency(SessionReads)); err != nil && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		key, other := fc.keyIn(0), fc.keyIn(1)
		read(key)
		v1, err := c.Put(ctx, key, nil)
		must(t, err)
		read(key)
		read(other)
		var b Batch
		b.Put(key, nil)
		b.Put(fc.keysIn(0, 2)[1], nil)
		results, err := c.Batch(ctx, &b)
		must(t, err)
		read(key)
		fc.mu.Lock()
		fc.applied[0] += 100 // somebody else's writes
		newest := fc.applied[0]
		fc.mu.Unlock()
		read(key) // its reply tells the index
		read(key)
		_, err = c.GetBatch(ctx, []string{key, other, key}, WithConsistency(SessionReads))
		must(t, err)
		last := asked[len(asked)-2:]
		slices.Sort(last)
		want := []uint64{0, v1, 0, results[1].Version, results[1].Version, newest, 0, newest}
		if !slices.Equal(asked, want) {
			t.Errorf("%v, want %v", asked, want)
		}
	})
}

func TestCountAndFlushAskAllLeaders(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		for i := range 100 {
			_, err := c.Put(ctx, fmt.Sprint(i), nil)
			must(t, err)
		}
		var receipt Receipt
		if n, err := c.Count(ctx, WithReceipt(&receipt)); n != 100 || err != nil || receipt.Node == "" {
			t.Error(n, err, receipt)
		}
		// A leader that changes meanwhile does not spoil the sum.
		moved := false
		fc.on(func(node int, _ *fakeSession, r *wire.Request) bool {
			fc.mu.Lock()
			now := r.Op == wire.OpCount && !moved
			moved = moved || now
			fc.mu.Unlock()
			if now {
				fc.lead((node+1)%3, node)
			}
			return false
		}, nil)
		if n, err := c.Count(ctx); n != 100 || err != nil {
			t.Error(n, err)
		}
		// Nor one that dies.
		fc.on(nil, nil)
		fc.kill(2)
		synctest.Wait()
		result := make(chan int64)
		go func() {
			n, err := c.Count(ctx)
			must(t, err)
			result <- n
		}()
		time.Sleep(time.Second)
		fc.failOver(2)
		if n := <-result; n != 100 {
			t.Error(n)
		}
		must(t, c.Flush(ctx))
		if n, err := c.Count(ctx); n != 0 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestFlushOfWhichAPartIsNotKnownIsAnUnknownOutcome(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.on(func(node int, fs *fakeSession, r *wire.Request) bool {
			if r.Op == wire.OpFlush && node == 1 {
				fs.nc.Close()
				return true
			}
			return false
		}, nil)
		wantErr(t, c.Flush(context.Background()), ErrUnknownOutcome)
		fc.on(func(node int, fs *fakeSession, r *wire.Request) bool {
			if r.Op == wire.OpFlush && node == 1 {
				fs.out = wire.AppendErrorReply(fs.out, r.ID, wire.PermissionDenied, 0, "no")
				return true
			}
			return false
		}, nil)
		wantErr(t, c.Flush(context.Background()), ErrUnknownOutcome) // the others have done it
		_, err := c.Count(context.Background(), WithTTL(time.Second))
		wantErr(t, err, ErrInvalidArgument)
	})
}

func TestWithNodeAsksThatNode(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		at := -1
		fc.on(func(node int, fs *fakeSession, r *wire.Request) bool {
			at = node
			if r.Op == wire.OpAdmin {
				fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, []byte("{}"))
				return true
			}
			return false
		}, nil)
		for i := range 3 {
			for _, name := range []string{fmt.Sprint("id-", i), fakeAddress(i)} {
				must(t, c.Ping(ctx, WithNode(name)))
				if at != i {
					t.Errorf("ping of %s went to %d", name, at)
				}
				_, err := c.Stats(ctx, WithNode(name))
				must(t, err)
				_, err = c.Admin(ctx, []byte("{}"), WithNode(name))
				must(t, err)
				must(t, c.Snapshot(ctx, WithNode(name)))
				if at != i {
					t.Errorf("snapshot of %s went to %d", name, at)
				}
			}
		}
		wantErr(t, c.Ping(ctx, WithNode("nobody")), ErrInvalidArgument)
		snapshots := 0
		var mu sync.Mutex
		fc.on(func(_ int, _ *fakeSession, r *wire.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if r.Op == wire.OpSnapshot && r.OpFlags == wire.SnapshotWait {
				snapshots++
			}
			return false
		}, nil)
		must(t, c.Snapshot(ctx, WithWait()))
		if snapshots != 3 {
			t.Errorf("%d snapshots", snapshots)
		}
	})
}
