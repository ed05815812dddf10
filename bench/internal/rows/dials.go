package rows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
	"github.com/prakashpandey/vegadb/client"
)

// dialsRow measures what each guarantee costs: every dial beside the default, on our servers alone. The peer of its
// lines is the default.
func dialsRow() Row {
	const name = "dials"
	return Row{Name: name, Title: "what each guarantee costs, beside the default", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		ofRequests, err := env.requestDials(ctx, name)
		if err != nil {
			return nil, err
		}
		ofCluster, err := env.fsyncDials(ctx, name)
		return append(ofRequests, ofCluster...), err
	}}
}

// requestDials are those that a request can turn.
func (e *Env) requestDials(ctx context.Context, row string) (results []stats.Result, err error) {
	sides, closeAll, err := e.clusterSides(ctx, e.Clusters.Vega)
	if err != nil {
		return nil, err
	}
	defer closeAll(&err)
	vega := sides[0].library.(*load.Vega)
	for _, d := range []struct {
		set  bool
		work string
		with []client.Option
		than string // the default
	}{
		{false, "lease reads", []client.Option{client.WithConsistency(client.Lease)}, "linearizable"},
		{false, "session reads", []client.Option{client.WithConsistency(client.SessionReads)}, "linearizable"},
		{false, "bounded reads, 1 s", []client.Option{client.WithMaxStaleness(time.Second)}, "linearizable"},
		{false, "local reads", []client.Option{client.WithConsistency(client.LocalReads)}, "linearizable"},
		{true, "leader writes", []client.Option{client.WithAcks(client.AcksLeader)}, "quorum"},
	} {
		turned := vega.Reading(d.with...)
		if d.set {
			turned = vega.Writing(d.with...)
		}
		lines, err := e.dial(ctx, row, d.work, d.than, d.set,
			dialSide{&side{cluster: sides[0].cluster, ours: true}, turned},
			dialSide{&side{cluster: sides[0].cluster}, vega})
		if err != nil {
			return nil, err
		}
		results = append(results, lines...)
	}
	return results, nil
}

// fsyncDials are those that belong to a cluster: one of each kind, beside one that always syncs.
func (e *Env) fsyncDials(ctx context.Context, row string) (results []stats.Result, err error) {
	for _, d := range []peer.Durability{peer.EverySec, peer.Never} {
		lines, err := e.fsyncDial(ctx, row, d)
		if err != nil {
			return nil, err
		}
		results = append(results, lines...)
	}
	return results, nil
}

func (e *Env) fsyncDial(ctx context.Context, row string, d peer.Durability) (results []stats.Result, err error) {
	other := e.Clusters.Vega
	other.Fsync = d
	sides, closeAll, err := e.clusterSides(ctx, other, e.Clusters.Vega)
	if err != nil {
		return nil, err
	}
	defer closeAll(&err)
	return e.dial(ctx, row, "quorum writes, fsync "+string(d), "always", true,
		dialSide{&sides[0].side, sides[0].library}, dialSide{&sides[1].side, sides[1].library})
}

// dialSide is a position of a dial.
type dialSide struct {
	side    *side
	library load.Library
}

// dial compares two positions: with many callers the throughput and the servers' CPU, with one the time of a call.
func (e *Env) dial(ctx context.Context, row, work, than string, set bool, turned, standard dialSide) ([]stats.Result, error) {
	var throughput, cpu, alone, ignored pair
	library := map[*side]load.Library{turned.side: turned.library, standard.side: standard.library}
	err := e.alternate([]*side{turned.side, standard.side}, func(_ int, s *side) error {
		crowd := e.callers(library[s], set)
		one := crowd
		one.Callers, one.Duration = 1, crowd.Duration/3
		err := cost(s, &throughput, &cpu, func() (int64, time.Duration, error) { return crowd.Run(ctx) })
		return errors.Join(err, cost(s, &ignored, &ignored, func() (int64, time.Duration, error) {
			ops, took, err := one.Run(ctx)
			if ops > 0 {
				alone.add(s, float64(took.Microseconds())/float64(ops))
			}
			return ops, took, err
		}))
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", work, err)
	}
	return []stats.Result{
		result(row, work+", 1,000 callers", "throughput", "op/s", than, throughput, stats.Promise{}),
		result(row, work+", 1,000 callers", "CPU of all servers per op", "µs", than, cpu, stats.Promise{}),
		result(row, work+", one caller", "time of a call", "µs", than, alone, stats.Promise{}),
	}, nil
}
