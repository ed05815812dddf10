package workload

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Run carries out cfg on target. When ctx ends early, the report covers what
// was done until then and says so. An error comes back when the server could
// not be reached at all, or for so long that the run was given up; the report
// is there then as well if the load had begun.
func Run(ctx context.Context, target Target, cfg Config) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, recorder: newRecorder(min(cfg.Callers, maxShards)), pool: newPool(cfg.Seed, cfg.ValueSizes)}
	r.records = newRecords(cfg.Records)
	if cfg.Verify {
		r.receipts = &receipts{}
	}
	defer r.closeCallers()
	if err := r.openCallers(ctx, target); err != nil {
		return nil, err
	}
	report := newReport(&cfg)
	err := r.phases(ctx, report)
	report.Violations = r.violations.list()
	if ctx.Err() != nil {
		report.Interrupted = true
		err = nil
	}
	return report, err
}

const maxShards = 8

// run is the state of one call of Run.
type run struct {
	cfg      Config
	recorder *recorder
	records  *records
	receipts *receipts // nil: nothing is verified
	pool     []byte
	callers  []*caller

	violations violations
	lastError  atomic.Pointer[error]
}

func (r *run) openCallers(ctx context.Context, target Target) error {
	for i := range r.cfg.Callers {
		conn, err := target.Conn(ctx)
		if err != nil {
			return err
		}
		// Each caller draws from a stream of its own, so that one seed gives each
		// the same requests again, however the callers take turns.
		rng := rand.New(rand.NewPCG(r.cfg.Seed, uint64(i)))
		r.callers = append(r.callers, &caller{
			run: r, index: i, conn: conn, rng: rng,
			chooser: newChooser(r.cfg.Distribution, rng, r.cfg.Records),
			values:  newValues(r.cfg.ValueSizes, r.cfg.Verify, rng, r.pool),
			shard:   r.recorder.shard(i),
		})
	}
	return nil
}

func (r *run) closeCallers() {
	for _, c := range r.callers {
		_ = c.conn.Close() // the load is over: nothing can be lost any more
	}
}

func (r *run) phases(ctx context.Context, report *Report) error {
	if r.cfg.Load {
		var next atomic.Int64
		done, err := r.phase(ctx, PhaseLoad, r.cfg.Records, 0, func(c *caller, ctx context.Context) bool {
			return c.load(ctx, &next)
		})
		report.Load = newPhaseReport(done)
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	if r.cfg.Warmup > 0 {
		if _, err := r.phase(ctx, PhaseWarmup, 0, r.cfg.Warmup, (*caller).step); err != nil || ctx.Err() != nil {
			return err
		}
	}
	if r.cfg.Duration > 0 || r.cfg.Count > 0 {
		do := step((*caller).step)
		if r.cfg.Count > 0 {
			do = r.limited(r.cfg.Count)
		}
		done, err := r.phase(ctx, PhaseRun, r.cfg.Count, r.cfg.Duration, do)
		report.Run = newPhaseReport(done)
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	if r.cfg.Verify {
		var next atomic.Int64
		last := r.records.next.Load()
		done, err := r.phase(ctx, PhaseVerify, last, 0, func(c *caller, ctx context.Context) bool {
			return c.readBack(ctx, &next, last)
		})
		report.Verify = newPhaseReport(done)
		return err
	}
	return nil
}

// limited returns a step that ends after count requests of all callers.
func (r *run) limited(count int64) step {
	var taken atomic.Int64
	group := int64(r.cfg.group())
	return func(c *caller, ctx context.Context) bool {
		left := count - (taken.Add(group) - group)
		if left <= 0 {
			return false
		}
		return c.requests(ctx, int(min(left, group)))
	}
}

// step does the next piece of a phase's work and tells whether there may be more.
type step func(*caller, context.Context) bool

// outcome is what a phase did.
type outcome struct {
	total   tally
	elapsed time.Duration
	series  []Point
}

// phase has every caller do steps until there are no more, the time limit has
// passed (0: none) or ctx ends.
func (r *run) phase(ctx context.Context, name Phase, of int64, limit time.Duration, do step) (*outcome, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	start := time.Now()
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for _, c := range r.callers {
		c.begin(start, stop, name == PhaseRun || name == PhaseWarmup)
		callers.Go(func() {
			for ctx.Err() == nil && !c.stopped() && do(c, ctx) {
			}
		})
	}
	finished := make(chan struct{})
	go func() { callers.Wait(); close(finished) }()

	w := &watch{run: r, name: name, of: of, start: start, lastTick: start, lastSuccess: start, out: &outcome{}}
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	var timeUp <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timeUp = t.C
	}
	for {
		select {
		case now := <-ticker.C:
			if err := w.tick(now, false); err != nil {
				giveUp(err)
			}
		case <-timeUp:
			close(stop)
			timeUp = nil
		case <-finished:
			now := time.Now()
			w.out.elapsed = now.Sub(start)
			_ = w.tick(now, true)
			return w.out, gaveUp(ctx)
		}
	}
}

var errGaveUp = errors.New("given up")

func gaveUp(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errGaveUp) {
		return cause
	}
	return nil
}
