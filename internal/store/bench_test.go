package store

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// load puts n keys of 16 bytes with values of 64 bytes into tables, by partition of the key's number, and returns
// the longest single Put.
func load(tables []*Table, n int) (longest time.Duration) {
	var key [16]byte
	var value [64]byte
	for i := range n {
		number(&key, i)
		t := tables[i%len(tables)]
		start := time.Now()
		h := t.Hash(key[:])
		s := t.Stripe(h)
		s.Lock()
		s.Put(h, key[:], value[:], Meta{Version: uint64(i/len(tables) + 1), Kind: 1})
		s.Unlock()
		longest = max(longest, time.Since(start))
	}
	return longest
}

// number makes a key of an int.
func number(key *[16]byte, i int) {
	binary.BigEndian.PutUint64(key[:], uint64(i)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(key[8:], uint64(i))
}

func benchTables(n int, mem *Memory) []*Table {
	tables := make([]*Table, n)
	for i := range tables {
		tables[i] = New(Options{Memory: mem})
	}
	return tables
}

func closeAll(tables []*Table) {
	for _, t := range tables {
		t.Close()
	}
}

var benchSizes = []int{10_000, 1_000_000, 5_000_000}

func BenchmarkFind(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			tables := benchTables(64, NewMemory(0))
			defer closeAll(tables)
			load(tables, n)
			var e Entry
			var key [16]byte
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				k := int(uint32(i)*2654435761) % n
				number(&key, k)
				t := tables[k%64]
				h := t.Hash(key[:])
				s := t.Stripe(h)
				s.Lock()
				ok := s.Find(h, key[:], &e)
				s.Unlock()
				if !ok {
					b.Fatal("missing")
				}
			}
		})
	}
}

// BenchmarkFindBatch looks 16 keys up at a time, as a pipelined batch does, with and without prefetching.
func BenchmarkFindBatch(b *testing.B) {
	const n, batch = 5_000_000, 16
	tables := benchTables(64, NewMemory(0))
	defer closeAll(tables)
	load(tables, n)
	for _, ahead := range []bool{false, true} {
		b.Run(fmt.Sprintf("prefetch=%v", ahead), func(b *testing.B) {
			var e Entry
			var keys [batch][16]byte
			var hashes [batch]uint64
			var which [batch]*Table
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				for j := range batch {
					k := int(uint32(i+j)*2654435761) % n
					number(&keys[j], k)
					which[j] = tables[k%64]
					hashes[j] = which[j].Hash(keys[j][:])
				}
				if ahead {
					for j, t := range which {
						t.PrefetchBucket(hashes[j])
					}
					for j, t := range which {
						t.PrefetchEntry(hashes[j])
					}
				}
				for j, t := range which {
					s := t.Stripe(hashes[j])
					s.Lock()
					s.Find(hashes[j], keys[j][:], &e)
					s.Unlock()
				}
			}
		})
	}
}

// BenchmarkFindInCache looks up in a table that the cache holds.
func BenchmarkFindInCache(b *testing.B) {
	t := New(Options{})
	defer t.Close()
	load([]*Table{t}, 1000)
	var e Entry
	var key [16]byte
	number(&key, 77)
	b.ReportAllocs()
	for i := range b.N {
		number(&key, i%1000)
		h := t.Hash(key[:])
		s := t.Stripe(h)
		s.Lock()
		s.Find(h, key[:], &e)
		s.Unlock()
	}
}

func BenchmarkPutExisting(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			tables := benchTables(64, NewMemory(0))
			defer closeAll(tables)
			load(tables, n)
			var key [16]byte
			var value [64]byte
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				k := int(uint32(i)*2654435761) % n
				number(&key, k)
				t := tables[k%64]
				h := t.Hash(key[:])
				s := t.Stripe(h)
				s.Lock()
				s.Put(h, key[:], value[:], Meta{Version: uint64(i)})
				s.Unlock()
			}
		})
	}
}

// BenchmarkPutNew grows tables from nothing and tells the longest single Put.
func BenchmarkPutNew(b *testing.B) {
	for _, n := range []int{1_000_000, 5_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var longest time.Duration
			for range b.N {
				tables := benchTables(64, NewMemory(0))
				longest = max(longest, load(tables, n))
				closeAll(tables)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/put")
			b.ReportMetric(float64(longest.Microseconds()), "µs-longest")
		})
	}
}

// BenchmarkResident tells what an entry costs in resident memory: 5 M entries in 64 tables.
func BenchmarkResident(b *testing.B) {
	const n = 5_000_000
	for range b.N {
		runtime.GC()
		before := resident(b)
		mem := NewMemory(0)
		tables := benchTables(64, mem)
		load(tables, n)
		runtime.GC()
		b.ReportMetric(float64(resident(b)-before)/n, "B-resident/entry")
		b.ReportMetric(float64(mem.Used())/n, "B-used/entry")
		var held int64
		for _, t := range tables {
			held += t.Stats().Held
		}
		b.ReportMetric(float64(held)/n, "B-held/entry")
		closeAll(tables)
	}
}

// resident is the process's resident memory in bytes; 0 where the system does not tell.
func resident(tb testing.TB) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		tb.Fatal(fmt.Errorf("reading /proc/self/statm: %w", err))
	}
	return pages * int64(os.Getpagesize())
}

// BenchmarkImage reads a whole image of 1 M entries.
func BenchmarkImage(b *testing.B) {
	const n = 1_000_000
	tables := benchTables(64, NewMemory(0))
	defer closeAll(tables)
	load(tables, n)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		got := 0
		var buf []Entry
		for _, t := range tables {
			img := t.Image()
			for buf = img.Next(buf); len(buf) > 0; buf = img.Next(buf) {
				got += len(buf)
			}
			img.Close()
		}
		if got != n {
			b.Fatalf("%d entries", got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
}

// BenchmarkPutBesideImage overwrites entries whose homes an image has not saved: the dearest Put there is.
func BenchmarkPutBesideImage(b *testing.B) {
	const n = 1_000_000
	tables := benchTables(64, NewMemory(0))
	defer closeAll(tables)
	load(tables, n)
	var key [16]byte
	var value [64]byte
	var images []*Image
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%(n/50) == 0 { // about one entry of five homes was written: begin anew
			b.StopTimer()
			for _, img := range images {
				img.Close()
			}
			images = images[:0]
			for _, t := range tables {
				images = append(images, t.Image())
			}
			b.StartTimer()
		}
		k := int(uint32(i)*2654435761) % n
		number(&key, k)
		t := tables[k%64]
		h := t.Hash(key[:])
		s := t.Stripe(h)
		s.Lock()
		s.Put(h, key[:], value[:], Meta{Version: uint64(i)})
		s.Unlock()
	}
	b.StopTimer()
	for _, img := range images {
		img.Close()
	}
}
