package checker

import (
	"context"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/history"
)

// counting counts what comes of operations on their way through.
type counting struct {
	store history.Store
	now   func() time.Duration
	began time.Duration

	mu      sync.Mutex
	counts  Counts        // guarded by mu
	lastOK  time.Duration // guarded by mu
	silence time.Duration // guarded by mu: the longest between two that were ok
}

func newCounting(store history.Store, now func() time.Duration) *counting {
	return &counting{store: store, now: now, began: now(), lastOK: now()}
}

// Do implements history.Store.
func (c *counting) Do(ctx context.Context, op history.Op) history.Reply {
	reply := c.store.Do(ctx, op)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch reply.Outcome {
	case history.OK:
		c.counts.OK++
		now := c.now()
		c.silence = max(c.silence, now-c.lastOK)
		c.lastOK = now
	case history.Failed:
		c.counts.Failed++
	default:
		c.counts.Unknown++
	}
	return reply
}

// longest is the longest time without an operation that was ok, up to now.
func (c *counting) longest(now time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.silence, now-c.lastOK)
}

func (c *counting) tick() Tick {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	t := Tick{Elapsed: now - c.began, Counts: c.counts}
	if silent := now - c.lastOK; silent >= time.Second {
		t.Silent = silent
	}
	return t
}

// report calls on once per second until stop is called, which waits for it.
func (c *counting) report(on func(Tick)) (stop func()) {
	if on == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				on(c.tick())
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
