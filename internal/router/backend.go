package router

import (
	"context"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// backend is the cluster as the router needs it: package client, or a fake in
// tests. Safe for concurrent use.
type backend interface {
	// Forward sends a request to the node that serves a partition (see
	// client.Forward). It does not keep req or its body.
	Forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error
	// Count and Flush concern all partitions.
	Count(ctx context.Context) (int64, error)
	Flush(ctx context.Context) error
	// View asks what the cluster looks like now.
	View(ctx context.Context) (*view, error)
	Close() error
}

// view is what the router knows of the cluster. It is not changed once made.
type view struct {
	ClusterID  string
	Partitions int
	Epoch      uint64
	Nodes      int
	NodesDown  int
	Leaderless int // partitions without a known leader
	Limits     wire.Limits
	Features   wire.Features
	// ClockAheadMs is how far the cluster's clock is ahead of this machine's.
	ClockAheadMs int64
}
