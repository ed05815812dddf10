package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// nemesis disturbs a cluster at random until stop is closed, and repairs it at the end.
func nemesis(fc *fakeCluster, rng *rand.Rand, stop <-chan struct{}) {
	nodes, partitions := len(fc.nodes), len(fc.leaders)
	down, hung := -1, -1
	for {
		select {
		case <-stop:
			fc.on(nil, nil)
			fc.unhang(hung)
			fc.revive(down)
			for p := range partitions {
				fc.lead(p%nodes, p)
			}
			return
		case <-time.After(time.Duration(rng.IntN(400)) * time.Millisecond):
		}
		node, p := rng.IntN(nodes), rng.IntN(partitions)
		switch rng.IntN(9) {
		case 0:
			fc.lead(node, p)
		case 1:
			fc.lead(-1, p)
			time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
			fc.lead(node, p)
		case 2:
			fc.revive(down)
			down = node
			fc.kill(node)
			if rng.IntN(2) == 0 {
				time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
			}
			fc.failOver(node)
		case 3:
			fc.unhang(hung)
			hung = node
			fc.hang(node)
			time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
			fc.failOver(node)
		case 4:
			fc.nodes[node].dropConnections()
		case 5:
			fc.mu.Lock()
			fc.hints, fc.pushing = rng.IntN(2) == 0, rng.IntN(4) > 0
			fc.mu.Unlock()
		case 6: // a node that is behind
			fc.mu.Lock()
			old := fc.topology()
			fc.mu.Unlock()
			time.AfterFunc(time.Duration(rng.IntN(300))*time.Millisecond, func() {
				fc.nodes[node].push(wire.AppendTopologyPush(nil, old))
			})
		case 7: // replies are lost, or come as unknown
			var left atomic.Int32
			left.Store(int32(rng.IntN(20)))
			closes := rng.IntN(2) == 0
			fc.on(nil, func(_ int, fs *fakeSession, r *wire.Request) {
				if !r.Writes() || left.Add(-1) < 0 {
					return
				}
				if fs.out = nil; closes {
					fs.nc.Close()
				} else {
					fs.out = wire.AppendErrorReply(nil, r.ID, wire.UnknownOutcome, 0, "")
				}
			})
		case 8: // refusals
			var left atomic.Int32
			left.Store(int32(rng.IntN(20)))
			status := []wire.Status{wire.Busy, wire.Unavailable, wire.ShuttingDown, wire.NotLeader}[rng.IntN(4)]
			fc.on(func(_ int, fs *fakeSession, r *wire.Request) bool {
				if r.Op == wire.OpTopology || left.Add(-1) < 0 {
					return false
				}
				fs.out = wire.AppendErrorReply(fs.out, r.ID, status, 0, "")
				return true
			}, nil)
		}
	}
}

// TestIncrementsTakeEffectOnceWhateverHappens has callers count on keys of their own
// while the cluster is disturbed. Each increment that was answered must have been applied
// once, each that is unknown at most once, and each read must show them. The fake
// cluster checks sequence numbers and acknowledgements.
func TestIncrementsTakeEffectOnceWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			answered, unknown := disturbed(t, seed)
			if answered < 500 {
				t.Errorf("%d increments were answered", answered)
			}
			t.Logf("%d answered, %d unknown", answered, unknown)
		})
	}
}

func disturbed(t *testing.T, seed uint64) (answered, unknown int64) {
	clusterBubble(t, 5, 10, func(t *testing.T, fc *fakeCluster, c *Client) {
		stop := make(chan struct{})
		var workers, disturber sync.WaitGroup
		disturber.Go(func() { nemesis(fc, rand.New(rand.NewPCG(seed, 1)), stop) })
		for w := range 12 {
			workers.Go(func() {
				a, u := count(t, c, fmt.Sprint("counter-", w), rand.New(rand.NewPCG(seed, uint64(100+w))), stop)
				atomic.AddInt64(&answered, a)
				atomic.AddInt64(&unknown, u)
			})
		}
		time.Sleep(20 * time.Second)
		close(stop)
		disturber.Wait()
		workers.Wait()
	}, func(o *Options) { o.MaxInFlight = 8 })
	return answered, unknown
}

// count is one caller: it knows between which bounds its counter must be.
func count(t *testing.T, c *Client, key string, rng *rand.Rand, stop <-chan struct{}) (answered, unknown int64) {
	low, high := int64(0), int64(0) // of the counter
	look := func(n int64, what string) {
		if n < low || n > high {
			t.Errorf("%s of %s shows %d, want %d to %d", what, key, n, low, high)
		}
		low = max(n, low) // high stays: what is unknown may still come
	}
	for {
		select {
		case <-stop:
			// Everything is repaired: what was under way has ended or will never be.
			n, err := c.Increment(context.Background(), key, 0)
			must(t, err)
			look(n, "the last look")
			return answered, unknown
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(500+rng.IntN(4000))*time.Millisecond)
		var err error
		switch rng.IntN(6) {
		case 0:
			var value []byte
			if value, err = c.Get(ctx, key); err == nil {
				n, _ := strconv.ParseInt(string(value), 10, 64)
				look(n, "a read")
			}
		case 1:
			var results []Result
			if results, err = c.GetBatch(ctx, []string{"x", key, "y", "z"}); err == nil && results[1].Found() {
				n, _ := strconv.ParseInt(string(results[1].Value), 10, 64)
				look(n, "a batch of reads")
			}
		case 2:
			var b Batch
			b.Increment(key, 1)
			b.Put(key+"-beside", nil)
			b.Increment(key, 1)
			var results []Result
			high += 2
			results, err = c.Batch(ctx, &b)
			switch {
			case len(results) == 3 && results[2].Err() == nil:
				low += 2
				look(results[2].Int, "a batch")
				answered += 2
			case results != nil && !errors.Is(results[2].Err(), ErrUnknownOutcome), results == nil && !errors.Is(err, ErrUnknownOutcome):
				high -= 2
			default:
				unknown += 2
			}
		default:
			var n int64
			high++
			n, err = c.Increment(ctx, key, 1)
			switch {
			case err == nil:
				low++
				look(n, "an increment")
				answered++
			case errors.Is(err, ErrUnknownOutcome):
				unknown++
			default:
				high--
			}
		}
		cancel()
		if err != nil && !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrTimeout) &&
			!errors.Is(err, ErrBusy) && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", key, err)
		}
		time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
	}
}

func TestUnknownIncrementsStayRareWithSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fc := newFakeCluster(t, 3, 6)
		c := fc.open(t)
		var wg sync.WaitGroup
		stop := make(chan struct{})
		wg.Go(func() { // connections break all the time, and every reply on them is lost
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					fc.nodes[i%3].dropConnections()
				}
			}
		})
		var callers sync.WaitGroup
		for w := range 10 {
			callers.Go(func() {
				for i := range int64(200) {
					if n, err := c.Increment(context.Background(), fmt.Sprint(w), 1); n != i+1 || err != nil {
						t.Error(n, i+1, err)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		callers.Wait()
		close(stop)
		wg.Wait()
		must(t, c.Close())
		fc.stop()
	})
}
