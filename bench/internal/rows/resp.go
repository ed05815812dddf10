package rows

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

const (
	valueBytes      = 64
	respConnections = 50
	respKeys        = 1_000_000
)

// respPromises are throughput and CPU per operation by pipeline depth.
var respPromises = map[int][2]stats.Promise{
	1:   {{Kind: stats.RatioAtLeast, Limit: 1.0}, {Kind: stats.RatioAtMost, Limit: 1.0}},
	16:  {{Kind: stats.RatioAtLeast, Limit: 1.3}, {Kind: stats.RatioAtMost, Limit: 0.7}},
	100: {{}, {Kind: stats.RatioAtMost, Limit: 0.35}},
}

// respRow is GET and SET by redis-benchmark on servers that keep nothing on disk: protocol, dispatch and table.
func respRow(name string, pipeline int) Row {
	return Row{
		Name:  name,
		Title: "RESP GET and SET, 50 connections, " + pipelineText(pipeline),
		Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
			p := respPromises[pipeline]
			return env.redisBenchmark(ctx, name, peer.InMemory, pipeline, []string{"GET", "SET"}, p[0], p[1])
		},
	}
}

func fsyncAlwaysRow() Row {
	const name = "fsync-always"
	return Row{Name: name, Title: "SET with fsync always, 50 connections", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		return env.redisBenchmark(ctx, name, peer.Always, 1, []string{"SET"},
			stats.Promise{Kind: stats.RatioAtLeast, Limit: 1.1}, stats.Promise{})
	}}
}

func everysecRow() Row {
	const name = "everysec-p16"
	return Row{Name: name, Title: "SET with fsync everysec, pipeline 16", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		return env.redisBenchmark(ctx, name, peer.EverySec, 16, []string{"SET"},
			stats.Promise{Kind: stats.RatioAtLeast, Limit: 1.5}, stats.Promise{})
	}}
}

// redisBenchmark runs tests of redis-benchmark on both sides.
func (e *Env) redisBenchmark(ctx context.Context, row string, d peer.Durability, pipeline int, tests []string, throughputPromise, cpuPromise stats.Promise) (results []stats.Result, err error) {
	sides, closeAll, err := e.both(ctx, d)
	if err != nil {
		return nil, err
	}
	defer closeAll(&err)
	values := load.NewValues(valueBytes, 1)
	for _, s := range sides {
		if err := load.Fill(ctx, s.server.Addr, load.RESP, 0, respKeys, values); err != nil {
			return nil, fmt.Errorf("fill %s: %w", s.kind.Name(), err)
		}
	}
	for _, test := range tests {
		bench := load.RedisBenchmark{
			Program: e.Programs[peer.RedisBenchmark], Test: strings.ToLower(test), Connections: respConnections,
			Pipeline: pipeline, ValueBytes: valueBytes, Keys: respKeys,
		}
		requests, err := e.calibrate(ctx, sides, bench)
		if err != nil {
			return nil, err
		}
		var throughput, cpu pair
		err = e.alternate(sides, func(_ int, s *side) error {
			run := bench
			run.Addr, run.Requests = s.server.Addr, requests[s]
			return cost(s, &throughput, &cpu, func() (int64, time.Duration, error) {
				rate, err := run.Run(ctx)
				return int64(run.Requests), time.Duration(float64(run.Requests) / rate * float64(time.Second)), err
			})
		})
		if err != nil {
			return nil, err
		}
		work := fmt.Sprintf("RESP %s, %d connections, %s, %s", test, respConnections, pipelineText(pipeline), durabilityText(d))
		results = append(results,
			e.result(row, work, "throughput", "op/s", throughput, throughputPromise),
			e.result(row, work, "server CPU per op", "µs", cpu, cpuPromise))
	}
	return results, nil
}

// calibrate finds how many requests keep each side busy for one measurement, with a short run that also warms up.
func (e *Env) calibrate(ctx context.Context, sides []*side, bench load.RedisBenchmark) (map[*side]int, error) {
	requests := map[*side]int{}
	for _, s := range sides {
		n := 2000 * bench.Pipeline
		// A first short run gives the magnitude, a second one of a fifth of the time the rate.
		for _, share := range []float64{0.2, 1} {
			run := bench
			run.Addr, run.Requests = s.server.Addr, n
			rate, err := run.Run(ctx)
			if err != nil {
				return nil, fmt.Errorf("calibrate %s: %w", s.kind.Name(), err)
			}
			n = int(math.Max(1000, rate*share*e.measureFor().Seconds()))
		}
		requests[s] = n
	}
	return requests, nil
}

func pipelineText(n int) string {
	if n == 1 {
		return "no pipeline"
	}
	return fmt.Sprintf("pipeline %d", n)
}

func durabilityText(d peer.Durability) string {
	if d == peer.InMemory {
		return "in memory"
	}
	return "fsync " + string(d)
}
