package sim

import (
	"context"
	"fmt"
	"runtime/debug"
)

// lockstep runs a part of the product that waits in the middle of its functions, for the network or for time, on a goroutine
// of its own. One of the two runs at any moment: the world stands still until the other waits or has ended, and the other
// waits until the world answers. So nothing depends on how goroutines are scheduled.
//
// What runs must itself be of one goroutine at a time, as package backup is with Options.Parallel 1.
type lockstep struct {
	asks    chan any // what it waits for; closed when it has ended
	answers chan any
	stop    context.CancelFunc
	broken  string // a panic; read when asks is closed
	ended   bool
}

// broke answers whoever waits when the world ends.
type broke struct{}

// inLockstep begins to run do. next must be called until it reports the end, or end.
func inLockstep(do func(ctx context.Context, l *lockstep)) *lockstep {
	ctx, stop := context.WithCancel(context.Background())
	l := &lockstep{asks: make(chan any), answers: make(chan any), stop: stop}
	go func() {
		defer close(l.asks)
		defer func() {
			if r := recover(); r != nil {
				l.broken = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		if _, over := (<-l.answers).(broke); !over {
			do(ctx, l)
		}
	}()
	return l
}

// wait is called by what runs: it returns the world's answer; false: the world has ended.
func (l *lockstep) wait(what any) (answer any, ok bool) {
	l.asks <- what
	answer = <-l.answers
	_, over := answer.(broke)
	return answer, !over
}

// next has it go on with an answer, and returns what it waits for then; false: it has ended.
func (l *lockstep) next(answer any) (what any, more bool) {
	l.answers <- answer
	what, more = <-l.asks
	l.ended = !more
	return what, more
}

// end breaks it off, and waits for its end.
func (l *lockstep) end() {
	l.stop()
	for !l.ended {
		l.next(broke{})
	}
}
