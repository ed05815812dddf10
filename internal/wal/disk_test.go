package wal

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Fault 7: fsync returns EIO once.
func TestAFailedFsyncIsFatalAndNothingIsAcknowledgedAfterIt(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) { failOnce(t, p, vfs.OpSync) })
	}
}

func TestAFailedWriteIsFatalAndNothingIsAcknowledgedAfterIt(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) { failOnce(t, p, vfs.OpWrite) })
	}
}

// failOnce lets one operation on the log's data fail, and every later one succeed: a log that tries again would
// believe that all is well.
func failOnce(t *testing.T, p SyncPolicy, kind vfs.Kind) {
	var armed, hit atomic.Bool
	var after atomic.Int32
	fs := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind != kind || !strings.HasSuffix(op.Name, segmentSuffix) || !armed.Load() {
			return nil
		}
		if !hit.Swap(true) {
			return syscall.EIO
		}
		after.Add(1)
		return nil
	})
	var fatal []error
	var acknowledged atomic.Bool
	o := small(fs, p)
	o.SegmentBytes = 1 << 20 // no preparation while the test runs
	failed := make(chan struct{})
	o.OnFatal = func(err error) { fatal = append(fatal, err); close(failed) }
	o.OnDurable = func(uint64) { acknowledged.Store(armed.Load()) }
	l, err := Open(o, func(Record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, rec(1, 1, 10))
	mustSync(t, l)
	quiet(l)
	armed.Store(true)
	pos := mustAppend(t, l, rec(1, 2, 10))
	l.NotifyDurable(pos, func() { acknowledged.Store(true) })
	l.Kick()
	<-failed
	if err := l.Sync(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v, want EIO", err)
	}
	if err := l.Flush(pos); !errors.Is(err, syscall.EIO) && (kind == vfs.OpWrite || p == Always) {
		t.Errorf("flush: %v, want EIO", err)
	}
	if _, err := l.Append(rec(1, 3, 10)); !errors.Is(err, syscall.EIO) {
		t.Errorf("append: %v, want EIO", err)
	}
	if err := l.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v, want EIO", err)
	}
	if len(fatal) != 1 || !errors.Is(fatal[0], syscall.EIO) {
		t.Errorf("OnFatal was told %v, want EIO once", fatal)
	}
	if acknowledged.Load() || l.DurablePos() != pos-1 {
		t.Errorf("acknowledged: %v, durable position %d, want %d", acknowledged.Load(), l.DurablePos(), pos-1)
	}
	if n := after.Load(); n != 0 {
		t.Errorf("%d further operations after the failure", n)
	}
}

// quiet waits until the preparer has nothing to do.
func quiet(l *Log) {
	for {
		l.mu.Lock()
		next, ahead := l.nextZeros()
		busy := l.needsSegment() || l.zeroing.seg != nil ||
			l.o.Policy == Always && next.seg != nil && ahead < l.zeroTarget()
		l.mu.Unlock()
		if !busy {
			return
		}
		yield()
	}
}

// Fault 8: no space.
func TestAFullDiskRefusesAppendsBeforeTheyAreAdmittedAndRecoversByItself(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			m := vfs.NewMem()
			l, _ := mustOpen(t, small(m, p)) // a fatal error fails the test
			mustAppend(t, l, rec(1, 1, 100))
			mustSync(t, l)
			m.SetLimit(m.Used())
			var want []Record
			want = append(want, *rec(1, 1, 100))
			var err error
			for !errors.Is(err, ErrNoSpace) {
				r := rec(1, uint64(len(want)+1), 1000)
				if _, err = l.Append(r); err == nil {
					want = append(want, *r)
				} else if !errors.Is(err, ErrBusy) && !errors.Is(err, ErrNoSpace) {
					t.Fatal(err)
				}
			}
			mustSync(t, l) // what was admitted has its room
			if s := l.Stats(); !s.NoSpace || s.NoSpaceRefused == 0 || s.DurablePos != s.AppendedPos {
				t.Errorf("stats on a full disk: %+v", s)
			}

			m.SetLimit(m.Used() + 1<<20)
			r := rec(1, uint64(len(want)+1), 1000)
			retry(t, func() error { _, err := l.Append(r); return err })
			want = append(want, *r)
			mustSync(t, l)
			if l.Stats().NoSpace {
				t.Error("still says that there is no space")
			}
			mustClose(t, l)
			l, got := mustOpen(t, small(m, p))
			wantRecords(t, got, want)
			mustClose(t, l)
		})
	}
}

func TestTruncationGivesAFullDiskItsSpaceBack(t *testing.T) {
	m := vfs.NewMem()
	m.SetLimit(64 << 10)
	l, _ := mustOpen(t, small(m, Always))
	index := uint64(0)
	fill := func() {
		for {
			_, err := l.Append(rec(1, index+1, 1000))
			switch {
			case err == nil:
				index++
			case errors.Is(err, ErrNoSpace):
				return
			case !errors.Is(err, ErrBusy):
				t.Fatal(err)
			default:
				yield()
			}
		}
	}
	fill()
	mustSync(t, l)
	first := index
	l.SetFloor(1, index)
	if n, err := l.Truncate(); n == 0 || err != nil {
		t.Fatalf("truncated %d segments, %v", n, err)
	}
	retry(t, func() error { _, err := l.Append(rec(1, index+1, 1000)); return err })
	if index++; index <= first {
		t.Fatal("nothing fits")
	}
	mustClose(t, l)
}

// A node on a full disk must start, so that it can be read from and repaired.
func TestALogOnAFullDiskOpens(t *testing.T) {
	m := vfs.NewMem()
	o := small(m, Always)
	l, _ := mustOpen(t, o)
	want := []Record{}
	for i := range 13 { // the segment is nearly full
		r := rec(1, uint64(i+1), 800)
		mustAppend(t, l, r)
		want = append(want, *r)
		mustSync(t, l)
	}
	crashed := m.CrashClone(nil)
	mustClose(t, l)
	crashed.SetLimit(crashed.Used())
	o.FS = crashed
	for range 2 {
		l, got := mustOpen(t, o)
		wantRecords(t, got, want)
		mustClose(t, l)
	}
}

func TestANewLogOnAFullDiskSaysSo(t *testing.T) {
	m := vfs.NewMem()
	m.SetLimit(4096)
	if _, err := Open(small(m, Always), func(Record) error { return nil }); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("%v, want ErrNoSpace", err)
	}
	m.SetLimit(1 << 20)
	l, _ := mustOpen(t, small(m, Always))
	mustClose(t, l)
}

func TestWithoutAllocationZerosReserveTheRoom(t *testing.T) {
	m := vfs.NewMem()
	fs := vfs.Inject(m, func(op vfs.Op) error {
		if op.Kind == vfs.OpAllocate {
			return errors.ErrUnsupported
		}
		return nil
	})
	l, _ := mustOpen(t, small(fs, Always))
	mustAppend(t, l, rec(1, 1, 100))
	mustClose(t, l)
	if info, err := m.Stat(segmentName(testDir, 1)); err != nil || info.Size != 16<<10 {
		t.Fatalf("the segment has %d bytes, %v", info.Size, err)
	}
	l, got := mustOpen(t, small(fs, Always))
	wantRecords(t, got, []Record{*rec(1, 1, 100)})
	mustClose(t, l)
}

// Fault 9: the disk stalls.
func TestAStalledDiskAcknowledgesNothingAndBoundsWhatEverySecCanLose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var stalling atomic.Bool
		fs := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if op.Kind == vfs.OpSync && stalling.Load() {
				<-release
			}
			return nil
		})
		l, _ := mustOpen(t, small(fs, EverySec))
		stalling.Store(true)
		pos := mustAppend(t, l, rec(1, 1, 10))
		<-time.After(syncInterval + stallLimit - 100*time.Millisecond)
		later, err := l.Append(rec(1, 2, 10))
		if err != nil {
			t.Fatalf("append while the sync is only a little late: %v", err)
		}
		if err := l.Flush(later); err != nil {
			t.Fatal(err) // writing goes on while the sync hangs
		}
		<-time.After(10 * time.Second)
		if _, err := l.Append(rec(1, 3, 10)); !errors.Is(err, ErrBusy) {
			t.Fatalf("append after ten seconds without a sync: %v, want ErrBusy", err)
		}
		if l.DurablePos() >= pos {
			t.Fatal("acknowledged on a disk that has not synced")
		}
		stalling.Store(false)
		close(release)
		mustSync(t, l)
		if _, err := l.Append(rec(1, 3, 10)); err != nil {
			t.Fatalf("append after the stall: %v", err)
		}
		mustClose(t, l)
	})
}

func TestTheBackgroundSyncDoesNotHoldUpAppendsOrFlushes(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var armed atomic.Bool
	fs := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && armed.Load() {
			once.Do(func() { close(entered) })
			<-release
		}
		return nil
	})
	o := small(fs, EverySec)
	o.SegmentBytes = 1 << 20
	l, _ := mustOpen(t, o)
	armed.Store(true)
	l.NotifyDurable(mustAppend(t, l, rec(1, 1, 10)), func() {})
	<-entered
	for i := range 100 { // would hang if the sync held a lock
		if err := l.Flush(mustAppend(t, l, rec(1, uint64(i+2), 100))); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	mustClose(t, l)
}

// A process that is killed leaves what only the operating system holds. Once a restart has shown it, a power cut
// must not take it back.
func TestWhatARestartHasShownIsDurable(t *testing.T) {
	m := vfs.NewMem()
	var stalling atomic.Bool
	release := make(chan struct{})
	killed, _ := mustOpen(t, small(vfs.Inject(m, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && stalling.Load() && !strings.HasSuffix(op.Name, tmpSuffix) {
			<-release
			return errors.New("killed")
		}
		return nil
	}), Never))
	stalling.Store(true) // full segments are not synced either
	var want []Record
	for i := range 40 {
		r := rec(1, uint64(i+1), 700)
		want = append(want, *r)
		var pos uint64
		retry(t, func() (err error) { pos, err = killed.Append(r); return err })
		if err := killed.Flush(pos); err != nil {
			t.Fatal(err)
		}
	}
	if extents(t, m)[39].file == segmentName(testDir, 1) {
		t.Fatal("no segment is full")
	}
	l, got := mustOpen(t, small(m, Never)) // the first one writes nothing any more
	wantRecords(t, got, want)
	got, err := openDamaged(t, m.CrashClone(nil))
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, want)
	mustClose(t, l)
	killed.o.OnFatal = func(error) {}
	close(release) // it fails by itself now
	killed.done.Wait()
}

// closeWithoutWriting ends the goroutines of a log whose process is imagined dead.
func (l *Log) closeWithoutWriting() {
	l.o.OnFatal = func(error) {}
	l.fail(errors.New("killed"))
	l.done.Wait()
}

// Batches after a gap that a power cut has left were never promised. They must not come back when the gap is filled
// by something of the same size.
func TestWhatWasCutDoesNotComeBackLater(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, small(m, Never))
	for i := range 4 {
		if err := l.Flush(mustAppend(t, l, rec(1, uint64(i+1), 100))); err != nil {
			t.Fatal(err)
		}
	}
	all := extents(t, m)
	patch(t, m, all[1].file, all[1].start, make([]byte, all[1].end-all[1].start)) // this write never got there
	l.closeWithoutWriting()

	rep, err := Check(m, testDir)
	if err != nil || rep.Damage != nil || rep.UnsyncedBatches != 2 {
		t.Fatalf("%+v, %v", rep, err)
	}
	// The new batch ends where the old fourth one begins, and has the number before it: a mark of batch 2 is
	// written when the log opens, then comes batch 3.
	r := rec(5, 2, int(all[3].start-all[1].start-2*commitBytes-recordHeaderBytes))
	l, got := mustOpen(t, small(m, Never))
	wantRecords(t, got, []Record{*rec(1, 1, 100)})
	if err := l.Flush(mustAppend(t, l, r)); err != nil {
		t.Fatal(err)
	}
	if e := extents(t, m); e[2].end != all[3].start {
		t.Fatalf("the new batch ends at %d, want %d", e[2].end, all[3].start)
	}
	l.closeWithoutWriting()
	l, got = mustOpen(t, small(m, Never))
	wantRecords(t, got, []Record{*rec(1, 1, 100), *r})
	mustClose(t, l)
}
