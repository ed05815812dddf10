package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// TestManyGoroutinesEachGetTheirOwnAnswer is at its best with -race.
func TestManyGoroutinesEachGetTheirOwnAnswer(t *testing.T) {
	s := newFakeServer(t)
	c := open(t, s, func(o *Options) { o.Connections = 2; o.MaxInFlight = 300 })
	var wg sync.WaitGroup
	for g := range 1000 {
		wg.Go(func() {
			key := fmt.Sprint("key", g)
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			var dst []byte
			for i := range 20 {
				value := bytes.Repeat([]byte{byte(g), byte(i)}, rng.IntN(200))
				if rng.IntN(50) == 0 {
					value = bytes.Repeat(value, 300)
				}
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if rng.IntN(2) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Minute)
				}
				if _, err := c.Put(ctx, key, value); err != nil {
					t.Error(err)
				}
				var err error
				if dst, err = c.GetInto(ctx, key, dst); err != nil || !bytes.Equal(dst, value) {
					t.Errorf("%s: %d bytes, want %d, %v", key, len(dst), len(value), err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// TestCancellingAmongManyDisturbsNobody cancels at random moments, on purpose
// including the very moment of the reply, over connections that break.
func TestCancellingAmongManyDisturbsNobody(t *testing.T) {
	s := newFakeServer(t)
	c := open(t, s, func(o *Options) { o.MaxInFlight = 50 })
	stop := make(chan struct{})
	var wg, breaker sync.WaitGroup
	breaker.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				s.dropConnections()
			}
		}
	})
	var answered, ended atomic.Int64
	for g := range 100 {
		wg.Go(func() {
			key := fmt.Sprint("key", g)
			rng := rand.New(rand.NewPCG(2, uint64(g)))
			dst := make([]byte, 0, 64)
			for i := range 100 {
				ctx, cancel := context.WithCancel(context.Background())
				patience := rng.IntN(20)
				go func() {
					for range patience {
						runtime.Gosched()
					}
					if i%3 != 0 {
						cancel()
					}
				}()
				want := fmt.Sprint(key, " ", i)
				_, err := c.Put(ctx, key, []byte(want))
				if err == nil {
					var got []byte
					got, err = c.GetInto(context.Background(), key, dst)
					if err == nil && string(got) != want {
						t.Errorf("%s: %q, want %q", key, got, want)
					}
					answered.Add(1)
				} else if errors.Is(err, ErrCanceled) || errors.Is(err, ErrUnknownOutcome) {
					ended.Add(1)
				} else {
					t.Error(err)
				}
				cancel()
				// A write of unknown outcome may come late; let it not meet the next.
				if err != nil {
					key = fmt.Sprint("key", g, "-", i)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	breaker.Wait()
	if answered.Load() == 0 || ended.Load() == 0 {
		t.Fatalf("%d answered, %d ended", answered.Load(), ended.Load())
	}
}

func TestNoSlotIsLost(t *testing.T) {
	s := newFakeServer(t)
	c := open(t, s)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 50 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*10*time.Microsecond)
				c.Put(ctx, fmt.Sprint(g), make([]byte, i*1000))
				cancel()
			}
		})
	}
	wg.Wait()
	must(t, c.Ping(context.Background()))
	cn := c.seeds[0].links[0].conn.Load()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		cn.mu.Lock()
		unsettled, bytes, waiting, free := cn.unsettled, cn.bytes, cn.waiting.first, len(cn.slots)-len(cn.free)
		cn.mu.Unlock()
		if unsettled == 0 && bytes == 0 && waiting == nil && free == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d unsettled, %d bytes, %d slots taken, waiting %v", unsettled, bytes, free, waiting)
		}
	}
}

// staticServer answers every request at once and without allocating.
func staticServer(t testing.TB, value []byte) *fakeServer {
	s := newFakeServer(t)
	s.on(func(fs *fakeSession, r *wire.Request) bool {
		if r.Op == wire.OpGet {
			fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 7, value)
		} else {
			fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 7, nil)
		}
		return true
	})
	return s
}

func TestHotPathAllocatesOnlyTheValue(t *testing.T) {
	value := make([]byte, 64)
	c, ctx := open(t, staticServer(t, value)), context.Background()
	dst := make([]byte, 0, 64)
	var batch Batch
	for name, f := range map[string]struct {
		want float64
		call func()
	}{
		"GetInto": {0, func() { dst, _ = c.GetInto(ctx, "key", dst) }},
		"Get":     {1, func() { c.Get(ctx, "key") }},
		"Put":     {0, func() { c.Put(ctx, "key", value, WithTTL(time.Hour)) }},
		"Delete":  {0, func() { c.Delete(ctx, "key") }},
		"filling a Batch": {0, func() {
			batch.Reset()
			for range 100 {
				batch.Put("key", value)
				batch.Increment("n", 1)
			}
		}},
	} {
		f.call()
		if n := testing.AllocsPerRun(500, f.call); n > f.want {
			t.Errorf("%s: %v allocations, want %v", name, n, f.want)
		}
	}
}
