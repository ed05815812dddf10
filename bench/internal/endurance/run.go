package endurance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/client"
)

// Options are what a run may choose.
type Options struct {
	Server  string // a vega-server program
	Dir     string // where the nodes keep their files
	For     time.Duration
	Rate    float64       // calls per second, about
	Entries int           // keys in use
	Rest    time.Duration // between the end of one trouble and the next
	Every   time.Duration // between samples
	Seed    uint64
	Log     func(format string, args ...any)
}

// Result is what came of a run.
type Result struct {
	Seconds  float64      `json:"seconds"`
	Seed     uint64       `json:"seed"`
	Samples  []Sample     `json:"samples"`
	Troubles []Trouble    `json:"troubles"`
	Load     LoadReport   `json:"load"`
	Checks   ChecksReport `json:"checks"`
	Bounds   []Bound      `json:"bounds"`
}

// serverArgs make an hour see what a day of smaller load would: logs that are given up and snapshots that replace them.
// With larger values allowed, segments would be raised to hold one.
func serverArgs() []string {
	return []string{"--log-segment-bytes", "8MiB", "--snapshot-log-bytes", "16MiB", "--max-value-bytes", "1MiB"}
}

// Run runs it. It stops at the first thing that must not happen to the cluster, with what is known so far.
func Run(ctx context.Context, o Options) (r *Result, err error) {
	kind := peer.VegaCluster{Program: o.Server, Args: serverArgs()}
	cluster, err := kind.Start(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	nodes := newNodes(kind, cluster, o.Dir)
	defer func() { err = errors.Join(err, nodes.stop()) }()
	c, err := client.Open(ctx, client.Options{Addresses: cluster.Addrs(), Timeout: patience})
	if err != nil {
		return nil, err
	}
	defer c.Close()

	r = &Result{Seed: o.Seed}
	began := time.Now()
	working, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	load, checks, samples := newLoad(o, c, cluster.Addrs()), newChecks(o, c, began), newSamples(nodes, o.Every, began)
	load.onFailure = nodes.keepLogs
	var wg sync.WaitGroup
	for _, run := range []func(context.Context){load.run, checks.run, samples.run} {
		wg.Go(func() { run(working) })
	}
	wg.Go(func() { progress(working, o, began, load, checks, samples) })
	t := troubles{o: o, nodes: nodes, client: c, rng: rand.New(rand.NewPCG(o.Seed, 1)), began: began}
	err = t.run(working)
	cancel()
	wg.Wait()
	r.Seconds = time.Since(began).Seconds()
	r.Troubles, r.Load, r.Checks, r.Samples = t.list, load.report(), checks.report(), samples.list
	r.Bounds = bounds(r.Samples, r.Seconds)
	return r, errors.Join(err, load.close())
}

// progress says once a minute how it goes.
func progress(ctx context.Context, o Options, began time.Time, l *load, c *checks, s *samples) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			loaded, checked := l.report(), c.report()
			o.Log("%5.0f s: %d calls, %d failed; %d operations checked, %d runs legal, %d not; largest node %s",
				time.Since(began).Seconds(), loaded.Calls, loaded.Failed, checked.Ops, checked.Legal, checked.Illegal+checked.Unknown, mib(s.largest()))
		}
	}
}

func mib(bytes float64) string { return fmt.Sprintf("%.0f MiB", bytes/(1<<20)) }
