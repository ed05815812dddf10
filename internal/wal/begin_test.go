package wal

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// TestABegunLogTakesRecordsOfAnySize: its first segment is too small for most.
func TestABegunLogTakesRecordsOfAnySize(t *testing.T) {
	fs := vfs.NewMem()
	if err := vfs.MkdirAllSync(fs, "log"); err != nil {
		t.Fatal(err)
	}
	if there, err := Exists(fs, "log"); there || err != nil {
		t.Errorf("before: there %v, %v", there, err)
	}
	if err := Begin(fs, "log", time.Unix(5, 0)); err != nil {
		t.Fatal(err)
	}
	fs = fs.CrashClone(nil)
	if there, err := Exists(fs, "log"); !there || err != nil {
		t.Errorf("after: there %v, %v", there, err)
	}
	if err := Begin(fs, "log", time.Unix(6, 0)); err == nil {
		t.Error("a log was begun over another one")
	}
	o := Options{FS: fs, Dir: "log", SegmentBytes: 128 << 10, MaxRecordBytes: 32 << 10}
	l, _ := mustOpen(t, o)
	var want []Record
	for i, size := range []int{10, 32 << 10, 100, 20 << 10} {
		r := rec(1, uint64(i+1), size)
		retry(t, func() error {
			_, err := l.Append(r)
			return err
		})
		want = append(want, *r)
	}
	mustClose(t, l)
	l, got := mustOpen(t, o)
	defer mustClose(t, l)
	wantRecords(t, got, want)
}

func TestAMissingDirectoryHoldsNoLog(t *testing.T) {
	if there, err := Exists(vfs.NewMem(), "nowhere"); there || err != nil {
		t.Errorf("there %v, %v", there, err)
	}
}
