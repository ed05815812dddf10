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

// joinEntries are in the cluster when a node joins, in three replicas.
const joinEntries = 1_000_000

// joinLookEvery is how often the row asks whether all replicas are where they are to be. The last look may come so much
// too late, which is little beside the window.
const joinLookEvery = 200 * time.Millisecond

// joinRow lets a fourth node join under a steady load and looks at the requests from its start until every replica is
// where it is to be. Each round has a cluster of its own. The window before is about as long, and the load the same; but
// the fourth process has no machine of its own: from its start on, four nodes and the load share what three shared before.
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
	calls        stats.Series // per second, while data moves ÷ before
	cpu          stats.Series // of all nodes, cores, while data moves
	cpuBefore    stats.Series
	seconds      stats.Series // from the node's start to the end of the last move
	hiccup       stats.Series // ms
	hiccupBefore stats.Series
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

	// What filling has left behind is not to be measured.
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	var before, with joinWindow
	err = before.measure(ctx, steady, cluster, func() error { return pause(ctx, max(4*env.measureFor(), 4*time.Second)) })
	if err != nil {
		return err
	}
	err = with.measure(ctx, steady, cluster, func() error {
		if err := env.Clusters.Vega.Join(cluster, env.Dir); err != nil {
			return err
		}
		return cluster.WaitSettled(ctx, joinLookEvery)
	})
	if err != nil {
		return err
	}
	m.add(&before, &with)
	return nil
}

// joinWindow is what was seen while something went on.
type joinWindow struct {
	load.Outcome
	took, hiccup time.Duration
	cores        float64 // used by all nodes
}

// measure keeps the load up while f runs.
func (w *joinWindow) measure(ctx context.Context, steady load.PacedCallers, c *peer.Cluster, f func() error) error {
	cpu, err := c.CPU()
	if err != nil {
		return err
	}
	begin := time.Now()
	stop, failed, hiccups := make(chan struct{}), make(chan error, 1), make(chan time.Duration, 1)
	go func() {
		defer close(stop)
		failed <- f()
	}()
	go func() { hiccups <- load.Hiccups(stop) }()
	w.Outcome = steady.Run(ctx, stop)
	w.took, w.hiccup = time.Since(begin), <-hiccups
	if err := <-failed; err != nil {
		return err
	}
	used, err := c.CPU()
	w.cores = (used - cpu).Seconds() / w.took.Seconds()
	return err
}

// rate is calls per second, those that were left out because the one before was slow included.
func (w *joinWindow) rate() float64 {
	return float64(w.Get.TotalCount()+w.Set.TotalCount()) / w.took.Seconds()
}

func (m *joinRounds) add(before, with *joinWindow) {
	p99 := func(l *joinWindow) (get, set float64) {
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
	m.calls = append(m.calls, with.rate()/before.rate())
	m.cpu, m.cpuBefore = append(m.cpu, with.cores), append(m.cpuBefore, before.cores)
	m.seconds = append(m.seconds, with.took.Seconds())
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	m.hiccup, m.hiccupBefore = append(m.hiccup, ms(with.hiccup)), append(m.hiccupBefore, ms(before.hiccup))
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
		line("calls per second while data moves ÷ before", "×", m.calls, stats.Promise{}),
		line("CPU of all nodes before", "cores", m.cpuBefore, stats.Promise{}),
		line("CPU of all nodes while data moves", "cores", m.cpu, stats.Promise{}),
		line("time from start to the last move's end", "s", m.seconds, stats.Promise{}),
		line("load generator's own longest hiccup before", "ms", m.hiccupBefore, stats.Promise{}),
		line("load generator's own longest hiccup while data moves", "ms", m.hiccup, stats.Promise{}),
	}
}

func maximum(s stats.Series) float64 {
	_, hi := s.Range()
	return hi
}
