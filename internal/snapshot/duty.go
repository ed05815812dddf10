package snapshot

import (
	"context"
	"time"

	"github.com/prakashpandey/vegadb/internal/store"
)

// Duty keeps work that can wait from taking a whole core: after a slice of work it rests
// for as long as the work took. On a machine whose cores are busy a slice takes longer, and
// so does the rest. A nil *Duty does not rest. Not for use by several goroutines.
type Duty struct {
	clock func() time.Time
	begun time.Time // when the present slice was begun; zero: it is about to be
}

const (
	// dutySlice is how long is worked at a time: little beside the time in which an
	// operating system lets others wait.
	dutySlice = time.Millisecond
	// dutyRest bounds a rest, should the work have hung.
	dutyRest = 100 * time.Millisecond
)

// NewDuty takes the clock.
func NewDuty(clock func() time.Time) *Duty { return &Duty{clock: clock} }

// Rest is called between two pieces of the work, as often as it pleases. It rests when a
// slice is over.
func (d *Duty) Rest(ctx context.Context) error {
	if d == nil {
		return nil
	}
	rest := d.due()
	if rest == 0 {
		return nil
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.begun = d.clock()
	return nil
}

// due is how long to rest now: 0 within a slice. A new slice begins with the first call and
// after each rest.
func (d *Duty) due() time.Duration {
	now := d.clock()
	if d.begun.IsZero() || now.Before(d.begun) {
		d.begun = now
		return 0
	}
	if worked := now.Sub(d.begun); worked >= dutySlice {
		return min(worked, dutyRest)
	}
	return 0
}

// restEntries is how many entries go to a sink between two looks at the clock.
const restEntries = 64

// Sink rests between entries that go to sink.
func (d *Duty) Sink(ctx context.Context, sink Sink) Sink {
	if d == nil {
		return sink
	}
	n := 0
	return func(e *store.Entry) error {
		if n++; n%restEntries == 0 {
			if err := d.Rest(ctx); err != nil {
				return err
			}
		}
		return sink(e)
	}
}
