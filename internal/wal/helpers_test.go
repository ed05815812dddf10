package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

const testDir = "/data/wal"

// small are options with which a few records fill a segment.
func small(fs vfs.FS, policy SyncPolicy) Options {
	return Options{FS: fs, Dir: testDir, Policy: policy, SegmentBytes: 16 << 10, MaxRecordBytes: 2 << 10}
}

// rec makes a record whose payload can be told from its group and index.
func rec(group uint32, index uint64, size int) *Record {
	return &Record{Group: group, Type: 1 + uint8(index%3), Term: 1 + index/10, Index: index, Payload: payload(group, index, size)}
}

func payload(group uint32, index uint64, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(uint64(i)*7 + index*31 + uint64(group)*101)
	}
	return b
}

// copyOf keeps a record beyond the call that showed it.
func copyOf(r Record) Record {
	r.Payload = bytes.Clone(r.Payload)
	return r
}

func sameRecord(a, b Record) bool {
	return a.Group == b.Group && a.Type == b.Type && a.Term == b.Term && a.Index == b.Index && bytes.Equal(a.Payload, b.Payload)
}

// mustOpen opens a log and returns what it replayed.
func mustOpen(tb testing.TB, o Options) (*Log, []Record) {
	tb.Helper()
	if o.OnFatal == nil {
		o.OnFatal = func(err error) { tb.Errorf("fatal: %v", err) }
	}
	var got []Record
	l, err := Open(o, func(r Record) error { got = append(got, copyOf(r)); return nil })
	if err != nil {
		tb.Fatal(err)
	}
	return l, got
}

func mustSync(tb testing.TB, l *Log) {
	tb.Helper()
	if err := l.Sync(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

func mustClose(tb testing.TB, l *Log) {
	tb.Helper()
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
}

// wantRecords compares what was replayed with what was appended.
func wantRecords(tb testing.TB, got, want []Record) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("replayed %d records, want %d", len(got), len(want))
	}
	for i := range got {
		if !sameRecord(got[i], want[i]) {
			tb.Fatalf("record %d: got group %d index %d, want group %d index %d", i, got[i].Group, got[i].Index,
				want[i].Group, want[i].Index)
		}
	}
}

// retry repeats what the log may refuse for the moment.
func retry(tb testing.TB, do func() error) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := do()
		if err == nil {
			return
		}
		if !errors.Is(err, ErrBusy) && !errors.Is(err, ErrNoSpace) || time.Now().After(deadline) {
			tb.Fatal(err)
		}
		yield()
	}
}

// extent is where a batch lies.
type extent struct {
	file       string
	start, end int64
	records    []Record
}

// extents lists the batches of a log on disk.
func extents(tb testing.TB, fs vfs.FS) []extent {
	tb.Helper()
	var out []extent
	w, err := walkLog(fs, testDir, func(Record) error { return nil })
	if err != nil || w.damage != nil {
		tb.Fatal(err, w.damage)
	}
	for _, s := range w.kept {
		f, err := fs.Open(s.name)
		if err != nil {
			tb.Fatal(err)
		}
		var r reader
		r.reset(f, s.size)
		for off := int64(headerBytes); off < s.end; {
			b, c, err := r.batchAt(s.identity, off)
			if err != nil || b == nil {
				tb.Fatal("no batch at ", off, err)
			}
			e := extent{file: s.name, start: off, end: off + int64(len(b))}
			for rest := b[:c.bytes]; len(rest) > 0; {
				r, size := decodeRecord(rest)
				e.records = append(e.records, copyOf(r))
				rest = rest[size:]
			}
			out = append(out, e)
			off = e.end
		}
		f.Close()
	}
	return out
}

// builtLog returns a log of the given batches as a power cut leaves it: nothing in it says that the last
// batch is durable.
func builtLog(tb testing.TB, batches [][]*Record) *vfs.Mem {
	tb.Helper()
	m := vfs.NewMem()
	l, _ := mustOpen(tb, small(m, Always))
	defer l.Close()
	for _, b := range batches {
		retry(tb, func() error { _, err := l.Append(b...); return err })
		mustSync(tb, l)
	}
	return m.CrashClone(nil)
}

// simpleBatches are n batches of one or two records, different in size.
func simpleBatches(n, size int) [][]*Record {
	var out [][]*Record
	for i := range n {
		index := uint64(i + 1)
		b := []*Record{rec(1, index, size+i%5)}
		if i%3 == 1 {
			b = append(b, rec(2, index, size/2))
		}
		out = append(out, b)
	}
	return out
}

func flat(batches [][]*Record) []Record {
	var out []Record
	for _, b := range batches {
		for _, r := range b {
			out = append(out, *r)
		}
	}
	return out
}

// patch changes bytes of a file in place and returns what was there.
func patch(tb testing.TB, fs vfs.FS, name string, off int64, b []byte) []byte {
	tb.Helper()
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	old := make([]byte, len(b))
	if _, err := f.ReadAt(old, off); err != nil && err != io.EOF {
		tb.Fatal(err)
	}
	if _, err := f.WriteAt(b, off); err != nil {
		tb.Fatal(err)
	}
	return old
}

func contents(tb testing.TB, fs vfs.FS, name string) []byte {
	tb.Helper()
	f, err := fs.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// tree returns everything below the log's directory, for comparison.
func tree(tb testing.TB, fs vfs.FS) string {
	tb.Helper()
	names, err := fs.List(testDir)
	if err != nil {
		tb.Fatal(err)
	}
	out := ""
	for _, n := range names {
		out += fmt.Sprintf("%s %x\n", n, contents(tb, fs, testDir+"/"+n))
	}
	return out
}
