package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Store carries out one operation and tells what came of it. It is called with the fields of Op that ask; ctx
// has the deadline of the call. A write may only be called failed if it surely will never take effect.
type Store interface {
	Do(ctx context.Context, op Op) Reply
}

// Workload is what concurrent clients do. The zero values of all fields but Seed have defaults.
//
// For each of Keys there is a register, which is put, deleted and compared, and a counter, which is incremented. After OpsPerKey operations a key is given up for a fresh one: the search's memory grows with the square
// of a key's history.
type Workload struct {
	Seed      uint64 // everything that is drawn comes from it; to be printed by the test
	Clients   int    // default 8
	Keys      int    // registers in use at a time, and counters; default 8
	OpsPerKey int    // default 400
	MaxOps    int    // bounds the whole history; default 1 million
	ValueSize int    // values are padded to this many bytes; default 0, no padding

	// Weights of the operations; all zero: DefaultMix.
	Mix Mix
	// Levels are the levels that reads are spread over evenly; default: linearizable alone.
	Levels []Level
	MaxAge time.Duration // of bounded reads; default 1 s

	Timeout time.Duration // of each call; default 2 s
	Pause   time.Duration // mean time between a client's operations; default 0: none
	Prefix  string        // of the keys, so that several workloads can share a store
}

// Mix are the weights of the operations.
type Mix struct{ Get, Put, Delete, CompareAndPut, Increment int }

// DefaultMix has every operation, and enough reads for bad writes to be seen.
var DefaultMix = Mix{Get: 8, Put: 5, Delete: 1, CompareAndPut: 3, Increment: 4}

func (w Workload) withDefaults() Workload {
	set := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	set(&w.Clients, 8)
	set(&w.Keys, 8)
	set(&w.OpsPerKey, 400)
	set(&w.MaxOps, 1_000_000)
	if w.Mix == (Mix{}) {
		w.Mix = DefaultMix
	}
	if len(w.Levels) == 0 {
		w.Levels = []Level{Linearizable}
	}
	if w.MaxAge == 0 {
		w.MaxAge = time.Second
	}
	if w.Timeout == 0 {
		w.Timeout = 2 * time.Second
	}
	return w
}

// Run lets the clients work until ctx ends or the history is full, and waits for them. store is called once for
// each client; clients may share a Store.
func (w Workload) Run(ctx context.Context, rec *Recorder, store func(client int) Store) {
	w = w.withDefaults()
	keys := newKeyring(w)
	var wg sync.WaitGroup
	for i := range w.Clients {
		c := &worker{w: w, number: i, rec: rec, store: store(i), keys: keys}
		c.rng = rand.New(rand.NewPCG(w.Seed, uint64(i)+1))
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
}

// ReadAll reads every key of the history once, linearizably, by a client of its own, and records it: what is there at
// the end. Each read is repeated until it succeeds or ctx ends; it returns how many keys could not be read.
func ReadAll(ctx context.Context, rec *Recorder, store Store) (unread int) {
	h := rec.History()
	client := 0
	for _, op := range h {
		client = max(client, op.Client+1)
	}
	seen := make(map[string]bool)
	for _, op := range h {
		if seen[op.Key] {
			continue
		}
		seen[op.Key] = true
		if !readUntil(ctx, rec, store, Op{Client: client, Kind: Get, Key: op.Key}) {
			unread++
		}
	}
	return unread
}

func readUntil(ctx context.Context, rec *Recorder, store Store, op Op) bool {
	for {
		call := rec.Begin(op)
		reply := store.Do(ctx, op)
		call.End(reply)
		if reply.Outcome == OK {
			return true
		}
		if !pause(ctx, 10*time.Millisecond) {
			return false
		}
	}
}

// worker is one client at work.
type worker struct {
	w      Workload
	number int
	rec    *Recorder
	store  Store
	keys   *keyring
	rng    *rand.Rand
	writes int
	seen   map[string]uint64 // versions, for compare-and-put
}

func (c *worker) run(ctx context.Context) {
	c.seen = make(map[string]uint64)
	for ctx.Err() == nil && c.rec.Len() < c.w.MaxOps {
		op := c.next()
		call := c.rec.Begin(op)
		// A call that has begun is left its time: breaking it off would only make its outcome unknown.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.w.Timeout)
		reply := c.store.Do(bounded, op)
		cancel()
		call.End(reply)
		c.remember(op, reply)
		if c.w.Pause > 0 && !pause(ctx, time.Duration(c.rng.Int64N(2*int64(c.w.Pause)+1))) {
			return
		}
	}
}

// next draws an operation.
func (c *worker) next() Op {
	op := Op{Client: c.number, Kind: c.kind()}
	counter := op.Kind == Increment
	if op.Kind == Get {
		counter = c.rng.IntN(2) == 0 && c.w.Mix.Increment > 0
		op.Level = c.w.Levels[c.rng.IntN(len(c.w.Levels))]
		if op.Level == Bounded {
			op.MaxAge = c.w.MaxAge
		}
	}
	op.Key = c.keys.pick(c.rng, counter)
	switch op.Kind {
	case Put, CompareAndPut:
		c.writes++
		op.Value = fmt.Sprintf("%d-%d", c.number, c.writes)
		if pad := c.w.ValueSize - len(op.Value); pad > 0 {
			op.Value = fmt.Sprintf("%s-%0*d", op.Value, max(pad-1, 1), 0)
		}
		if op.Kind == CompareAndPut {
			op.Expect = c.seen[op.Key]
		}
	case Increment:
		op.Delta = 1
	}
	return op
}

func (c *worker) kind() Kind {
	m := c.w.Mix
	n := c.rng.IntN(m.Get + m.Put + m.Delete + m.CompareAndPut + m.Increment)
	for _, weighed := range []struct {
		kind   Kind
		weight int
	}{{Get, m.Get}, {Put, m.Put}, {Delete, m.Delete}, {CompareAndPut, m.CompareAndPut}} {
		if n < weighed.weight {
			return weighed.kind
		}
		n -= weighed.weight
	}
	return Increment
}

// remember keeps the version that the next compare-and-put of the key will expect.
func (c *worker) remember(op Op, reply Reply) {
	if reply.Outcome != OK {
		return
	}
	switch {
	case op.Kind == Get && !reply.Found, op.Kind == Delete:
		c.seen[op.Key] = 0
	default:
		c.seen[op.Key] = reply.Version
	}
	const most = 1024 // keys given up are forgotten with the rest
	if len(c.seen) > most {
		clear(c.seen)
	}
}

// keyring hands out keys and replaces those that have been used enough.
type keyring struct {
	w    Workload
	used []atomic.Int64
}

func newKeyring(w Workload) *keyring { return &keyring{w, make([]atomic.Int64, w.Keys)} }

// pick draws a register or a counter.
func (k *keyring) pick(rng *rand.Rand, counter bool) string {
	n := rng.IntN(k.w.Keys)
	kind := "register"
	if counter {
		kind = "counter"
	}
	generation := k.used[n].Add(1) / int64(k.w.OpsPerKey)
	return fmt.Sprintf("%s%s-%d-%d", k.w.Prefix, kind, n, generation)
}

// pause waits for d; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
