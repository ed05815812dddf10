// Package rows holds the rows of the comparison: one file per kind of work, each a function that runs it on both
// sides in turn and returns what was measured beside what was promised.
//
// The habits of every row:
//
//   - Rounds alternate: ours first in even rounds, the peer first in odd ones, so that drift of the machine (heat,
//     neighbours, page cache) falls on both.
//   - CPU is the server's own user and system time from /proc, over the same operations as the throughput.
//   - Servers are started by the row that needs them and ended when it ends, also when it fails.
package rows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// Env is what a row runs in.
type Env struct {
	Rounds    int
	Quick     bool   // a tenth of the data and of the time: to try a row, not to quote it
	Dir       string // where servers keep their files; on a real disk
	Programs  peer.Programs
	Ours      peer.Kind
	Theirs    peer.Kind
	Memcached peer.Kind
	Clusters  Clusters
	Profiles  string // where the profiles of our servers go; empty: none are taken
	Log       func(format string, args ...any)
}

// Row is one row of the plan.
type Row struct {
	Name  string // what --rows takes
	Title string
	Run   func(ctx context.Context, env *Env) ([]stats.Result, error)
}

// All returns every row about one node, in the order of the table.
func All() []Row {
	return []Row{
		respRow("resp-p1", 1),
		respRow("resp-p16", 16),
		respRow("resp-p100", 100),
		nativeRow(),
		batchRow(),
		memoryRow(),
		fsyncAlwaysRow(),
		everysecRow(),
		snapshotRow(),
		restartRow(),
		growthRow(),
		idleRow(),
		memcachedRow(),
	}
}

// measureFor is how long one side runs in one round.
func (e *Env) measureFor() time.Duration {
	if e.Quick {
		return 300 * time.Millisecond
	}
	return 3 * time.Second
}

// scaled is a number of entries, a tenth of it in quick mode.
func (e *Env) scaled(n uint64) uint64 {
	if e.Quick {
		return n / 10
	}
	return n
}

// side is one of the servers or clusters of a row, with the place its rounds go to.
type side struct {
	kind    peer.Kind
	server  *peer.Server
	cluster *peer.Cluster // instead of kind and server
	ours    bool
}

func (s *side) name() string {
	if s.cluster != nil {
		return s.cluster.Name
	}
	return s.kind.Name()
}

// cpu is what the side's processes have used.
func (s *side) cpu() (time.Duration, error) {
	if s.cluster != nil {
		return s.cluster.CPU()
	}
	return s.server.Proc.CPU()
}

// both starts our server and the peer. The caller must defer close.
func (e *Env) both(ctx context.Context, d peer.Durability) (sides []*side, closeAll func(*error), err error) {
	sides = []*side{{kind: e.Ours, ours: true}, {kind: e.Theirs}}
	closeAll = func(errp *error) {
		for _, s := range sides {
			if s.server != nil {
				*errp = errors.Join(*errp, s.server.Stop(false))
			}
		}
	}
	for _, s := range sides {
		if s.server, err = s.kind.Start(ctx, e.Dir, d); err != nil {
			closeAll(&err)
			return nil, nil, err
		}
	}
	return sides, closeAll, nil
}

// alternate runs a measurement on each side once per round, changing who goes first.
func (e *Env) alternate(sides []*side, measure func(round int, s *side) error) error {
	for round := range e.Rounds {
		for i := range sides {
			s := sides[(i+round)%len(sides)]
			if err := measure(round, s); err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, s.name(), err)
			}
		}
	}
	return nil
}

// pair collects the rounds of one metric on both sides.
type pair struct{ ours, theirs stats.Series }

func (p *pair) add(s *side, v float64) {
	if s.ours {
		p.ours = append(p.ours, v)
	} else {
		p.theirs = append(p.theirs, v)
	}
}

// result makes a line of the table of a pair.
func (e *Env) result(row, work, metric, unit string, p pair, promise stats.Promise) stats.Result {
	r := stats.Result{Row: row, Work: work, Metric: metric, Unit: unit, Ours: p.ours, Theirs: p.theirs, Promise: promise}
	if len(p.theirs) > 0 {
		r.Peer = e.Theirs.Name()
	}
	return r
}

// cost runs work on a server and adds the operations per second and the server's CPU time per operation (in
// microseconds) of what work says it did.
func cost(s *side, throughput, cpu *pair, work func() (ops int64, took time.Duration, err error)) error {
	before, err := s.cpu()
	if err != nil {
		return err
	}
	ops, took, err := work()
	if err != nil {
		return err
	}
	after, err := s.cpu()
	if err != nil {
		return err
	}
	throughput.add(s, float64(ops)/took.Seconds())
	cpu.add(s, float64((after-before).Nanoseconds())/1e3/float64(ops))
	return nil
}
