package rows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// joinEntries are in the cluster when a node joins, in three replicas.
const joinEntries = 1_000_000

// joinRow lets a fourth node join under a steady load and looks at the requests from its start until every replica is
// where it is to be. Each round has a cluster of its own.
func joinRow() Row {
	const name = "join"
	return Row{Name: name, Title: "a node joins under load", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		entries := env.scaled(joinEntries)
		var m joinRounds
		for round := range env.Rounds {
			if err := m.round(ctx, env, entries); err != nil {
				return nil, fmt.Errorf("round %d: %w", round+1, err)
			}
		}
		return m.results(name, entries), nil
	}}
}

type joinRounds struct {
	failed       stats.Series
	note         string
	get, set     stats.Series // p99 while data moves ÷ before
	before, with stats.Series // p99 of GET, ms
	beforeSet    stats.Series
	withSet      stats.Series
	seconds      stats.Series // from the node's start to the end of the last move
	hiccup       stats.Series // ms
}

func (m *joinRounds) round(ctx context.Context, env *Env, entries uint64) (err error) {
	cluster, err := env.Clusters.Vega.Start(ctx, env.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	vega, err := load.OpenVega(ctx, cluster.Addrs()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, vega.Close()) }()
	if err := load.FillLibrary(ctx, vega, 0, entries, clusterValue(), 1000); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	// 16 readers and 16 writers, 3,200 calls per second.
	steady := load.PacedCallers{Library: vega, Readers: 16, Writers: 16, Every: 10 * time.Millisecond, Keys: entries, Value: clusterValue()}

	stop := make(chan struct{})
	timer := time.AfterFunc(max(env.measureFor(), 2*time.Second), func() { close(stop) })
	defer timer.Stop()
	before := steady.Run(ctx, stop)

	type outcome struct {
		took time.Duration
		err  error
	}
	moving, done, hiccups := make(chan struct{}), make(chan outcome, 1), make(chan time.Duration, 1)
	go func() {
		defer close(moving)
		begin := time.Now()
		err := env.Clusters.Vega.Join(cluster, env.Dir)
		if err == nil {
			err = cluster.WaitSettled(ctx)
		}
		done <- outcome{time.Since(begin), err}
	}()
	go func() { hiccups <- load.Hiccups(moving) }()
	with := steady.Run(ctx, moving)
	o, hiccup := <-done, <-hiccups
	if o.err != nil {
		return o.err
	}
	m.add(before, with, o.took, hiccup)
	return nil
}

func (m *joinRounds) add(before, with load.Outcome, took, hiccup time.Duration) {
	p99 := func(l load.Outcome) (get, set float64) {
		return float64(l.Get.ValueAtPercentile(99)) / 1e6, float64(l.Set.ValueAtPercentile(99)) / 1e6
	}
	getBefore, setBefore := p99(before)
	getWith, setWith := p99(with)
	m.before, m.beforeSet = append(m.before, getBefore), append(m.beforeSet, setBefore)
	m.with, m.withSet = append(m.with, getWith), append(m.withSet, setWith)
	m.get, m.set = append(m.get, getWith/getBefore), append(m.set, setWith/setBefore)
	m.failed = append(m.failed, float64(before.Failed+with.Failed))
	if err := errors.Join(before.Err, with.Err); err != nil && m.note == "" {
		m.note = err.Error()
	}
	m.seconds = append(m.seconds, took.Seconds())
	m.hiccup = append(m.hiccup, float64(hiccup.Microseconds())/1e3)
}

func (m *joinRounds) results(row string, entries uint64) []stats.Result {
	work := fmt.Sprintf("a fourth node joins %s entries of 100 B under load", stats.Format(float64(entries)))
	line := func(metric, unit string, ours stats.Series, p stats.Promise) stats.Result {
		return stats.Result{Row: row, Work: work, Metric: metric, Unit: unit, Ours: ours, Promise: p}
	}
	failed := line("requests that failed, most of any round", "requests", stats.Series{maximum(m.failed)}, stats.Promise{Kind: stats.AtMost, Limit: 0})
	failed.Note = m.note
	return []stats.Result{
		failed,
		line("p99 of GET while data moves ÷ before", "×", m.get, stats.Promise{Kind: stats.AtMost, Limit: 3}),
		line("p99 of SET while data moves ÷ before", "×", m.set, stats.Promise{Kind: stats.AtMost, Limit: 3}),
		line("p99 of GET before", "ms", m.before, stats.Promise{}),
		line("p99 of GET while data moves", "ms", m.with, stats.Promise{}),
		line("p99 of SET before", "ms", m.beforeSet, stats.Promise{}),
		line("p99 of SET while data moves", "ms", m.withSet, stats.Promise{}),
		line("time from start to the last move's end", "s", m.seconds, stats.Promise{}),
		line("load generator's own longest hiccup", "ms", m.hiccup, stats.Promise{}),
	}
}

func maximum(s stats.Series) float64 {
	_, hi := s.Range()
	return hi
}
