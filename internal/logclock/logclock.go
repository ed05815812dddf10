// Package logclock gives a node's time in unix ms: what entries are stamped with, what
// expiry is counted from and what reads judge it by. It is the wall clock as long
// as that goes forward, and never lies before a stamp in the log.
//
// When the wall clock is set back, this one goes on from where it was at half
// speed until the other has caught up. Standing still would stop every expiry for
// as long as the step was; stepping back would make it contradict the stamps,
// which never do, and a key would be expired in the log's eyes when it is set.
// An hour back is made up for in two hours, in which a time to live lasts up to
// twice as long.
//
// With m the time since the start by the monotonic clock, half speed is the line
// (m + c) / 2. At each look c is raised, if need be, to where the line meets the
// wall clock: it is the only state, and only grows.
//
// Stamps that are applied, or are found at a start, are to be told by Reached before anybody asks for the time.
package logclock

import (
	"sync/atomic"
	"time"
)

// Clock is one node's. Any goroutine may use it. Its fields are set before that.
type Clock struct {
	Wall    func() time.Time
	Elapsed func() time.Duration // monotonic; nil: what Wall's readings say since Start
	Start   time.Time
	c       atomic.Int64
}

// Now returns the time in unix ms. It never goes back.
func (l *Clock) Now() int64 {
	wall, mono := l.read()
	return l.raise(wall, mono)
}

// Reached makes sure that no later time lies before stamp.
func (l *Clock) Reached(stamp int64) {
	_, mono := l.read()
	l.raise(stamp, mono)
}

func (l *Clock) read() (wall, mono int64) {
	t := l.Wall()
	if l.Elapsed != nil {
		return t.UnixMilli(), l.Elapsed().Milliseconds()
	}
	return t.UnixMilli(), t.Sub(l.Start).Milliseconds()
}

// raise makes the time at mono at least ms, and returns it.
func (l *Clock) raise(ms, mono int64) int64 {
	want := 2*ms - mono
	for {
		c := l.c.Load()
		if c >= want {
			return (mono + c) / 2
		}
		if l.c.CompareAndSwap(c, want) {
			return ms
		}
	}
}
