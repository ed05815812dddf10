package workload

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histograms' range and precision.
const (
	latencyMin    = time.Microsecond
	latencyMax    = time.Minute
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(latencyMin), int64(latencyMax), latencyDigits)
}

// recorder gathers what happened. Callers record into shards, so that they do
// not wait for each other; drain takes the shards' content out.
type recorder struct {
	shards []recorderShard
}

// tally is what happened during some time.
type tally struct {
	latency [kinds]*hdrhistogram.Histogram // nil: no request of that kind yet
	ops     [kinds]int64                   // records asked for; of a batch each one
	misses  int64                          // reads that found nothing
	errors  map[string]int64               // by class
}

type recorderShard struct {
	mu    sync.Mutex
	now   *tally // guarded by mu
	spare *tally // of drain alone
	_     [64]byte
}

func newRecorder(shards int) *recorder {
	r := &recorder{shards: make([]recorderShard, shards)}
	for i := range r.shards {
		r.shards[i].now, r.shards[i].spare = &tally{}, &tally{}
	}
	return r
}

// shard returns the shard of caller i.
func (r *recorder) shard(i int) *recorderShard { return &r.shards[i%len(r.shards)] }

// record notes n records done in samples requests that took d each.
func (s *recorderShard) record(k Kind, d time.Duration, n, samples int64) {
	v := int64(min(max(d, latencyMin), latencyMax))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.latency[k] == nil {
		s.now.latency[k] = newHistogram()
	}
	// The value is within the range, so that this cannot fail.
	_ = s.now.latency[k].RecordValues(v, samples)
	s.now.ops[k] += n
}

func (s *recorderShard) miss() {
	s.mu.Lock()
	s.now.misses++
	s.mu.Unlock()
}

func (s *recorderShard) failure(class string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.errors == nil {
		s.now.errors = make(map[string]int64)
	}
	s.now.errors[class]++
}

// drain moves everything recorded so far into t. One goroutine drains.
func (r *recorder) drain(t *tally) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		s.now, s.spare = s.spare, s.now
		s.mu.Unlock()
		t.add(s.spare)
		s.spare.reset()
	}
}

func (t *tally) add(o *tally) {
	for k := range kinds {
		t.ops[k] += o.ops[k]
		if o.latency[k] == nil || o.latency[k].TotalCount() == 0 {
			continue
		}
		if t.latency[k] == nil {
			t.latency[k] = newHistogram()
		}
		t.latency[k].Merge(o.latency[k])
	}
	t.misses += o.misses
	for class, n := range o.errors {
		if t.errors == nil {
			t.errors = make(map[string]int64)
		}
		t.errors[class] += n
	}
}

func (t *tally) reset() {
	for k := range kinds {
		if t.latency[k] != nil {
			t.latency[k].Reset()
		}
		t.ops[k] = 0
	}
	t.misses = 0
	clear(t.errors)
}

// all returns the latencies of every kind together.
func (t *tally) all() *hdrhistogram.Histogram {
	sum := newHistogram()
	for _, h := range t.latency {
		if h != nil {
			sum.Merge(h)
		}
	}
	return sum
}

func (t *tally) totalOps() (n int64) {
	for _, ops := range t.ops {
		n += ops
	}
	return n
}

func (t *tally) totalErrors() (n int64) {
	for _, e := range t.errors {
		n += e
	}
	return n
}
