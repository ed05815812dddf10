package wal

import (
	"sync/atomic"
	"time"
)

// SyncBucketsMicros are the upper bounds, inclusive, of the fsync latency histogram's buckets in
// microseconds; one more bucket holds what is slower.
func SyncBucketsMicros() []int64 { return append([]int64(nil), syncBuckets[:]...) }

var syncBuckets = [...]int64{50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
	1_000_000, 2_000_000, 5_000_000, 10_000_000}

// Histogram counts durations.
type Histogram struct {
	BoundsMicros []int64  // upper bound of each bucket, inclusive
	Counts       []uint64 // one more than bounds: the last holds what is above all of them
	SumMicros    uint64
}

// Total returns how many durations were counted.
func (h Histogram) Total() uint64 {
	var n uint64
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// histogram may be written and read from several goroutines.
type histogram struct {
	counts [len(syncBuckets) + 1]atomic.Uint64
	sum    atomic.Uint64
}

func (h *histogram) observe(d time.Duration) {
	us := d.Microseconds()
	i := 0
	for i < len(syncBuckets) && us > syncBuckets[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(uint64(max(0, us)))
}

func (h *histogram) read() Histogram {
	out := Histogram{BoundsMicros: SyncBucketsMicros(), Counts: make([]uint64, len(h.counts)), SumMicros: h.sum.Load()}
	for i := range h.counts {
		out.Counts[i] = h.counts[i].Load()
	}
	return out
}

// Stats describe a log at one moment.
type Stats struct {
	Segments       int    // files, those prepared for later included
	DiskBytes      int64  // allocated by them
	LiveBytes      int64  // of them, up to the end of what was appended: what truncation could free at most
	AppendedPos    uint64 // the newest position handed out
	DurablePos     uint64 // up to which everything is durable
	Records        uint64 // appended since Open
	RecordBytes    uint64 // appended since Open, in their disk form
	Batches        uint64 // commit records written since Open
	WrittenBytes   uint64 // written since Open, zeros written ahead not included
	Fsyncs         uint64 // of log data since Open
	FsyncLatency   Histogram
	QueueBytes     int64  // appended, not yet written
	Busy           uint64 // appends refused with ErrBusy since Open
	NoSpace        bool   // a segment could not be prepared for lack of space
	NoSpaceRefused uint64 // appends refused with ErrNoSpace since Open
	Truncated      uint64 // segments removed by Truncate since Open
}

// counters are the parts of Stats that several goroutines count.
type counters struct {
	batches, writtenBytes, fsyncs, truncated atomic.Uint64
	syncTime                                 histogram
}
