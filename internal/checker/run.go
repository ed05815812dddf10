package checker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/history"
)

// Options are what a run may choose.
type Options struct {
	Workload history.Workload
	For      time.Duration // how long the callers work; 0: until ctx ends
	Keep     bool          // leave the keys where they are
	// Heal is how long the last reads may take: a cluster that was just being broken needs some time. Default 1 min.
	Heal time.Duration
	// Slack is how far the clocks of nodes may be apart, for bounded reads. Default 50 ms.
	Slack time.Duration

	// OnTick, if set, is called about once per second while the callers work, and OnPhase when something else begins.
	OnTick  func(Tick)
	OnPhase func(Phase)
}

// Phase is what a run does.
type Phase string

// The phases, in their order.
const (
	Working  Phase = "working"
	Reading  Phase = "reading every key once more"
	Judging  Phase = "judging"
	Cleaning Phase = "deleting the keys"
)

// Tick is the state of a run.
type Tick struct {
	Elapsed time.Duration
	Counts
	Silent time.Duration // since the last reply that was ok, 0 if one came within this tick
}

// Counts are operations by their outcome.
type Counts struct {
	OK      int64 `json:"ok"`
	Failed  int64 `json:"failed"`
	Unknown int64 `json:"unknown"`
}

// Result is what came of a run.
type Result struct {
	History history.History
	Took    time.Duration // that the callers worked
	Silence time.Duration // the longest without any reply that was ok, while they did
	Full    bool          // the history was, and ended the work early

	Promised       history.Report  // by the level of the reads
	AsLinearizable *history.Report // nil where the level promises that itself

	Unread int   // keys that could not be read at the end
	Left   int   // keys that are still there: not to be deleted, or it failed
	Clean  error // why keys could not be deleted
}

// Run runs a workload. It fails only if ctx ended before anything was done.
func Run(ctx context.Context, c *client.Client, o Options) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Heal == 0 {
		o.Heal = time.Minute
	}
	if o.Slack == 0 {
		o.Slack = 50 * time.Millisecond
	}
	if o.OnPhase == nil {
		o.OnPhase = func(Phase) {}
	}
	rec := history.NewRecorder(history.Monotonic())
	r := &Result{}
	r.work(ctx, c, rec, o)

	o.OnPhase(Reading)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Heal)
	defer cancel()
	r.Unread = history.ReadAll(after, rec, Store(c))
	r.History = rec.History()

	o.OnPhase(Judging)
	r.judge(o)
	r.clean(context.WithoutCancel(ctx), c, o)
	return r, nil
}

// work lets the callers work and counts what they do.
func (r *Result) work(ctx context.Context, c *client.Client, rec *history.Recorder, o Options) {
	o.OnPhase(Working)
	working, cancel := context.WithCancel(ctx)
	if o.For > 0 {
		working, cancel = context.WithTimeout(ctx, o.For)
	}
	defer cancel()
	count := newCounting(Store(c), rec.Now)
	stop := count.report(o.OnTick)
	begin := rec.Now()
	o.Workload.Run(working, rec, func(int) history.Store { return count })
	r.Took = rec.Now() - begin
	r.Full = working.Err() == nil
	r.Silence = count.longest(rec.Now())
	stop()
}

func (r *Result) judge(o Options) {
	bounds := history.Options{Slack: o.Slack}
	r.Promised = history.Check(r.History, bounds)
	if slices.ContainsFunc(o.Workload.Levels, func(l history.Level) bool { return !l.Linearizes() }) {
		report := history.Check(r.History.AsLinearizable(), bounds)
		r.AsLinearizable = &report
	}
}

// clean deletes the keys of a legal history.
func (r *Result) clean(ctx context.Context, c *client.Client, o Options) {
	keys := r.History.ByKey()
	if r.Left = len(keys); o.Keep || r.Promised.Verdict != history.Legal {
		return
	}
	o.OnPhase(Cleaning)
	ctx, cancel := context.WithTimeout(ctx, o.Heal)
	defer cancel()
	for key := range keys {
		_, err := c.Delete(ctx, key)
		if err == nil || errors.Is(err, client.ErrNotFound) {
			r.Left--
			continue
		}
		r.Clean = err
		if ctx.Err() != nil {
			return
		}
	}
}
