package rows

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// nativeKeys are few enough that the callers' own list of them stays small.
const nativeKeys = 100_000

func nativeRow() Row {
	const name = "native"
	return Row{Name: name, Title: "1,000 goroutines on the native client, one key per call", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		return env.libraries(ctx, name, 1000, 1, "1,000 goroutines, one key per call: our client against rueidis on Redis",
			stats.Promise{Kind: stats.RatioAtLeast, Limit: 2})
	}}
}

func batchRow() Row {
	const name = "native-batch"
	return Row{Name: name, Title: "batches of 100 on the native client", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		return env.libraries(ctx, name, 16, 100, "16 goroutines, batches of 100: our client against rueidis DoMulti on Redis",
			stats.Promise{Kind: stats.RatioAtLeast, Limit: 4})
	}}
}

// libraries runs the same callers on each side's client library. Servers keep nothing on disk.
func (e *Env) libraries(ctx context.Context, row string, callers, batch int, what string, promise stats.Promise) (results []stats.Result, err error) {
	sides, closeAll, err := e.both(ctx, peer.InMemory)
	if err != nil {
		return nil, err
	}
	defer closeAll(&err)
	keys := shuffledKeys(nativeKeys)
	values := load.NewValues(valueBytes, 1)
	libraries := map[*side]load.Library{}
	defer func() {
		for _, l := range libraries {
			err = errors.Join(err, l.Close())
		}
	}()
	for _, s := range sides {
		if err := load.Fill(ctx, s.server.Addr, load.RESP, 0, nativeKeys, values); err != nil {
			return nil, fmt.Errorf("fill %s: %w", s.kind.Name(), err)
		}
		if libraries[s], err = openLibrary(ctx, s); err != nil {
			return nil, err
		}
	}
	for _, set := range []bool{false, true} {
		var throughput, cpu pair
		err := e.alternate(sides, func(_ int, s *side) error {
			run := load.Callers{
				Library: libraries[s], Callers: callers, Batch: batch, Set: set, Keys: keys,
				Value: strings.Repeat("v", valueBytes), Duration: e.measureFor(),
			}
			runtime.GC() // what the other side's library left behind is not this one's to clean up
			return cost(s, &throughput, &cpu, func() (int64, time.Duration, error) { return run.Run(ctx) })
		})
		if err != nil {
			return nil, err
		}
		work := verb(set) + ", " + what
		results = append(results,
			e.result(row, work, "throughput", "keys/s", throughput, promise),
			e.result(row, work, "server CPU per key", "µs", cpu, stats.Promise{}))
	}
	return results, nil
}

func openLibrary(ctx context.Context, s *side) (load.Library, error) {
	if s.kind.Name() == "VegaDB" {
		return load.OpenVega(ctx, s.server.Addr)
	}
	return load.OpenRueidis(s.server.Addr)
}
