package client

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
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
		time.Sleep(2 * attempt.RefreshPauses().Last)
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
