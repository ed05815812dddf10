package wal

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

func openBench(b *testing.B, o Options) *Log {
	b.Helper()
	if o.FS == nil {
		o.FS, o.Dir = vfs.OS(), b.TempDir()
	}
	o.OnFatal = func(err error) { b.Error(err) }
	l, err := Open(o, func(Record) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// mustAppend appends, waiting for the disk where the log says that it is behind.
func mustAppend(tb testing.TB, l *Log, recs ...*Record) uint64 {
	tb.Helper()
	for {
		pos, err := l.Append(recs...)
		if err == nil {
			return pos
		}
		if !errors.Is(err, ErrBusy) {
			tb.Fatal(err)
		}
		if err := l.Sync(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkAppend is the cost to the appender: the records are written by somebody else.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := openBench(b, Options{Policy: Never})
			r := Record{Group: 1, Type: 1, Term: 1, Payload: make([]byte, size)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Index++
				pos := mustAppend(b, l, &r)
				if i%64 == 63 {
					b.StopTimer()
					if err := l.Flush(pos); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkFlush is a pipeline of 16 appends and the write that precedes their replies.
func BenchmarkFlush(b *testing.B) {
	l := openBench(b, Options{Policy: Never})
	r := Record{Group: 1, Type: 1, Term: 1, Payload: make([]byte, 100)}
	b.SetBytes(16 * 100)
	b.ReportAllocs()
	for b.Loop() {
		var pos uint64
		for range 16 {
			r.Index++
			pos = mustAppend(b, l, &r)
		}
		if err := l.Flush(pos); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAlways is callers in lockstep: each waits until its record is durable before it appends the next.
func BenchmarkAlways(b *testing.B) {
	for _, callers := range []int{1, 10, 50, 200} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			var mu sync.Mutex
			durable := sync.NewCond(&mu)
			reached := uint64(0)
			l := openBench(b, Options{Policy: Always, OnDurable: func(pos uint64) {
				mu.Lock()
				reached = pos
				mu.Unlock()
				durable.Broadcast()
			}})
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for c := range callers {
				wg.Add(1)
				go func() {
					defer wg.Done()
					r := Record{Group: uint32(c), Type: 1, Term: 1, Payload: make([]byte, 100)}
					for i := c; i < b.N; i += callers {
						r.Index++
						pos, err := l.Append(&r)
						if err != nil {
							b.Error(err)
							return
						}
						l.Kick()
						mu.Lock()
						for reached < pos {
							durable.Wait()
						}
						mu.Unlock()
					}
				}()
			}
			wg.Wait()
			b.StopTimer()
			s := l.Stats()
			b.ReportMetric(float64(s.Records)/float64(max(1, s.Fsyncs)), "records/sync")
			b.ReportMetric(float64(s.FsyncLatency.SumMicros)/float64(max(1, s.Fsyncs)), "µs/sync")
		})
	}
}

// BenchmarkReplay is recovery of a log of 256 MiB.
func BenchmarkReplay(b *testing.B) {
	const total = 256 << 20
	o := Options{FS: vfs.OS(), Dir: b.TempDir(), Policy: Never}
	l, err := Open(o, func(Record) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	r := Record{Group: 1, Type: 1, Term: 1, Payload: make([]byte, 100)}
	for written := 0; written < total; written += 124 {
		r.Index++
		pos := mustAppend(b, l, &r)
		if r.Index%64 == 0 {
			if err := l.Flush(pos); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(total)
	b.ResetTimer()
	for b.Loop() {
		n := uint64(0)
		l, err := Open(o, func(Record) error { n++; return nil })
		if err != nil || n != r.Index {
			b.Fatal(n, err)
		}
		l.Close()
	}
}
