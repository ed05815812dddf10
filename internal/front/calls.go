package front

import (
	"sync/atomic"
	"time"
)

// LatencyBuckets is how many buckets a latency histogram has: their upper bounds are
// powers of four from 1 µs to about 4 s, and infinity.
const LatencyBuckets = 13

// LatencyBucket is the bucket of a duration.
func LatencyBucket(d time.Duration) int {
	bound := time.Microsecond
	for i := range LatencyBuckets - 1 {
		if d <= bound {
			return i
		}
		bound *= 4
	}
	return LatencyBuckets - 1
}

// LatencyBounds are the upper bounds of all buckets but the last, in seconds.
func LatencyBounds() []float64 {
	bounds := make([]float64, LatencyBuckets-1)
	bound := time.Microsecond
	for i := range bounds {
		bounds[i] = bound.Seconds()
		bound *= 4
	}
	return bounds
}

// Calls are the counters of one command or operation. Safe for concurrent use.
type Calls struct {
	calls, errors, nanos atomic.Uint64
	buckets              [LatencyBuckets]atomic.Uint64
}

// Observe counts one call from its arrival to its reply.
func (c *Calls) Observe(took time.Duration, failed bool) {
	c.Add(1, took, LatencyBucket(took))
	if failed {
		c.Fail(1)
	}
}

// Add counts calls that took the same time, of which the caller knows the bucket.
func (c *Calls) Add(calls uint64, each time.Duration, bucket int) {
	c.calls.Add(calls)
	c.nanos.Add(calls * uint64(max(each, 0)))
	c.buckets[bucket].Add(calls)
}

// Fail counts errors: of calls that are counted elsewhere, or of what was refused
// before it became one.
func (c *Calls) Fail(errors uint64) { c.errors.Add(errors) }

// Reset zeroes the counters.
func (c *Calls) Reset() {
	c.calls.Store(0)
	c.errors.Store(0)
	c.nanos.Store(0)
	for i := range c.buckets {
		c.buckets[i].Store(0)
	}
}

// Figures are a copy of the counters.
type Figures struct {
	Calls, Errors uint64
	Spent         time.Duration // of all calls
	Buckets       []uint64      // counts, not cumulative; see LatencyBounds
}

// Figures copies the counters. called is false where there is nothing to show.
func (c *Calls) Figures() (f Figures, called bool) {
	f = Figures{Calls: c.calls.Load(), Errors: c.errors.Load(), Spent: time.Duration(c.nanos.Load())}
	if f.Calls == 0 && f.Errors == 0 {
		return f, false
	}
	f.Buckets = make([]uint64, LatencyBuckets)
	for i := range f.Buckets {
		f.Buckets[i] = c.buckets[i].Load()
	}
	return f, true
}

// Count is how many calls there were.
func (c *Calls) Count() uint64 { return c.calls.Load() }
