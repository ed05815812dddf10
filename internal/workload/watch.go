package workload

import (
	"fmt"
	"sync"
	"time"
)

// watch looks at a phase from outside, once per tick.
type watch struct {
	run         *run
	name        Phase
	of          int64
	start       time.Time
	lastTick    time.Time
	lastSuccess time.Time
	interval    tally
	out         *outcome
}

// tick gathers what happened since the last one. It returns an error when the
// phase should be given up.
func (w *watch) tick(now time.Time, last bool) error {
	w.interval.reset()
	w.run.recorder.drain(&w.interval)
	w.out.total.add(&w.interval)

	since := now.Sub(w.lastTick).Seconds()
	ops := w.interval.totalOps()
	t := Tick{
		Phase: w.name, Elapsed: now.Sub(w.start), Done: w.out.total.totalOps(), Of: w.of,
		Errors: w.out.total.totalErrors(), Last: last,
	}
	if since > 0 {
		t.Rate = float64(ops) / since
	}
	if ops > 0 {
		all := w.interval.all()
		t.P50, t.P99 = time.Duration(all.ValueAtPercentile(50)), time.Duration(all.ValueAtPercentile(99))
		w.lastSuccess = now
	}
	w.lastTick = now
	if since >= tickInterval.Seconds()/2 || len(w.out.series) == 0 {
		w.out.series = append(w.out.series, Point{
			Seconds: seconds(t.Elapsed), PerSecond: round(t.Rate),
			P50: micros(t.P50), P99: micros(t.P99), Errors: w.interval.totalErrors(),
		})
	}
	if w.run.cfg.OnTick != nil {
		w.run.cfg.OnTick(t)
	}
	if idle := now.Sub(w.lastSuccess); idle >= w.run.cfg.GiveUp && t.Errors > 0 {
		err := w.run.lastError.Load()
		return fmt.Errorf("%w in phase %s: nothing has succeeded for %v: %w", errGaveUp, w.name, idle.Round(time.Second), *err)
	}
	return nil
}

// violations keeps what a verification found: how many, and the first few.
type violations struct {
	mu    sync.Mutex
	count int64
	first []string
}

const violationsShown = 10

func (v *violations) add(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count++
	if len(v.first) < violationsShown {
		v.first = append(v.first, fmt.Sprintf(format, args...))
	}
}

func (v *violations) list() Violations {
	v.mu.Lock()
	defer v.mu.Unlock()
	return Violations{Count: v.count, First: v.first}
}
