package rows

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// snapshotRow takes snapshots with BGSAVE while a steady load goes on, and looks at memory, at the latency of GET and
// at the time. Redis does the same, and SAVE at rest for the promise about time.
//
// Memory is only compared for our side: Redis's copy lives in a forked child, whose share of memory /proc does not
// tell apart in one number.
func snapshotRow() Row {
	const name = "snapshot"
	return Row{Name: name, Title: "snapshot of 5 M entries under load", Run: func(ctx context.Context, env *Env) (results []stats.Result, err error) {
		entries := env.scaled(manyEntries)
		sides, closeAll, err := env.both(ctx, peer.EverySec)
		if err != nil {
			return nil, err
		}
		defer closeAll(&err)
		for _, s := range sides {
			if err := fillAndSave(ctx, s.server, entries); err != nil {
				return nil, fmt.Errorf("%s: %w", s.kind.Name(), err)
			}
		}
		var m snapshotRounds
		err = env.alternate(sides, func(_ int, s *side) error { return m.round(ctx, env, s, entries) })
		if err != nil {
			return nil, err
		}
		return m.results(env, name, entries), nil
	}}
}

// snapshotRounds is what the rounds of both sides saw.
type snapshotRounds struct {
	growth       pair // percent
	tailRatio    pair // p99.9 with a snapshot running ÷ without
	quiet, tail  pair // ms
	seconds      pair // BGSAVE under load
	saveAtRest   pair // seconds
	oursVersus   pair // seconds: our BGSAVE under load, their SAVE at rest
	slowestWrite pair // ms, with a snapshot running
}

func (m *snapshotRounds) round(ctx context.Context, env *Env, s *side, entries uint64) error {
	stop := make(chan struct{})
	timer := time.AfterFunc(max(env.measureFor(), time.Second), func() { close(stop) })
	defer timer.Stop()
	quiet, err := steadyLoad(s.server.Addr, entries).Run(ctx, stop)
	if err != nil {
		return err
	}
	before, err := restingRSS(ctx, s.server)
	if err != nil {
		return err
	}
	busy, took, peak, err := snapshotUnderLoad(ctx, s.server, entries)
	if err != nil {
		return err
	}
	rest, err := save(ctx, s.server)
	if err != nil {
		return err
	}
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	quietTail, busyTail := ms(quiet.Get.ValueAtPercentile(99.9)), ms(busy.Get.ValueAtPercentile(99.9))
	if s.ours {
		m.growth.add(s, 100*(float64(peak)/float64(before)-1))
		m.oursVersus.add(s, took.Seconds())
	} else {
		m.oursVersus.add(s, rest.Seconds())
	}
	m.quiet.add(s, quietTail)
	m.tail.add(s, busyTail)
	m.tailRatio.add(s, busyTail/quietTail)
	m.seconds.add(s, took.Seconds())
	m.saveAtRest.add(s, rest.Seconds())
	m.slowestWrite.add(s, ms(busy.Set.Max()))
	return nil
}

func (m *snapshotRounds) results(env *Env, row string, entries uint64) []stats.Result {
	work := fmt.Sprintf("snapshot of %s entries under load", stats.Format(float64(entries)))
	return []stats.Result{
		env.result(row, work, "resident memory added at its peak", "%", m.growth, stats.Promise{Kind: stats.AtMost, Limit: 10}),
		env.result(row, work, "p99.9 of GET with ÷ without", "×", m.tailRatio, stats.Promise{Kind: stats.AtMost, Limit: 2}),
		env.result(row, work, "p99.9 of GET without", "ms", m.quiet, stats.Promise{}),
		env.result(row, work, "p99.9 of GET with", "ms", m.tail, stats.Promise{}),
		env.result(row, work, "slowest SET with", "ms", m.slowestWrite, stats.Promise{}),
		env.result(row, work, "time, ours under load, Redis SAVE at rest", "s", m.oursVersus, stats.Promise{Kind: stats.RatioAtMost, Limit: 1}),
		env.result(row, work, "time, both BGSAVE under load", "s", m.seconds, stats.Promise{}),
		env.result(row, work, "time, both SAVE at rest", "s", m.saveAtRest, stats.Promise{}),
	}
}

// steadyLoad is about 16,000 GETs and 4,000 SETs per second.
func steadyLoad(addr string, entries uint64) load.Paced {
	return load.Paced{
		Addr: addr, Readers: 8, Writers: 2, Burst: 10, Rest: 5 * time.Millisecond, Interval: 500 * time.Microsecond,
		Keys: entries, Values: load.NewValues(valueBytes, 2),
	}
}

// snapshotUnderLoad runs BGSAVE in the middle of a steady load and returns the load's latencies, the snapshot's
// time and the largest resident size seen.
func snapshotUnderLoad(ctx context.Context, s *peer.Server, entries uint64) (seen load.Latencies, took time.Duration, peak int64, err error) {
	stop := make(chan struct{})
	type outcome struct {
		took time.Duration
		peak int64
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		defer close(stop)
		// The load gets a moment to be at work before the snapshot starts.
		err := pause(ctx, 200*time.Millisecond)
		var o outcome
		if err == nil {
			o.took, o.peak, o.err = backgroundSave(ctx, s)
		}
		o.err = errors.Join(o.err, err)
		done <- o
	}()
	seen, err = steadyLoad(s.Addr, entries).Run(ctx, stop)
	o := <-done
	return seen, o.took, o.peak, errors.Join(err, o.err)
}

// backgroundSave runs BGSAVE and waits for its end, looking at the server's memory all the time.
func backgroundSave(ctx context.Context, s *peer.Server) (took time.Duration, peak int64, err error) {
	c := s.Client()
	defer c.Close()
	begin := time.Now()
	if err := c.BgSave(ctx).Err(); err != nil {
		return 0, 0, err
	}
	// The snapshot may be waiting for its turn when BGSAVE is answered: it has ended when it was seen at work and is no
	// longer.
	for seen := false; ; {
		rss, err := s.Proc.RSS()
		if err != nil {
			return 0, 0, err
		}
		peak = max(peak, rss)
		info, err := c.Info(ctx, "persistence").Result()
		if err != nil {
			return 0, 0, err
		}
		running, err := infoField(info, "rdb_bgsave_in_progress")
		if err != nil {
			return 0, 0, err
		}
		seen = seen || running == "1"
		if !seen && time.Since(begin) > 5*time.Second {
			return 0, 0, fmt.Errorf("%s: BGSAVE was answered, but no snapshot was seen at work", s.Name)
		}
		if seen && running == "0" {
			took = time.Since(begin)
			if status, err := infoField(info, "rdb_last_bgsave_status"); err != nil || status != "ok" {
				return 0, 0, fmt.Errorf("%s: the snapshot failed (status %q): %w", s.Name, status, err)
			}
			return took, peak, nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
}

// infoField finds "name:value" in an INFO reply.
func infoField(info, name string) (string, error) {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("INFO has no field %s", name)
}
