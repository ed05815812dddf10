package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestBatchIsSplitAndItsResultsAreInOrder(t *testing.T) {
	clusterBubble(t, 3, 8, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		frames := map[wire.Op]int{}
		var mu sync.Mutex
		fc.on(func(_ int, _ *fakeSession, r *wire.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			frames[r.Op]++
			return false
		}, nil)
		var b Batch
		var keys []string
		for i := range 100 {
			key := fmt.Sprint("key-", i)
			keys = append(keys, key)
			if i%2 == 0 {
				b.Put(key, []byte(key))
			} else {
				b.Increment(key, int64(i))
			}
		}
		b.Delete("absent")
		var receipt Receipt
		results, err := c.Batch(ctx, &b, WithReceipt(&receipt))
		must(t, err)
		if len(results) != 101 || receipt.Node == "" {
			t.Fatal(len(results), receipt)
		}
		for i, r := range results[:100] {
			if r.Version == 0 || r.Err() != nil || i%2 == 1 && r.Int != int64(i) {
				t.Errorf("%d: %+v", i, r)
			}
		}
		wantErr(t, results[100].Err(), ErrNotFound)
		keys = append(keys, "absent")
		results, err = c.GetBatch(ctx, keys)
		must(t, err)
		for i, r := range results[:100] {
			want := keys[i]
			if i%2 == 1 {
				want = fmt.Sprint(i)
			}
			if string(r.Value) != want || !r.Found() {
				t.Errorf("%d: %+v", i, r)
			}
		}
		wantErr(t, results[100].Err(), ErrNotFound)
		if frames[wire.OpWriteBatch] != 8 || frames[wire.OpGetBatch] != 3 || fc.refusals() != 0 {
			t.Errorf("%v, %d refusals", frames, fc.refusals())
		}
	})
}

func TestItemsOfABatchThatMovedAreSentAgainAlone(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		fc.pushing = false
		var b Batch
		var keys []string
		for p := range 6 {
			for _, key := range fc.keysIn(p, 3) {
				keys = append(keys, key)
				b.Increment(key, 1)
			}
		}
		fc.lead(2, 0, 1)
		results, err := c.Batch(ctx, &b)
		must(t, err)
		for i, r := range results {
			if r.Int != 1 {
				t.Errorf("%d: %+v", i, r)
			}
		}
		fc.lead(0, 1)
		time.Sleep(time.Second)
		fc.lead(1, 3)
		got, err := c.GetBatch(ctx, keys)
		must(t, err)
		for i, r := range got {
			if string(r.Value) != "1" {
				t.Errorf("%d: %+v", i, r)
			}
		}
		for _, line := range fc.executed() {
			if n := len(line); n == 0 {
				t.Error(line)
			}
		}
	})
}

func TestBatchWaitsForTheNewLeaderOfAPart(t *testing.T) {
	for _, hang := range []bool{true, false} {
		clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
			if hang {
				fc.hang(1)
			} else {
				fc.kill(1)
			}
			var b Batch
			var keys []string
			for p := range 6 {
				keys = append(keys, fc.keyIn(p))
				b.Increment(keys[p], 1)
			}
			began := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() {
				results, err := c.Batch(context.Background(), &b)
				must(t, err)
				for i, r := range results {
					if r.Int != 1 {
						t.Errorf("%d: %+v", i, r)
					}
				}
			})
			wg.Go(func() {
				_, err := c.GetBatch(context.Background(), keys)
				must(t, err)
			})
			time.Sleep(500 * time.Millisecond)
			fc.failOver(1)
			wg.Wait()
			if took := time.Since(began); took > 1300*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestBatchOfWhichAPartFailedSaysWhich(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		fc.kill(1)
		synctest.Wait()
		var b Batch
		for p := range 3 {
			b.Put(fc.keyIn(p), nil)
		}
		results, err := c.Batch(ctx, &b)
		e := wantErr(t, err, ErrUnknownOutcome)
		if len(results) != 3 || results[0].Err() != nil || results[2].Err() != nil {
			t.Fatalf("%+v", results)
		}
		wantErr(t, results[1].Err(), ErrUnavailable)
		if !errors.Is(e, ErrUnavailable) { // the cause
			t.Error(e)
		}
		// Nothing at all was done: then that is what the error says.
		b.Reset()
		b.Put(fc.keyIn(1), nil)
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		results, err = c.Batch(ctx, &b)
		wantErr(t, err, ErrUnavailable)
		if results != nil {
			t.Errorf("%+v", results)
		}
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		results, err = c.GetBatch(ctx, []string{fc.keyIn(0), fc.keyIn(1), fc.keyIn(2)})
		wantErr(t, err, ErrUnavailable)
		if len(results) != 3 || results[0].Err() != nil || results[1].Err() == nil {
			t.Errorf("%+v", results)
		}
	})
}

func TestBatchesRefuseWhatDoesNotApply(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		_, err := c.GetBatch(context.Background(), []string{"a", "b"}, WithTTL(time.Second))
		wantErr(t, err, ErrInvalidArgument)
		var b Batch
		b.Put("a", nil)
		b.Put("b", nil)
		_, err = c.Batch(context.Background(), &b, WithConsistency(Lease))
		wantErr(t, err, ErrInvalidArgument)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = c.Batch(ended, &b)
		wantErr(t, err, ErrCanceled)
	})
}

func TestScanWalksAllPartitions(t *testing.T) {
	clusterBubble(t, 3, 8, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		var want []string
		for i := range 200 {
			want = append(want, fmt.Sprint("key-", i))
			_, err := c.Put(ctx, want[i], nil)
			must(t, err)
		}
		for _, opts := range [][]Option{{}, {WithKeysOnly()}, {WithConsistency(LocalReads)}} {
			var got []string
			for e, err := range c.Scan(ctx, append(opts, WithPageSize(7), WithPrefix("key-"))...) {
				must(t, err)
				got = append(got, e.Key)
			}
			slices.Sort(got)
			sorted := slices.Sorted(slices.Values(want))
			if !slices.Equal(got, sorted) {
				t.Errorf("%d keys, want %d", len(got), len(sorted))
			}
		}
		if n := fc.refusals(); n != 0 {
			t.Errorf("%d refusals", n)
		}
	})
}

func TestScanKeepsToOneOfSeveralConnections(t *testing.T) {
	clusterBubble(t, 2, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		var wg sync.WaitGroup
		for i := range 100 { // calls of many lanes
			wg.Go(func() {
				_, err := c.Put(ctx, fmt.Sprint("key-", i), nil)
				must(t, err)
			})
		}
		wg.Wait()
		for range 10 {
			n := 0
			for _, err := range c.Scan(ctx, WithPageSize(3)) {
				must(t, err)
				_, err := c.Get(ctx, "key-1") // takes calls from the pool
				must(t, err)
				n++
			}
			if n != 100 {
				t.Fatalf("%d entries", n)
			}
		}
	}, func(o *Options) { o.Connections = 4 })
}

func TestScanStartsAPartitionOverWhenItsNodeIsLost(t *testing.T) {
	for name, disturb := range map[string]func(fc *fakeCluster, node int){
		"leader changes":     func(fc *fakeCluster, node int) { fc.lead((node+1)%3, node) },
		"connection is lost": func(fc *fakeCluster, node int) { fc.nodes[node].dropConnections(); synctest.Wait() },
		"node dies":          func(fc *fakeCluster, node int) { fc.kill(node); fc.failOver(node) },
		"node hangs":         func(fc *fakeCluster, node int) { fc.hang(node); fc.failOver(node) },
		"leader goes unknown": func(fc *fakeCluster, node int) {
			fc.lead(-1, node)
			time.AfterFunc(time.Second, func() { fc.lead(2, node) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
				ctx := context.Background()
				want := map[string]bool{}
				for i := range 120 {
					key := fmt.Sprint("key-", i)
					want[key] = true
					_, err := c.Put(ctx, key, nil)
					must(t, err)
				}
				seen, disturbed := 0, false
				for e, err := range c.Scan(ctx, WithPageSize(10)) {
					must(t, err)
					delete(want, e.Key)
					if seen++; seen == 15 && !disturbed {
						disturbed = true
						disturb(fc, 0) // in the middle of partition 0
					}
				}
				if len(want) != 0 || seen > 120+20 {
					t.Errorf("%d keys were missed, %d seen", len(want), seen)
				}
			})
		})
	}
}

func TestScanDoesNotStartOverForEver(t *testing.T) {
	clusterBubble(t, 1, 2, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		for i := range 40 {
			_, err := c.Put(ctx, fmt.Sprint("key-", i), nil)
			must(t, err)
		}
		var last error
		pages := 0
		for _, err := range c.Scan(ctx, WithPageSize(3)) {
			if pages++; pages%3 == 0 {
				fc.nodes[0].dropConnections()
				synctest.Wait()
			}
			last = err
		}
		if last == nil || pages > 3*(maxRestarts+3) {
			t.Errorf("%v after %d entries", last, pages)
		}
	})
}
