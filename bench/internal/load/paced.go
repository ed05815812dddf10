package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Paced is a load that a server carries with ease: connections that send one request at a time and rest between
// short bursts. What something else (a snapshot, growth) does to latency shows here; under saturation it would
// drown in queueing.
//
// A request is timed from the moment it is sent. Requests that were not sent because the one before them was slow
// are accounted for by correcting the histogram with the intended interval (coordinated omission).
type Paced struct {
	Addr     string
	Readers  int // connections that send GETs of existing keys
	Writers  int // connections that send SETs
	Burst    int // requests between rests
	Rest     time.Duration
	Keys     uint64 // keys are drawn from the first this many
	NewKeys  bool   // writers set keys that were never set, counting up from Keys
	Values   Values
	Interval time.Duration // intended time between two requests of one connection, for the correction
}

// Latencies are what a paced load saw.
type Latencies struct {
	Get, Set *hdrhistogram.Histogram // nanoseconds
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Nanoseconds(), 3)
}

// Run keeps the load up until stop is closed.
func (p Paced) Run(ctx context.Context, stop <-chan struct{}) (Latencies, error) {
	out := Latencies{Get: newHistogram(), Set: newHistogram()}
	var mu sync.Mutex // guards out
	err := parallel(p.Readers+p.Writers, func(worker int) error {
		set := worker >= p.Readers
		h, err := p.connection(ctx, stop, worker, set)
		mu.Lock()
		defer mu.Unlock()
		if set {
			out.Set.Merge(h)
		} else {
			out.Get.Merge(h)
		}
		return err
	})
	return out, err
}

func (p Paced) connection(ctx context.Context, stop <-chan struct{}, worker int, set bool) (*hdrhistogram.Histogram, error) {
	h := newHistogram()
	pipe, err := Dial(ctx, p.Addr, RESP)
	if err != nil {
		return h, err
	}
	defer pipe.Close()
	rng := rand.New(rand.NewPCG(3, uint64(worker)))
	fresh := p.Keys + uint64(worker)<<32 // ranges of new keys do not meet
	var key []byte
	rest := time.NewTicker(p.Rest)
	defer rest.Stop()
	for {
		for range p.Burst {
			i := rng.Uint64N(p.Keys)
			if set && p.NewKeys {
				fresh++
				i = fresh
			}
			key = AppendKey(key[:0], i)
			if set {
				pipe.Set(key, p.Values.At(i))
			} else {
				pipe.Get(key)
			}
			begin := time.Now()
			if err := pipe.Flush(); err != nil {
				return h, err
			}
			if err := h.RecordCorrectedValue(time.Since(begin).Nanoseconds(), p.Interval.Nanoseconds()); err != nil {
				return h, err
			}
		}
		select {
		case <-stop:
			return h, nil
		case <-rest.C:
		}
	}
}

// Hiccups measures the machine itself: how late a goroutine that asked to wake in a millisecond wakes. It returns
// the latest wake-up seen until stop is closed. A latency below it may be the load generator's, not the server's.
func Hiccups(stop <-chan struct{}) time.Duration {
	var worst time.Duration
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return worst
		case <-ticker.C:
			now := time.Now()
			worst = max(worst, now.Sub(last)-time.Millisecond)
			last = now
		}
	}
}
