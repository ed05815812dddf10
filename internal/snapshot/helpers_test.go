package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

const testDir = "/data/snapshots"

// entries is a Source over a slice. As with a real image, what Next gave is
// overwritten by the next call.
type entries struct {
	all     []store.Entry
	next    int
	scratch [][]byte
}

func (s *entries) Len() int { return len(s.all) }

func (s *entries) Next(dst []store.Entry) []store.Entry {
	for _, b := range s.scratch {
		for i := range b {
			b[i] = 0xEE
		}
	}
	s.scratch = s.scratch[:0]
	n := min(len(dst), len(s.all)-s.next, 7)
	for i := range n {
		e := s.all[s.next+i]
		e.Key, e.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
		s.scratch = append(s.scratch, e.Key, e.Value)
		dst[i] = e
	}
	s.next += n
	return dst[:n]
}

// numbered gives n small entries.
func numbered(n int) *entries {
	s := &entries{}
	for i := range n {
		s.all = append(s.all, store.Entry{
			Key:     fmt.Appendf(nil, "key%d", i),
			Value:   fmt.Appendf(nil, "value of %d", i),
			Version: uint64(i + 1),
		})
	}
	return s
}

func testMeta(group uint32, index uint64) Meta {
	return Meta{Group: group, Term: 3, Index: index, Stamp: 1_000_000, Partitions: 64, Cluster: [16]byte{7}}
}

// withState gives m a state of n bytes that do not compress.
func withState(m Meta, n int) Meta {
	m.State = incompressible(1, n, byte(m.Group)).all[0].Value
	m.Raft = true
	return m
}

func equalMeta(a, b Meta) bool { return reflect.DeepEqual(a, b) }

func newMem(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	check(t, m.MkdirAll(testDir))
	for _, d := range []string{"/", "/data", testDir} {
		check(t, m.SyncDir(d))
	}
	return m
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, fs vfs.FS, m Meta, img Source) Info {
	t.Helper()
	info, err := Write(context.Background(), fs, testDir, m, img, WriteOptions{})
	check(t, err)
	return info
}

// collect loads a file into a slice of copies.
func collect(fs vfs.FS, path string) (Meta, []store.Entry, error) {
	var got []store.Entry
	m, err := Load(fs, path, func(Meta) (Sink, error) {
		got = got[:0]
		return func(e *store.Entry) error {
			c := *e
			c.Key, c.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
			got = append(got, c)
			return nil
		}, nil
	})
	return m, got, err
}

func equalEntries(a, b []store.Entry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := &a[i], &b[i]
		if !bytes.Equal(x.Key, y.Key) || !bytes.Equal(x.Value, y.Value) ||
			x.Version != y.Version || x.ExpireAt != y.ExpireAt || x.Kind != y.Kind {
			return false
		}
	}
	return true
}

func readFile(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	check(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	check(t, err)
	return b
}

func writeFileBytes(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path)
	check(t, err)
	_, err = f.Write(b)
	check(t, err)
	check(t, f.Sync())
	check(t, f.Close())
	check(t, fs.SyncDir(filepath.Dir(path)))
}

func pathOf(group uint32, index uint64) string {
	return filepath.Join(testDir, FileName(group, index))
}
