package rows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

const manyEntries = 5_000_000

// memoryRow is the whole resident memory of a server, its own buffers included, divided by its entries.
func memoryRow() Row {
	const name = "memory"
	return Row{Name: name, Title: "memory per entry, 5 M entries, 16 B keys, 64 B values", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		entries := env.scaled(manyEntries)
		var results []stats.Result
		for _, d := range []peer.Durability{peer.InMemory, peer.EverySec} {
			var perEntry pair
			sides := []*side{{kind: env.Ours, ours: true}, {kind: env.Theirs}}
			err := env.alternate(sides, func(_ int, s *side) error {
				rss, err := filledRSS(ctx, env, s.kind, d, entries)
				perEntry.add(s, float64(rss)/float64(entries))
				return err
			})
			if err != nil {
				return nil, err
			}
			work := fmt.Sprintf("%s entries of 16 B keys and 64 B values, %s", stats.Format(float64(entries)), durabilityText(d))
			results = append(results, env.result(name, work, "resident memory per entry", "B", perEntry,
				stats.Promise{Kind: stats.AtMost, Limit: 108}))
		}
		return results, nil
	}}
}

// filledRSS starts a server, fills it, waits until its memory is at rest and returns its resident size.
func filledRSS(ctx context.Context, env *Env, kind peer.Kind, d peer.Durability, entries uint64) (rss int64, err error) {
	s, err := kind.Start(ctx, env.Dir, d)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Stop(false)) }()
	if err := load.Fill(ctx, s.Addr, load.RESP, 0, entries, load.NewValues(valueBytes, 1)); err != nil {
		return 0, err
	}
	return restingRSS(ctx, s)
}

// restingRSS waits until the resident size has not changed by more than a thousandth for a second (a snapshot may
// be running), at most 30 s, and returns it.
func restingRSS(ctx context.Context, s *peer.Server) (int64, error) {
	const still, limit = 4, 120 // quarters of a second
	last, same := int64(0), 0
	for range limit {
		rss, err := s.Proc.RSS()
		if err != nil {
			return 0, err
		}
		if diff := rss - last; diff <= last/1000 && -diff <= last/1000 {
			same++
		} else {
			same = 0
		}
		if same >= still {
			return rss, nil
		}
		last = rss
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
