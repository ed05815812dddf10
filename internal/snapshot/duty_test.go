package snapshot

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestDutyRestsForAsLongAsItWorked(t *testing.T) {
	now := time.Unix(1000, 0)
	d := NewDuty(func() time.Time { return now })
	if got := d.due(); got != 0 {
		t.Fatalf("rest before any work: %v", got)
	}
	for _, c := range []struct{ worked, rest time.Duration }{
		{dutySlice - 1, 0},                         // within the slice
		{1, dutySlice},                             // which ends here
		{3 * dutySlice, 4 * dutySlice},             // all the time since it began
		{time.Hour, dutyRest}, {-2 * time.Hour, 0}, // a clock that was set back begins anew
		{dutySlice, dutySlice},
	} {
		now = now.Add(c.worked)
		if got := d.due(); got != c.rest {
			t.Errorf("rest of %v after %v more of work, want %v", got, c.worked, c.rest)
		}
	}
}

func TestDutyBeginsASliceAfterEachRest(t *testing.T) {
	now := time.Unix(1000, 0)
	d := NewDuty(func() time.Time { return now })
	for range 3 {
		if err := d.Rest(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.Add(dutySlice)
		if got := d.due(); got != dutySlice {
			t.Fatalf("rest of %v after a slice, want %v", got, dutySlice)
		}
	}
}

func TestARestEndsWithItsContext(t *testing.T) {
	now := time.Unix(1000, 0)
	d := NewDuty(func() time.Time { return now })
	_ = d.Rest(t.Context())
	now = now.Add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Rest(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want %v", err, context.Canceled)
	}
	if err := (*Duty)(nil).Rest(ctx); err != nil {
		t.Errorf("no duty: %v", err)
	}
}
