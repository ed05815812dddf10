package load

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Library is a client library under test. Its methods may be called by many goroutines at once.
type Library interface {
	Get(ctx context.Context, key string) error
	Set(ctx context.Context, key, value string) error
	SetBatch(ctx context.Context, keys []string, value string) error
	Close() error
}

// BatchLibrary is a Library whose batches of reads are measured too.
type BatchLibrary interface {
	Library
	GetBatch(ctx context.Context, keys []string) error
}

// Callers is many goroutines that use one Library, each waiting for its answer before it asks again.
type Callers struct {
	Library  Library
	Callers  int
	Batch    int // keys per call; 1: the single-key calls
	Set      bool
	Keys     []string // in random order: a call takes neighbours from it
	Value    string
	Duration time.Duration
}

// Run runs it and returns the number of keys got or set.
func (c Callers) Run(ctx context.Context) (ops int64, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Duration+time.Minute)
	defer cancel()
	var total atomic.Int64
	var over atomic.Bool // cheaper to ask than the clock, a thousand goroutines ask it for every call
	timer := time.AfterFunc(c.Duration, func() { over.Store(true) })
	defer timer.Stop()
	begin := time.Now()
	err = parallel(c.Callers, func(caller int) error {
		rng := rand.New(rand.NewPCG(2, uint64(caller)))
		var n int64
		defer func() { total.Add(n) }()
		for !over.Load() {
			if err := c.call(ctx, rng); err != nil {
				over.Store(true)
				return err
			}
			n += int64(c.Batch)
		}
		return nil
	})
	return total.Load(), time.Since(begin), err
}

// call makes one call with neighbours of the list: choosing each key by itself would cost the generator as much as the
// fastest library's whole call.
func (c Callers) call(ctx context.Context, rng *rand.Rand) error {
	at := rng.IntN(len(c.Keys) - c.Batch + 1)
	keys := c.Keys[at : at+c.Batch]
	switch {
	case c.Batch == 1 && c.Set:
		return c.Library.Set(ctx, keys[0], c.Value)
	case c.Batch == 1:
		return c.Library.Get(ctx, keys[0])
	case c.Set:
		return c.Library.SetBatch(ctx, keys, c.Value)
	default:
		return c.Library.(BatchLibrary).GetBatch(ctx, keys)
	}
}

// FillLibrary sets the keys from (inclusive) to (exclusive) in batches, some at a time.
func FillLibrary(ctx context.Context, l Library, from, to uint64, value string, batch uint64) error {
	const fillers = 8
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var next atomic.Uint64
	next.Store(from)
	return parallel(fillers, func(int) error {
		for {
			begin := next.Add(batch) - batch
			if begin >= to {
				return nil
			}
			keys := make([]string, 0, batch)
			for i := begin; i < min(begin+batch, to); i++ {
				keys = append(keys, Key(i))
			}
			if err := l.SetBatch(ctx, keys, value); err != nil {
				return err
			}
		}
	})
}
