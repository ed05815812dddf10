package rows

import (
	"context"
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// memcachedRow sets VegaDB beside memcached, for information. redis-benchmark does not speak memcached's protocol, so
// both sides are loaded by the same small generator of our own, each in its own protocol.
func memcachedRow() Row {
	const name = "memcached"
	return Row{Name: name, Title: "GET and SET beside memcached, 50 connections", Run: func(ctx context.Context, env *Env) (results []stats.Result, err error) {
		beside := *env
		beside.Theirs = env.Memcached
		sides, closeAll, err := beside.both(ctx, peer.InMemory)
		if err != nil {
			return nil, err
		}
		defer closeAll(&err)
		values := load.NewValues(valueBytes, 1)
		for _, s := range sides {
			if err := load.Fill(ctx, s.server.Addr, protocolOf(s), 0, respKeys, values); err != nil {
				return nil, fmt.Errorf("fill %s: %w", s.kind.Name(), err)
			}
		}
		for _, pipeline := range []int{1, 16} {
			for _, set := range []bool{false, true} {
				lines, err := beside.pipes(ctx, name, sides, pipeline, set, values)
				if err != nil {
					return nil, err
				}
				results = append(results, lines...)
			}
		}
		return results, nil
	}}
}

func (e *Env) pipes(ctx context.Context, row string, sides []*side, pipeline int, set bool, values load.Values) ([]stats.Result, error) {
	var throughput, cpu pair
	err := e.alternate(sides, func(_ int, s *side) error {
		run := load.Pipes{
			Addr: s.server.Addr, Protocol: protocolOf(s), Connections: respConnections, Pipeline: pipeline, Set: set,
			Keys: respKeys, Values: values, Duration: e.measureFor(),
		}
		return cost(s, &throughput, &cpu, func() (int64, time.Duration, error) { return run.Run(ctx) })
	})
	if err != nil {
		return nil, err
	}
	work := fmt.Sprintf("%s, %d connections, %s, each in its own protocol", verb(set), respConnections, pipelineText(pipeline))
	return []stats.Result{
		e.result(row, work, "throughput", "op/s", throughput, stats.Promise{}),
		e.result(row, work, "server CPU per op", "µs", cpu, stats.Promise{}),
	}, nil
}

func protocolOf(s *side) load.Protocol {
	if s.kind.Name() == "memcached" {
		return load.Memcache
	}
	return load.RESP
}

func verb(set bool) string {
	if set {
		return "SET"
	}
	return "GET"
}
