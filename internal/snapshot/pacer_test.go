package snapshot

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestThePacerKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer(1<<20, time.Now)
		start := time.Now()
		for range 101 {
			check(t, p.Wait(context.Background(), 100<<10))
		}
		// All but the last are paid for: 100 × 100 KiB at 1 MiB a second.
		want := time.Duration(float64(100*100<<10) / (1 << 20) * float64(time.Second))
		if got := time.Since(start); got < want-time.Millisecond || got > want+time.Millisecond {
			t.Errorf("took %v, want %v", got, want)
		}
	})
}

func TestAPauseIsNotFollowedByABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer(1000, time.Now)
		check(t, p.Wait(context.Background(), 1000))
		time.Sleep(time.Hour)
		start := time.Now()
		for range 3 {
			check(t, p.Wait(context.Background(), 1000))
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("three seconds' worth took %v", got)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer(1, time.Now)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		check(t, p.Wait(ctx, 1<<20))
		if err := p.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestWithoutABoundNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var none *Pacer
		unbounded := NewPacer(10, time.Now)
		check(t, unbounded.Wait(context.Background(), 1<<30))
		unbounded.SetRate(0)
		for _, p := range []*Pacer{none, unbounded} {
			for range 10 {
				check(t, p.Wait(context.Background(), 1<<30))
			}
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("waited %v", got)
		}
	})
}
