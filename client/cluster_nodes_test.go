package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

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
