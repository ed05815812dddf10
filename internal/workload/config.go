package workload

import (
	"errors"
	"fmt"
	"time"
)

// Config says what load to put on a Target.
type Config struct {
	Mix          Mix
	Distribution Distribution // empty: the mix's own
	Records      int64        // loaded, or taken to be there
	KeySize      int          // bytes; longer where the numbers need it
	ValueSizes   Sizes
	Callers      int // goroutines that each have one request, batch or pipeline under way
	Batch        int // records per request; 0 or 1: single requests
	Pipeline     int // requests sent before the first reply is awaited; 0 or 1: none

	Load     bool          // put the records first
	Warmup   time.Duration // before measuring
	Duration time.Duration // of the measured run; 0: no limit in time
	Count    int64         // requests of the measured run; 0: no limit in number
	Rate     float64       // requests per second of all callers together; 0: as fast as replies come
	Verify   bool
	Seed     uint64

	// GiveUp ends the run when nothing has succeeded for so long; 0: 30 s. Until
	// then errors are counted and the load goes on, so that a restart of the
	// server can be watched.
	GiveUp time.Duration
	// OnTick is told how it goes, once a second and at the end of each phase,
	// from one goroutine at a time. May be nil.
	OnTick func(Tick)
	// Classify names the class of an error, for the report. nil: its text.
	Classify func(error) string
}

// Phase is a part of a run.
type Phase string

// The phases, in their order.
const (
	PhaseLoad   Phase = "load"
	PhaseWarmup Phase = "warmup"
	PhaseRun    Phase = "run"
	PhaseVerify Phase = "verify"
)

// Tick is how a phase goes.
type Tick struct {
	Phase   Phase
	Elapsed time.Duration // since the phase began
	Done    int64         // requests so far in this phase
	Of      int64         // requests this phase will have; 0: not known
	Rate    float64       // requests per second since the last tick
	P50     time.Duration // of the requests since the last tick; 0: there was none
	P99     time.Duration
	Errors  int64 // so far in this phase
	Last    bool  // the phase is over
}

const (
	defaultGiveUp = 30 * time.Second
	tickInterval  = time.Second
	// Loading and the final pass use batches of their own, whatever is measured.
	bulkRecords = 100
	bulkBytes   = 1 << 20
)

// Check tells what is contradictory in c before anything is sent.
func (c Config) Check() error { return c.complete() }

func (c *Config) complete() error {
	if c.Distribution == "" {
		c.Distribution = c.Mix.Distribution
	}
	if c.GiveUp == 0 {
		c.GiveUp = defaultGiveUp
	}
	if c.Classify == nil {
		c.Classify = error.Error
	}
	c.Batch, c.Pipeline = max(c.Batch, 1), max(c.Pipeline, 1)
	switch {
	case c.Records < 1:
		return errors.New("there must be at least one record")
	case c.Callers < 1:
		return errors.New("there must be at least one caller")
	case c.Batch > 1 && c.Pipeline > 1:
		return errors.New("batches and pipelines cannot be combined: choose one")
	case c.Batch > 1 && c.Mix.has(Scan):
		return errors.New("scans cannot be batched")
	case c.Rate < 0:
		return errors.New("the rate may not be negative")
	case c.Verify && c.ValueSizes.Min < checksumBytes:
		return fmt.Errorf("values need at least %d bytes to carry the checksums of a verification", checksumBytes)
	}
	return nil
}

// group is how many requests or records a caller has under way at once.
func (c *Config) group() int { return max(c.Batch, c.Pipeline) }

func (c *Config) bulk() int {
	return min(max(bulkBytes/max(c.ValueSizes.Max, 1), 1), bulkRecords)
}
