package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

const testDir = "/srv/vega"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newMem(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	check(t, m.MkdirAll("/srv"))
	check(t, m.SyncDir("/"))
	return m
}

// want is a Want whose ids and clock are the test's.
func want(partitions int, seed int64) Want {
	return Want{
		Partitions: partitions,
		Rand:       rand.New(rand.NewSource(seed)),
		Now:        func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC) },
	}
}

func open(t testing.TB, fs vfs.FS, w Want) *Dir {
	t.Helper()
	d, err := Open(fs, testDir, w)
	check(t, err)
	return d
}

// beginLog gives a directory a log, as a node's first start does.
func beginLog(t testing.TB, fs vfs.FS, d *Dir) {
	t.Helper()
	check(t, wal.Begin(fs, d.LogDir(), d.Manifest.Created))
}

func readAll(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	check(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	check(t, err)
	return b
}

func writeAll(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path)
	check(t, err)
	_, err = f.Write(b)
	check(t, err)
	check(t, f.Sync())
	check(t, f.Close())
	check(t, fs.SyncDir(filepath.Dir(path)))
}

// tree is everything below a path: directories end in a slash.
func tree(t testing.TB, fs vfs.FS, path string) map[string]string {
	t.Helper()
	out := map[string]string{}
	var walk func(string)
	walk = func(p string) {
		info, err := fs.Stat(p)
		check(t, err)
		if !info.IsDir {
			out[p] = string(readAll(t, fs, p))
			return
		}
		out[p+"/"] = ""
		names, err := fs.List(p)
		check(t, err)
		for _, n := range names {
			walk(filepath.Join(p, n))
		}
	}
	walk(path)
	return out
}

func assertUnchanged(t testing.TB, fs vfs.FS, path string, before map[string]string) {
	t.Helper()
	after := tree(t, fs, path)
	if maps.Equal(before, after) {
		return
	}
	for _, p := range slices.Sorted(maps.Keys(before)) {
		if now, ok := after[p]; !ok {
			t.Errorf("%s is gone", p)
		} else if now != before[p] {
			t.Errorf("%s has changed", p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[p]; !ok {
			t.Errorf("%s is new", p)
		}
	}
}

// source is a snapshot.Source of n entries, all of one size.
type source struct{ n, next int }

func (s *source) Len() int { return s.n }

func (s *source) Next(dst []store.Entry) []store.Entry {
	i := 0
	for ; i < len(dst) && s.next < s.n; i++ {
		s.next++
		dst[i] = store.Entry{Key: fmt.Appendf(nil, "key%d", s.next), Value: bytes.Repeat([]byte{byte(s.next)}, 30), Version: uint64(s.next)}
	}
	return dst[:i]
}

// publish writes a snapshot of a group at index, with as many entries.
func (w *world) publish(group uint32, index uint64) string {
	w.t.Helper()
	m := snapshot.Meta{Group: group, Term: 1, Index: index, Stamp: 5, Partitions: uint32(w.dir.Partitions), Cluster: w.dir.Cluster}
	info, err := snapshot.Write(context.Background(), w.fs, w.dir.SnapshotDir(), m, &source{n: int(index)}, snapshot.WriteOptions{})
	check(w.t, err)
	return info.Path
}

const (
	recordBytes  = 1 << 10
	segmentBytes = 16 << 10
)

// world is a data directory with a log, as a node would leave it.
type world struct {
	t   testing.TB
	fs  vfs.FS
	dir *Dir
	log *wal.Log
}

func newWorld(t testing.TB, fs vfs.FS, partitions int) *world {
	w := &world{t: t, fs: fs, dir: open(t, fs, want(partitions, 1))}
	var err error
	w.log, err = wal.Open(wal.Options{FS: fs, Dir: w.dir.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 4 << 10},
		func(wal.Record) error { return nil })
	check(t, err)
	return w
}

// append adds the records first to last of a group to the log, durably, one
// batch each.
func (w *world) append(group uint32, first, last uint64) {
	w.t.Helper()
	for i := first; i <= last; i++ {
		check(w.t, w.tryAppend(group, i))
		check(w.t, w.log.Sync(context.Background()))
	}
}

// tryAppend adds one record, waiting while the log prepares its next segment.
func (w *world) tryAppend(group uint32, index uint64) error {
	r := &wal.Record{Group: group, Type: 1, Term: 1, Index: index, Payload: bytes.Repeat([]byte{byte(index)}, recordBytes)}
	_, err := w.log.Append(r)
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, wal.ErrBusy) && time.Now().Before(deadline); _, err = w.log.Append(r) {
		runtime.Gosched()
	}
	return err
}

// truncate gives up the log of groups as a node does; at least one segment goes.
func (w *world) truncate(floors map[uint32]uint64) {
	w.t.Helper()
	check(w.t, w.dir.SetFloors(floors))
	for g, i := range floors {
		w.log.SetFloor(g, i)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		removed, err := w.log.Truncate()
		check(w.t, err)
		if removed > 0 {
			return
		}
	}
	w.t.Fatal("nothing was truncated")
}

func (w *world) close() {
	w.t.Helper()
	check(w.t, w.log.Close())
	check(w.t, w.dir.Close())
}

// start does what a node does at start, and gives the index up to which each
// group's entries may be applied.
func start(fs vfs.FS, partitions int) (map[uint32]uint64, error) {
	groups, err := restart(fs, partitions)
	reached := map[uint32]uint64{}
	for g, r := range groups {
		if i := r.Applied(); i > 0 {
			reached[uint32(g)] = i
		}
	}
	return reached, err
}

// restart does what a node does at start, and gives what each group recovered.
func restart(fs vfs.FS, partitions int) ([]*replica.Recovery, error) {
	d, err := Open(fs, testDir, want(partitions, 99))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ids := make([]uint32, 1+partitions)
	for i := range ids {
		ids[i] = uint32(i)
	}
	if err := snapshot.Clean(fs, d.SnapshotDir()); err != nil {
		return nil, err
	}
	loaded, err := snapshot.LoadAll(context.Background(), fs, d.SnapshotDir(), ids, snapshot.LoadOptions{
		Cluster: d.Cluster, Partitions: uint32(d.Partitions),
		Open: func(snapshot.Meta) (snapshot.Sink, error) { return func(*store.Entry) error { return nil }, nil },
	})
	if err != nil {
		return nil, err
	}
	floors := d.Floors()
	groups := make([]*replica.Recovery, len(loaded))
	for i, l := range loaded {
		groups[i] = replica.NewRecovery(l.Group, replica.Base{
			Index: l.Meta.Index, Term: l.Meta.Term, Raft: l.Meta.Raft, Alone: l.Group == metaGroup && !d.Clustered(),
			Source: l.Path, MustReach: max(l.MustReach, floors[l.Group]),
		})
	}
	log, err := wal.Open(wal.Options{FS: fs, Dir: d.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 4 << 10}, func(r wal.Record) error {
		if int(r.Group) >= len(groups) {
			return fmt.Errorf("a record of group %d", r.Group)
		}
		_, err := groups[r.Group].Add(&r)
		for groups[r.Group].Next() != nil {
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	errs := []error{log.Close(), d.MarkInUse()}
	for _, g := range groups {
		errs = append(errs, g.Finish())
	}
	return groups, errors.Join(errs...)
}

func lines(r *Report) string { return strings.Join(r.Lines(), "\n") }

// flip changes a bit in the middle of a file.
func flip(t testing.TB, fs vfs.FS, path string) {
	t.Helper()
	b := readAll(t, fs, path)
	b[len(b)/2] ^= 1
	writeAll(t, fs, path, b)
}
