package vegadb_test

import (
	"context"
	"fmt"
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
