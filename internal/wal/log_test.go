package wal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var policies = []SyncPolicy{Always, EverySec, Never}

func TestEverythingAppendedIsReplayedInOrderAfterClose(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			m := vfs.NewMem()
			var want []Record
			for round := range 4 {
				l, got := mustOpen(t, small(m, p))
				wantRecords(t, got, want)
				for i := range 200 {
					r := rec(uint32(i%7), uint64(round*200+i+1), i%500)
					mustAppend(t, l, r)
					want = append(want, *r)
				}
				mustClose(t, l)
				m = m.CrashClone(nil) // closed is durable, whatever the policy
			}
			l, got := mustOpen(t, small(m, p))
			wantRecords(t, got, want)
			if s := l.Stats(); s.Segments < 3 {
				t.Errorf("%d segments: the test did not fill any", s.Segments)
			}
			mustClose(t, l)
		})
	}
}

func TestTheLogWorksOnARealDisk(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			o := Options{FS: vfs.OS(), Dir: t.TempDir() + "/wal", Policy: p, SegmentBytes: 64 << 10, MaxRecordBytes: 20000}
			var want []Record
			for round := range 2 {
				l, got := mustOpen(t, o)
				wantRecords(t, got, want)
				for i := range 300 {
					r := rec(1, uint64(round*300+i+1), 1000)
					want = append(want, *r)
					mustAppend(t, l, r)
				}
				mustClose(t, l)
			}
			l, got := mustOpen(t, o)
			wantRecords(t, got, want)
			mustClose(t, l)
		})
	}
}

func TestDurablePositionsAscendAndReachTheEnd(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			var mu sync.Mutex
			var seen []uint64
			o := small(vfs.NewMem(), p)
			o.OnDurable = func(pos uint64) {
				mu.Lock()
				seen = append(seen, pos)
				mu.Unlock()
			}
			l, _ := mustOpen(t, o)
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := range 100 {
						pos := mustAppend(t, l, rec(uint32(g), uint64(i+1), 50))
						l.Kick()
						if err := l.Flush(pos); err != nil {
							t.Error(err)
						}
					}
				}()
			}
			wg.Wait()
			mustClose(t, l)
			for i := 1; i < len(seen); i++ {
				if seen[i] <= seen[i-1] {
					t.Fatalf("position %d after %d", seen[i], seen[i-1])
				}
			}
			if n := len(seen); n == 0 || seen[n-1] != 400 || l.DurablePos() != 400 {
				t.Fatalf("positions reported end with %v, durable %d, want 400", seen[max(0, n-1):], l.DurablePos())
			}
		})
	}
}

func TestFlushedRecordsSurviveTheEndOfTheProcess(t *testing.T) {
	for _, p := range []SyncPolicy{EverySec, Never} {
		t.Run(p.String(), func(t *testing.T) {
			m := vfs.NewMem()
			l, _ := mustOpen(t, small(m, p))
			var want []Record
			var wg sync.WaitGroup
			for i := range 100 {
				r := rec(1, uint64(i+1), 300)
				want = append(want, *r)
				var pos uint64
				retry(t, func() (err error) { pos, err = l.Append(r); return err })
				if i%10 != 9 {
					continue
				}
				for range 3 { // several flush at the same time
					wg.Add(1)
					go func() {
						defer wg.Done()
						if err := l.Flush(pos); err != nil {
							t.Error(err)
						}
					}()
				}
				wg.Wait()
				// The process ends here, the operating system does not: Mem's live contents.
				w, err := walkLog(m, testDir, func(Record) error { return nil })
				if err != nil || w.damage != nil {
					t.Fatal(err, w.damage)
				}
				if got := w.report().Records; got != uint64(len(want)) {
					t.Fatalf("%d records on disk after the flush, want %d", got, len(want))
				}
			}
			mustClose(t, l)
		})
	}
}

func TestEverySecSyncsWithinASecondAndAHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		l, _ := mustOpen(t, small(m, EverySec))
		pos := mustAppend(t, l, rec(1, 1, 10))
		if l.DurablePos() == pos {
			t.Fatal("durable at once: the policy does not show")
		}
		<-time.After(syncInterval + syncInterval/2)
		if got := l.DurablePos(); got != pos {
			t.Fatalf("durable position %d after a second and a half, want %d", got, pos)
		}
		mustClose(t, l)
	})
}

func TestNeverSyncsOnlyWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := mustOpen(t, small(vfs.NewMem(), Never))
		pos := mustAppend(t, l, rec(1, 1, 10))
		if err := l.Flush(pos); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if n := l.Stats().Fsyncs; n != 0 {
			t.Fatalf("%d fsyncs in an hour that nobody asked for", n)
		}
		mustSync(t, l)
		if l.DurablePos() != pos {
			t.Fatal("Sync returned before the position was durable")
		}
		mustClose(t, l)
	})
}

func TestNotifyDurableCallsEachWaiterOnce(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			l, _ := mustOpen(t, small(vfs.NewMem(), p))
			var wg sync.WaitGroup
			for i := range 50 {
				pos := mustAppend(t, l, rec(1, uint64(i+1), 10))
				wg.Add(1)
				l.NotifyDurable(pos, func() {
					if l.DurablePos() < pos {
						t.Errorf("called for %d with %d durable", pos, l.DurablePos())
					}
					wg.Done() // a second call would make this panic
				})
			}
			wg.Wait()
			called := false
			l.NotifyDurable(1, func() { called = true })
			if !called {
				t.Error("not called at once for a position that is durable")
			}
			mustClose(t, l)
		})
	}
}

func TestSyncEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	stall := func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && op.Len < headerBytes && op.Off >= headerBytes {
			<-release
		}
		return nil
	}
	l, _ := mustOpen(t, small(vfs.Inject(vfs.NewMem(), stall), Always))
	mustAppend(t, l, rec(1, 1, 10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("sync on a stalled disk: %v, want the context's error", err)
	}
	close(release)
	mustClose(t, l)
}

func TestAppendRefusesWhatDoesNotFit(t *testing.T) {
	o := small(vfs.NewMem(), Never)
	l, _ := mustOpen(t, o)
	if _, err := l.Append(rec(1, 1, int(o.MaxRecordBytes)+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record over the limit: %v, want ErrTooLarge", err)
	}
	var many []*Record
	for i := range 10 {
		many = append(many, rec(1, uint64(i+1), int(o.MaxRecordBytes)))
	}
	if _, err := l.Append(many...); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than a segment in one call: %v, want ErrTooLarge", err)
	}
	if _, err := l.Append(&Record{Group: 1}); err == nil {
		t.Error("a record without a type was taken")
	}
	if _, err := l.Append(&Record{Type: 1, Term: 1 << 56}); err == nil {
		t.Error("a term over the limit was taken")
	}
	mustAppend(t, l, rec(1, 1, int(o.MaxRecordBytes)))
	mustClose(t, l)
	if _, err := l.Append(rec(1, 2, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v, want ErrClosed", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestAFullQueueIsBusyAndNothingIsHalfAppended(t *testing.T) {
	o := small(vfs.NewMem(), Never)
	o.QueueBytes = 4 << 10
	l, _ := mustOpen(t, o)
	var want []Record
	busy := 0
	for i := range 100 {
		r := rec(1, uint64(i+1), 500)
		pos, err := l.Append(r)
		switch {
		case err == nil:
			want = append(want, *r)
			if pos != uint64(len(want)) {
				t.Fatalf("position %d for append %d", pos, len(want))
			}
		case errors.Is(err, ErrBusy):
			busy++
			mustSync(t, l)
		default:
			t.Fatal(err)
		}
		if s := l.Stats(); s.QueueBytes > o.QueueBytes {
			t.Fatalf("%d bytes queued, bound %d", s.QueueBytes, o.QueueBytes)
		}
	}
	if busy == 0 {
		t.Error("the queue was never full")
	}
	mustClose(t, l)
	l, got := mustOpen(t, o)
	wantRecords(t, got, want)
	mustClose(t, l)
}

func TestAppendAllocatesNothing(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			l, _ := mustOpen(t, Options{FS: vfs.OS(), Dir: t.TempDir(), Policy: p, SegmentBytes: 32 << 20})
			r := rec(3, 1, 100)
			var pos uint64
			round := func() {
				for range 100 {
					var err error
					if pos, err = l.Append(r); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 5 { // the buffers find their size
				round()
				mustSync(t, l)
			}
			if got := testing.AllocsPerRun(10, round); got != 0 {
				t.Errorf("100 appends allocated %v times", got)
			}
			if p != Always {
				_ = l.Flush(pos)
				if got := testing.AllocsPerRun(10, func() { round(); _ = l.Flush(pos) }); got != 0 {
					t.Errorf("100 appends and a flush allocated %v times", got)
				}
			}
			mustClose(t, l)
		})
	}
}

func TestReplayErrorsStopOpen(t *testing.T) {
	m := builtLog(t, simpleBatches(3, 50))
	stop := errors.New("stop")
	if _, err := Open(small(m, Always), func(r Record) error {
		if r.Index == 2 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Fatalf("%v, want the callback's error", err)
	}
}

func TestSegmentSizeMayChangeBetweenRuns(t *testing.T) {
	m := vfs.NewMem()
	var want []Record
	for round, size := range []int64{16 << 10, 64 << 10, 16 << 10, 32 << 10} {
		o := small(m, Always)
		o.SegmentBytes = size
		l, got := mustOpen(t, o)
		wantRecords(t, got, want)
		for i := range 40 {
			r := rec(1, uint64(round*40+i+1), 1500)
			want = append(want, *r)
			mustAppend(t, l, r)
		}
		mustClose(t, l)
	}
	l, got := mustOpen(t, small(m, Always))
	wantRecords(t, got, want)
	mustClose(t, l)
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for i, o := range []Options{
		{}, {FS: vfs.NewMem()}, {FS: vfs.NewMem(), Dir: "/x", Policy: 9},
		{FS: vfs.NewMem(), Dir: "/x", MaxRecordBytes: limitRecordBytes + 1},
	} {
		if _, err := Open(o, func(Record) error { return nil }); err == nil {
			t.Errorf("options %d were taken", i)
		}
	}
}

func TestConcurrentUseOfEverything(t *testing.T) {
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			m := vfs.NewMem()
			l, _ := mustOpen(t, small(m, p))
			var wg sync.WaitGroup
			for g := range uint32(4) {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := uint64(1); i <= 300; i++ {
						pos := mustAppend(t, l, rec(g, i, int(i)))
						l.Kick()
						switch i % 10 {
						case 3:
							_ = l.Flush(pos)
						case 6:
							_ = l.Sync(t.Context())
						case 9:
							l.SetFloor(g, i-5)
							if _, err := l.Truncate(); err != nil {
								t.Error(err)
							}
							_, _ = l.Laggards(), l.Stats()
						}
					}
				}()
			}
			wg.Wait()
			mustClose(t, l)
			l, got := mustOpen(t, small(m, p))
			next := map[uint32]uint64{}
			for _, r := range got {
				if n := next[r.Group]; n != 0 && r.Index != n {
					t.Fatalf("group %d: index %d after %d", r.Group, r.Index, n-1)
				}
				next[r.Group] = r.Index + 1
			}
			if fmt.Sprint(next) != "map[0:301 1:301 2:301 3:301]" {
				t.Fatalf("the groups end at %v", next)
			}
			mustClose(t, l)
		})
	}
}
