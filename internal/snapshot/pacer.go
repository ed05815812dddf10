package snapshot

import (
	"context"
	"sync"
	"time"
)

// Pacer bounds the rate of writing in bytes a second, over all the snapshots
// that share it. A nil *Pacer does not wait.
type Pacer struct {
	clock func() time.Time

	mu     sync.Mutex
	perSec int64     // guarded by mu; 0 is no bound
	free   time.Time // guarded by mu: when all bytes let through so far are paid for
}

// NewPacer takes the bound in bytes a second (0: none) and the clock.
func NewPacer(bytesPerSec int64, clock func() time.Time) *Pacer {
	return &Pacer{clock: clock, perSec: max(bytesPerSec, 0)}
}

// SetRate changes the bound for what follows.
func (p *Pacer) SetRate(bytesPerSec int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.perSec = max(bytesPerSec, 0)
	p.free = time.Time{}
}

// Wait lets n more bytes through, after those before them are paid for.
func (p *Pacer) Wait(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil || p == nil {
		return err
	}
	d := p.reserve(n)
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve books n bytes and says how long to wait before they may go. Time
// that passed unused is not saved up: a pause is not followed by a burst.
func (p *Pacer) reserve(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.perSec == 0 {
		return 0
	}
	now := p.clock()
	if p.free.Before(now) {
		p.free = now
	}
	wait := p.free.Sub(now)
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.perSec) * float64(time.Second)))
	return wait
}
