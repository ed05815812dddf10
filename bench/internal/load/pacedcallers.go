package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// PacedCallers are callers of a client library who rest between calls. They are timed as Paced is. Nothing stops them
// but stop: a call that fails is counted and the next one is made.
type PacedCallers struct {
	Library          Library
	Readers, Writers int
	Every            time.Duration // each caller makes a call
	Keys             uint64        // drawn from the first this many
	Value            string
}

// Outcome is what paced callers saw.
type Outcome struct {
	Latencies
	Failed int64 // calls
	Err    error // of the first that failed
}

// Run keeps the load up until stop is closed.
func (p PacedCallers) Run(ctx context.Context, stop <-chan struct{}) Outcome {
	out := Outcome{Latencies: Latencies{Get: newHistogram(), Set: newHistogram()}}
	var mu sync.Mutex // guards out
	var wg sync.WaitGroup
	for caller := range p.Readers + p.Writers {
		wg.Go(func() {
			set := caller >= p.Readers
			h, failed, err := p.caller(ctx, stop, caller, set)
			mu.Lock()
			defer mu.Unlock()
			into := out.Get
			if set {
				into = out.Set
			}
			into.Merge(h)
			out.Failed += failed
			if out.Err == nil {
				out.Err = err
			}
		})
	}
	wg.Wait()
	return out
}

func (p PacedCallers) caller(ctx context.Context, stop <-chan struct{}, caller int, set bool) (h *hdrhistogram.Histogram, failed int64, first error) {
	h = newHistogram()
	rng := rand.New(rand.NewPCG(5, uint64(caller)))
	// Callers that started together would call together for ever.
	timer := time.NewTimer(time.Duration(rng.Int64N(int64(p.Every))))
	defer timer.Stop()
	select {
	case <-stop:
		return h, 0, nil
	case <-timer.C:
	}
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for {
		key := Key(rng.Uint64N(p.Keys))
		begin := time.Now()
		var err error
		if set {
			err = p.Library.Set(ctx, key, p.Value)
		} else {
			err = p.Library.Get(ctx, key)
		}
		took := min(time.Since(begin), time.Minute)
		// An error of recording would mean a time out of the histogram's range, which the line above excludes.
		_ = h.RecordCorrectedValue(took.Nanoseconds(), p.Every.Nanoseconds())
		if err != nil {
			if failed++; first == nil {
				first = err
			}
		}
		select {
		case <-stop:
			return h, failed, first
		case <-tick.C:
		}
	}
}
