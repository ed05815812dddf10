package workload

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// caller is one of the goroutines that put the load on the server. What it
// holds is its own.
type caller struct {
	run     *run
	index   int
	conn    Conn
	rng     *rand.Rand
	chooser *chooser
	values  *values
	shard   *recorderShard

	stop     <-chan struct{} // closed when the phase's time is up
	due      time.Time       // open loop: when the next group is to be sent
	interval time.Duration   // open loop: between groups; 0: closed loop

	ops    []Op
	as     []Kind // what ops[i] counts as: the Read of a ReadModifyWrite is one
	second []Op   // the writes of the ReadModifyWrites
	from   []int  // second[j] belongs to ops[from[j]]
}

// begin prepares the caller for a phase that started at start.
func (c *caller) begin(start time.Time, stop <-chan struct{}, paced bool) {
	c.stop, c.interval = stop, 0
	cfg := &c.run.cfg
	if !paced || cfg.Rate == 0 {
		return
	}
	// Each caller has its share of the timetable, and their turns are spread evenly.
	c.interval = time.Duration(float64(cfg.Callers*cfg.group()) / cfg.Rate * float64(time.Second))
	c.due = start.Add(c.interval * time.Duration(c.index) / time.Duration(cfg.Callers))
}

func (c *caller) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// pace waits until the next group is due and returns the time from which its
// latency counts (see the package's comment), or false when the phase ended meanwhile.
func (c *caller) pace(ctx context.Context) (time.Time, bool) {
	now := time.Now()
	if c.interval == 0 {
		return now, true
	}
	due := c.due
	c.due = due.Add(c.interval)
	if !now.Before(due) {
		return due, true
	}
	if !c.wait(ctx, due.Sub(now)) {
		return now, false
	}
	return time.Now(), true
}

// wait returns false when the phase ended meanwhile.
func (c *caller) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.stop:
	case <-ctx.Done():
	}
	return false
}

// step does one group of requests of the mix.
func (c *caller) step(ctx context.Context) bool { return c.requests(ctx, c.run.cfg.group()) }

func (c *caller) requests(ctx context.Context, n int) bool {
	begin, ok := c.pace(ctx)
	if !ok {
		return false
	}
	c.draw(n)
	batch := c.run.cfg.Batch > 1
	c.conn.Do(ctx, c.ops, batch)
	took := time.Since(begin)
	if ctx.Err() != nil {
		return false // cut off, not failed
	}
	c.second, c.from = c.second[:0], c.from[:0]
	succeeded := 0
	for i := range c.ops {
		op := &c.ops[i]
		switch {
		case !c.settle(op):
		case c.as[i] == ReadModifyWrite:
			c.second = append(c.second, Op{Kind: Update, Record: op.Record, Key: op.Key, Value: op.Value})
			c.from = append(c.from, i)
		default:
			succeeded++
		}
	}
	if succeeded > 0 {
		c.record(c.ops, c.as, took, batch)
	}
	if len(c.second) > 0 {
		succeeded += c.modify(ctx, begin, batch)
	}
	if succeeded == 0 && c.interval == 0 {
		return c.wait(ctx, c.backoff())
	}
	return true
}

// modify carries out the second half of ReadModifyWrites.
func (c *caller) modify(ctx context.Context, begin time.Time, batch bool) (succeeded int) {
	c.conn.Do(ctx, c.second, batch)
	took := time.Since(begin)
	if ctx.Err() != nil {
		return 0
	}
	for i := range c.second {
		if c.settle(&c.second[i]) {
			succeeded++
		}
	}
	if batch && succeeded > 0 {
		c.shard.record(ReadModifyWrite, took, int64(succeeded), 1)
	} else if succeeded > 0 {
		c.shard.record(ReadModifyWrite, took, int64(succeeded), int64(succeeded))
	}
	return succeeded
}

// record notes the latency of all ops that succeeded and are complete.
func (c *caller) record(ops []Op, as []Kind, took time.Duration, batch bool) {
	var n [kinds]int64
	for i := range ops {
		if ops[i].Err == nil {
			n[as[i]]++
		}
	}
	for k, count := range n {
		switch {
		case count == 0 || Kind(k) == ReadModifyWrite:
		case batch:
			c.shard.record(Kind(k), took, count, 1)
		default:
			c.shard.record(Kind(k), took, count, count)
		}
	}
}

// draw fills c.ops with n requests of the mix; a batch's are all of one kind.
func (c *caller) draw(n int) {
	c.reset(n)
	cfg := &c.run.cfg
	kind := cfg.Mix.draw(c.rng)
	for i := range n {
		if i > 0 && cfg.Batch == 1 {
			kind = cfg.Mix.draw(c.rng)
		}
		record := int64(0)
		switch kind {
		case Insert:
			record = c.run.records.claim()
		case Scan:
		default:
			record = c.chooser.next(c.run.records.visible())
		}
		c.prepare(i, kind, record)
	}
}

func (c *caller) reset(n int) {
	c.values.reset()
	for len(c.ops) < n {
		c.ops = append(c.ops, Op{})
		c.as = append(c.as, 0)
	}
	c.ops, c.as = c.ops[:n], c.as[:n]
}

func (c *caller) prepare(i int, kind Kind, record int64) {
	op := &c.ops[i]
	*op = Op{Kind: kind, Record: record, Key: op.Key[:0], Got: op.Got[:0]}
	c.as[i] = kind
	if kind == Scan {
		op.Limit = 1 + c.rng.IntN(MaxScan)
		return
	}
	op.Key = appendKey(op.Key, record, c.run.cfg.KeySize)
	if kind != Read {
		op.Value = c.values.next(op.Key)
	}
	if kind == ReadModifyWrite {
		op.Kind = Read
	}
	if c.run.receipts != nil && op.Kind == Read {
		op.least = c.run.receipts.least(record)
	}
}

// settle judges the outcome of a request and tells whether it succeeded.
func (c *caller) settle(op *Op) bool {
	if op.Kind == Insert {
		c.run.records.settle(op.Record)
	}
	if op.Err != nil {
		c.fail(op.Err)
		return false
	}
	switch op.Kind {
	case Read:
		if !op.Found {
			c.shard.miss()
		}
		if c.run.receipts != nil {
			c.verify(op)
		}
	case Update, Insert:
		if c.run.receipts != nil {
			c.run.receipts.acknowledged(op.Record, max(op.Version, 1))
		}
	}
	return true
}

func (c *caller) verify(op *Op) {
	switch {
	case !op.Found:
		if op.least > 0 {
			c.run.violations.add("%s: not found, although a write of it was acknowledged (version %d)", op.Key, op.least)
		}
	case op.Version != 0 && op.Version < op.least:
		c.run.violations.add("%s: has version %d, although a write of it was acknowledged with version %d", op.Key, op.Version, op.least)
	default:
		// A record that this run did not write may have any value.
		if err := c.values.check(op.Key, op.Got); err != nil && op.least > 0 {
			c.run.violations.add("%s: %v", op.Key, err)
		}
	}
}

func (c *caller) fail(err error) {
	c.run.lastError.Store(&err)
	c.shard.failure(c.run.cfg.Classify(err))
}

// backoff is how long to leave a server alone that answers nothing.
func (c *caller) backoff() time.Duration {
	return 10*time.Millisecond + time.Duration(c.rng.Int64N(int64(40*time.Millisecond)))
}

// load inserts the next records, as often as it takes.
func (c *caller) load(ctx context.Context, next *atomic.Int64) bool {
	bulk := int64(c.run.cfg.bulk())
	first := next.Add(bulk) - bulk
	last := min(first+bulk, c.run.cfg.Records)
	if first >= last {
		return false
	}
	c.reset(int(last - first))
	for i := range c.ops {
		c.prepare(i, Insert, first+int64(i))
	}
	return c.insist(ctx)
}

// readBack reads the next records below last, as often as it takes.
func (c *caller) readBack(ctx context.Context, next *atomic.Int64, last int64) bool {
	bulk := int64(c.run.cfg.bulk())
	first := next.Add(bulk) - bulk
	end := min(first+bulk, last)
	if first >= end {
		return false
	}
	c.reset(int(end - first))
	for i := range c.ops {
		c.prepare(i, Read, first+int64(i))
	}
	return c.insist(ctx)
}

// insist repeats the requests in c.ops, all of one kind, until each has succeeded.
func (c *caller) insist(ctx context.Context) bool {
	all := len(c.ops)
	defer func() { c.ops = c.ops[:all] }()
	for {
		begin := time.Now()
		c.conn.Do(ctx, c.ops, len(c.ops) > 1)
		took := time.Since(begin)
		if ctx.Err() != nil {
			return false
		}
		kind := c.ops[0].Kind
		failed := 0
		for i := range c.ops {
			if c.settleBulk(&c.ops[i]) {
				continue
			}
			c.ops[failed], c.ops[i] = c.ops[i], c.ops[failed]
			failed++
		}
		if done := len(c.ops) - failed; done > 0 {
			c.shard.record(kind, took, int64(done), 1)
		}
		if failed == 0 {
			return true
		}
		c.ops = c.ops[:failed]
		if !c.wait(ctx, c.backoff()) {
			return false
		}
	}
}

// settleBulk is settle for records that are not part of the mix: those loaded
// are visible from the start.
func (c *caller) settleBulk(op *Op) bool {
	kind := op.Kind
	if kind == Insert {
		op.Kind = Update
	}
	ok := c.settle(op)
	op.Kind = kind
	op.Got = op.Got[:0]
	return ok
}
