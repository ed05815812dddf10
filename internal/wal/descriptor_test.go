package wal

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// reportedOnceFS is a disk on which writing back to a segment has failed, in the way of Linux: every descriptor
// that was open at that moment is told so by one Sync, and by one only.
type reportedOnceFS struct {
	vfs.FS
	mu     sync.Mutex
	failed map[*reportedOnceFile]bool // open; the value says whether it has yet to be told. Guarded by mu
}

type reportedOnceFile struct {
	vfs.File
	fs *reportedOnceFS
}

func (f *reportedOnceFS) OpenReadWrite(name string) (vfs.File, error) {
	inner, err := f.FS.OpenReadWrite(name)
	if err != nil {
		return nil, err
	}
	file := &reportedOnceFile{File: inner, fs: f}
	f.mu.Lock()
	f.failed[file] = false
	f.mu.Unlock()
	return file, nil
}

// fail makes every descriptor report an error once.
func (f *reportedOnceFS) fail() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for file := range f.failed {
		f.failed[file] = true
	}
}

func (f *reportedOnceFile) Sync() error {
	f.fs.mu.Lock()
	tell := f.fs.failed[f]
	f.fs.failed[f] = false
	f.fs.mu.Unlock()
	if tell {
		return syscall.EIO
	}
	return f.File.Sync()
}

// Fault 7: whoever else syncs the log's files must not take the report of a failure from the one who acknowledges.
func TestNobodyElseTakesTheReportOfAFailedWriteFromTheWriter(t *testing.T) {
	disk := &reportedOnceFS{FS: vfs.NewMem(), failed: map[*reportedOnceFile]bool{}}
	o := small(disk, Always)
	o.SegmentBytes = 1 << 20 // room for zeros ahead
	fatal := make(chan error, 1)
	o.OnFatal = func(err error) { fatal <- err }
	var zeros sync.WaitGroup
	armed := atomic.Bool{}
	zeros.Add(1)
	o.FS = vfs.Inject(disk, func(op vfs.Op) error {
		// The preparer's write of zeros is where the failure happens, and its sync comes first.
		if armed.Load() && op.Kind == vfs.OpWrite && op.Off >= zeroChunkBytes && armed.CompareAndSwap(true, false) {
			disk.fail()
			zeros.Done()
		}
		return nil
	})
	armed.Store(true)
	l, err := Open(o, func(Record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	zeros.Wait()
	var acknowledged atomic.Bool
	pos, err := l.Append(rec(1, 1, 100))
	if err == nil {
		l.NotifyDurable(pos, func() { acknowledged.Store(true) })
		l.Kick()
	}
	select {
	case err := <-fatal:
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("OnFatal was told %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
	if err := l.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v", err)
	}
	if acknowledged.Load() {
		t.Error("a write was acknowledged after the disk had failed to keep it")
	}
}
