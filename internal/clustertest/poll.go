//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollEvery is how long Poll waits between two tries.
const pollEvery = 10 * time.Millisecond

// stopError ends a Poll.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

// Stop marks an error that waiting will not mend.
func Stop(err error) error { return stopError{err} }

// Poll calls try until it succeeds, says Stop, or ctx ends; then it returns the last error.
func Poll(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		if s, ok := errors.AsType[stopError](err); ok {
			return s.error
		}
		if !wait(ctx, pollEvery) {
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
	}
}

// wait lets d pass; false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
