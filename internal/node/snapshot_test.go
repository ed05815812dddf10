package node

import (
	"math/rand/v2"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// TestAnIdlePartitionDoesNotPinTheLog writes to every partition, then to one
// alone: the log must stay bounded although the others never get a new write.
func TestAnIdlePartitionDoesNotPinTheLog(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	model := map[string]string{}
	mutate := func(only int) {
		for {
			m := randomMutation(rng, n)
			if _, hit := m.ops[only]; only >= 0 && (!hit || len(m.ops) > 1) {
				continue
			}
			m.model(model)
			if err := write(t, n, m); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			return
		}
	}
	for range 100 {
		mutate(-1)
	}
	var most int
	for range 8 {
		for range 300 {
			mutate(0)
		}
		snapshotNow(t, n)
		most = n.log.Stats().Segments
	}
	if most > 8 {
		t.Errorf("seed %d: the log still has %d segments after 8 rounds of snapshots", seed, most)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, smallOptions(disk, wal.Always))
	defer n.Close()
	if got := contents(n); got != canonical(model) {
		t.Errorf("seed %d: after a restart:\n%s\nwant\n%s", seed, got, canonical(model))
	}
}
