package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
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

// TestIdleRoundsWriteNothing asks for snapshots of a node that nobody writes to:
// the first few let the log shrink as far as it can, and then nothing is written
// any more.
func TestIdleRoundsWriteNothing(t *testing.T) {
	for _, keep := range []int{1, 2, 3} {
		rng := newRand(t)
		disk := vfs.NewMem()
		var changes atomic.Int64
		o := smallOptions(vfs.Inject(disk, func(op vfs.Op) error {
			if op.Kind.Changes() && (strings.Contains(op.Name, "snapshots") || strings.Contains(op.Name, "FLOORS")) {
				changes.Add(1)
			}
			return nil
		}), wal.Always)
		o.SnapshotKeep = keep
		n := open(t, o)
		model := fill(t, n, rng, 1000, map[string]string{})
		before := n.log.Stats()
		for range 2 * keep {
			snapshotNow(t, n)
		}
		settled, records := changes.Load(), n.log.Stats().Records
		for range 3 {
			snapshotNow(t, n)
		}
		if got := changes.Load() - settled; got != 0 || n.log.Stats().Records != records {
			t.Errorf("keeping %d: idle rounds make %d changes and %d records", keep, got, n.log.Stats().Records-records)
		}
		if st := n.log.Stats(); st.LiveBytes > 2*o.LogSegmentBytes {
			t.Errorf("keeping %d: %d bytes of log are left of %d", keep, st.LiveBytes, before.LiveBytes)
		}
		if got := len(files(t, disk, "snapshots", ".snap")); got != keep*len(n.partitions) {
			t.Errorf("keeping %d: %d snapshot files of %d partitions", keep, got, len(n.partitions))
		}
		closeNode(t, n)
		o.FS = disk
		n = open(t, o)
		if got := contents(n); got != canonical(model) {
			t.Errorf("keeping %d: after a restart:\n%s", keep, got)
		}
		closeNode(t, n)
	}
}

// TestTheLogsGrowthAsksForASnapshot follows what counts as grown: records since
// the last snapshot that succeeded, those replayed at a start included, and not
// the log that is kept to fall back on; against the larger of the setting and the
// data's size.
func TestTheLogsGrowthAsksForASnapshot(t *testing.T) {
	disk := vfs.NewMem()
	var s switchable
	o := smallOptions(s.on(disk), wal.Always)
	o.SnapshotLogBytes = 20_000
	n := open(t, o)
	value := strings.Repeat("x", 970) // about 1000 bytes of log each
	puts := func(count int, key func(i int) string) {
		t.Helper()
		for i := range count {
			mustPut(t, n, key(i), value)
		}
	}
	same := func(int) string { return "key" }
	restart := func() {
		t.Helper()
		closeNode(t, n)
		n = open(t, o)
	}
	grown := func(when string, want bool) {
		t.Helper()
		if got := n.snapshots.keeper.HasGrown(n.memory.Used()); got != want {
			t.Errorf("%s: a snapshot is asked for: %v, want %v", when, got, want)
		}
	}
	puts(15, same)
	grown("below the setting", false)
	restart()
	grown("below the setting, after a restart", false)
	puts(10, same)
	grown("above the setting, over two lives", true)
	restart()
	grown("above the setting, replayed", true)
	s.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpRename {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := n.Snapshot(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	grown("after a snapshot that failed", true)
	s.clear()
	snapshotNow(t, n)
	grown("after a snapshot", false)
	restart()
	grown("after a snapshot and a restart, with the log kept to fall back on", false)
	puts(15, same)
	grown("15 writes later", false)
	puts(10, same)
	grown("25 writes later", true)
	snapshotNow(t, n)
	puts(60, func(i int) string { return fmt.Sprint("key-", i) })
	if used := n.memory.Used(); used < 40_000 {
		t.Fatalf("%d bytes of data: the test proves nothing", used)
	}
	snapshotNow(t, n)
	puts(30, same)
	grown("above the setting, below the data's size", false)
	puts(400, same)
	grown("above the data's size", true)
	closeNode(t, n)
}

// TestAnIdleMetaGroupDoesNotPinTheLog: what a cluster has agreed on about itself changes
// rarely, and its records lie where the log begins.
func TestAnIdleMetaGroupDoesNotPinTheLog(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		c := startPeers(t, nodes, wal.Always)
		c.settled(nodes)
		value := strings.Repeat("v", 4<<10)
		for range 12 {
			for i := range 100 {
				c.put(fmt.Sprint("key-", i), value)
			}
			for _, n := range c.nodes {
				snapshotNow(t, n)
			}
		}
		for i, n := range c.nodes {
			// Those of the two rounds that snapshots are kept of, and prepared ones.
			if st := n.log.Stats(); st.Segments > 14 {
				t.Errorf("node %d of %d: the log still has %d segments after 12 rounds; laggards: %v", i, nodes, st.Segments, n.log.Laggards())
			}
		}
	}
}
