package wal

import (
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/mutant"
)

// sync makes what has been written durable and reports it. Unless everything is asked for, it leaves the newest
// segment alone. Only run calls it, and Open before run starts.
func (l *Log) sync(everything bool) error {
	l.mu.Lock()
	n := len(l.dirty)
	if !everything {
		n--
	}
	if n <= 0 {
		l.mu.Unlock()
		return nil
	}
	l.syncing = append(l.syncing[:0], l.dirty[:n]...)
	l.dirty = append(l.dirty[:0], l.dirty[n:]...)
	newest := l.syncing[n-1]
	pos, seq := newest.lastPos, newest.lastSeq
	l.mu.Unlock()

	started := time.Now()
	for _, s := range l.syncing {
		if err := l.syncSegment(s); err != nil {
			return err
		}
	}
	l.publish(pos, seq, time.Since(started))
	if n > 1 || !everything {
		l.retire()
	}
	return nil
}

// syncSegment makes one segment durable. An error says nothing about what is on disk and a second try would
// prove nothing, because the operating system may have dropped the pages: it is final.
func (l *Log) syncSegment(s *segment) error {
	if l.o.Policy == EverySec && !l.o.Stepped { // the guard is a timer of its own
		defer l.guardStall()()
	}
	l.mu.Lock()
	f := s.f
	l.mu.Unlock()
	started := time.Now()
	var err error
	if !mutant.On(mutant.SkippedFsync) {
		err = f.Sync()
	}
	l.count.syncTime.observe(time.Since(started))
	l.count.fsyncs.Add(1)
	if err != nil {
		return fmt.Errorf("fsync log: %w: what is on disk is unknown", err)
	}
	return nil
}

// guardStall refuses appends once the sync that begins now has taken stallLimit, until the result is called.
func (l *Log) guardStall() (end func()) {
	l.mu.Lock()
	l.syncNumber++
	number := l.syncNumber
	l.mu.Unlock()
	guard := time.AfterFunc(stallLimit, func() {
		l.mu.Lock()
		l.stalled = l.syncNumber == number
		stalled := l.stalled
		l.mu.Unlock()
		if stalled {
			l.o.Logger.Warn("the disk is slow to sync the log: writes are refused until it has", "limit", stallLimit)
		}
	})
	return func() {
		guard.Stop()
		l.mu.Lock()
		l.syncNumber++ // the guard, should it be running, comes too late
		l.stalled = false
		l.mu.Unlock()
	}
}

// publish records that everything up to pos, batch seq, is durable, and tells those who wait for it.
func (l *Log) publish(pos, seq uint64, took time.Duration) {
	l.mu.Lock()
	before := l.durable.Load()
	invariants.Check(pos >= before && seq >= l.syncedSeq, "durable position went from %d to %d", before, pos)
	l.syncedSeq = seq
	l.durable.Store(pos)
	arrived := l.pos - pos
	l.mu.Unlock()
	l.gather.synced(int(pos-before), int(arrived), took)
	if pos > before {
		l.o.OnDurable(pos)
	}
	l.notify(pos)
}

// notify calls the waiters whose position is durable.
func (l *Log) notify(pos uint64) {
	l.mu.Lock()
	var reached []waiter
	kept := l.waiters[:0]
	for _, w := range l.waiters {
		if w.pos <= pos {
			reached = append(reached, w)
		} else {
			kept = append(kept, w)
		}
	}
	clear(l.waiters[len(kept):])
	l.waiters = kept
	l.mu.Unlock()
	for _, w := range reached {
		w.fn()
	}
}

// retire closes the files of segments that need neither writing nor syncing any more: those before the segment of
// the newest batch written.
func (l *Log) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 0; i < l.tailAt; i++ {
		s := l.segments[i]
		if s.f == nil || s.lastSeq == l.writtenSeq || s.lastSeq > l.syncedSeq {
			continue
		}
		if next := l.segments[i+1]; next.firstSeq == 0 {
			continue // a batch for this segment may still be on its way
		}
		s.f.Close()
		s.f = nil
	}
}
