package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

var policies = []wal.SyncPolicy{wal.Always, wal.EverySec, wal.Never}

// switchable fails or stalls operations while a test says so.
type switchable struct {
	hook atomic.Pointer[func(vfs.Op) error]
}

func (s *switchable) set(hook func(vfs.Op) error) { s.hook.Store(&hook) }
func (s *switchable) clear()                      { s.hook.Store(nil) }

func (s *switchable) on(fs vfs.FS) vfs.FS {
	return vfs.Inject(fs, func(op vfs.Op) error {
		if hook := s.hook.Load(); hook != nil {
			return (*hook)(op)
		}
		return nil
	})
}

// submit hands one put to the node without waiting.
func submit(n *Node, key, value string, sink Waiter) error {
	m := put(n, key, value, command.PutOp{})
	p := n.Partition([]byte(key))
	pos, err := n.Submit(p, n.Now(), m.ops[p.Number], sink)
	if err == nil {
		err = n.Settle(pos)
	}
	n.Kick()
	return err
}

// TestAFailedFsyncEndsTheNode lets one fsync of the log fail and every later one
// succeed: the node says so once, acknowledges nothing any more, and a start finds
// what had been acknowledged (fault 7).
func TestAFailedFsyncEndsTheNode(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { failedFsync(t, policy) }) })
	}
}

func failedFsync(t *testing.T, policy wal.SyncPolicy) {
	disk := vfs.NewMem()
	var s switchable
	o := smallOptions(s.on(disk), policy)
	fatal := make(chan error, 10)
	o.OnFatal = func(err error) { fatal <- err }
	n := open(t, o)
	mustPut(t, n, "before", "kept")
	if err := n.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := contents(n)
	synctest.Wait() // segments are prepared: the next fsync of the log is the writer's
	var once atomic.Bool
	s.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, ".wal") && !once.Swap(true) {
			return syscall.EIO
		}
		return nil
	})
	told := make(waiter, 1)
	_ = submit(n, "after", "never acknowledged as durable", told)
	if err := n.Sync(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	if err := <-fatal; !errors.Is(err, syscall.EIO) {
		t.Errorf("OnFatal was told %v", err)
	}
	if err := submit(n, "later", "refused", told); !errors.Is(err, syscall.EIO) {
		t.Errorf("a write after the failure: %v", err)
	}
	if err := n.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot after the failure succeeded")
	}
	if err := n.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v", err)
	}
	if len(told) > 0 || len(fatal) > 0 {
		t.Errorf("%d acknowledged, %d further reports", len(told), len(fatal))
	}
	holds(t, disk.CrashClone(nil), policy, want)
}

// TestAFailedWriteIsNotSettled: without fsync, a reply depends on write(2).
func TestAFailedWriteIsNotSettled(t *testing.T) {
	var s switchable
	o := smallOptions(s.on(vfs.NewMem()), wal.EverySec)
	var reports atomic.Int32
	o.OnFatal = func(error) { reports.Add(1) }
	n := open(t, o)
	s.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite {
			return syscall.EIO
		}
		return nil
	})
	if err := submit(n, "key", "value", nil); !errors.Is(err, syscall.EIO) || reports.Load() != 1 {
		t.Errorf("settled with %v, %d reports", err, reports.Load())
	}
	if err := n.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v", err)
	}
}

// TestAFullDiskRefusesWritesAndGoesOn fills the disk under the log: writes are
// refused, reads go on, a start on the full disk works, and writes do again when
// space returns (fault 8).
func TestAFullDiskRefusesWritesAndGoesOn(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { fullDisk(t, policy) }) })
	}
}

func fullDisk(t *testing.T, policy wal.SyncPolicy) {
	disk := vfs.NewMem()
	o := smallOptions(disk, policy)
	o.OnFatal = func(err error) { t.Errorf("fatal: %v", err) }
	n := open(t, o)
	mustPut(t, n, "first", "value")
	synctest.Wait() // spare segments are prepared
	disk.SetLimit(disk.Used() + 1000)
	model := map[string]string{"first": "value"}
	var err error
	for i := 0; ; i++ {
		m := put(n, fmt.Sprintf("key-%d", i%100), strings.Repeat("x", 1000), command.PutOp{})
		if err = write(t, n, m); err != nil {
			break
		}
		m.model(model)
	}
	if !errors.Is(err, wal.ErrNoSpace) {
		t.Fatalf("a full disk refuses with %v", err)
	}
	if got := contents(n); got != canonical(model) {
		t.Error("reads find something else on the full disk")
	}
	if err := n.Snapshot(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a snapshot on the full disk: %v", err)
	}
	for range 3 {
		closeNode(t, n)
		n = open(t, o)
		if got := contents(n); got != canonical(model) {
			t.Error("a start on the full disk finds something else")
		}
		if err := write(t, n, put(n, "refused", strings.Repeat("x", 7000), command.PutOp{})); !errors.Is(err, wal.ErrNoSpace) {
			t.Errorf("after a start on the full disk: %v", err)
		}
	}
	disk.SetLimit(math.MaxInt64)
	for deadline := time.After(time.Minute); ; {
		if err = write(t, n, put(n, "again", "there is space", command.PutOp{})); err == nil {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("a minute after space returned: %v", err)
		case <-time.After(50 * time.Millisecond): // the bubble's clock
		}
	}
	model["again"] = "there is space"
	snapshotNow(t, n)
	closeNode(t, n)
	holds(t, disk, policy, canonical(model))
}

// TestANewNodeOnAFullDiskSaysSo, and starts when there is space.
func TestANewNodeOnAFullDiskSaysSo(t *testing.T) {
	disk := vfs.NewMem()
	disk.SetLimit(1000)
	if err := refused(t, disk); !errors.Is(err, wal.ErrNoSpace) && !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "space") {
		t.Errorf("refused with: %v", err)
	}
	disk.SetLimit(math.MaxInt64)
	holds(t, disk, wal.Always, "")
}

// TestAFailedSnapshotKeepsTheLog fails each kind of step of a round once, by a
// full disk and by an error: the round fails with that, writes and reads go on, no
// unfinished file stays, and a later round succeeds (fault 8).
func TestAFailedSnapshotKeepsTheLog(t *testing.T) {
	rng := newRand(t)
	for _, kind := range []vfs.Kind{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir, vfs.OpRemove} {
		for _, in := range []string{"data/snapshots", "data/FLOORS"} {
			for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
				if in == "data/FLOORS" && (kind == vfs.OpSyncDir || kind == vfs.OpRemove) {
					continue // not under that name
				}
				t.Run(fmt.Sprintf("%v %s %v", kind, in, fault), func(t *testing.T) {
					disk := vfs.NewMem()
					var s switchable
					n := open(t, smallOptions(s.on(disk), wal.Always))
					model := map[string]string{}
					for range 3 { // so that there is something to prune and to truncate
						fill(t, n, rng, 40, model)
						snapshotNow(t, n)
					}
					fill(t, n, rng, 40, model)
					s.set(func(op vfs.Op) error {
						if op.Kind == kind && strings.HasPrefix(op.Name, in) {
							return fault
						}
						return nil
					})
					if err := n.Snapshot(t.Context()); !errors.Is(err, fault) {
						t.Errorf("the round ends with %v", err)
					}
					if st := n.SnapshotStatus(); st.Failed != 1 || st.LastErr == "" || st.Running {
						t.Errorf("status %+v", st)
					}
					fill(t, n, rng, 10, model)
					if got := contents(n); got != canonical(model) {
						t.Error("reads find something else after the failure")
					}
					holds(t, disk.CrashClone(nil), wal.Always, canonical(model))
					s.clear()
					snapshotNow(t, n)
					if left := files(t, disk, "snapshots", ".tmp"); len(left) > 1 || len(left) == 1 && kind != vfs.OpRemove {
						t.Errorf("unfinished files stay: %v", left)
					}
					closeNode(t, n)
					holds(t, disk, wal.Always, canonical(model))
				})
			}
		}
	}
}

// TestAStalledDiskAcknowledgesNothing holds an fsync back: no write is
// acknowledged or seen meanwhile, reads go on, what waits is bounded, and all of it
// is acknowledged when the disk goes on (the part of fault 9 that concerns one
// node, and fault 33).
func TestAStalledDiskAcknowledgesNothing(t *testing.T) {
	disk := vfs.NewMem()
	var s switchable
	n := open(t, smallOptions(s.on(disk), wal.Always))
	mustPut(t, n, "key", "old")
	before := contents(n)
	release, stalled := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, ".wal") {
			once.Do(func() { close(stalled) })
			<-release
		}
		return nil
	})
	var accepted, done atomic.Int32
	sink := countDone{&done}
	if err := submit(n, "key", "new", sink); err != nil {
		t.Fatal(err)
	}
	accepted.Add(1)
	<-stalled
	refusals := map[error]int{}
	for range 10 * n.opts.LogQueueBytes / 1000 { // ten times what may wait
		err := submit(n, "key", strings.Repeat("x", 1000), sink)
		if err == nil {
			accepted.Add(1)
		} else {
			refusals[err]++
		}
	}
	if refusals[wal.ErrBusy] == 0 || len(refusals) != 1 {
		t.Errorf("refused: %v, want only %v", refusals, wal.ErrBusy)
	}
	if held, most := n.held.Load(), n.heldMost+2000; held > most || n.log.Stats().QueueBytes > n.opts.LogQueueBytes {
		t.Errorf("%d bytes wait for the disk, the bound is %d", held, most)
	}
	if done.Load() != 0 || contents(n) != before {
		t.Error("a write is acknowledged or seen while its fsync hangs")
	}
	holds(t, disk.CrashClone(nil), wal.Always, before)
	s.clear()
	close(release)
	until(t, func() bool { return done.Load() == accepted.Load() })
	mustPut(t, n, "key", "after")
	if n.held.Load() != 0 {
		t.Errorf("%d bytes are still counted as waiting", n.held.Load())
	}
	closeNode(t, n)
	holds(t, disk, wal.Always, "key=after\n")
}

// TestWhatGathersBehindAnFsyncIsNotAcknowledgedWithIt: the report of one fsync
// says nothing about the writes that came after it began (fault 14).
func TestWhatGathersBehindAnFsyncIsNotAcknowledgedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s switchable
		n := open(t, smallOptions(s.on(vfs.NewMem()), wal.Always))
		synctest.Wait() // the log has prepared what it wants: from here on it syncs writes only
		syncs := make(chan chan struct{}, 10)
		s.set(func(op vfs.Op) error {
			if op.Kind == vfs.OpSync {
				release := make(chan struct{})
				syncs <- release
				<-release
			}
			return nil
		})
		var first, second atomic.Int32
		if err := submit(n, "key", "first", countDone{&first}); err != nil {
			t.Fatal(err)
		}
		hanging := <-syncs
		if err := submit(n, "key", "second", countDone{&second}); err != nil {
			t.Fatal(err)
		}
		close(hanging)
		hanging = <-syncs
		synctest.Wait()
		if first.Load() != 1 || second.Load() != 0 || contents(n) != "key=first\n" {
			t.Errorf("acknowledged %d and %d times while the second fsync hangs; found %s", first.Load(), second.Load(), contents(n))
		}
		s.clear()
		close(hanging)
		synctest.Wait()
		if second.Load() != 1 {
			t.Error("the second write is never acknowledged")
		}
		closeNode(t, n)
	})
}

// countDone is a Waiter for any number of writes.
type countDone struct{ n *atomic.Int32 }

func (countDone) Result(int, *command.Result) {}
func (c countDone) Done()                     { c.n.Add(1) }
func (countDone) Later() bool                 { return true }
func (countDone) Failed(error)                {}

func until(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the condition does not come true within 20 s")
		}
	}
}

// TestASlowApplierBoundsWhatWaits: what is durable and not yet applied is memory
// that the log's queue does not count.
func TestASlowApplierBoundsWhatWaits(t *testing.T) {
	n := open(t, smallOptions(vfs.NewMem(), wal.Always))
	block := make(chan struct{})
	if err := submit(n, "key", "value", blockDone(block)); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return n.held.Load() == 0 }) // applied, and its waiter blocks
	until(t, func() bool {
		_ = submit(n, "key", strings.Repeat("x", 1000), nil) // the log may refuse, too, while it prepares room
		if err := n.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		return n.held.Load() >= n.heldMost
	})
	if err := submit(n, "key", "more", nil); !errors.Is(err, wal.ErrBusy) {
		t.Errorf("with %d bytes waiting a write ends with %v", n.held.Load(), err)
	}
	if held := n.held.Load(); held < n.heldMost || held > n.heldMost+2000 {
		t.Errorf("%d bytes wait, the bound is %d", held, n.heldMost)
	}
	close(block)
	until(t, func() bool { return n.held.Load() == 0 })
	mustPut(t, n, "key", "after")
	closeNode(t, n)
}

type blockDone chan struct{}

func (blockDone) Result(int, *command.Result) {}
func (blockDone) Later() bool                 { return true }
func (blockDone) Failed(error)                {}
func (b blockDone) Done()                     { <-b }

// TestTenTimesTheLoadIsRefusedAndPasses has many writers, each as fast as it can,
// on a disk that is slow (fault 33).
func TestTenTimesTheLoadIsRefusedAndPasses(t *testing.T) {
	disk := vfs.NewMem()
	var s switchable
	n := open(t, smallOptions(s.on(disk), wal.Always))
	s.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			for range 200 {
				runtime.Gosched()
			}
		}
		return nil
	})
	var accepted, done, busy atomic.Int32
	var wg sync.WaitGroup
	for w := range 10 {
		wg.Go(func() {
			for i := range 500 {
				switch err := submit(n, fmt.Sprintf("key-%d-%d", w, i), strings.Repeat("x", 1000), countDone{&done}); {
				case err == nil:
					accepted.Add(1)
				case errors.Is(err, wal.ErrBusy):
					busy.Add(1)
				default:
					t.Errorf("refused with %v", err)
				}
				if held := n.held.Load(); held > n.heldMost+20_000 {
					t.Errorf("%d bytes wait", held)
				}
			}
		})
	}
	wg.Wait()
	s.clear()
	until(t, func() bool { return done.Load() == accepted.Load() })
	if busy.Load() == 0 {
		t.Error("nothing was refused: the load is too small to prove anything")
	}
	if got := n.Keys(); got != int64(accepted.Load()) {
		t.Errorf("%d keys, %d were acknowledged", got, accepted.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.FlushAll(ctx); err != nil || n.Keys() != 0 {
		t.Errorf("after the load: %v, %d keys", err, n.Keys())
	}
	closeNode(t, n)
}

// TestWhatTheLogCannotTakeIsRefusedWithoutATrace: a write that would fail later is
// refused before it has an index (fault 31).
func TestWhatTheLogCannotTakeIsRefusedWithoutATrace(t *testing.T) {
	for _, policy := range policies {
		disk := vfs.NewMem()
		n := open(t, smallOptions(disk, policy))
		mustPut(t, n, "key", "value")
		p := n.Partition([]byte("key"))
		last := p.group.Last()
		if err := submit(n, "key", strings.Repeat("x", 9<<10), nil); !errors.Is(err, wal.ErrTooLarge) {
			t.Errorf("%v: a record above the limit: %v", policy, err)
		}
		if p.group.Last() != last {
			t.Errorf("%v: a refused write took an index", policy)
		}
		mustPut(t, n, "key", strings.Repeat("y", 8000)) // and the largest allowed one is taken
		want := contents(n)
		closeNode(t, n)
		holds(t, disk, policy, want)
	}
}
