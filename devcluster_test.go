package vegadb_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/client"
)

func startDevCluster(t *testing.T, n int) *vegadb.DevCluster {
	t.Helper()
	cfg := vegadb.DefaultConfig()
	cfg.AdminAddr, cfg.Partitions = "", 16
	cfg.LogSegmentBytes, cfg.MaxValueBytes = 8<<20, 1<<20
	cfg.OnFatal = func(err error) { t.Errorf("vegadb: %v", err) }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := vegadb.StartDevCluster(ctx, n, vegadb.DevConfig{Node: cfg, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func TestADevClusterServesClientsFromEveryNode(t *testing.T) {
	c := startDevCluster(t, 3)
	for i, addr := range c.Addrs() {
		db, err := client.Open(t.Context(), client.Options{Addresses: []string{addr}})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for j := range 50 {
			key := fmt.Sprintf("key-%d-%d", i, j)
			if _, err := db.Put(t.Context(), key, []byte(key)); err != nil {
				t.Fatalf("put %s by %s: %v", key, addr, err)
			}
			if value, err := db.Get(t.Context(), key); err != nil || string(value) != key {
				t.Fatalf("get %s by %s: %q, %v", key, addr, value, err)
			}
		}
	}
}

func TestAReceiptTellsWhatAWriteGot(t *testing.T) {
	c := startDevCluster(t, 3)
	db, err := client.Open(t.Context(), client.Options{Addresses: c.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var r client.Receipt
	for _, step := range []struct {
		asked, got client.Acks
		opts       []client.Option
	}{
		{client.AcksQuorum, client.AcksQuorum, nil},
		{client.AcksLeader, client.AcksLeader, nil},
		{client.AcksLeader, client.AcksQuorum, []client.Option{client.IfPresent()}},
	} {
		opts := append(step.opts, client.WithAcks(step.asked), client.WithReceipt(&r))
		if _, err := db.Put(t.Context(), "k", []byte("v"), opts...); err != nil {
			t.Fatal(err)
		}
		if r.Acks != step.got || r.Version == 0 || r.Term == 0 || r.Durability != client.SyncAlways {
			t.Errorf("asked for %v: %+v", step.asked, r)
		}
	}
}

// A planned stop hands leadership over first: no request fails.
func TestARollingRestartCostsNoFailedRequest(t *testing.T) {
	c := startDevCluster(t, 3)
	db, err := client.Open(t.Context(), client.Options{Addresses: c.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var stop atomic.Bool
	var done atomic.Int64
	var all sync.WaitGroup
	for w := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; !stop.Load(); i++ {
				key := fmt.Sprintf("key-%d-%d", w, i%100)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				_, err := db.Increment(ctx, key, 1)
				cancel()
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("increment %s: %v", key, err)
					return
				}
				done.Add(1)
			}
		}()
	}
	for i := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := c.Stop(ctx, i); err != nil {
			t.Errorf("stop node %d: %v", i, err)
		}
		if _, err := c.Restart(i); err != nil {
			t.Fatal(err)
		}
		if err := c.WaitSettled(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	stop.Store(true)
	all.Wait()
	var sum int64
	for w := range 8 {
		for i := range 100 {
			n, err := db.Increment(t.Context(), fmt.Sprintf("key-%d-%d", w, i), 0)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	if sum != done.Load() {
		t.Errorf("%d increments were acknowledged, the counters say %d", done.Load(), sum)
	}
}
