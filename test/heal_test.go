//go:build unix

package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// damagedSnapshots kills a node, flips a bit in every snapshot of about half of its partitions, and starts it again. It is
// over when the other nodes have made up for it.
func damagedSnapshots(ctx context.Context, c *clustertest.Cluster, rng *rand.Rand) (func(context.Context) error, error) {
	n, err := clustertest.AnyNode(ctx, c, rng)
	if err != nil {
		return nil, err
	}
	if r, err := n.Ask(ctx, wire.Request{Op: wire.OpSnapshot, OpFlags: wire.SnapshotWait}); err != nil || r.Status != wire.OK {
		return nil, fmt.Errorf("%s: snapshot: %s %s, %w", n, r.Status, r.Body, err)
	}
	n.Kill()
	heal := func(ctx context.Context) error {
		if err := n.Start(ctx); err != nil {
			return err
		}
		return clustertest.Poll(ctx, func() error {
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			for _, of := range s.Nodes {
				if len(of.Damaged) > 0 {
					return fmt.Errorf("%s has damaged partitions: %v", of.ID, of.Damaged)
				}
			}
			for _, p := range s.Partitions {
				if p.Moving || len(p.Replicas) < s.Replicas {
					return fmt.Errorf("partition %d has %d copies, moving: %v", p.Number, len(p.Replicas), p.Moving)
				}
			}
			return nil
		})
	}
	paths, err := filepath.Glob(filepath.Join(n.DataDir(), "snapshots", "*.snap"))
	half := rng.Uint64()
	for _, path := range paths {
		var partition uint
		if fmt.Sscanf(filepath.Base(path), "p%d-", &partition); partition == 0 || half>>(partition%64)&1 == 0 {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return heal, err
		}
		if err := os.WriteFile(path, []byte(damaged(string(text))), 0o600); err != nil {
			return heal, err
		}
	}
	return heal, err
}

// Nodes lose all snapshots of some of their partitions, one node after the other, while clients write and read.
func TestDamagedSnapshotsAreMadeUpForByTheOtherNodes(t *testing.T) {
	t.Parallel()
	c, _ := scenario{
		options: three, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{{Name: "snapshots damaged", For: 100 * time.Millisecond, Strike: damagedSnapshots}},
		count:  3, calm: 200 * time.Millisecond, atLeast: 50,
	}.run(t)
	healed := 0
	for _, n := range c.Nodes() {
		healed += len(readFiles(t, n.DataDir()).named("damaged/*.bad"))
	}
	if healed == 0 {
		t.Error("nothing was damaged beyond what a node could mend by itself: the test proves nothing")
	}
}
