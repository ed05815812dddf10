package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
)

// startCluster runs a cluster of n real nodes within this process.
func startCluster(t *testing.T, n int) *vegadb.DevCluster {
	t.Helper()
	cfg := vegadb.DefaultConfig()
	cfg.AdminAddr, cfg.Partitions = "", 8
	cfg.LogSegmentBytes, cfg.MaxValueBytes = 8<<20, 1<<20
	cfg.Fsync = "everysec"
	cfg.OnFatal = func(err error) { t.Errorf("vegadb: %v", err) }
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cluster, err := vegadb.StartDevCluster(ctx, n, vegadb.DevConfig{Node: cfg, Dir: t.TempDir(), Port: freePorts(t, 10*n)})
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Close(context.Background())) })
	return cluster
}

// freePorts returns the first of n ports that follow each other and are free, below
// those that the system gives away.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		first := 20_000 + rand.IntN(10_000)
		free := true
		for port := first; port < first+n && free; port++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

func TestRealCluster(t *testing.T) {
	cluster := startCluster(t, 3)
	t.Run("answers every call", func(t *testing.T) { answersEveryCall(t, cluster) })
	t.Run("counts once over a rolling restart", func(t *testing.T) { countsOnce(t, cluster) })
}

func answersEveryCall(t *testing.T, cluster *vegadb.DevCluster) {
	c, err := Open(context.Background(), Options{Addresses: cluster.Addrs()[:1], Timeout: time.Minute})
	must(t, err)
	defer c.Close()
	ctx := context.Background()
	top, err := c.Topology(ctx)
	if err != nil || len(top.Nodes) != 3 {
		t.Fatalf("%+v %v", top, err)
	}
	var b Batch
	var keys []string
	for i := range 300 {
		keys = append(keys, fmt.Sprint("key-", i))
		b.Put(keys[i], []byte(keys[i]))
	}
	results, err := c.Batch(ctx, &b)
	must(t, err)
	for i := range results {
		must(t, results[i].Err())
	}
	for _, opts := range [][]Option{nil, {WithConsistency(Lease)}, {WithConsistency(SessionReads)}, {WithMaxStaleness(time.Minute)}} {
		results, err = c.GetBatch(ctx, keys, opts...)
		must(t, err)
		for i := range results {
			if string(results[i].Value) != keys[i] {
				t.Fatalf("%s: %+v", keys[i], results[i])
			}
		}
		var receipt Receipt
		if v, err := c.Get(ctx, keys[0], append(opts, WithReceipt(&receipt))...); string(v) != keys[0] || err != nil || receipt.Index == 0 {
			t.Fatalf("%q %v %+v", v, err, receipt)
		}
	}
	var seen []string
	for e, err := range c.Scan(ctx, WithPageSize(10)) {
		must(t, err)
		seen = append(seen, e.Key)
	}
	slices.Sort(seen)
	if want := slices.Sorted(slices.Values(keys)); !slices.Equal(seen, want) {
		t.Fatalf("a scan found %d of %d", len(seen), len(want))
	}
	if n, err := c.Count(ctx); n != 300 || err != nil {
		t.Fatal(n, err)
	}
	for i, n := range top.Nodes {
		must(t, c.Ping(ctx, WithNode(n.ID)))
		stats, err := c.Stats(ctx, WithNode(n.Address))
		if err != nil || len(stats) == 0 {
			t.Fatal(i, err)
		}
	}
	reply, err := c.Do(ctx, [][]byte{[]byte("STRLEN"), []byte(keys[42])}, true, 2)
	if err != nil || string(reply) != ":6\r\n" {
		t.Fatalf("%q %v", reply, err)
	}
	must(t, c.Snapshot(ctx))
	must(t, c.Flush(ctx))
	if n, err := c.Count(ctx); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

func countsOnce(t *testing.T, cluster *vegadb.DevCluster) {
	c, err := Open(context.Background(), Options{Addresses: cluster.Addrs(), Timeout: time.Minute})
	must(t, err)
	defer c.Close()
	stop := make(chan struct{})
	var done atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			key, beside := fmt.Sprint("counter-", w), fmt.Sprint("beside-", w)
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if got, err := c.Increment(context.Background(), key, 1); got != n || err != nil {
					t.Errorf("%s: %d %v, want %d", key, got, err, n)
					return
				}
				var b Batch
				b.Increment(beside, 1)
				results, err := c.Batch(context.Background(), &b)
				if err != nil || results[0].Int != n {
					t.Errorf("%s: %+v %v, want %d", beside, results, err, n)
					return
				}
				// What this client has written it reads, from whatever replica.
				if v, err := c.Get(context.Background(), key, WithConsistency(SessionReads)); string(v) != fmt.Sprint(n) || err != nil {
					t.Errorf("%s: read %q %v, want %d", key, v, err, n)
					return
				}
				done.Add(1)
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for i := range 3 {
		before := done.Load()
		for done.Load() < before+50 && !t.Failed() {
			must(t, c.Ping(ctx))
		}
		must(t, cluster.Stop(ctx, i))
		_, err := cluster.Restart(i)
		must(t, err)
		must(t, cluster.WaitSettled(ctx))
	}
	close(stop)
	wg.Wait()
}
