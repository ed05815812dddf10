package rows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
	"github.com/prakashpandey/vegadb/client"
)

// failoverRow kills one node after the other and looks how long it takes until each partition that it led takes a write
// again. One writer per partition writes all the time, so nothing waits to be noticed.
//
// The time runs from the signal to the end of the first write that began after the process had ended and succeeded.
func failoverRow() Row {
	const name = "failover"
	return Row{Name: name, Title: "leader killed: first write that succeeds again", Run: func(ctx context.Context, env *Env) (results []stats.Result, err error) {
		kills := 4 * env.Rounds
		if env.Quick {
			kills = 3
		}
		cluster, err := env.Clusters.Vega.Start(ctx, env.Dir)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, cluster.Stop()) }()
		vega, err := load.OpenVega(ctx, cluster.Addrs()...)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, vega.Close()) }()
		w, err := startWriters(ctx, vega.Client())
		if err != nil {
			return nil, err
		}
		defer w.stop()
		var out outages
		for kill := range kills {
			if err := out.kill(ctx, env, cluster, w, cluster.Nodes[kill%len(cluster.Nodes)]); err != nil {
				return nil, fmt.Errorf("kill %d: %w", kill+1, err)
			}
		}
		w.stop()
		return out.results(name, w, kills), nil
	}}
}

// outages collects what the kills did.
type outages struct {
	all  *hdrhistogram.Histogram // ns, by kill and partition
	last stats.Series            // s, by kill: the partition that took longest
}

func (o *outages) kill(ctx context.Context, env *Env, c *peer.Cluster, w *partitionWriters, victim *peer.Server) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	led, err := w.ledBy(ctx, victim.Addr)
	if err != nil {
		return err
	}
	e := newKilling(led)
	e.at = time.Now()
	if err := victim.Kill(); err != nil {
		return err
	}
	times, err := w.await(ctx, e)
	if err != nil {
		return err
	}
	if o.all == nil {
		o.all = hdrhistogram.New(1, (2 * time.Minute).Nanoseconds(), 3)
	}
	for _, took := range times {
		if err := o.all.RecordValue(took.Nanoseconds()); err != nil {
			return err
		}
	}
	o.last = append(o.last, slices.Max(times).Seconds())
	if _, err := victim.Restart(ctx); err != nil {
		return err
	}
	return c.WaitSettled(ctx, 20*time.Millisecond)
}

func (o *outages) results(row string, w *partitionWriters, kills int) []stats.Result {
	work := fmt.Sprintf("node killed, %d times, a writer per partition: until its partitions take a write", kills)
	line := func(metric string, ours stats.Series, p stats.Promise) stats.Result {
		return stats.Result{Row: row, Work: work, Metric: metric, Unit: "s", Ours: ours, Promise: p}
	}
	at := func(percentile float64) stats.Series {
		return stats.Series{time.Duration(o.all.ValueAtPercentile(percentile)).Seconds()}
	}
	failed := stats.Result{Row: row, Work: work, Metric: fmt.Sprintf("writes that failed, of %d", w.writes.Load()), Unit: "writes",
		Ours: stats.Series{float64(w.failed.Load())}}
	if err := w.first.Load(); err != nil {
		failed.Note = (*err).Error()
	}
	return []stats.Result{
		line(fmt.Sprintf("p50 of %d partitions", o.all.TotalCount()), at(50), stats.Promise{}),
		line("p99", at(99), stats.Promise{Kind: stats.AtMost, Limit: 1.5}),
		line("slowest", stats.Series{time.Duration(o.all.Max()).Seconds()}, stats.Promise{}),
		line("each kill's last partition", o.last, stats.Promise{}),
		failed,
	}
}

// partitionWriters write one key of every partition, again and again.
type partitionWriters struct {
	client *client.Client
	keys   []string // by partition
	stop   func()   // ends the writers and waits for them

	current        atomic.Pointer[killing]
	writes, failed atomic.Int64
	first          atomic.Pointer[error] // of the writes that failed
}

// killing is what the writers look out for.
type killing struct {
	at, dead   time.Time             // of the signal, and when the process had ended
	partitions map[int]*atomic.Int64 // ns until the first success; 0: none so far
	missing    atomic.Int64
	all        chan struct{} // closed when none is missing
}

func newKilling(partitions []int) *killing {
	k := &killing{partitions: map[int]*atomic.Int64{}, all: make(chan struct{})}
	for _, p := range partitions {
		k.partitions[p] = new(atomic.Int64)
	}
	k.missing.Store(int64(len(partitions)))
	return k
}

// startWriters starts the writers.
func startWriters(ctx context.Context, c *client.Client) (*partitionWriters, error) {
	t, err := c.Topology(ctx)
	if err != nil {
		return nil, err
	}
	w := &partitionWriters{client: c, keys: keyOfEach(len(t.Partitions))}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for p := range w.keys {
		wg.Go(func() { w.write(ctx, p) })
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	return w, nil
}

// write is one partition's writer.
func (w *partitionWriters) write(ctx context.Context, partition int) {
	value := []byte(clusterValue())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		begin := time.Now()
		_, err := w.client.Put(ctx, w.keys[partition], value)
		if ctx.Err() != nil {
			return
		}
		w.writes.Add(1)
		if err != nil {
			w.failed.Add(1)
			w.first.CompareAndSwap(nil, &err)
		} else {
			w.current.Load().succeeded(partition, begin)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// succeeded notes a partition's first write that began after the process had ended. Only the partition's writer calls it.
func (k *killing) succeeded(partition int, begin time.Time) {
	if k == nil || begin.Before(k.dead) {
		return
	}
	took := k.partitions[partition]
	if took == nil || took.Load() != 0 {
		return
	}
	took.Store(time.Since(k.at).Nanoseconds())
	if k.missing.Add(-1) == 0 {
		close(k.all)
	}
}

// await waits for every partition of a killing. The process has ended.
func (w *partitionWriters) await(ctx context.Context, k *killing) ([]time.Duration, error) {
	k.dead = time.Now()
	w.current.Store(k)
	select {
	case <-k.all:
	case <-ctx.Done():
		return nil, fmt.Errorf("%d of %d partitions take no writes: %w", k.missing.Load(), len(k.partitions), ctx.Err())
	}
	var times []time.Duration
	for _, took := range k.partitions {
		times = append(times, time.Duration(took.Load()))
	}
	return times, nil
}

// ledBy returns the partitions that a node leads, once the client knows of any.
func (w *partitionWriters) ledBy(ctx context.Context, addr string) ([]int, error) {
	for t := range w.client.WatchTopology(ctx) {
		node := slices.IndexFunc(t.Nodes, func(n client.TopologyNode) bool { return n.Address == addr })
		var led []int
		for p := range t.Partitions {
			if node >= 0 && t.Partitions[p].Leader == node {
				led = append(led, p)
			}
		}
		if len(led) > 0 {
			return led, nil
		}
	}
	return nil, fmt.Errorf("%s leads no partition: %w", addr, ctx.Err())
}
