package store

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the processor time of the calling thread: what a Put itself costs (page faults and splits
// included), on a machine where others may run in between.
func threadTime(b *testing.B) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// BenchmarkGrowth puts new keys and tells the longest single Put, by the thread's processor time and by the clock.
func BenchmarkGrowth(b *testing.B) {
	for _, c := range []struct{ tables, entries int }{{64, 5_000_000}, {1, 5_000_000}, {64, 20_000_000}} {
		b.Run(fmt.Sprintf("tables=%d/entries=%d", c.tables, c.entries), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var cpu, wall time.Duration
			slow := 0
			var total time.Duration
			for range b.N {
				tables := benchTables(c.tables, NewMemory(0))
				var key [16]byte
				var value [64]byte
				for i := range c.entries {
					number(&key, i)
					t := tables[i%len(tables)]
					start, startCPU := time.Now(), threadTime(b)
					h := t.Hash(key[:])
					s := t.Stripe(h)
					s.Lock()
					s.Put(h, key[:], value[:], Meta{Version: uint64(i)})
					s.Unlock()
					took := threadTime(b) - startCPU
					total += took
					if cpu = max(cpu, took); took > time.Millisecond {
						slow++
					}
					wall = max(wall, time.Since(start))
				}
				closeAll(tables)
			}
			b.ReportMetric(float64(cpu.Microseconds()), "µs-longest-cpu")
			b.ReportMetric(float64(wall.Microseconds()), "µs-longest-wall")
			b.ReportMetric(float64(total.Nanoseconds())/float64(b.N)/float64(c.entries), "ns-cpu/put")
			b.ReportMetric(float64(slow)/float64(b.N), "puts>1ms")
		})
	}
}
