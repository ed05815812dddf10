package rows

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// growthRow fills a server to 20 M entries while a few connections watch the latency of single operations.
//
// A slow operation may be the table's growth, the garbage collector, or the machine: on few cores the load generator
// and the server take turns. So the same load runs again over a table that no longer grows (the control), and the
// generator's own hiccups are shown. What growth costs is what the first has above the second.
func growthRow() Row {
	const name = "growth"
	return Row{Name: name, Title: "growth to 20 M entries", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		entries := env.scaled(20_000_000)
		var m growthRounds
		for range env.Rounds {
			if err := m.round(ctx, env, entries); err != nil {
				return nil, err
			}
		}
		work := fmt.Sprintf("growth to %s entries", stats.Format(float64(entries)))
		only := func(s stats.Series) pair { return pair{ours: s} }
		return []stats.Result{
			env.result(name, work, "slowest operation while growing", "ms", only(m.growing), stats.Promise{Kind: stats.AtMost, Limit: 5}),
			env.result(name, work, "operations above 5 ms while growing", "per million", only(m.above), stats.Promise{}),
			env.result(name, work, "slowest operation of the same load without growth", "ms", only(m.steady), stats.Promise{}),
			env.result(name, work, "operations above 5 ms without growth", "per million", only(m.aboveSteady), stats.Promise{}),
			env.result(name, work, "load generator's own longest hiccup", "ms", only(m.hiccup), stats.Promise{}),
			env.result(name, work, "server's longest GC pause", "ms", only(m.gc), stats.Promise{Kind: stats.AtMost, Limit: 5}),
		}, nil
	}}
}

type growthRounds struct{ growing, above, steady, aboveSteady, hiccup, gc stats.Series }

func (m *growthRounds) round(ctx context.Context, env *Env, entries uint64) (err error) {
	s, err := env.Ours.Start(ctx, env.Dir, peer.InMemory)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop(false)) }()
	values := load.NewValues(valueBytes, 1)
	const first = 1000 // readers need something to read
	if err := load.Fill(ctx, s.Addr, load.RESP, 0, first, values); err != nil {
		return err
	}
	growing, hiccup, err := watch(ctx, s, true, first, func() error {
		return load.FillPaced(ctx, s.Addr, first, entries, values, growthStep, growthTick)
	})
	if err != nil {
		return err
	}
	steady, _, err := watch(ctx, s, false, entries, func() error {
		return load.FillPaced(ctx, s.Addr, 0, entries/4, values, growthStep, growthTick)
	})
	if err != nil {
		return err
	}
	gc, err := longestGCPause(ctx, s)
	m.growing = append(m.growing, growing.slowest)
	m.above = append(m.above, growing.above)
	m.steady = append(m.steady, steady.slowest)
	m.aboveSteady = append(m.aboveSteady, steady.above)
	m.hiccup = append(m.hiccup, float64(hiccup.Nanoseconds())/1e6)
	m.gc = append(m.gc, gc)
	return err
}

// The filler sets 400 keys per millisecond: growth is fast, and the processors still have room for the watchers.
const (
	growthStep = 400
	growthTick = time.Millisecond
)

// watched is what the watching connections saw.
type watched struct{ slowest, above float64 } // ms; operations above 5 ms per million

// watch runs work beside two reading and two writing connections that send a request per millisecond each.
func watch(ctx context.Context, s *peer.Server, newKeys bool, keys uint64, work func() error) (watched, time.Duration, error) {
	stop := make(chan struct{})
	failed := make(chan error, 1)
	hiccup := make(chan time.Duration, 1)
	go func() { hiccup <- load.Hiccups(stop) }()
	go func() {
		defer close(stop)
		failed <- work()
	}()
	seen, err := load.Paced{
		Addr: s.Addr, Readers: 2, Writers: 2, Burst: 1, Rest: time.Millisecond, Interval: time.Minute, // as measured
		Keys: keys, NewKeys: newKeys, Values: load.NewValues(valueBytes, 2),
	}.Run(ctx, stop)
	err = errors.Join(err, <-failed)
	all := seen.Get
	all.Merge(seen.Set)
	above := 0
	for _, bar := range all.Distribution() {
		if bar.From > (5 * time.Millisecond).Nanoseconds() {
			above += int(bar.Count)
		}
	}
	w := watched{slowest: float64(all.Max()) / 1e6, above: 1e6 * float64(above) / float64(max(all.TotalCount(), 1))}
	return w, <-hiccup, err
}

// longestGCPause reads the largest stop-the-world pause from the server's metrics, in milliseconds.
func longestGCPause(ctx context.Context, s *peer.Server) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.AdminAddr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	return parseGCPause(reply.Body)
}

// parseGCPause finds the maximum of the Go runtime's summary of pauses.
func parseGCPause(metrics io.Reader) (float64, error) {
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), `go_gc_duration_seconds{quantile="1"} `)
		if !ok {
			continue
		}
		seconds, err := strconv.ParseFloat(value, 64)
		return seconds * 1e3, err
	}
	return 0, errors.Join(errors.New("the metrics have no go_gc_duration_seconds"), lines.Err())
}
