package snapshot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// benchEntries is one partition's share of 5 M entries over 10 partitions: the
// file is past every cache.
const benchEntries = 500_000

// slab is a Source over entries of one size that lie side by side.
type slab struct {
	data       []byte
	klen, vlen int
	next       int
}

// newSlab makes n entries with 16-byte keys and 64-byte values. Values are
// random bytes (worst for compression) or text of a small alphabet with a
// repeated front, such as documents have.
func newSlab(n int, random bool) *slab {
	s := &slab{klen: 16, vlen: 64}
	rng := rand.NewChaCha8([32]byte{1})
	value := make([]byte, s.vlen)
	for i := range n {
		s.data = fmt.Appendf(s.data, "key:%012d", i)
		rng.Read(value)
		if !random {
			copy(value, `{"kind":"user","active":true,"name":"`)
			for j := 37; j < len(value); j++ {
				value[j] = 'a' + value[j]%16
			}
		}
		s.data = append(s.data, value...)
	}
	return s
}

func (s *slab) Len() int { return len(s.data) / (s.klen + s.vlen) }

func (s *slab) Next(dst []store.Entry) []store.Entry {
	n := 0
	for ; n < len(dst) && s.next < s.Len(); n++ {
		at := s.next * (s.klen + s.vlen)
		k, v := s.data[at:at+s.klen], s.data[at+s.klen:at+s.klen+s.vlen]
		dst[n] = store.Entry{Key: k, Value: v, Version: uint64(1 + s.next)}
		s.next++
	}
	return dst[:n]
}

func benchMeta(group uint32) Meta {
	return Meta{Group: group, Term: 1, Index: 10_000_000, Stamp: 1, Partitions: 64}
}

func BenchmarkWrite(b *testing.B) {
	for _, random := range []bool{true, false} {
		b.Run(fmt.Sprintf("random=%v", random), func(b *testing.B) {
			img := newSlab(benchEntries, random)
			dir := b.TempDir()
			b.ReportAllocs()
			b.SetBytes(int64(len(img.data)))
			var info Info
			for b.Loop() {
				img.next = 0
				var err error
				if info, err = Write(context.Background(), vfs.OS(), dir, benchMeta(1), img, WriteOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEntries, "ns/entry")
			b.ReportMetric(float64(info.Bytes)/benchEntries, "B/entry")
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, random := range []bool{true, false} {
		b.Run(fmt.Sprintf("random=%v", random), func(b *testing.B) {
			img := newSlab(benchEntries, random)
			dir := b.TempDir()
			info, err := Write(context.Background(), vfs.OS(), dir, benchMeta(1), img, WriteOptions{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(img.data)))
			for b.Loop() {
				n := 0
				_, err := Load(vfs.OS(), filepath.Join(dir, filepath.Base(info.Path)), func(Meta) (Sink, error) {
					return func(e *store.Entry) error { n += len(e.Key); return nil }, nil
				})
				if err != nil || n != 16*benchEntries {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEntries, "ns/entry")
		})
	}
}

// BenchmarkTable is the way there and back of one partition: from its table's
// image to a file, and from the file into a table of the right size.
func BenchmarkTable(b *testing.B) {
	img := newSlab(benchEntries, true)
	table := store.New(store.Options{SizeHint: benchEntries})
	defer table.Close()
	put := func(t *store.Table, e *store.Entry) {
		h := t.Hash(e.Key)
		s := t.Stripe(h)
		s.Lock()
		s.Put(h, e.Key, e.Value, store.Meta{Version: e.Version, ExpireAt: e.ExpireAt, Kind: e.Kind})
		s.Unlock()
	}
	for room := make([]store.Entry, 256); ; {
		batch := img.Next(room)
		if len(batch) == 0 {
			break
		}
		for i := range batch {
			put(table, &batch[i])
		}
	}
	dir := b.TempDir()
	var info Info
	write := func(b *testing.B) {
		i := table.Image()
		defer i.Close()
		var err error
		if info, err = Write(context.Background(), vfs.OS(), dir, benchMeta(1), i, WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			write(b)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEntries, "ns/entry")
	})
	b.Run("load", func(b *testing.B) {
		if info.Path == "" {
			write(b)
		}
		b.ReportAllocs()
		for b.Loop() {
			var t *store.Table
			_, err := Load(vfs.OS(), info.Path, func(m Meta) (Sink, error) {
				t = store.New(store.Options{SizeHint: int(m.Entries)})
				return func(e *store.Entry) error { put(t, e); return nil }, nil
			})
			if err != nil || t.Len() != benchEntries {
				b.Fatal(err)
			}
			t.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEntries, "ns/entry")
	})
}
