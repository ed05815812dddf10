package wal

import (
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// TestTheLastRoomOfAFullDiskIsKeptForWhatMustGoOn fills a log on a full disk: what may be refused is refused while
// the reserve is left, what must go on goes on to the very end, and space that returns ends both.
func TestTheLastRoomOfAFullDiskIsKeptForWhatMustGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const reserve = 2000
		disk := vfs.NewMem()
		o := small(disk, Always)
		o.ReserveBytes = reserve
		l, _ := mustOpen(t, o)
		synctest.Wait()
		if _, _, limited := l.Room(); limited {
			t.Fatal("limited on an empty disk")
		}
		disk.SetLimit(disk.Used())
		size := int(recordSize(100) + commitBytes)
		err := error(nil)
		for err == nil {
			_, err = l.Append(rec(1, 1, 100))
			l.Kick()
			synctest.Wait() // the preparer has found out how the disk is
		}
		free, left, limited := l.Room()
		if !errors.Is(err, ErrNoSpace) || !limited || left != reserve || free > int64(size) {
			t.Fatalf("%v, with %d bytes free beside a reserve of %d, limited: %v", err, free, left, limited)
		}
		n := 0
		for ; ; n++ {
			if _, err = l.AppendReserved(rec(2, 1, 100)); err != nil {
				break
			}
			if _, err := l.Append(rec(1, 2, 100)); !errors.Is(err, ErrNoSpace) {
				t.Fatalf("an append of the ordinary kind into the reserve: %v", err)
			}
		}
		if _, left, _ := l.Room(); !errors.Is(err, ErrNoSpace) || n < reserve/size || left >= int64(size) {
			t.Errorf("the reserve took %d records, then %v, with %d bytes left", n, err, left)
		}
		disk.SetLimit(math.MaxInt64)
		time.Sleep(2 * spaceRetry) // the bubble's clock
		mustAppend(t, l, rec(1, 2, 100))
		mustClose(t, l)
	})
}

// TestASegmentIsNotMadeOfWhatIsKeptForSnapshots lowers what is free below a segment and the spare bytes: none is
// made; one is as soon as less is to be kept.
func TestASegmentIsNotMadeOfWhatIsKeptForSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		o := small(disk, Always)
		var spare, told atomic.Int64
		spare.Store(50_000)
		o.SpareBytes = func(int64) int64 { return spare.Load() }
		o.OnNoSpace = func() { told.Add(1) }
		l, _ := mustOpen(t, o)
		synctest.Wait()
		disk.SetLimit(disk.Used() + o.SegmentBytes + spare.Load() - 1)
		err := error(nil)
		for err == nil {
			_, err = l.Append(rec(1, 1, 100))
			l.Kick()
			synctest.Wait()
		}
		if free, _ := disk.Free(""); !errors.Is(err, ErrNoSpace) || free < uint64(spare.Load()) || told.Load() != 1 {
			t.Fatalf("%v with %d bytes free, told %d times", err, free, told.Load())
		}
		spare.Add(-1)
		time.Sleep(2 * spaceRetry) // the bubble's clock
		mustAppend(t, l, rec(1, 2, 100))
		mustClose(t, l)
	})
}
