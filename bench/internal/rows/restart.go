package rows

import (
	"context"
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// restartRow is the time from starting the process to an answer from the whole data: ours from its snapshot and
// log, Redis from its RDB file. Both are killed before each start; their files are in the page cache.
func restartRow() Row {
	const name = "restart"
	return Row{Name: name, Title: "restart with 5 M entries", Run: func(ctx context.Context, env *Env) (results []stats.Result, err error) {
		entries := env.scaled(manyEntries)
		sides := []*side{{kind: env.Ours, ours: true}, {kind: env.Theirs}}
		closeAll := func() {
			for _, s := range sides {
				if s.server != nil {
					_ = s.server.Stop(false) // killed already in most cases
				}
			}
		}
		defer closeAll()
		for _, s := range sides {
			// Redis without its append-only file would lose writes; with it, it would load that instead of the
			// RDB. The promise is about the RDB, so it runs without.
			d := peer.InMemory
			if s.kind.Name() == "VegaDB" {
				d = peer.EverySec
			}
			if s.server, err = s.kind.Start(ctx, env.Dir, d); err != nil {
				return nil, err
			}
			if err := fillAndSave(ctx, s.server, entries); err != nil {
				return nil, fmt.Errorf("%s: %w", s.kind.Name(), err)
			}
		}
		var seconds pair
		err = env.alternate(sides, func(_ int, s *side) error {
			if err := s.server.Kill(); err != nil {
				return err
			}
			took, err := s.server.Restart(ctx)
			if err != nil {
				return err
			}
			seconds.add(s, took.Seconds())
			return expectEntries(ctx, s.server, entries)
		})
		if err != nil {
			return nil, err
		}
		work := fmt.Sprintf("restart after kill -9 with %s entries", stats.Format(float64(entries)))
		return []stats.Result{env.result(name, work, "time until it answers", "s", seconds,
			stats.Promise{Kind: stats.RatioAtMost, Limit: 0.5})}, nil
	}}
}

func fillAndSave(ctx context.Context, s *peer.Server, entries uint64) error {
	if err := load.Fill(ctx, s.Addr, load.RESP, 0, entries, load.NewValues(valueBytes, 1)); err != nil {
		return err
	}
	_, err := save(ctx, s)
	return err
}

// save runs SAVE and returns how long it took.
func save(ctx context.Context, s *peer.Server) (time.Duration, error) {
	c := s.Client()
	defer c.Close()
	begin := time.Now()
	err := c.Save(ctx).Err()
	return time.Since(begin), err
}

func expectEntries(ctx context.Context, s *peer.Server, want uint64) error {
	c := s.Client()
	defer c.Close()
	got, err := c.DBSize(ctx).Result()
	if err != nil {
		return err
	}
	if uint64(got) != want {
		return fmt.Errorf("%s holds %d entries, want %d", s.Name, got, want)
	}
	return nil
}
