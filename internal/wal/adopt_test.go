package wal

import (
	"math/rand"
	"syscall"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// TestASegmentWhoseDirectoryWasNotSyncedIsNotLostLater: the process that made the segment ended before it had synced the
// directory, the next one finds the segment and appends to it, and then the power is cut.
func TestASegmentWhoseDirectoryWasNotSyncedIsNotLostLater(t *testing.T) {
	for seed := range int64(20) {
		mem, failed := vfs.NewMem(), false
		o := Options{
			FS: vfs.Inject(mem, func(op vfs.Op) error {
				if op.Kind == vfs.OpSyncDir && op.Name == "data/log" && !failed {
					failed = true
					return syscall.EIO
				}
				return nil
			}),
			Dir: "data/log", SegmentBytes: 32 << 10, MaxRecordBytes: 8 << 10, QueueBytes: 64 << 10, Policy: Always, Stepped: true,
		}
		nothing := func(Record) error { return nil }
		if l, err := Open(o, nothing); err == nil {
			l.Close()
			t.Fatal("the directory was not synced, and nobody minds")
		}
		l, err := Open(o, nothing)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(&Record{Group: 1, Type: 1, Term: 1, Index: 1, Payload: []byte("acknowledged")}); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.FS = mem.CrashClone(rand.New(rand.NewSource(seed)))
		found := 0
		if l, err = Open(o, func(Record) error { found++; return nil }); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if found != 1 {
			t.Fatalf("seed %d: after the power cut %d records are there, 1 was durable", seed, found)
		}
	}
}
