// Package vegadbtest starts VegaDB nodes for tests.
//
//	func TestCart(t *testing.T) {
//		node := vegadbtest.Start(t)
//		db, err := client.Open(t.Context(), client.Options{Addresses: []string{node.Addr()}})
//		…
//	}
package vegadbtest

import (
	"context"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
)

// stopWithin bounds how long a node may take to stop at the end of a test.
const stopWithin = 10 * time.Second

// Start runs an in-memory node on a free port of the loopback, without the admin
// API, and stops it when the test ends. options may change its configuration:
// for a durable one, set InMemory to false and DataDir to t.TempDir().
func Start(t testing.TB, options ...func(*vegadb.Config)) *vegadb.Node {
	t.Helper()
	cfg := vegadb.DefaultConfig()
	cfg.Addr, cfg.AdminAddr = "127.0.0.1:0", ""
	cfg.InMemory = true
	cfg.LogSegmentBytes, cfg.MaxValueBytes = 8<<20, 1<<20
	cfg.OnFatal = func(err error) { t.Errorf("vegadb: %v", err) }
	for _, option := range options {
		option(&cfg)
	}
	node, err := vegadb.Start(cfg)
	if err != nil {
		t.Fatalf("vegadb: %v", err)
	}
	t.Cleanup(func() { Stop(t, node) })
	return node
}

// Stop stops a node before the test ends, so that another can use its directory.
func Stop(t testing.TB, node *vegadb.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := node.Close(ctx); err != nil {
		t.Errorf("vegadb: stop: %v", err)
	}
}
