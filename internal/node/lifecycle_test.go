package node

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// TestCloseBreaksOffALoad closes a node while Load reads snapshots, while it reads
// the log, and when it is nearly through: Load ends with an error, Close waits for it, and the directory can
// be opened again.
func TestCloseBreaksOffALoad(t *testing.T) {
	rng := newRand(t)
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	model := fill(t, n, rng, 100, map[string]string{})
	snapshotNow(t, n)
	fill(t, n, rng, 100, model)
	closeNode(t, n)
	for _, at := range []vfs.Op{{Kind: vfs.OpRead, Name: ".snap"}, {Kind: vfs.OpRead, Name: ".wal"}, {Kind: vfs.OpSync, Name: ".wal"}} {
		var s switchable
		n, err := Open(smallOptions(s.on(disk), wal.Always))
		if err != nil {
			t.Fatal(err)
		}
		reading, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		s.set(func(op vfs.Op) error {
			if op.Kind == at.Kind && strings.HasSuffix(op.Name, at.Name) {
				once.Do(func() { close(reading) })
				<-release
			}
			return nil
		})
		loaded, closed := make(chan error, 1), make(chan error, 1)
		go func() { loaded <- n.Load(context.Background()) }()
		<-reading
		if st := n.Stats(); st.Ready || st.Keys != 0 {
			t.Errorf("figures while loading: %+v", st)
		}
		go func() { closed <- n.Close() }()
		until(t, func() bool { n.life.Lock(); defer n.life.Unlock(); return n.closing })
		if len(closed) > 0 {
			t.Error("Close does not wait for Load")
		}
		close(release)
		if err := <-loaded; !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
			t.Errorf("%s: load ends with %v", at.Name, err)
		}
		if err := <-closed; err != nil {
			t.Errorf("%s: close: %v", at.Name, err)
		}
		if n.Ready() {
			t.Error("a closed node is ready")
		}
		holds(t, disk, wal.Always, canonical(model))
	}
}

func TestAClosedNodeTakesNothing(t *testing.T) {
	for _, dir := range []string{"", "data"} {
		o := smallOptions(vfs.NewMem(), wal.Always)
		o.Dir = dir
		n := open(t, o)
		var wg sync.WaitGroup
		for range 3 { // several at once
			wg.Go(func() {
				if err := n.Close(); err != nil {
					t.Error(err)
				}
				if n.Keys() != 0 || n.Ready() {
					t.Error("Close returned before the node was closed")
				}
			})
		}
		wg.Wait()
		if err := submit(n, "key", "value", nil); !errors.Is(err, wal.ErrClosed) {
			t.Errorf("a write: %v", err)
		}
		if err := n.FlushAll(t.Context()); !errors.Is(err, wal.ErrClosed) {
			t.Errorf("flush: %v", err)
		}
		if err := n.Load(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("load: %v", err)
		}
		if err := n.Snapshot(t.Context()); !errors.Is(err, ErrClosed) && !errors.Is(err, ErrNotPersistent) {
			t.Errorf("snapshot: %v", err)
		}
		if err := n.Sync(t.Context()); dir != "" && !errors.Is(err, ErrClosed) {
			t.Errorf("sync: %v", err)
		}
	}
}

func TestANodeIsLoadedOnce(t *testing.T) {
	n := open(t, smallOptions(vfs.NewMem(), wal.Always))
	if err := n.Load(t.Context()); err == nil {
		t.Error("a second Load was taken")
	}
	mustPut(t, n, "key", "value")
	closeNode(t, n)
}

// TestBeforeLoadNothingIsTaken: a write would not be logged.
func TestBeforeLoadNothingIsTaken(t *testing.T) {
	for _, policy := range policies {
		n, err := Open(smallOptions(vfs.NewMem(), policy))
		if err != nil {
			t.Fatal(err)
		}
		if err := submit(n, "key", "value", nil); !errors.Is(err, wal.ErrClosed) {
			t.Errorf("%v: a write before Load: %v", policy, err)
		}
		done, err := n.StartSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		closeNode(t, n)
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("%v: the snapshot that was asked for before Load: %v", policy, err)
		}
	}
}

// TestCloseBreaksOffASnapshot closes a node while a snapshot is being written: who
// waits is told, nothing unfinished counts, and nothing is lost.
func TestCloseBreaksOffASnapshot(t *testing.T) {
	rng := newRand(t)
	disk := vfs.NewMem()
	var s switchable
	n := open(t, smallOptions(s.on(disk), wal.Always))
	model := fill(t, n, rng, 100, map[string]string{})
	writing, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.Contains(op.Name, ".snap") {
			once.Do(func() { close(writing) })
			<-release
		}
		return nil
	})
	running, err := n.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	<-writing
	queued, err := n.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	if !n.SnapshotStatus().Running {
		t.Error("the status does not say that it runs")
	}
	fill(t, n, rng, 20, model) // writes go on meanwhile
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	<-n.snapshots.ctx.Done()
	close(release)
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	for _, done := range []<-chan error{running, queued} {
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("who waited for the snapshot is told %v", err)
		}
	}
	if st := n.SnapshotStatus(); st.Running || st.Failed != 0 {
		t.Errorf("status %+v", st)
	}
	holds(t, disk, wal.Always, canonical(model))
}

func TestTheDirectoryDecidesAboutPartitions(t *testing.T) {
	disk := vfs.NewMem()
	for _, tc := range []struct {
		dir        string
		want, have int
	}{{"new", 0, 64}, {"chosen", 7, 7}, {"chosen", 0, 7}, {"", 0, 64}, {"", 3, 3}} {
		o := smallOptions(disk, wal.Always)
		o.Dir, o.Partitions = tc.dir, tc.want
		n := open(t, o)
		if got := len(n.Partitions()); got != tc.have {
			t.Errorf("%q with %d: %d partitions, want %d", tc.dir, tc.want, got, tc.have)
		}
		mustPut(t, n, "key", "value")
		closeNode(t, n)
	}
	o := smallOptions(disk, wal.Always)
	o.Dir, o.Partitions = "chosen", 8
	if _, err := Open(o); err == nil {
		t.Error("another number than the directory's was taken")
	}
}
