package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Values cuts values of one length from a block of random bytes.
type Values struct {
	block  []byte
	length int
}

// NewValues makes the block; the same seed gives the same values.
func NewValues(length int, seed uint64) Values {
	block := make([]byte, 4<<20)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = rng.Read(block) // it never fails
	return Values{block: block, length: length}
}

// At returns the value of the i-th key.
func (v Values) At(i uint64) []byte {
	// A multiplicative step spreads the offsets, so that neighbours share no bytes.
	at := int((i * 0x9E3779B97F4A7C15 >> 20) % uint64(len(v.block)-v.length))
	return v.block[at : at+v.length]
}

// fillPipeline is deep enough that filling is not what a run waits for.
const fillPipeline = 256

// Fill sets the keys from (inclusive) to (exclusive), over two connections.
func Fill(ctx context.Context, addr string, p Protocol, from, to uint64, values Values) error {
	const connections = 2
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var next atomic.Uint64
	next.Store(from)
	return parallel(connections, func(int) error {
		pipe, err := Dial(ctx, addr, p)
		if err != nil {
			return err
		}
		defer pipe.Close()
		var key []byte
		for {
			begin := next.Add(fillPipeline) - fillPipeline
			if begin >= to {
				return nil
			}
			for i := begin; i < min(begin+fillPipeline, to); i++ {
				key = AppendKey(key[:0], i)
				pipe.Set(key, values.At(i))
			}
			if err := pipe.Flush(); err != nil {
				return err
			}
		}
	})
}

// Pipes runs GETs or SETs over many connections, each with a batch of the given depth in flight, for a while. It
// returns the number of operations and the time they took.
type Pipes struct {
	Addr        string
	Protocol    Protocol
	Connections int
	Pipeline    int
	Set         bool
	Keys        uint64
	Values      Values
	Duration    time.Duration
}

// Run runs it.
func (l Pipes) Run(ctx context.Context) (ops int64, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.Duration+time.Minute)
	defer cancel()
	var total atomic.Int64
	begin := time.Now()
	end := begin.Add(l.Duration)
	err = parallel(l.Connections, func(worker int) error {
		pipe, err := Dial(ctx, l.Addr, l.Protocol)
		if err != nil {
			return err
		}
		defer pipe.Close()
		rng := rand.New(rand.NewPCG(1, uint64(worker)))
		var key []byte
		var n int64
		for time.Now().Before(end) {
			for range l.Pipeline {
				i := rng.Uint64N(l.Keys)
				key = AppendKey(key[:0], i)
				if l.Set {
					pipe.Set(key, l.Values.At(i))
				} else {
					pipe.Get(key)
				}
			}
			if err := pipe.Flush(); err != nil {
				return err
			}
			n += int64(l.Pipeline)
		}
		total.Add(n)
		return nil
	})
	return total.Load(), time.Since(begin), err
}

// parallel runs n workers and returns their errors together.
func parallel(n int, work func(worker int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = work(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// FillPaced sets the keys from (inclusive) to (exclusive) on one connection, n of them per tick, so that what else
// talks to the server is not starved.
func FillPaced(ctx context.Context, addr string, from, to uint64, values Values, n uint64, tick time.Duration) error {
	pipe, err := Dial(ctx, addr, RESP)
	if err != nil {
		return err
	}
	defer pipe.Close()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var key []byte
	for begin := from; begin < to; begin += n {
		for i := begin; i < min(begin+n, to); i++ {
			key = AppendKey(key[:0], i)
			pipe.Set(key, values.At(i))
		}
		if err := pipe.Flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}
