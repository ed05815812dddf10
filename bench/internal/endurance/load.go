package endurance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/prakashpandey/vegadb/client"
)

// LoadReport is what the load saw.
type LoadReport struct {
	Calls  int64  `json:"calls"`
	Failed int64  `json:"failed"`
	First  string `json:"first_failure,omitempty"`
}

// load is paced callers with a mix of everything, within a fixed set of keys.
type load struct {
	o             Options
	client        *client.Client
	redis         *redis.ClusterClient
	calls, failed atomic.Int64
	first         atomic.Pointer[string]
	onFailure     func() // hears of the first one
}

const (
	loadCallers = 16
	// patience is how long a call may take, of either client, before it counts as failed: longer than a failover.
	patience = 10 * time.Second
	// mostTold is how many failures are told as they happen.
	mostTold = 20
)

func newLoad(o Options, c *client.Client, addrs []string) *load {
	redis.SetLogger(silent{}) // it reports every attempt to reach a node that is meant to be down
	// It would give up after so many attempts, which may be milliseconds: the time is to end them, as it does the Go client's.
	// And it asks who leads once a minute, or when a node says MOVED; one that is gone says nothing.
	return &load{o: o, client: c, redis: redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, DisableIdentity: true, MaxRedirects: 10_000, ClusterStateReloadInterval: 2 * time.Second})}
}

// silent is go-redis's logger, which says nothing.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func (l *load) close() error { return l.redis.Close() }

func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	every := time.Duration(loadCallers / l.o.Rate * float64(time.Second))
	for i := range loadCallers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(l.o.Seed, uint64(i)+100))
			for rest(ctx, time.Duration(rng.Int64N(2*int64(every)+1))) {
				l.note(l.call(ctx, rng))
			}
		})
	}
	wg.Wait()
}

func (l *load) note(err error) {
	l.calls.Add(1)
	if err == nil {
		return
	}
	text := err.Error()
	if l.first.CompareAndSwap(nil, &text) && l.onFailure != nil {
		l.onFailure()
	}
	if n := l.failed.Add(1); n <= mostTold {
		l.o.Log("%s  a call failed: %s", time.Now().Format(time.TimeOnly), text)
	}
}

func (l *load) key(rng *rand.Rand) string { return fmt.Sprintf("entry:%07d", rng.IntN(l.o.Entries)) }

func value(rng *rand.Rand) []byte {
	return []byte(strings.Repeat("v", 50+rng.IntN(100)))
}

// call makes one call of the mix.
func (l *load) call(ctx context.Context, rng *rand.Rand) (err error) {
	// go-redis bounds its attempts, but not their time. A call that has begun is finished after the run's end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	key := l.key(rng)
	switch n := rng.IntN(100); {
	case n < 40:
		_, err = l.client.Get(ctx, key)
	case n < 65:
		_, err = l.client.Put(ctx, key, value(rng))
	case n < 70:
		_, err = l.client.Put(ctx, key, value(rng), client.WithTTL(time.Duration(1+rng.IntN(60))*time.Second))
	case n < 75:
		_, err = l.client.Delete(ctx, key)
	case n < 80:
		_, err = l.client.Increment(ctx, fmt.Sprintf("counter:%03d", rng.IntN(1000)), 1)
	case n < 88:
		err = l.batch(ctx, rng)
	case n < 89:
		err = l.page(ctx)
	case n < 95:
		err = l.redis.Set(ctx, key, value(rng), 0).Err()
	default:
		err = l.redis.Get(ctx, key).Err()
	}
	if errors.Is(err, client.ErrNotFound) || errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

func (l *load) batch(ctx context.Context, rng *rand.Rand) error {
	var b client.Batch
	for range 20 {
		b.Put(l.key(rng), value(rng))
	}
	results, err := l.client.Batch(ctx, &b)
	for i := range results {
		err = errors.Join(err, results[i].Err())
	}
	return err
}

// page reads the beginning of a scan.
func (l *load) page(ctx context.Context) error {
	n := 0
	for _, err := range l.client.Scan(ctx, client.WithPageSize(200)) {
		if err != nil {
			return err
		}
		if n++; n >= 400 {
			return nil
		}
	}
	return nil
}

func (l *load) report() LoadReport {
	r := LoadReport{Calls: l.calls.Load(), Failed: l.failed.Load()}
	if first := l.first.Load(); first != nil {
		r.First = *first
	}
	return r
}
